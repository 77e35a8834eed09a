"""A network and a modality from outside the package: nothing in repro knows them."""

import dataclasses

import numpy as np
from torch import nn

from repro.clips import kinds
from repro.clips.resize import resized
from repro.models import registry
from repro.models.network import Family, Heads, VideoNetwork


@dataclasses.dataclass(frozen=True)
class ToySettings:
    """Its one switch."""

    width: int = 8
    weights_layout = ()

    def check(self, inputs):
        if len(inputs.channels) != 1:
            raise ValueError(f"streams must be one, got {sorted(inputs.channels)}")


class Toy(VideoNetwork):
    heads = ("brightness",)

    def __init__(self, settings, inputs):
        super().__init__(settings, inputs)
        (channels,) = inputs.channels.values()
        self.trunk, self.fc = nn.Linear(channels, settings.width), Heads(settings.width, inputs.classes)

    def forward(self, clip, dataset=None):
        (x,) = clip.values()  # (B, T, C, H, W)
        return {"brightness": self.fc(self.trunk(x.mean((-2, -1))).relu(), dataset)}  # (B, T, classes)


FAMILY = Family(Toy)


def read_pair(modality, source, centres):
    """The brightness of a frame beside that of its neighbour: two bytes a pixel, (T, H, W, 2)."""
    both = [source("rgb", np.clip(centres + step, 0, source.frames - 1)).mean(-1) for step in (0, 1)]
    return np.stack(both, -1).astype(np.uint8)


def to_input(planes, normalisation, flip, size, how):
    x = resized(planes, size, how) / 255
    return x.flip(-1) if flip else x


registry.register("toy", "toy_plugin:ToySettings", "toy_plugin:FAMILY")
kinds.register("brightness_pair", kinds.Kind(("rgb",), 2, None, read_pair, to_input, lambda modality: (0, 1)))
