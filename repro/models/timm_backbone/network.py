"""The family: a network of timm per stream, each frame by itself.

frames -> backbone -> average over the map -> dropout -> a classifier per dataset
"""

import torch
from torch import nn

from ..heads import Heads
from ..initial import load_initial
from ..names import renamed
from ..network import ActivationHead, Family, fold
from ..side_by_side import SideBySide
from .backbone import classifier_of, make_backbone


class TimmStream(nn.Module):
    """(B, T, C, H, W) -> (B, T, classes of a dataset), freshly initialised as timm does.

    channels: C; classes: {dataset: count}. Pictures may have any size that the backbone takes.
    """

    def __init__(self, channels, classes, settings):
        super().__init__()
        self.backbone = make_backbone(settings.backbone, channels)
        self.global_pool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(settings.dropout)
        self.fc = Heads(self.backbone.num_features, classes)
        self.fc.initialise(0.01)

    def forward(self, x, dataset=None):  # (B, T, C, H, W)
        clips, x = len(x), fold(x)  # (B*T, C, H, W)
        x = self.backbone.forward_features(x)  # (B*T, features, h, w)
        x = self.global_pool(x).flatten(1)  # (B*T, features)
        return self.fc(self.dropout(x), dataset).unflatten(0, (clips, -1))  # (B, T, classes)


class TimmNetwork(SideBySide):
    """A network of timm per stream; build with `build_model`."""

    memory_format = torch.channels_last

    def activation_heads(self, dataset=None):
        """{stream: ActivationHead}; the pool takes the whole map."""
        streams = {name: getattr(self, name) for name in self.heads}
        return {name: ActivationHead(stream.global_pool, stream.fc.of(dataset)) for name, stream in streams.items()}


def build_model(settings, inputs):
    """The network of `settings` (TimmSettings) for `inputs` (Inputs), initialised from torch's global generator.

    Raises ValueError where timm has no such network or it does not fit (see `check_backbone`).
    """
    settings.check(inputs)
    streams = {name: TimmStream(count, inputs.classes, settings) for name, count in inputs.channels.items()}
    return TimmNetwork(settings, inputs, streams)


def start(network, state_dict):
    """Initialise from a network of the family or from weights in timm's names.

    A first convolution of other than 3 channels starts from its mean over RGB. See `load_initial`.
    """
    streams = network.inputs.channels
    classifier = classifier_of(getattr(network, next(iter(streams))).backbone)

    def own_name(key):
        if key.startswith(("backbone.", "fc.")):
            return key
        behind = key.removeprefix(f"{classifier}.")
        return f"backbone.{key}" if behind == key else f"fc.{behind}"

    def own_names(part):
        return {own_name(key): tensor for key, tensor in part.items()}

    return load_initial(network, renamed(state_dict, streams, own_names))


FAMILY = Family(build_model, start)
