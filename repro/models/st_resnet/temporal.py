"""What looks across frames: the 1x1x3 convolution (Sec. 3.3, Eq. 5) and the pooling over time (Table 1, pool5).

Features stay folded as (B*T, C, H, W). In channels_last memory that is the order (B, T, H*W, C), so the same bytes seen as a
(B, C, T, H*W) picture make a temporal operation an ordinary 2D one with a (k, 1) window: no copy, no 3D kernel.
"""

import torch
import torch.nn.functional as F
from torch import nn

from .settings import POOL_WINDOW


class TemporalConv(nn.Module):
    """1x1x3 convolution (space x space x time), stride 1, zero-padded by 1 in time, without bias unless asked.

    weight is (Cout, Cin, 3, 1, 1), the shape of a Conv3d.
    """

    def __init__(self, cin, cout, bias=False):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(cout, cin, 3, 1, 1))
        self.bias = nn.Parameter(torch.zeros(cout)) if bias else None
        nn.init.kaiming_normal_(self.weight, mode="fan_out", nonlinearity="relu")

    def _apply(self, fn, recurse=True):
        # nn.Module.to(memory_format=torch.channels_last) refuses 5D parameters: show it the kernel as the 2D one it is used as.
        return super()._apply(lambda tensor: fn(tensor.squeeze(4)).unsqueeze(4) if tensor.dim() == 5 else fn(tensor), recurse)

    def forward(self, x, frames):  # (B*T, Cin, H, W)
        convolve = _CpuConvolution.apply if x.device.type == "cpu" else _convolve
        y = convolve(_as_picture(x, frames), self.weight.squeeze(4))  # (B, Cout, T, H*W)
        if self.bias is not None:
            y = y + self.bias.to(y.dtype).view(1, -1, 1, 1)
        return _as_frames(y, x.shape[-2:])  # (B*T, Cout, H, W)


def _convolve(x, weight):  # (B, Cin, T, P), (Cout, Cin, 3, 1)
    return F.conv2d(x, weight, padding=(1, 0))  # (B, Cout, T, P)


class _CpuConvolution(torch.autograd.Function):
    """_convolve with a backward of its own: oneDNN's takes twice as long for this window (a forward-type convolution for
    the input's gradient and plain matrix products for the weight's make it 2.4 x a 1x1 convolution instead of 4 x)."""

    @staticmethod
    def forward(ctx, x, weight):
        ctx.save_for_backward(x, weight)
        return _convolve(x, weight)

    @staticmethod
    def backward(ctx, grad):  # (B, Cout, T, P)
        x, weight = ctx.saved_tensors
        grad_x = grad_weight = None
        if ctx.needs_input_grad[0]:
            grad_x = _convolve(grad, weight.to(grad.dtype).flip(2).transpose(0, 1))
        if ctx.needs_input_grad[1]:
            grad_weight = _weight_gradient(x, grad).to(weight.dtype)
        return grad_x, grad_weight


def _weight_gradient(x, grad):
    """(Cout, Cin, 3, 1): per tap the sum over clips, frames and positions of grad[t] x[t + tap - 1]."""
    p = x.shape[3]
    x = x.permute(0, 2, 3, 1).flatten(1, 2)  # (B, T*P, Cin)
    grad = grad.permute(0, 2, 3, 1).flatten(1, 2).to(x.dtype)  # (B, T*P, Cout)
    end = x.shape[1]
    taps = x.new_zeros(3, grad.shape[2], x.shape[2])  # (3, Cout, Cin)
    for xb, gb in zip(x, grad, strict=True):  # (T*P, Cin), (T*P, Cout)
        taps[0].addmm_(gb[p:].t(), xb[: end - p])
        taps[1].addmm_(gb.t(), xb)
        taps[2].addmm_(gb[: end - p].t(), xb[p:])
    return taps.permute(1, 2, 0).unsqueeze(3)


def temporal_kernel(kernel, how):
    """A 2D kernel (Cout, Cin, 1, 1) as a temporal one (Cout, Cin, 3, 1, 1).

    how = "average": each tap a third of it (Eq. 5); "centre": all of it on the middle tap, zeros beside; "difference": -1, 3
    and -1 times it (ST-MulNet's code).
    """
    taps = {"average": (1 / 3, 1 / 3, 1 / 3), "centre": (0.0, 1.0, 0.0), "difference": (-1.0, 3.0, -1.0)}
    if how not in taps:
        raise ValueError(f"how must be one of {', '.join(taps)}, got {how!r}")
    kernel = kernel.unsqueeze(2)  # (Cout, Cin, 1, 1, 1)
    if how == "average":
        return kernel.repeat(1, 1, 3, 1, 1) / 3
    return torch.cat([kernel * tap for tap in taps[how]], 2)


class TemporalPool(nn.Module):
    """Pool (B*T, C, H, W) over time, window 5, no padding: (B*T', C, H, W) with T' = (T - 5) // stride + 1.

    how = "max" (Table 1), "average", or "none" (T' = T). Raises ValueError for clips of fewer than 5 frames.
    """

    def __init__(self, how, stride=2):
        super().__init__()
        self.how, self.stride = how, stride

    def forward(self, x, frames):  # (B*T, C, H, W)
        if self.how == "none":
            return x
        if frames < POOL_WINDOW:
            raise ValueError(f"frames must be at least {POOL_WINDOW} for temporal pooling, got {frames}")
        pool = F.max_pool2d if self.how == "max" else F.avg_pool2d
        y = pool(_as_picture(x, frames), (POOL_WINDOW, 1), stride=(self.stride, 1))  # (B, C, T', H*W)
        return _as_frames(y, x.shape[-2:])  # (B*T', C, H, W)


def _as_picture(x, frames):
    n, c, h, w = x.shape
    return x.permute(0, 2, 3, 1).reshape(n // frames, frames, h * w, c).permute(0, 3, 1, 2)


def _as_frames(y, size):
    b, c, t, _ = y.shape
    return y.permute(0, 2, 3, 1).reshape(b * t, *size, c).permute(0, 3, 1, 2)
