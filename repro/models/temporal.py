"""What looks across frames: the 1x1x3 convolution (Sec. 3.3, Eq. 5) and the pooling over time (Table 1, pool5).

Features stay folded as (B*T, C, H, W). In channels_last memory that is the order (B, T, H*W, C), so the same bytes seen as a
(B, C, T, H*W) picture make a temporal operation an ordinary 2D one with a (k, 1) window: no copy, no 3D kernel.
"""

import torch
import torch.nn.functional as F
from torch import nn

POOL_WINDOW, POOL_STRIDE = 5, 2


class TemporalConv(nn.Module):
    """1x1x3 convolution (space x space x time) without bias, stride 1, zero-padded by 1 in time.

    weight is (Cout, Cin, 3, 1, 1), the shape of a Conv3d.
    """

    def __init__(self, cin, cout):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(cout, cin, 3, 1, 1))
        nn.init.kaiming_normal_(self.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x, frames):                                               # (B*T, Cin, H, W)
        y = F.conv2d(_as_picture(x, frames), self.weight.squeeze(4), padding=(1, 0))   # (B, Cout, T, H*W)
        return _as_frames(y, x.shape[-2:])                                      # (B*T, Cout, H, W)


def temporal_kernel(kernel, how):
    """A 2D kernel (Cout, Cin, 1, 1) as a temporal one (Cout, Cin, 3, 1, 1).

    how = "average": each tap a third of it (Eq. 5); "centre": all of it on the middle tap, zeros beside.
    """
    kernel = kernel.unsqueeze(2)                                                # (Cout, Cin, 1, 1, 1)
    if how == "average":
        return kernel.repeat(1, 1, 3, 1, 1) / 3
    if how == "centre":
        return F.pad(kernel, (0, 0, 0, 0, 1, 1))
    raise ValueError(f"how must be 'average' or 'centre', got {how!r}")


class TemporalPool(nn.Module):
    """Pool (B*T, C, H, W) over time, window 5, stride 2, no padding: (B*T', C, H, W) with T' = (T - 5) // 2 + 1.

    how = "max" (Table 1), "average", or "none" (T' = T). Raises ValueError for clips of fewer than 5 frames.
    """

    def __init__(self, how):
        super().__init__()
        self.how = how

    def forward(self, x, frames):                                               # (B*T, C, H, W)
        if self.how == "none":
            return x
        if frames < POOL_WINDOW:
            raise ValueError(f"frames must be at least {POOL_WINDOW} for temporal pooling, got {frames}")
        pool = F.max_pool2d if self.how == "max" else F.avg_pool2d
        y = pool(_as_picture(x, frames), (POOL_WINDOW, 1), stride=(POOL_STRIDE, 1))     # (B, C, T', H*W)
        return _as_frames(y, x.shape[-2:])                                      # (B*T', C, H, W)


def _as_picture(x, frames):
    n, c, h, w = x.shape
    return x.permute(0, 2, 3, 1).reshape(n // frames, frames, h * w, c).permute(0, 3, 1, 2)


def _as_frames(y, size):
    b, c, t, _ = y.shape
    return y.permute(0, 2, 3, 1).reshape(b * t, *size, c).permute(0, 3, 1, 2)
