"""``repro export-model``: a trained network as a safetensors file that `repro evaluate` and `repro predict` take."""

from pathlib import Path

from repro.errors import ReproError
from repro.training.checkpoint import load_trained
from repro.training.exported import ENDING, save_exported


def run(checkpoint, target, half=False):
    """Write the network of ``checkpoint`` to ``target``, a ``.safetensors`` file: tensors, metadata and a hash of both; ``half``:
    floats of 16 bits, which are read as 32 again, so that the file has half the size and scores differ a little."""
    target = Path(target)
    if target.suffix != ENDING:
        raise ReproError(f"the exported file is a {ENDING} file", path=target, fix=f"end its name in {ENDING}")
    content = load_trained(checkpoint)
    if half:
        content = {**content, "model": {name: _halved(name, tensor, target) for name, tensor in content["model"].items()}}
    save_exported(target, content)
    meta = content["meta"]
    print(f"{meta['dataset']} split {meta['split']} {meta['system']}: {target}, {target.stat().st_size / 1e6:.1f} MB")


def _halved(name, tensor, target):
    if not tensor.is_floating_point():
        return tensor
    half = tensor.half()
    if bool((half.isfinite() != tensor.isfinite()).any()):
        raise ReproError("cannot export", path=target, why=f"{name} is too large for 16 bits", fix="export it without --half")
    return half
