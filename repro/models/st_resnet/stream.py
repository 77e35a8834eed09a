"""One stream: a bottleneck ResNet over folded frames, taken apart far enough for the surgery.

frames -> conv1 7x7 /2 -> bn1 -> ReLU -> maxpool 3x3 /2 -> layer1 .. layer4 (conv2_x .. conv5_x)
       -> temporal_pool -> average pool (stride 1) -> mean over positions -> dropout -> fc

Bottleneck    x ----------------- shortcut ------------------ + --> pre-ReLU sum --> ReLU
              |                                               |
              +-> conv1 1x1 - conv2 3x3 - conv3 1x1 (each BN) +
"""

import torch.nn.functional as F
from torch import nn

from ..batchnorm import StepBatchNorm2d
from ..network import Heads
from .temporal import TemporalConv, TemporalPool

EXPANSION = 4


class Bottleneck(nn.Module):
    """1x1 - 3x3 - 1x1 block with torchvision's parameter names; the stride sits on conv1 (caffe) or conv2 (torchvision)."""

    def __init__(self, cin, planes, stride, layout):
        super().__init__()
        first, second = (stride, 1) if layout == "caffe" else (1, stride)
        cout = EXPANSION * planes
        self.conv1 = nn.Conv2d(cin, planes, 1, first, bias=False)
        self.bn1 = StepBatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, second, padding=1, bias=False)
        self.bn2 = StepBatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, cout, 1, bias=False)
        self.bn3 = StepBatchNorm2d(cout)
        self.temporal_filter = None
        self.downsample = None
        if stride != 1 or cin != cout:
            self.downsample = nn.Sequential(nn.Conv2d(cin, cout, 1, stride, bias=False), StepBatchNorm2d(cout))

    def forward(self, shortcut, branch, frames):
        """The sum before the block's last ReLU: two times (B*T, Cin, H, W) -> (B*T, Cout, H', W').

        The two inputs are the same tensor except behind a motion residual (Eq. 2).
        """
        y = self.residual(branch, frames)  # (B*T, Cout, H', W')
        y += shortcut if self.downsample is None else self.downsample(shortcut)
        return y

    def residual(self, x, frames):
        """F(x; W): (B*T, Cin, H, W) -> (B*T, Cout, H', W')."""
        y = F.relu_(self.bn1(_across_time(self.conv1, x, frames)))  # (B*T, planes, ., .)
        y = F.relu_(self.bn2(self.conv2(y)))  # (B*T, planes, H', W')
        if self.temporal_filter is not None:
            y = self.temporal_filter(y, frames)  # (B*T, planes, H', W')
        return self.bn3(_across_time(self.conv3, y, frames))  # (B*T, Cout, H', W')


class ResNetStream(nn.Module):
    """A ResNet without surgery, in parts that STResNet runs in lockstep: stem, stages of blocks, head.

    classes: {dataset: count}; every dataset has a classifier of its own on the same features.

    `maxpool` and `avgpool` are modules so that they can be exchanged and watched.
    """

    def __init__(self, in_channels, classes, *, blocks, width, stem_width, layout, pool_size, dropout):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, stem_width, 7, stride=2, padding=3, bias=False)
        self.bn1 = StepBatchNorm2d(stem_width)
        # Caffe and MatConvNet pool from the first pixel on and round up: one row and column of padding at the far end.
        self.maxpool = nn.MaxPool2d(3, 2, ceil_mode=True) if layout == "caffe" else nn.MaxPool2d(3, 2, padding=1)
        cin = stem_width
        for i, count in enumerate(blocks):
            planes = width * 2**i
            layer = []
            for j in range(count):
                layer.append(Bottleneck(cin, planes, 2 if i > 0 and j == 0 else 1, layout))
                cin = EXPANSION * planes
            self.add_module(f"layer{i + 1}", nn.ModuleList(layer))
        self.temporal_pool = TemporalPool("none")
        self.avgpool = nn.AvgPool2d(pool_size, stride=1)
        self.dropout = nn.Dropout(dropout)
        self.fc = Heads(cin, classes)

    def stage(self, number):
        """The blocks of conv{number}_x, number 2..5."""
        return getattr(self, f"layer{number - 1}")

    def stem(self, x):  # (B*T, Cin, H, W)
        x = F.relu_(self.bn1(self.conv1(x)))  # (B*T, stem, H/2, W/2)
        return self.maxpool(x)  # (B*T, stem, H/4, W/4)

    def head(self, x, frames, dataset=None):  # (B*T, C, h, w)
        """Features after the last ReLU -> logits (B*T', classes of `dataset`).

        The average pool slides with stride 1 over maps larger than pool_size; the classifier being linear, the mean
        of its outputs over positions is its output for the mean.
        """
        if min(x.shape[-2:]) < self.avgpool.kernel_size:
            raise ValueError(
                f"pool_size {self.avgpool.kernel_size} exceeds the {x.shape[-2]}x{x.shape[-1]} map of conv5_x: "
                "larger frames or a smaller pool_size"
            )
        x = self.temporal_pool(x, frames)  # (B*T', C, h, w)
        x = self.avgpool(x)  # (B*T', C, h-p+1, w-p+1)
        return self.fc(self.dropout(x.mean((2, 3))), dataset)  # (B*T', classes)


def _across_time(conv, x, frames):
    return conv(x, frames) if isinstance(conv, TemporalConv) else conv(x)
