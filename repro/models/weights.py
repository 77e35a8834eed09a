"""Weights files that say what they are: layout and input normalisation travel with the tensors.

Two networks of equal names and shapes may differ in where the stride sits and in what input they expect, so nothing about a
bare state dict tells which one it is. `read_state_dict` therefore asks, `save_weights` writes the answers into the file, and
`load_weights` takes no file without them and none of another layout.
"""

import json
import os
import pickle
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

LAYOUTS = ("caffe", "torchvision", "googlenet", "bn_inception", "timm", "i3d", "s3d", "vgg16")
"""Whose tensors: ResNets with the stride in the first 1x1 or in the 3x3, 2D and 3D Inceptions, timm's own names, torchvision's
VGG-16 without batch norm."""

_RESNET = "a ResNet", ("conv1.weight", "layer1.0.conv1.weight")
_TOLD_BY = {"caffe": _RESNET, "torchvision": _RESNET, "vgg16": ("a VGG-16", ("features.0.weight", "features.28.weight"))}
"""What a layout's network is called and some of its names."""

HEADER = "repro-weights"
"""Key of the one metadata entry (several would be written in random order, and equal weights as different bytes)."""


@dataclass(frozen=True)
class InputNormalisation:
    """What a stream of RGB pictures expects: (x - mean) / std of bytes 0..255, per channel in the network's own order.

    bgr: channels come blue first. Flow needs no setting: 128, its zero, is subtracted.
    Raises ValueError for values that cannot be meant (three channels, mean in 0..255, std > 0).
    """

    mean: tuple[float, float, float]
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    bgr: bool = False

    def __post_init__(self):
        for field in ("mean", "std"):
            values = tuple(float(v) for v in getattr(self, field))
            if len(values) != 3:
                raise ValueError(f"{field} must have three values, got {values}")
            object.__setattr__(self, field, values)
        if not all(1 < v < 255 for v in self.mean):
            raise ValueError(f"mean must be in bytes (0..255, not 0..1), got {self.mean}")
        if not min(self.std) > 0:
            raise ValueError(f"std must be positive, got {self.std}")


FROM_SCRATCH = InputNormalisation((128.0, 128.0, 128.0))
"""For streams that start at random: mid-grey, like the flow."""

TORCHVISION = InputNormalisation((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
"""What torchvision's and timm's ResNets were trained with, in bytes."""


@dataclass(frozen=True)
class Weights:
    """A state dict (torchvision's names, possibly behind stream names) and what must be known to use it.

    classes are the outputs of its classifier in order, empty where the file does not tell; source names the origin.
    Raises ValueError for an unknown layout and for tensors that hold NaN or infinity.
    """

    state_dict: dict
    layout: str
    normalisation: InputNormalisation
    classes: tuple = ()
    source: str = ""

    def __post_init__(self):
        if self.layout not in LAYOUTS:
            raise ValueError(f"layout must be one of {LAYOUTS}, got {self.layout!r}")
        if names := not_finite(self.state_dict):
            raise ValueError(f"weights must be finite, got NaN or infinity in {len(names)} tensors, the first {names[0]!r}")


def not_finite(state):
    """Names of the tensors of a state dict that hold NaN or infinity."""
    return [name for name, tensor in state.items() if not torch.isfinite(tensor).all()]


def check_data(path):
    """Raise ValueError for a folder or a pipe, and for a file whose first bytes are a Git LFS pointer's or a web page's."""
    if os.path.exists(path) and not os.path.isfile(path):  # a pipe would be waited for
        raise ValueError(f"path must name a file, got {'a folder' if os.path.isdir(path) else 'a pipe or a device'}")
    try:
        with open(path, "rb") as file:
            start = file.read(256).lstrip().lower()
    except OSError:  # the reader has the word for it
        return
    if start.startswith(b"version https://git-lfs"):
        raise ValueError("path must name the data, got a Git LFS pointer: run `git lfs pull` where it comes from")
    if start.startswith((b"<!doctype html", b"<html", b"<?xml")):
        raise ValueError("path must name the data, got a web page: download the file itself")


def read_state_dict(path, layout, normalisation):
    """Weights from a `.pth`, `.pt` or `.safetensors` file in torchvision's names, with what the file does not say.

    layout, normalisation: of these weights, as their publisher describes them. ``module.`` before every name, which
    DataParallel leaves, is dropped. Pickled code is never run. Raises ValueError for a file that cannot be read, holds other
    names, or says another layout than the one given.
    """
    path = Path(path)
    check_data(path)
    if path.suffix == ".safetensors":
        state, told = _read_safetensors(path)
        if told and told["layout"] != layout:
            raise ValueError(f"layout must be that of {path}, {told['layout']!r}, got {layout!r}")
    else:
        state = _read_torch(path)
    if not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise ValueError(f"path must name a state dict of tensors, got {path}")
    if state and all(name.startswith("module.") for name in state):
        state = {name.removeprefix("module."): tensor for name, tensor in state.items()}
    network, names = _TOLD_BY.get(layout, ("", ()))
    if not set(names) <= set(state):
        raise ValueError(f"path must name {network} in torchvision's names, got {path} with {sorted(state)[:3]}")
    state = dict(state)
    if names == _RESNET[1]:
        fold_bias(state, "conv1", "bn1")
    return Weights(state, layout, normalisation, source=path.name)


def save_weights(weights, path):
    """Write Weights as a `.safetensors` file that `load_weights` understands."""
    told = {field: value for field, value in asdict(weights).items() if field != "state_dict"}
    tensors = {name: tensor.contiguous() for name, tensor in weights.state_dict.items()}
    save_file(tensors, path, {HEADER: json.dumps(told, sort_keys=True)})


def load_weights(path, layouts):
    """Weights from a file of `save_weights`, for a network that takes any of `layouts`.

    Raises ValueError for a file that does not say what it is and for one of another layout.
    """
    check_data(path)
    if Path(path).suffix != ".safetensors":
        raise ValueError(f"path must name an imported .safetensors file, got {path}: import it (repro import-weights)")
    state, told = _read_safetensors(path)
    if not told:
        raise ValueError(
            f"path must name an imported file, got {path}, which does not say its layout and input "
            "normalisation: import it (repro import-weights)"
        )
    if told["layout"] not in layouts:
        wanted = " or ".join(map(repr, layouts)) or "none: it starts from no weights file"
        raise ValueError(f"layout must be that of the weights, {told['layout']!r} in {path}; this network takes {wanted}")
    return Weights(state, told["layout"], InputNormalisation(**told["normalisation"]), tuple(told["classes"]), told["source"])


def fold_bias(state, conv, norm):
    """Take a convolution's bias, if there is one, into the mean of the batch norm behind it, in place: the same function.

    Caffe's ResNet-50 has such a bias on conv1.
    """
    if conv + ".bias" in state:
        state[norm + ".running_mean"] = state[norm + ".running_mean"] - state.pop(conv + ".bias")


def _read_safetensors(path):
    """(tensors, what save_weights wrote beside them: empty for other files)."""
    try:
        with safe_open(path, framework="pt") as file:
            told = json.loads((file.metadata() or {}).get(HEADER, "{}"))
            return {name: file.get_tensor(name) for name in file.keys()}, told
    except (OSError, SafetensorError) as error:
        raise ValueError(f"path must name a readable safetensors file, got {path}: {error}") from error


def _read_torch(path):
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise ValueError(f"path must name a readable file of tensors, got {path}: {error}") from error
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    if not isinstance(content, dict):
        raise ValueError(f"path must name a state dict, got {path} with a {type(content).__name__}")
    return content
