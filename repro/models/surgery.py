"""The paper's operations on plain ResNet streams, each on its own."""

import torch
from torch import nn

from .temporal import TemporalConv, TemporalPool, temporal_kernel

INJECT = {"add": torch.add, "multiply": torch.mul}
"""Motion residual operators: x_a + ReLU(x_m) (Eq. 2) and x_a * ReLU(x_m) (ST-MulNet, CVPR 2017)."""


def inflate_conv1(kernel, channels):
    """conv1 of an RGB network (Cout, 3, k, k) for any number of input channels: the mean over RGB, repeated, unscaled."""
    return kernel.mean(1, keepdim=True).repeat(1, channels, 1, 1)  # (Cout, channels, k, k)


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


def add_temporal_pool(stream, how):
    """Pool over time after the last ReLU of conv5_x, before the spatial average pool, in place."""
    stream.temporal_pool = TemporalPool(how)


def initialise(stream):
    """He initialisation of convolutions, classifier N(0, 0.01^2) with zero bias, in place."""
    for module in stream.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    nn.init.normal_(stream.fc.weight, std=0.01)
    nn.init.zeros_(stream.fc.bias)
