"""One stream: a BN-Inception over folded frames.

sizes for 224 x 224             convolutions of the full network
    conv1       56 x 56         64, 7x7 /2, max 3x3 /2
    conv2       28 x 28         64, 1x1; 192, 3x3; max 3x3 /2
    3a .. 3c    14 x 14         3c strides
    4a .. 4e    7 x 7           4e strides
    5a, 5b      7 x 7
    average over the map, dropout, classifier

Every convolution has a bias, a batch norm and a ReLU behind it.
"""

import torch
import torch.nn.functional as F
from torch import nn

from ..batchnorm import StepBatchNorm2d
from ..heads import Heads
from ..network import fold

BLOCKS = {
    "3a": (64, (64, 64), (64, 96), ("avg", 32)),
    "3b": (64, (64, 96), (64, 96), ("avg", 64)),
    "3c": (None, (128, 160), (64, 96), ("max", None)),
    "4a": (224, (64, 96), (96, 128), ("avg", 128)),
    "4b": (192, (96, 128), (96, 128), ("avg", 128)),
    "4c": (160, (128, 160), (128, 160), ("avg", 128)),
    "4d": (96, (128, 192), (160, 192), ("avg", 128)),
    "4e": (None, (128, 192), (192, 256), ("max", None)),
    "5a": (352, (192, 320), (160, 224), ("avg", 128)),
    "5b": (352, (192, 320), (192, 224), ("max", 128)),
}
"""1x1, (reduced, 3x3), (reduced, 3x3 and again 3x3), (pool, projection); the blocks without 1x1 stride (authors' prototxt)."""

STD = 0.001
"""Of the classifier's weights at the start (authors' code)."""


class Unit(nn.Module):
    """Convolution with bias, batch norm, ReLU; padded to keep the size but for the stride."""

    def __init__(self, cin, cout, kernel, stride=1):
        super().__init__()
        self.conv = nn.Conv2d(cin, cout, kernel, stride, padding=kernel // 2)
        self.bn = StepBatchNorm2d(cout)

    def forward(self, x):  # (N, Cin, H, W)
        return F.relu_(self.bn(self.conv(x)))  # (N, Cout, H / stride, W / stride)


class Inception(nn.Module):
    """Branches side by side, concatenated; widths as in BLOCKS, names as in the authors' prototxt.

        1x1         3x3_reduce - 3x3        double_3x3_reduce - double_3x3_1 - double_3x3_2         pool 3x3 - pool_proj

    A block without 1x1 strides, in the last 3x3 of each branch and in the pool, and has no projection.
    """

    def __init__(self, cin, widths):
        super().__init__()
        one, (reduce3, three), (reduce_double, double), (self.pool, projection) = widths
        self.stride = 1 if one else 2
        units = {
            "3x3_reduce": (cin, reduce3, 1),
            "3x3": (reduce3, three, 3, self.stride),
            "double_3x3_reduce": (cin, reduce_double, 1),
            "double_3x3_1": (reduce_double, double, 3),
            "double_3x3_2": (double, double, 3, self.stride),
        }
        if one:
            units = {"1x1": (cin, one, 1), **units, "pool_proj": (cin, projection, 1)}
        for name, shape in units.items():
            self.add_module(name, Unit(*shape))
        self.branches = [
            *([["1x1"]] if one else []),
            ["3x3_reduce", "3x3"],
            ["double_3x3_reduce", "double_3x3_1", "double_3x3_2"],
        ]
        self.channels = three + double + (one + projection if one else cin)

    def forward(self, x):  # (N, Cin, H, W)
        parts = []
        for branch in self.branches:
            y = x
            for name in branch:
                y = getattr(self, name)(y)
            parts.append(y)
        y = self.pooled(x)
        parts.append(self.pool_proj(y) if self.stride == 1 else y)
        return torch.cat(parts, 1)  # (N, channels, H / stride, W / stride)

    def pooled(self, x):
        if self.pool == "avg":
            return F.avg_pool2d(x, 3, 1, 1)
        if self.stride == 1:
            return F.max_pool2d(x, 3, 1, 1)
        # Caffe pools from the first pixel on and rounds up. On an odd side that is one position less than the convolutions
        # beside it give, and the authors' network stops there; a pixel of padding makes it theirs.
        return F.max_pool2d(x, 3, 2, (x.shape[2] % 2, x.shape[3] % 2), ceil_mode=True)


class BNInceptionStream(nn.Module):
    """(B, T, C, H, W) -> (B, T, classes of a dataset), freshly initialised.

    channels: C; classes: {dataset: count}. Pictures may have any size that leaves a map, which is averaged as a whole.
    """

    def __init__(self, channels, classes, settings):
        super().__init__()
        count = settings.channels
        self.conv1 = Unit(channels, count(64), 7, 2)
        self.conv2_reduce = Unit(count(64), count(64), 1)
        self.conv2 = Unit(count(64), count(192), 3)
        cin = count(192)
        for name, widths in BLOCKS.items():
            block = Inception(cin, _scaled(widths, count))
            self.add_module(f"inception_{name}", block)
            cin = block.channels
        self.pool = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.global_pool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(settings.dropout)
        self.fc = Heads(cin, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):  # Caffe's xavier: uniform, of variance 1 / fan in
                nn.init.kaiming_uniform_(module.weight, nonlinearity="linear")
                nn.init.constant_(module.bias, 0.2)
        self.fc.initialise(STD)

    def forward(self, x, dataset=None):  # (B, T, C, H, W)
        clips, x = len(x), fold(x)  # (B*T, C, H, W)
        x = self.pool(self.conv1(x))  # (B*T, 64, H/4, W/4)
        x = self.pool(self.conv2(self.conv2_reduce(x)))  # (B*T, 192, H/8, W/8)
        for name in BLOCKS:
            x = getattr(self, f"inception_{name}")(x)  # 3c: (B*T, 576, H/16, W/16), 4e: (B*T, 1056, H/32, W/32)
        x = self.global_pool(x).flatten(1)  # (B*T, 1024)
        return self.fc(self.dropout(x), dataset).unflatten(0, (clips, -1))  # (B, T, classes)


def _scaled(widths, count):
    """The widths of a block under a factor; pools and what is absent stay."""
    if isinstance(widths, tuple):
        return tuple(_scaled(width, count) for width in widths)
    return count(widths) if isinstance(widths, int) else widths
