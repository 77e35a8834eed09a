"""Checkpoints: tensors and plain metadata with a hash of both, loaded with ``weights_only=True``."""

import hashlib
import os
import zipfile
from pathlib import Path

import torch

from repro.errors import ReproError
from repro.files import atomic_path, remove
from repro.models.weights import check_data, not_finite

_HASH = "sha256"
_AGAIN = "train it again"
_META = (  # what scoring and children need, of `repro train` and of `repro import-model`
    *("dataset", "split", "seed", "system", "profile", "classes", "family", "model", "streams", "normalisation"),
    *("input_size", "device", "code_version", "params_hash", "store", "flow"),
)


def save_checkpoint(path, content):
    """Write ``content`` (tensors and plain Python values) and its hash atomically; the bytes depend on the content alone.

    Raises ReproError for weights (``model``) that are not finite, and for a full disk.
    """
    _check_finite(content, path, "lower the learning rate or use precision fp32; the last good checkpoint is kept")
    with atomic_path(path) as temporary:
        try:
            torch.save({**content, _HASH: content_hash(content)}, temporary)
        except RuntimeError as error:  # torch's word for a full disk
            raise ReproError("cannot write", path=path, why=str(error).splitlines()[0], fix="make room and run again") from error


def load_checkpoint(path, map_location="cpu", needs=("model", "meta")):
    """Read what ``save_checkpoint`` wrote, a mapping with the keys ``needs``; code in the file is never run.

    Raises ReproError: no such file, unreadable, of something else, not as it was written (every bit of tensors and metadata is
    compared with the hash), or with weights that are not finite.
    """
    if os.path.isdir(path):
        raise ReproError("no checkpoint", path=path, why="a folder", fix=f"name the file: {Path(path) / 'checkpoint.pt'}")
    try:
        check_data(path)
        _check_sizes(path)
        content = torch.load(path, map_location=map_location, weights_only=True)
    except FileNotFoundError as error:
        raise ReproError("no checkpoint", path=path, fix="train it first (`repro train` or `dvc repro`)") from error
    except Exception as error:  # torch raises many kinds for a broken or foreign file
        raise ReproError("cannot read checkpoint", path=path, why=(str(error) or repr(error)).splitlines()[0]) from error
    if not isinstance(content, dict) or not set(needs) <= set(content):
        raise ReproError("not a checkpoint of this project", path=path, fix="bring other weights in with `repro import-weights`")
    if _HASH not in content:
        raise ReproError("a checkpoint without a checksum", path=path, why="of an older version, or damaged", fix=_AGAIN)
    if content.pop(_HASH) != content_hash(content):
        raise ReproError("damaged checkpoint", path=path, why="checksum differs", fix=_AGAIN)
    _check_finite(content, path, _AGAIN)
    return content


def load_trained(path):
    """A finished checkpoint: {"model": state dict, "meta": mapping}, every key of the metadata there. Errors: as
    `load_checkpoint`, and an absent key by name."""
    content = load_checkpoint(path)
    missing = [key for key in _META if key not in content["meta"]]
    if missing:
        raise ReproError("a checkpoint that does not say enough", path=path, why=f"its metadata lack `{missing[0]}`", fix=_AGAIN)
    return content


def load_partial(path, map_location="cpu", needs=("model",)):
    """A checkpoint of an unfinished run, None where there is none; one that is damaged is said, removed and done without."""
    if not os.path.lexists(path):
        return None
    try:
        return load_checkpoint(path, map_location, needs)
    except ReproError as error:
        print(f"{error}; the run begins again")
        remove(path)
        return None


def _check_finite(content, path, fix):
    if names := not_finite(content.get("model", {})):
        why = f"NaN or infinity in {len(names)} tensors, the first {names[0]}"
        raise ReproError("weights that are not finite", path=path, why=why, fix=fix)


def content_hash(content):
    """SHA-256 over keys, values, and the types, shapes and bytes of tensors, whatever device and memory layout they have."""
    digest = hashlib.sha256()
    _feed(digest, content)
    return digest.hexdigest()


def _feed(digest, value):
    if isinstance(value, torch.Tensor):
        digest.update(f"tensor {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    elif isinstance(value, dict):
        digest.update(f"dict {len(value)}".encode())
        for key, item in value.items():
            _feed(digest, key), _feed(digest, item)
    elif isinstance(value, (list, tuple)):
        digest.update(f"list {len(value)}".encode())
        for item in value:
            _feed(digest, item)
    else:
        digest.update(f"{type(value).__name__} {value!r};".encode())


def _check_sizes(path):
    """Raise ValueError for a zip whose members announce more bytes than the file has: nothing is allocated for them."""
    size = os.path.getsize(path)
    with zipfile.ZipFile(path) as archive:
        if sum(member.file_size for member in archive.infolist()) > size:
            raise ValueError("it announces more bytes than it has")


def check_classes(meta, path, expected):
    """Refuse a checkpoint whose classifier of a dataset (``expected``: {dataset: class names}) has another list of classes."""
    for dataset, classes in expected.items():
        if tuple(meta["classes"].get(dataset, ())) != tuple(classes):
            raise ReproError("checkpoint of other classes", path=path, why=f"not those of {dataset}'s index", fix=_AGAIN)


def check_origin(meta, path, **expected):
    """Refuse a checkpoint whose metadata say another dataset, split, seed, profile ... than the caller's."""
    for key, value in expected.items():
        if meta.get(key) != value:
            shown = (str(meta.get(key))[:80], str(value)[:80])
            raise ReproError(
                f"checkpoint of another {key.replace('_', ' ')}",
                path=path,
                why=f"it says {shown[0]}, this run is {shown[1]}",
                fix="use the checkpoint of the same profile, dataset, split and seed, or train it again",
            )
