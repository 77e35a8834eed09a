"""Checkpoints: tensors and plain metadata, loaded with ``weights_only=True``."""

import torch

from repro.errors import ReproError
from repro.files import atomic_path


def save_checkpoint(path, content):
    """Write ``content`` (tensors and plain Python values) atomically; the bytes depend on the content alone."""
    with atomic_path(path) as temporary:
        torch.save(content, temporary)


def load_checkpoint(path, map_location="cpu", needs=("model", "meta")):
    """Read what ``save_checkpoint`` wrote, a mapping with the keys ``needs``; code in the file is never run."""
    try:
        content = torch.load(path, map_location=map_location, weights_only=True)
    except FileNotFoundError as error:
        raise ReproError("no checkpoint", path=path, fix="train it first (`repro train` or `dvc repro`)") from error
    except Exception as error:  # torch raises many kinds for a broken or foreign file
        raise ReproError("cannot read checkpoint", path=path, why=(str(error) or repr(error)).splitlines()[0]) from error
    if not isinstance(content, dict) or not set(needs) <= set(content):
        raise ReproError("not a checkpoint of this project", path=path, fix="bring other weights in with `repro import-weights`")
    return content


def check_origin(meta, path, **expected):
    """Refuse a checkpoint whose metadata say another dataset, split, seed, class list ... than the caller's."""
    for key, value in expected.items():
        if meta.get(key) != value:
            shown = (str(meta.get(key))[:80], str(value)[:80])
            raise ReproError(
                f"checkpoint of another {key}",
                path=path,
                why=f"it says {shown[0]}, this run is {shown[1]}",
                fix="use the checkpoint of the same dataset, split and seed",
            )
