"""The paper's operations on plain ResNet streams, each on its own."""

import torch
from torch import nn

from .temporal import TemporalConv, TemporalPool, temporal_kernel

INJECT = {"add": torch.add, "multiply": torch.mul}
"""Motion residual operators: x_a + ReLU(x_m) (Eq. 2) and x_a * ReLU(x_m) (ST-MulNet, CVPR 2017)."""


def add_temporal_convolutions(stream, how):
    """Make both 1x1 convolutions of every stage's second block 1x1x3 (Sec. 3.3), in place.

    how = "average", "centre": the kernels continue the 2D ones (see temporal_kernel); "random": drawn anew.
    """
    for number in (2, 3, 4, 5):
        block = stream.stage(number)[1]
        for name in ("conv1", "conv3"):
            flat = getattr(block, name)
            conv = TemporalConv(flat.in_channels, flat.out_channels)
            if how != "random":
                with torch.no_grad():
                    conv.weight.copy_(temporal_kernel(flat.weight, how))
            setattr(block, name, conv)


def add_temporal_filters(stream, how):
    """A filter over 3 frames, with bias, behind the ReLU of the 3x3 of every stage's second block (ST-MulNet), in place.

    Channels stay apart at the start: how = "centre" (the identity), "average" or "difference" (see temporal_kernel).
    """
    for number in (2, 3, 4, 5):
        block = stream.stage(number)[1]
        channels = block.conv2.out_channels
        block.temporal_filter = TemporalConv(channels, channels, bias=True)
        with torch.no_grad():
            block.temporal_filter.weight.copy_(temporal_kernel(torch.eye(channels)[:, :, None, None], how))


def add_temporal_pool(stream, how, stride=2):
    """Pool over time after the last ReLU of conv5_x, before the spatial average pool, in place."""
    stream.temporal_pool = TemporalPool(how, stride)


def initialise(stream):
    """He initialisation of convolutions, classifier N(0, 0.01^2) with zero bias, in place."""
    for module in stream.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    stream.fc.initialise(std=0.01)
