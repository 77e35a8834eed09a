"""``repro import-weights``: a file of foreign weights into one that says its layout and input normalisation."""

from pathlib import Path

from repro.errors import ReproError
from repro.files import atomic_path
from repro.models.matconvnet import read_matconvnet
from repro.models.open_nsfw import read_open_nsfw
from repro.models.weights import TORCHVISION, InputNormalisation, read_state_dict, save_weights

_USUAL = {"caffe": InputNormalisation((123.0, 117.0, 104.0)), "torchvision": TORCHVISION, "vgg16": TORCHVISION}


def run(source, target, layout="caffe", mean=None, std=None, bgr=False):
    """Read a MatConvNet ``.mat`` or ``open_nsfw.onnx`` (whose layout and mean are known) or a state dict in torchvision's names;
    write target.

    mean, std of a state dict's inputs, in bytes: what networks of its layout are usually trained with, unless given.
    """
    try:
        if Path(source).suffix == ".mat":
            weights = read_matconvnet(source)
        elif Path(source).suffix == ".onnx":
            weights = read_open_nsfw(source)
        else:
            normalisation = InputNormalisation(mean or _USUAL[layout].mean, std or _USUAL[layout].std, bgr)
            weights = read_state_dict(source, layout, normalisation)
        if Path(target).suffix != ".safetensors":
            raise ReproError("imported weights are a .safetensors file", path=target, fix="name the target so")
        with atomic_path(target) as temporary:
            save_weights(weights, temporary)
    except (ValueError, OSError) as error:
        raise ReproError("cannot import weights", path=source, why=str(error)) from error
    taken = weights.normalisation
    print(
        f"{len(weights.state_dict)} tensors of layout {weights.layout}, mean {taken.mean}, std {taken.std}, "
        f"{'blue' if taken.bgr else 'red'} first, to {target}"
    )
