"""How two towers become one: the fusion operators of Feichtenhofer et al. 2016, Sec. 3.1 and 3.3.

Numbers of sections, equations and tables are recalled. Each operator maps spatial and temporal features x_s, x_t, both
(B*T, C, H, W), and the frames T of a clip to the fused features.
"""

import torch
import torch.nn.functional as F
from torch import nn

from .settings import STARTS

RANDOM_STD = 0.01


def join(name, channels, start, relu):
    """The operator `name` for features of `channels` channels; start, relu: of conv and conv3d, see `TwoStreamFusionSettings`."""
    if name in ("conv", "conv3d"):
        return (ConvFusion if name == "conv" else Conv3dFusion)(channels, start, relu)
    return {"sum": SumFusion, "max": MaxFusion, "concatenation": Concatenation, "bilinear": Bilinear}[name]()


class SumFusion(nn.Module):
    """y = x_s + x_t (Eq. 1)."""

    def forward(self, x_s, x_t, frames):
        return x_s + x_t  # (B*T, C, H, W)


class MaxFusion(nn.Module):
    """y = max(x_s, x_t), element by element (Eq. 2)."""

    def forward(self, x_s, x_t, frames):
        return torch.maximum(x_s, x_t)  # (B*T, C, H, W)


class Concatenation(nn.Module):
    """y = [x_s, x_t] along the channels (Eq. 3, which interleaves them; the order is the authors' code's)."""

    def forward(self, x_s, x_t, frames):
        return torch.cat((x_s, x_t), 1)  # (B*T, 2C, H, W)


class ConvFusion(nn.Conv2d):
    """y = [x_s, x_t] * f + b, f 1x1 from 2C to C channels (Eq. 4), ReLU if asked (authors' code).

    Starts as y = w_s x_s + w_t x_t: f = [w_s I; w_t I], b = 0 (Table 1), or at random.
    """

    def __init__(self, channels, start, relu):
        super().__init__(2 * channels, channels, 1)
        self.relu = relu
        _start(self, start, self.weight.new_ones(1, 1))

    def forward(self, x_s, x_t, frames):
        y = super().forward(torch.cat((x_s, x_t), 1))  # (B*T, C, H, W)
        return F.relu_(y) if self.relu else y


class Conv3dFusion(nn.Conv3d):
    """y = [x_s, x_t] * f + b, f 3x3x3 over space and time from 2C to C channels, padded by 1 (Sec. 3.3), ReLU if asked.

    Starts as [w_s I; w_t I] at every tap times a Gaussian over the taps of sigma 1 and sum 1, b = 0: a blurred weighted sum; or
    at random.
    """

    def __init__(self, channels, start, relu):
        super().__init__(2 * channels, channels, 3, padding=1)
        self.relu = relu
        line = torch.exp(-0.5 * torch.tensor([-1.0, 0.0, 1.0]).square())
        taps = line[:, None, None] * line[:, None] * line  # (3, 3, 3)
        _start(self, start, taps / taps.sum())

    def forward(self, x_s, x_t, frames):
        x = torch.cat((x_s, x_t), 1).unflatten(0, (-1, frames)).transpose(1, 2)  # (B, 2C, T, H, W)
        y = super().forward(x).transpose(1, 2).flatten(0, 1)  # (B*T, C, H, W)
        return F.relu_(y) if self.relu else y


class Bilinear(nn.Module):
    """y = sum over positions of the outer product x_s x_t^T (Eq. 5), then sign(y) sqrt|y|, then y / |y| (Sec. 3.1).

    Where y = 0 the square root's gradient, which has no limit, is taken as zero. The paper's classifier of these features is a
    linear SVM; here it is the network's own, linear as well.
    """

    def forward(self, x_s, x_t, frames):
        y = torch.bmm(x_s.flatten(2), x_t.flatten(2).transpose(1, 2)).flatten(1)  # (B*T, C * C')
        y = y.to(torch.promote_types(y.dtype, torch.float32))  # half precision holds no square root of a sum's least parts
        return F.normalize(y.sign() * y.abs().clamp(min=1e-12).sqrt())


def pad_alike(x_s, x_t):
    """Both with the larger height and width of the two: zeros at the far ends of the smaller maps (Sec. 3.1)."""
    size = [max(pair) for pair in zip(x_s.shape[2:], x_t.shape[2:], strict=True)]
    return tuple(F.pad(x, (0, size[1] - x.shape[3], 0, size[0] - x.shape[2])) for x in (x_s, x_t))


@torch.no_grad()
def _start(conv, start, taps):
    """Kernel (C, 2C, *taps' shape) and bias of a fusing convolution, in place."""
    nn.init.zeros_(conv.bias)
    if STARTS[start] is None:
        nn.init.normal_(conv.weight, std=RANDOM_STD)
        return
    identity = torch.eye(conv.out_channels)
    mixed = torch.cat([weight * identity for weight in STARTS[start]], 1)  # (C, 2C)
    conv.weight.copy_(mixed.view(*mixed.shape, *(1 for _ in taps.shape)) * taps)
