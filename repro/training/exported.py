"""A trained network as one safetensors file: its tensors, its metadata and a hash of both. Nothing in such a file can run."""

import json

from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from repro.errors import ReproError
from repro.files import atomic_path
from repro.models.weights import check_data
from repro.training.checkpoint import content_hash

ENDING = ".safetensors"
_HEADER = "repro-checkpoint"  # one entry: several would be written in random order, and equal networks as different bytes


def save_exported(path, content):
    """Write ``content`` of `load_trained` (state dict ``model``, plain ``meta``) atomically; the bytes depend on it alone.

    Raises ReproError for metadata that JSON does not give back as they were.
    """
    state = {name: content["model"][name].detach().cpu().contiguous().clone() for name in sorted(content["model"])}
    content = {"model": state, "meta": content["meta"]}
    told = json.dumps({"meta": content["meta"], "sha256": content_hash(content)})
    if content_hash({**content, "meta": json.loads(told)["meta"]}) != content_hash(content):
        raise ReproError("cannot export", path=path, why="its metadata hold more than JSON can")
    with atomic_path(path) as temporary:
        temporary.write_bytes(save(state, {_HEADER: told}))


def load_exported(path):
    """What `save_exported` wrote: {"model": state dict, "meta": mapping}. Raises ReproError: no such file, unreadable, of
    something else, not as it was written."""
    try:
        check_data(path)
        with safe_open(path, framework="pt") as file:
            told = (file.metadata() or {}).get(_HEADER)
            state = {name: file.get_tensor(name) for name in sorted(file.keys())}
        told = None if told is None else json.loads(told)
    except FileNotFoundError as error:
        raise ReproError("no checkpoint", path=path) from error
    except (OSError, SafetensorError, ValueError) as error:
        raise ReproError("cannot read checkpoint", path=path, why=str(error).partition("\n")[0]) from error
    if told is None:
        fix = "start weights are named in the params; networks are exported by `repro export-model`"
        raise ReproError("tensors that do not say which network they are", path=path, fix=fix)
    content = {"model": state, "meta": told["meta"]}
    if content_hash(content) != told["sha256"]:
        raise ReproError("damaged checkpoint", path=path, why="checksum differs", fix="fetch or export it again")
    return content
