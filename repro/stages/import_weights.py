"""``repro import-weights``: a file of foreign weights into one that says its layout and input normalisation."""

from pathlib import Path

from repro.errors import ReproError
from repro.files import atomic_path
from repro.models.matconvnet import read_matconvnet
from repro.models.open_nsfw import read_open_nsfw
from repro.models.timm_backbone.backbone import read_released
from repro.models.weights import TORCHVISION, InputNormalisation, read_state_dict, save_weights
from repro.profile.inputs import write_checksum

_USUAL = {
    "caffe": InputNormalisation((123.0, 117.0, 104.0)),
    "torchvision": TORCHVISION,
    "vgg16": TORCHVISION,
    "bn_inception": InputNormalisation((104.0, 117.0, 123.0), bgr=True),  # the Caffe network's; its PyTorch ports say 128
}
_TIMM = "timm:"


def run(source, target, layout="caffe", mean=None, std=None, bgr=False):
    """Read a MatConvNet ``.mat``, ``open_nsfw.onnx``, ``timm:NAME`` (whose layout and mean are known; timm downloads the last) or
    a state dict in the names of its layout; write target, and its checksum to ``<target>.sha256``.

    mean, std of a state dict's inputs, in bytes: what networks of its layout are usually trained with, unless given. Layouts
    without a usual one must be told both.
    """
    try:
        if str(source).startswith(_TIMM):
            weights = read_released(str(source).removeprefix(_TIMM))
        elif Path(source).suffix == ".mat":
            weights = read_matconvnet(source)
        elif Path(source).suffix == ".onnx":
            weights = read_open_nsfw(source)
        else:
            weights = read_state_dict(source, layout, _normalisation(layout, mean, std, bgr))
        if Path(target).suffix != ".safetensors":
            raise ReproError("imported weights are a .safetensors file", path=target, fix="end its name in .safetensors")
        with atomic_path(target) as temporary:
            save_weights(weights, temporary)
        write_checksum(target)
    except ReproError:
        raise
    except Exception as error:  # for a damaged file torch and protobuf raise many kinds, and torch tells long stories
        kind = "" if isinstance(error, (ValueError, OSError)) else f"{type(error).__name__}: "
        raise ReproError("cannot import weights", path=source, why=f"{kind}{error}".partition("\n")[0]) from error
    taken = weights.normalisation
    print(
        f"{len(weights.state_dict)} tensors of layout {weights.layout}, mean {taken.mean}, std {taken.std}, "
        f"{'blue' if taken.bgr else 'red'} first, to {target}"
    )


def _normalisation(layout, mean, std, bgr):
    usual = _USUAL.get(layout)
    if usual is None and not (mean and std):
        raise ValueError(f"layout {layout} has no usual input: give the --mean and --std that these weights were trained with")
    return InputNormalisation(mean or usual.mean, std or usual.std, bgr or (usual is not None and usual.bgr))
