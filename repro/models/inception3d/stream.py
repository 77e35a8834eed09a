"""One stream: an inflated Inception-v1 over whole clips.

sizes for T x 224 x 224, T = 64        convolutions of the full network
    conv1a   32 x 112 x 112             64, 7x7x7 /2,2,2
    pool2a   32 x 56 x 56               max 1x3x3 /1,2,2
    conv2b, conv2c                      64, 1x1x1; 192, 3x3x3
    pool3a   32 x 28 x 28               max 1x3x3 /1,2,2
    mixed3b, mixed3c
    pool4a   16 x 14 x 14               max 3x3x3 /2,2,2
    mixed4b .. mixed4f
    pool5a   8 x 7 x 7                  max 2x2x2 /2,2,2
    mixed5b, mixed5c
    average pool 2x7x7 /1 -> 7 x 1 x 1, dropout, classifier, mean over time
"""

import torch.nn.functional as F
from torch import nn

from ..heads import Heads
from .layers import Gate, Inception, PaddedConv3d, PaddedMaxPool3d, Temporal, Unit
from .settings import LAYERS

WIDTHS = {
    "3b": (64, (96, 128), (16, 32), 32),
    "3c": (128, (128, 192), (32, 96), 64),
    "4b": (192, (96, 208), (16, 48), 64),
    "4c": (160, (112, 224), (24, 64), 64),
    "4d": (128, (128, 256), (24, 64), 64),
    "4e": (112, (144, 288), (32, 64), 64),
    "4f": (256, (160, 320), (32, 128), 128),
    "5b": (256, (160, 320), (32, 128), 128),
    "5c": (384, (192, 384), (48, 128), 128),
}
"""b0, (b1 reduced, b1), (b2 reduced, b2), b3 of each block."""

POOLS = {"3b": ("pool3a", (1, 3, 3), (1, 2, 2)), "4b": ("pool4a", (3, 3, 3), (2, 2, 2)), "5b": ("pool5a", (2, 2, 2), (2, 2, 2))}
"""Pools in front of a block: name, kernel, stride."""

STD = 0.01


class InceptionStream(nn.Module):
    """(B, T, C, H, W) -> (B, T', classes of a dataset), freshly initialised.

    channels: C; classes: {dataset: count}; pool_size: side of the last average pool. It slides with stride 1 over larger
    maps; the classifier being linear, the mean of its outputs over positions is its output for the mean.
    """

    def __init__(self, channels, classes, settings, pool_size):
        super().__init__()
        self.settings = settings
        count, style = settings.channels, settings.padding
        c64, c192 = count(64), count(192)
        kernel = dict(frames=settings.frames(0), separable=settings.separable(0))
        self.conv1a = Unit(channels, c64, settings, side=7, stride=2, **kernel)
        self.pool2a = PaddedMaxPool3d((1, 3, 3), (1, 2, 2), style)
        self.conv2b = Unit(c64, c64, settings)
        kernel = dict(frames=settings.frames(1), separable=settings.separable(1), gated=1 in settings.gated_layers)
        self.conv2c = Unit(c64, c192, settings, side=3, **kernel)
        self.body = ["conv1a", "pool2a", "conv2b", "conv2c"]
        cin = c192
        for name, widths in WIDTHS.items():
            if name in POOLS:
                pool, size, stride = POOLS[name]
                self._append(pool, PaddedMaxPool3d(size, stride, style))
            widths = tuple(tuple(map(count, w)) if isinstance(w, tuple) else count(w) for w in widths)
            self._append(f"mixed{name}", Inception(cin, widths, LAYERS.index(name), settings))
            b0, (_, b1), (_, b2), b3 = widths
            cin = b0 + b1 + b2 + b3
        self.avgpool = nn.AvgPool2d(pool_size, stride=1)
        self.dropout = nn.Dropout(settings.dropout)
        self.fc = Heads(cin, classes)
        self._initialise()

    def _append(self, name, module):
        self.add_module(name, module)
        self.body.append(name)

    def forward(self, x, dataset=None):  # (B, T, C, H, W)
        x = x.transpose(1, 2)  # (B, C, T, H, W)
        for name in self.body:
            x = getattr(self, name)(x)  # (B, C', t, h, w)
        clips, side = len(x), self.avgpool.kernel_size
        if min(x.shape[3:]) < side:
            raise ValueError(
                f"pool_size {side} exceeds the {x.shape[3]}x{x.shape[4]} map of mixed5c: larger frames or a smaller pool_size"
            )
        x = F.avg_pool3d(x, (self.settings.window, 1, 1), stride=1)  # (B, C', T', h, w)
        x = x.transpose(1, 2).flatten(0, 1)  # (B*T', C', h, w)
        x = self.avgpool(x).mean((2, 3)).unflatten(0, (clips, -1))  # (B, T', C')
        x = self.fc(self.dropout(x), dataset)  # (B, T', classes)
        return x.mean(1, keepdim=True) if self.settings.average_logits else x

    def _initialise(self):
        for module in self.modules():
            if isinstance(module, PaddedConv3d) and self.settings.initialisation == "he":
                nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")
            elif isinstance(module, PaddedConv3d):
                nn.init.trunc_normal_(module.weight, std=STD, a=-2 * STD, b=2 * STD)
            elif isinstance(module, Gate):
                nn.init.trunc_normal_(module.linear.weight, std=STD, a=-2 * STD, b=2 * STD)
                if module.linear.bias is not None:
                    nn.init.zeros_(module.linear.bias)
            elif isinstance(module, Temporal) and module.conv.bias is not None:
                nn.init.zeros_(module.conv.bias)
        if self.settings.temporal_start == "centre":
            for module in self.modules():
                if isinstance(module, Temporal):
                    module.start_as_identity()
        self.fc.initialise(STD)
