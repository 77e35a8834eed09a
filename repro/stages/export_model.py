"""``repro export-model``: a trained network as a safetensors file that `repro evaluate` and `repro predict` take."""

from pathlib import Path

from repro.errors import ReproError
from repro.training.checkpoint import load_trained
from repro.training.exported import ENDING, save_exported


def run(checkpoint, target):
    """Write the network of ``checkpoint`` to ``target``, a ``.safetensors`` file: tensors, metadata and a hash of both."""
    target = Path(target)
    if target.suffix != ENDING:
        raise ReproError(f"the exported file is a {ENDING} file", path=target, fix="name it so")
    content = load_trained(checkpoint)
    save_exported(target, content)
    meta = content["meta"]
    print(f"{meta['dataset']} split {meta['split']} {meta['system']}: {target}, {target.stat().st_size / 1e6:.1f} MB")
