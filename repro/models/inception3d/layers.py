"""The parts of an inflated Inception: padded convolutions and pools, units, gates, blocks. Tensors are (B, C, T, H, W)."""

from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

from ..batchnorm import StepBatchNorm3d

EPSILON = 1e-3


def padding(style, sizes, kernel, stride):
    """[(before, after)] along each of `sizes`.

    "symmetric" takes (k - 1) // 2 on both sides. "tf" (SAME) takes the fewest that give ceil(n / stride) outputs, an odd one
    after: a 7 / 2 on an even size gets 2 and 3, a 3 / 2 gets 0 and 1.
    """
    if style == "symmetric":
        return [((k - 1) // 2, (k - 1) // 2) for k in kernel]
    totals = [max((-(-n // s) - 1) * s + k - n, 0) for n, k, s in zip(sizes, kernel, stride)]
    return [(total // 2, total - total // 2) for total in totals]


class PaddedConv3d(nn.Conv3d):
    """A convolution with the padding of a style; `style` may be one per axis."""

    def __init__(self, cin, cout, kernel, stride, style, bias=False):
        super().__init__(cin, cout, kernel, stride, bias=bias)
        self.style = style
        if style == "symmetric" or set(stride) == {1}:  # odd kernels: every style pads k // 2
            self.padding, self.style = tuple(k // 2 for k in kernel), None

    def forward(self, x):
        if self.style is not None:
            sides = padding("tf", x.shape[2:], self.kernel_size, self.stride)
            if self.style == "googlenet":
                sides[1:] = padding("symmetric", x.shape[3:], self.kernel_size[1:], self.stride[1:])
            x = F.pad(x, [n for side in reversed(sides) for n in side])
        return super().forward(x)


class PaddedMaxPool3d(nn.Module):
    """A max pool with the padding of a style; what is padded never wins."""

    def __init__(self, kernel, stride, style):
        super().__init__()
        self.kernel, self.stride, self.style = kernel, stride, style

    def forward(self, x):
        # SAME pads as much after as before, or one more: that one is what ceil_mode adds. No padded copy of x.
        before = [side[0] for side in padding(self.style, x.shape[2:], self.kernel, self.stride)]
        ceil = self.style != "symmetric"
        pool = partial(F.max_pool3d, kernel_size=self.kernel, stride=self.stride, padding=before, ceil_mode=ceil)
        if x.device.type != "cpu" or max(self.stride) > 1:
            return pool(x)
        # A CPU compares all channels at once where they lie side by side: equal bits, five times as fast with both copies.
        x = x.contiguous(memory_format=torch.channels_last_3d)
        if x.requires_grad:
            x.register_hook(torch.Tensor.contiguous)  # the layers before it get their gradient in the usual layout
        return pool(x).contiguous()


def norm(channels, scale):
    """Batch norm; without scale gamma stays one, a buffer, so that weights that have it still fit."""
    layer = StepBatchNorm3d(channels, eps=EPSILON)
    if not scale:
        gamma = layer.weight.detach()
        del layer.weight
        layer.register_buffer("weight", gamma)
    return layer


class Temporal(nn.Module):
    """A k_t x 1 x 1 convolution, then batch norm and ReLU, or bias and ReLU."""

    def __init__(self, channels, frames, stride, settings):
        super().__init__()
        bias = not settings.temporal_norm
        self.conv = PaddedConv3d(channels, channels, (frames, 1, 1), (stride, 1, 1), settings.padding, bias)
        self.bn = norm(channels, settings.norm_scale) if settings.temporal_norm else None

    def forward(self, x):  # (B, C, T, H, W)
        x = self.conv(x)  # (B, C, T/stride, H, W)
        return F.relu_(x if self.bn is None else self.bn(x))

    @torch.no_grad()
    def start_as_identity(self):
        """Centre tap one, others zero; the norm's variance such that, in eval mode, eps is made up for."""
        nn.init.dirac_(self.conv.weight)
        if self.bn is not None:
            self.bn.running_var.fill_(1 - EPSILON)


class Gate(nn.Module):
    """Feature gating (Xie et al., Sec. 5): y = x * sigmoid(W mean_{T,H,W}(x) + b), space and time pooled jointly."""

    def __init__(self, channels, bias):
        super().__init__()
        self.linear = nn.Linear(channels, channels, bias)

    def forward(self, x):  # (B, C, T, H, W)
        gate = self.linear(x.mean((2, 3, 4))).sigmoid()  # (B, C)
        return x * gate[:, :, None, None, None]


class Unit(nn.Module):
    """Convolution, batch norm, ReLU; over time or not, in one kernel or two; gated or not.

        full                k_t x k x k - BN - ReLU
        separable           1 x k x k - BN - ReLU - k_t x 1 x 1 - BN or bias - ReLU
        gated               ... - gate

    The spatial half has the names of a 2D unit, so that weights of one are a start for the other.
    """

    def __init__(self, cin, cout, settings, *, side=1, frames=1, stride=1, separable=False, gated=False):
        super().__init__()
        kernel, strides = (frames, side, side), (stride, stride, stride)
        if separable:
            kernel, strides = (1, side, side), (1, stride, stride)
        self.conv = PaddedConv3d(cin, cout, kernel, strides, settings.padding)
        self.bn = norm(cout, settings.norm_scale)
        self.temporal = Temporal(cout, frames, stride, settings) if separable else None
        self.gate = Gate(cout, settings.gate_bias) if gated else None

    def forward(self, x):  # (B, Cin, T, H, W)
        x = F.relu_(self.bn(self.conv(x)))  # (B, Cout, T', H', W'), T' = T if separable
        if self.temporal is not None:
            x = self.temporal(x)  # (B, Cout, T', H', W')
        return x if self.gate is None else self.gate(x)


class Inception(nn.Module):
    """Four branches side by side, concatenated; widths (b0, (b1 reduced, b1), (b2 reduced, b2), b3).

        b0  1x1x1            b1, b2  1x1x1 - 3x3x3            b3  max pool 3x3x3 - 1x1x1

    Both b1 and b2 end in 3x3x3 (the 2014 Inception had 5x5 in b2).
    """

    def __init__(self, cin, widths, layer, settings):
        super().__init__()
        frames, separable = settings.frames(layer), settings.separable(layer)
        gated = layer in settings.gated_layers
        point = dict(frames=frames, separable=True) if separable and settings.temporal_branches == 4 else {}
        b0, (reduce1, b1), (reduce2, b2), b3 = widths
        over = dict(side=3, frames=frames, separable=separable, gated=gated)
        self.b0 = Unit(cin, b0, settings, **point, gated=gated)
        self.b1 = nn.Sequential(Unit(cin, reduce1, settings), Unit(reduce1, b1, settings, **over))
        self.b2 = nn.Sequential(Unit(cin, reduce2, settings), Unit(reduce2, b2, settings, **over))
        pool = (frames if settings.pools_follow else 3, 3, 3)
        self.b3 = nn.Sequential(PaddedMaxPool3d(pool, (1, 1, 1), settings.padding), Unit(cin, b3, settings, **point, gated=gated))

    def forward(self, x):  # (B, Cin, T, H, W)
        return torch.cat([self.b0(x), self.b1(x), self.b2(x), self.b3(x)], 1)  # (B, b0 + b1 + b2 + b3, T, H, W)
