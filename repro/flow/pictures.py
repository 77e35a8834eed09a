"""Stored flow for people: a strip for one moment, a sheet for many videos."""

import cv2
import numpy as np

from repro.flow.bytes import dequantise
from repro.flow.wheel import colour_wheel

_GAP = 2  # px of white between pictures


def strip(frame: np.ndarray, stored: np.ndarray, bound: float) -> np.ndarray:
    """One row of four pictures: frame, flow in colour, u, v (grey, 128 = zero).

    frame (H, W, 3) uint8 RGB, stored (H, W, 2) uint8, bound px: (H, 4 W + gaps, 3) uint8 RGB.
    """
    return _row([frame, _coloured(stored, bound), *(np.repeat(stored[..., k, None], 3, 2) for k in (0, 1))])


def strips(frames: np.ndarray, stored: np.ndarray, bound: float) -> np.ndarray:
    """``strip`` for several moments, one below the other; frames (n, H, W, 3), stored (n, H, W, 2)."""
    return _column([strip(*pair, bound) for pair in zip(frames, stored, strict=True)])


def contact_sheet(stored: list, bound: float, columns: int = 8, width: int = 120) -> np.ndarray:
    """Flow of many videos in colour, one small picture each, in reading order, with the colour wheel in the
    first place.

    stored: fields (H, W, 2) uint8 of any sizes, each drawn ``width`` px wide in a cell 3/4 as high.
    """
    if not stored:
        raise ValueError("stored must hold at least one field")
    height = width * 3 // 4
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : height * 1j]
    wheel = colour_wheel(np.where(np.hypot(x, y)[..., None] <= 1, np.stack([x, y], -1), 0), 1)
    cells = [_fit(wheel, height, width)] + [_fit(_coloured(field, bound), height, width) for field in stored]
    cells += [np.full_like(cells[0], 255)] * (-len(cells) % columns)
    return _column([_row(cells[k : k + columns]) for k in range(0, len(cells), columns)])


def _coloured(stored, bound):
    flow = dequantise(stored, bound)
    flow = np.where(np.abs(flow) <= bound / 255 * 1.01, 0, flow)  # 127 and 128 stand for zero
    # full colour at the 99th percentile: at the bound almost everything would look white
    return colour_wheel(flow, max(float(np.percentile(np.hypot(flow[..., 0], flow[..., 1]), 99)), 0.5))


def _fit(picture, height, width):
    scale = min(height / picture.shape[0], width / picture.shape[1])
    size = tuple(max(1, round(side * scale)) for side in picture.shape[1::-1])
    cell = np.full((height, width, 3), 255, np.uint8)
    cell[: size[1], : size[0]] = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return cell


def _row(pictures):
    gap = np.full((pictures[0].shape[0], _GAP, 3), 255, np.uint8)
    return np.concatenate([part for picture in pictures for part in (picture, gap)][:-1], 1)


def _column(pictures):
    gap = np.full((_GAP, pictures[0].shape[1], 3), 255, np.uint8)
    return np.concatenate([part for picture in pictures for part in (picture, gap)][:-1], 0)
