"""The family: a CNN-M per stream, each frame by itself.

sizes for 224 x 224
    conv1           54 x 54     96, 7x7 /2, ReLU, LRN, max 3x3 /2
    conv2           13 x 13     256, 5x5 /2 padded by 1, ReLU, LRN (not in the temporal network), max 3x3 /2
    conv3, conv4    13 x 13     512, 3x3 padded by 1, ReLU
    conv5           6 x 6       512, 3x3 padded by 1, ReLU, max 3x3 /2
    full6, full7                4096, 2048, ReLU, dropout
    fc                          a classifier per dataset
"""

import torch
import torch.nn.functional as F
from torch import nn

from ..heads import Heads
from ..network import Family, fold
from ..side_by_side import SideBySide
from .settings import map_side

LRN = {"size": 5, "alpha": 5e-4, "beta": 0.75, "k": 2.0}
"""As torch and Caffe count alpha, on the mean of the squares over `size` channels: 1e-4 on their sum, as AlexNet counts."""


STD = 0.01
INPUT_SCALE = 64
"""About the deviation of what enters: bytes less their mean, undivided."""


class CNNMStream(nn.Module):
    """(B, T, C, H, W) -> (B, T, classes of a dataset), freshly initialised.

    channels: C; classes: {dataset: count}; size: side of the pictures that full6 sees at once. Larger ones it slides over, and
    the logits of all positions are averaged.
    """

    def __init__(self, channels, classes, settings, size):
        super().__init__()
        self.size, self.second_lrn = size, settings.second_lrn
        c96, c256, c512, c4096, c2048 = map(settings.channels, (96, 256, 512, 4096, 2048))
        self.conv1 = nn.Conv2d(channels, c96, 7, stride=2)
        self.conv2 = nn.Conv2d(c96, c256, 5, stride=2, padding=1)
        self.conv3 = nn.Conv2d(c256, c512, 3, padding=1)
        self.conv4 = nn.Conv2d(c512, c512, 3, padding=1)
        self.conv5 = nn.Conv2d(c512, c512, 3, padding=1)
        self.lrn = nn.LocalResponseNorm(**LRN)
        self.pool = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.full6 = nn.Conv2d(c512, c4096, map_side(size))
        self.full7 = nn.Conv2d(c4096, c2048, 1)
        self.dropout = nn.Dropout(settings.dropout)
        self.fc = Heads(c2048, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                if settings.initialisation == "he":
                    nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                else:
                    nn.init.normal_(module.weight, std=STD)
                nn.init.zeros_(module.bias)
        if settings.initialisation == "he":
            with torch.no_grad():
                self.conv1.weight /= INPUT_SCALE
        self.fc.initialise(STD)

    def forward(self, x, dataset=None):  # (B, T, C, H, W)
        if min(x.shape[3:]) < self.size:
            raise ValueError(
                f"clip must be {self.size}x{self.size} or larger, full6 sees that much, got {x.shape[3]}x{x.shape[4]}"
            )
        clips, x = len(x), fold(x)  # (B*T, C, H, W)
        x = self.pool(self.lrn(F.relu_(self.conv1(x))))  # (B*T, 96, H/4, W/4)
        x = F.relu_(self.conv2(x))
        x = self.pool(self.lrn(x) if self.second_lrn else x)  # (B*T, 256, H/16, W/16)
        x = F.relu_(self.conv4(F.relu_(self.conv3(x))))  # (B*T, 512, H/16, W/16)
        x = self.pool(F.relu_(self.conv5(x)))  # (B*T, 512, h, w)
        x = self.dropout(F.relu_(self.full6(x)))  # (B*T, 4096, h-5, w-5), of 6x6 positions each
        x = self.dropout(F.relu_(self.full7(x)))  # (B*T, 2048, h-5, w-5)
        x = self.fc(x.mean((2, 3)), dataset)  # (B*T, classes): the classifier is linear, so this is its mean over positions
        return x.unflatten(0, (clips, -1))  # (B, T, classes)


class CNNM(SideBySide):
    """A CNN-M per stream; build with `build_model`."""

    memory_format = torch.channels_last


def build_model(settings, inputs):
    """The network of `settings` (CNNMSettings) for `inputs` (Inputs), initialised from torch's global generator.

    Raises ValueError for pictures too small to leave full6 a map.
    """
    settings.check(inputs)
    streams = {name: CNNMStream(n, inputs.classes, settings, inputs.input_size) for name, n in inputs.channels.items()}
    return CNNM(settings, inputs, streams)


FAMILY = Family(build_model)
