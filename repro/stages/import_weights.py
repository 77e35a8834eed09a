"""``repro import-weights``: a file of foreign weights into one that says its layout and input normalisation."""

from pathlib import Path

from repro.errors import ReproError
from repro.models.matconvnet import read_matconvnet
from repro.models.weights import InputNormalisation, read_state_dict, save_weights
from repro.work import atomic_path


def run(params, source, target, layout="caffe", mean=(123.0, 117.0, 104.0), bgr=False):
    """Read a MatConvNet ``.mat`` (which says its layout and mean itself) or a state dict in torchvision's names; write ``target``."""
    try:
        if Path(source).suffix == ".mat":
            weights = read_matconvnet(source)
        else:
            weights = read_state_dict(source, layout, InputNormalisation(tuple(mean), bgr=bgr))
        if Path(target).suffix != ".safetensors":
            raise ReproError("imported weights are a .safetensors file", path=target, fix="name the target so")
        with atomic_path(target) as temporary:
            save_weights(weights, temporary)
    except (ValueError, OSError) as error:
        raise ReproError("cannot import weights", path=source, why=str(error)) from error
    print(f"{len(weights.state_dict)} tensors of layout {weights.layout}, mean {weights.normalisation.mean}, "
          f"{'blue' if weights.normalisation.bgr else 'red'} first, to {target}")
