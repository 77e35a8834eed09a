"""What both presets of ``repro.flow.tvl1`` are made of: pyramids, warping, median filter, for batches on any device."""

import torch
import torch.nn.functional as F
from torch import Tensor


def shrink(frames: Tensor, ratio: float) -> Tensor:
    """(B, H, W) to (B, round(ratio H), round(ratio W)), bilinear at exactly 1 / ratio px spacing."""
    height, width = (round(size * ratio) for size in frames.shape[1:])
    return _interpolate(frames, height, width, 1 / ratio, 1 / ratio)


def resize(flow: Tensor, height: int, width: int) -> Tensor:
    """(..., h, w) to (..., height, width), bilinear, pixel centres aligned."""
    return _interpolate(flow, height, width, flow.shape[-2] / height, flow.shape[-1] / width)


def halve(frames: Tensor) -> Tensor:
    """OpenCV's ``pyrDown``: (B, H, W) to (B, (H + 1) / 2, (W + 1) / 2), every second pixel of the frame after a
    binomial filter of five taps, mirrored at the border."""
    height, width = frames.shape[1:]
    padded = F.pad(frames, (2, 2, 2, 2), mode="reflect")

    def filtered(taps):
        first, second, third, fourth, fifth = taps
        return 0.0625 * (first + fifth) + 0.25 * (second + fourth) + 0.375 * third

    rows = filtered([padded[:, k : k + height : 2] for k in range(5)])  # (B, h, W + 4)
    return filtered([rows[:, :, k : k + width : 2] for k in range(5)])


def enlarge(flow: Tensor, height: int, width: int) -> Tensor:
    """(..., h, w) to (..., height, width), bilinear, first pixel on first pixel, as ``halve`` leaves them."""
    return _interpolate(flow, height, width, flow.shape[-2] / height, flow.shape[-1] / width, 0.0)


def _interpolate(picture, height, width, spacing_y, spacing_x, centre=0.5):
    def taps(count, spacing, size):
        position = ((torch.arange(count, dtype=torch.float64) + centre) * spacing - centre).clamp(0, size - 1)
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


def warp(pictures: Tensor, flow: Tensor, a: float = -0.75, black: bool = True) -> Tensor:
    """pictures (B, C, H, W) read at x + flow (B, 2, H, W) by cubic convolution with parameter ``a``; (B, C, H, W).
    Outside the picture it is ``black``, or else its border goes on.

    Positions are exact, as in OpenCV 5 (OpenCV 4 rounds them to 1/32 px).
    """
    batch, channels, height, width = pictures.shape
    x = torch.arange(width, device=flow.device) + flow[:, 0]
    y = torch.arange(height, device=flow.device)[:, None] + flow[:, 1]
    x, y = x.clamp(-4, width + 4), y.clamp(-4, height + 4)  # all the same from there on, and far values overflow integers
    left, top = x.floor(), y.floor()
    weights_x, weights_y = _cubic(x - left, a), _cubic(y - top, a)
    left, top = left.long() - 1, top.long() - 1
    flat = pictures.flatten(2)  # (B, C, H * W)
    out = torch.zeros_like(pictures)
    for j in range(4):
        row = top + j
        for i in range(4):
            column = left + i
            weight = weights_y[j] * weights_x[i]
            if black:
                weight = weight * ((row >= 0) & (row < height) & (column >= 0) & (column < width))
            place = (row.clamp(0, height - 1) * width + column.clamp(0, width - 1)).flatten(1)  # (B, H * W)
            values = flat.gather(2, place[:, None].expand(-1, channels, -1)).view_as(out)
            out += values * weight[:, None]
    return out


def _cubic(t, a):
    """Weights of the four samples at -1, 0, 1, 2 for a position t in [0, 1)."""

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
