"""Other people's names for the tensors of an inflated Inception, turned into ours.

googlenet   torchvision.models.googlenet: 2D, ImageNet
s3d         torchvision.models.video.s3d: separable, Kinetics
i3d         the PyTorch port of DeepMind's I3D by piergiaj (rgb_imagenet.pt, flow_imagenet.pt, ...)
"""

import re

BLOCKS = ("3b", "3c", "4b", "4c", "4d", "4e", "4f", "5b", "5c")

_GOOGLENET = {
    "conv1.": "conv1a.",
    "conv2.": "conv2b.",
    "conv3.": "conv2c.",
    **{
        f"inception{theirs}.": f"mixed{ours}."
        for theirs, ours in zip(("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b"), BLOCKS)
    },
}
_GOOGLENET_BRANCHES = {"branch1.": "b0.", "branch2.": "b1.", "branch3.": "b2.", "branch4.": "b3."}

_S3D = {
    "features.0.": "conv1a.",
    "features.2.": "conv2b.",
    "features.3.": "conv2c.",
    **{f"features.{i}.": f"mixed{ours}." for i, ours in zip((5, 6, 8, 9, 10, 11, 12, 14, 15), BLOCKS)},
}
_S3D_UNIT = re.compile(r"(?P<unit>(b\d|conv2b|b[12]\.0|b3\.1)\.)(?P<layer>[01])\.(?P<what>\w+)$")
_S3D_SEPARABLE = re.compile(r"(?P<half>[01])\.(?P<layer>[01])\.(?P<what>\w+)$")

_I3D = {
    "Conv3d_1a_7x7.": "conv1a.",
    "Conv3d_2b_1x1.": "conv2b.",
    "Conv3d_2c_3x3.": "conv2c.",
    **{f"Mixed_{block}.": f"mixed{block}." for block in BLOCKS},
}
_I3D_UNITS = {"b0.": "b0.", "b1a.": "b1.0.", "b1b.": "b1.1.", "b2a.": "b2.0.", "b2b.": "b2.1.", "b3b.": "b3.1."}


def own_names(state_dict):
    """The same tensors under this family's names, without a stream's; other dicts are returned as they are."""
    if "inception3a.branch1.conv.weight" in state_dict:
        kept = {key: value for key, value in state_dict.items() if not key.startswith(("aux1.", "aux2."))}
        return {_googlenet(key): value for key, value in kept.items()}
    if "features.0.0.0.weight" in state_dict:
        return {_s3d(key): value for key, value in state_dict.items()}
    if "Conv3d_1a_7x7.conv3d.weight" in state_dict:
        return {_i3d(key): value for key, value in state_dict.items()}
    return state_dict


def _renamed(key, table):
    """`key` with the prefix that `table` knows exchanged."""
    for theirs, ours in table.items():
        if key.startswith(theirs):
            return ours, key.removeprefix(theirs)
    return "", key


def _googlenet(key):
    place, rest = _renamed(key, _GOOGLENET)
    branch, rest = _renamed(rest, _GOOGLENET_BRANCHES)
    return place + branch + rest


def _s3d(key):
    """E.g. features.5.branch1.1.1.0.weight -> mixed3b.b1.1.temporal.conv.weight."""
    if key.startswith("classifier.1."):
        return key.replace("classifier.1.", "fc.")
    place, rest = _renamed(key, _S3D)
    name = place + rest.replace("branch", "b", 1)
    layers = ("conv", "bn")
    if found := _S3D_UNIT.search(name):
        return name[: found.start("layer")] + f"{layers[int(found['layer'])]}.{found['what']}"
    if found := _S3D_SEPARABLE.search(name):
        half = ("", "temporal.")[int(found["half"])]
        return name[: found.start("half")] + f"{half}{layers[int(found['layer'])]}.{found['what']}"
    return name


def _i3d(key):
    if key.startswith("logits.conv3d."):
        return key.replace("logits.conv3d.", "fc.")
    place, rest = _renamed(key, _I3D)
    unit, rest = _renamed(rest, _I3D_UNITS)
    return place + unit + rest.replace("conv3d.", "conv.", 1)
