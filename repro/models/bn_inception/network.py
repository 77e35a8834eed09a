"""The family: a BN-Inception per stream, each frame by itself; segments and their consensus are the recipe's."""

import re

import torch

from ..initial import load_initial
from ..names import renamed
from ..network import ActivationHead, Family
from ..side_by_side import SideBySide
from .stream import BNInceptionStream

_STEM = {"conv1_7x7_s2": "conv1", "conv2_3x3_reduce": "conv2_reduce", "conv2_3x3": "conv2"}
_FOREIGN = re.compile(r"(?:(?P<stem>conv[12]_\w+?)|(?P<block>inception_\d[a-e])_(?P<unit>\w+?))(?P<norm>_bn)?\.(?P<what>\w+)")


class BNInception(SideBySide):
    """A BN-Inception per stream; build with `build_model`."""

    memory_format = torch.channels_last

    def activation_heads(self, dataset=None):
        """{stream: ActivationHead}; the pool takes the whole of 5b's maps."""
        streams = {name: getattr(self, name) for name in self.heads}
        return {name: ActivationHead(stream.global_pool, stream.fc.of(dataset)) for name, stream in streams.items()}


def build_model(settings, inputs):
    """The network of `settings` (BNInceptionSettings) for `inputs` (Inputs), initialised from torch's global generator.

    Raises ValueError for pictures too small to leave a map.
    """
    settings.check(inputs)
    streams = {name: BNInceptionStream(count, inputs.classes, settings) for name, count in inputs.channels.items()}
    return BNInception(settings, inputs, streams)


def own_name(key):
    """This family's name for a tensor of the authors' network as PyTorch ports call it; other names are returned as they are.

    E.g. inception_3a_double_3x3_1_bn.weight -> inception_3a.double_3x3_1.bn.weight, last_linear.bias -> fc.bias.
    """
    found = _FOREIGN.fullmatch(key)
    if not found:
        return key.replace("last_linear.", "fc.")
    layer = _STEM.get(found["stem"], found["stem"]) if found["stem"] else f"{found['block']}.{found['unit']}"
    return f"{layer}.{'bn' if found['norm'] else 'conv'}.{found['what']}"


def start(network, state_dict):
    """Initialise from a network of the family or from BN-Inception weights in the names of its PyTorch ports (see `own_name`).

    conv1 for other than 3 channels starts from its mean over RGB (TSN's cross-modality start). See `load_initial`.
    """

    def own_names(part):
        return {own_name(key): tensor for key, tensor in part.items()}

    return load_initial(network, renamed(state_dict, network.inputs.channels, own_names))


FAMILY = Family(build_model, start)
