"""Batched TV-L1 optical flow in PyTorch, for any device.

Source: Zach, Pock and Bischof, "A Duality Based Approach for Realtime TV-L1 Optical Flow" (2007), in the
discretisation of Sanchez, Meinhardt-Llopis and Facciolo (IPOL 2013), with the choices that OpenCV's
DualTVL1OpticalFlow makes, so that both give the same flow with the same parameters: a pyramid by bilinear
resizing without blurring, cubic warping (a = -0.75, black outside), central differences of the second frame
warped with it, a median filter before every outer iteration, and a stop as soon as the mean squared update of
a pair is at most epsilon^2.

    frames -> pyramid -> for each level, coarse to fine:
        for each warp:  warp second frame and gradients by u
            for each outer iteration:  median filter of u
                for each inner iteration:  thresholding, u, dual variables p
"""

import torch
import torch.nn.functional as F
from torch import Tensor

_SMALLEST = 16  # px; levels with a shorter side are left out
_FLAT = 1.1920929e-07  # squared gradients below this count as no texture
# Asking a GPU for a result stalls it: converged pairs are frozen at once, but leave the batch only so often
_PATIENCE = {"cpu": 1}


def tvl1(first: Tensor, second: Tensor, settings, step=None) -> Tensor:
    """Flow between two batches of grey frames (B, H, W), range 0..255, any dtype: (B, H, W, 2) float32 px on
    their device.

    settings: a FlowSettings; step: ``inner_step`` or a compiled version of it.
    """
    if first.shape != second.shape or first.ndim != 3:
        raise ValueError(f"expected two batches of one shape (B, H, W), got {tuple(first.shape)} and {tuple(second.shape)}")
    levels = [(first.float(), second.float())]
    for _ in range(settings.scales - 1):
        smaller = tuple(shrink(frames, settings.scale_step) for frames in levels[-1])
        if min(smaller[0].shape[1:]) < _SMALLEST:
            break
        levels.append(smaller)
    flow = None
    for frames in reversed(levels):  # coarse to fine
        batch, height, width = frames[0].shape
        if flow is None:
            flow = first.new_zeros((batch, 2, height, width), dtype=torch.float32)
        else:
            flow = resize(flow, height, width) / settings.scale_step  # (B, 2, H, W)
        flow = _one_level(*frames, flow, settings, step or inner_step)
    return flow.permute(0, 2, 3, 1).contiguous()


def _one_level(first, second, flow, settings, step):
    """first, second (B, H, W); flow (B, 2, H, W), improved by ``settings.warps`` warps."""
    batch, height, width = first.shape
    padded = F.pad(second, (1, 1, 1, 1), mode="replicate")
    target = torch.stack(
        [second, (padded[:, 1:-1, 2:] - padded[:, 1:-1, :-2]) / 2, (padded[:, 2:, 1:-1] - padded[:, :-2, 1:-1]) / 2], 1
    )  # (B, 3, H, W): value, d/dx, d/dy
    dual = flow.new_zeros((batch, 4, height, width))  # p11 p12 p21 p22; kept from warp to warp
    for _ in range(settings.warps):
        warped = warp(target, flow)  # (B, 3, H, W)
        gradient = warped[:, 1:]
        rest = warped[:, 0] - (gradient * flow).sum(1) - first  # the residual less its part that depends on the flow
        inverse = 1 / gradient.square().sum(1).clamp(min=_FLAT)
        flow, dual = _minimise(flow, dual, gradient, rest, inverse, settings, step)
    return flow


def _minimise(flow, dual, gradient, rest, inverse, settings, step):
    """Alternate thresholding and dual steps; pairs leave the batch when they have converged."""
    limit = settings.epsilon**2 * flow.shape[2] * flow.shape[3]
    patience = _PATIENCE.get(flow.device.type, 8)
    finished_flow, finished_dual = torch.empty_like(flow), torch.empty_like(dual)
    index = torch.arange(len(flow), device=flow.device)
    live = torch.ones(len(flow), dtype=torch.bool, device=flow.device)
    for iteration in range(settings.outer * settings.inner):
        if iteration % settings.inner == 0 and settings.median > 1:
            flow = torch.where(live[:, None, None, None], median(flow, settings.median), flow)
        flow, dual, live = step(
            flow,
            dual,
            gradient,
            rest,
            inverse,
            live,
            settings.tau / settings.theta,
            settings.lambda_ * settings.theta,
            settings.theta,
            limit,
        )
        if iteration % patience == patience - 1 and not live.all():
            done = ~live
            finished_flow[index[done]], finished_dual[index[done]] = flow[done], dual[done]
            if done.all():
                return finished_flow, finished_dual
            index, flow, dual, gradient, rest, inverse, live = (
                each[live] for each in (index, flow, dual, gradient, rest, inverse, live)
            )
    finished_flow[index], finished_dual[index] = flow, dual
    return finished_flow, finished_dual


def inner_step(flow, dual, gradient, rest, inverse, live, tau, threshold, theta, limit):
    """One inner iteration (IPOL article, Eq. 15-17): new (flow, dual, live).

    flow, gradient (B, 2, H, W); dual (B, 4, H, W); rest, inverse (B, H, W); live (B,) bool: others stay as
    they are.
    """
    mask = live[:, None, None, None]
    residual = rest + (gradient * flow).sum(1)  # (B, H, W)
    along = (-residual * inverse).clamp(-threshold, threshold)[:, None]
    x, y = dual[:, 0::2], dual[:, 1::2]  # (B, 2, H, W) each
    divergence = x - F.pad(x[..., :-1], (1, 0)) + y - F.pad(y[..., :-1, :], (0, 0, 1, 0))
    new = flow + along * gradient + theta * divergence
    change = (new - flow).square().sum((1, 2, 3))  # (B,)
    new = torch.where(mask, new, flow)
    right = F.pad(new[..., 1:] - new[..., :-1], (0, 1))
    down = F.pad(new[..., 1:, :] - new[..., :-1, :], (0, 0, 0, 1))
    shrinkage = 1 + tau * (right.square() + down.square()).sqrt()
    moved = torch.stack([(x + tau * right) / shrinkage, (y + tau * down) / shrinkage], 2).flatten(1, 2)  # (B, 4, H, W)
    return new, torch.where(mask, moved, dual), live & (change > limit)


def shrink(frames: Tensor, ratio: float) -> Tensor:
    """(B, H, W) to (B, round(ratio H), round(ratio W)), bilinear at exactly 1 / ratio px spacing."""
    height, width = (round(size * ratio) for size in frames.shape[1:])
    return _interpolate(frames, height, width, 1 / ratio, 1 / ratio)


def resize(flow: Tensor, height: int, width: int) -> Tensor:
    """(..., h, w) to (..., height, width), bilinear, pixel centres aligned."""
    return _interpolate(flow, height, width, flow.shape[-2] / height, flow.shape[-1] / width)


def _interpolate(picture, height, width, spacing_y, spacing_x):
    def taps(count, spacing, size):
        position = ((torch.arange(count, dtype=torch.float64) + 0.5) * spacing - 0.5).clamp(0, size - 1)
        low = position.floor().long()
        return (
            low.to(picture.device),
            (low + 1).clamp(max=size - 1).to(picture.device),
            (position - low).float().to(picture.device),
        )

    left, right, part_x = taps(width, spacing_x, picture.shape[-1])
    top, below, part_y = taps(height, spacing_y, picture.shape[-2])
    rows = picture[..., left] * (1 - part_x) + picture[..., right] * part_x  # (..., h, width)
    return rows[..., top, :] * (1 - part_y[:, None]) + rows[..., below, :] * part_y[:, None]


def warp(pictures: Tensor, flow: Tensor) -> Tensor:
    """pictures (B, C, H, W) read at x + flow (B, 2, H, W): cubic convolution with a = -0.75, zero outside;
    (B, C, H, W).

    Positions are exact, as in OpenCV 5 (OpenCV 4 rounds them to 1/32 px).
    """
    batch, channels, height, width = pictures.shape
    x = torch.arange(width, device=flow.device) + flow[:, 0]
    y = torch.arange(height, device=flow.device)[:, None] + flow[:, 1]
    x, y = x.clamp(-4, width + 4), y.clamp(-4, height + 4)  # all black from there on, and far values overflow integers
    left, top = x.floor(), y.floor()
    weights_x, weights_y = _cubic(x - left), _cubic(y - top)
    left, top = left.long() - 1, top.long() - 1
    flat = pictures.flatten(2)  # (B, C, H * W)
    out = torch.zeros_like(pictures)
    for j in range(4):
        row = top + j
        for i in range(4):
            column = left + i
            inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
            place = (row.clamp(0, height - 1) * width + column.clamp(0, width - 1)).flatten(1)  # (B, H * W)
            values = flat.gather(2, place[:, None].expand(-1, channels, -1)).view_as(out)
            out += values * (weights_y[j] * weights_x[i] * inside)[:, None]
    return out


def _cubic(t):
    """Weights of the four samples at -1, 0, 1, 2 for a position t in [0, 1)."""
    a = -0.75

    def near(d):
        return ((a + 2) * d - (a + 3)) * d * d + 1

    def far(d):
        return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a

    first, second, third = far(t + 1), near(t), near(1 - t)
    return first, second, third, 1 - first - second - third


def median(pictures: Tensor, size: int) -> Tensor:
    """Median over size x size windows (3 or 5), border pixels repeated; (..., H, W) to the same shape.

    Columns are sorted once for all windows that share them. In a window with sorted columns and then sorted
    rows, entry (i, j) has (i + 1)(j + 1) - 1 entries below it and (n - i)(n - j) - 1 above, so that only the
    middle band can hold the median.
    """
    half, half_count = size // 2, (size * size + 1) // 2
    height, width = pictures.shape[-2:]
    padded = F.pad(pictures, (half,) * 4, mode="replicate")
    columns = _sorted([padded[..., k : k + height, :] for k in range(size)])
    rows = [_sorted([column[..., k : k + width] for k in range(size)]) for column in columns]
    band = [
        rows[i][j]
        for i in range(size)
        for j in range(size)
        if (i + 1) * (j + 1) <= half_count and (size - i) * (size - j) <= half_count
    ]
    # keep just more than half, drop the smallest and the largest, take in the next: the median is left
    kept, waiting = band[: len(band) // 2 + 2], band[len(band) // 2 + 2 :]
    while len(kept) > 1:
        kept = _drop_extremes(kept) + waiting[:1]
        waiting = waiting[1:]
    return kept[0]


def _sorted(values):
    """Odd-even transposition sort of a list of tensors, elementwise."""
    values = list(values)
    for start in [0, 1] * ((len(values) + 1) // 2) + [0] * (len(values) % 2 == 0):
        for k in range(start, len(values) - 1, 2):
            values[k], values[k + 1] = torch.minimum(values[k], values[k + 1]), torch.maximum(values[k], values[k + 1])
    return values


def _drop_extremes(values):
    """The list less its elementwise smallest and largest entries."""
    values = list(values)
    for k in range(len(values) - 1):  # the largest moves to the end
        values[k], values[k + 1] = torch.minimum(values[k], values[k + 1]), torch.maximum(values[k], values[k + 1])
    values.pop()
    for k in range(len(values) - 1, 0, -1):  # the smallest moves to the front
        values[k - 1], values[k] = torch.minimum(values[k - 1], values[k]), torch.maximum(values[k - 1], values[k])
    return values[1:]
