"""How good a flow is where that can be told: frames whose motion was made, and the residual after warping."""

import cv2
import numpy as np

_OCTAVES = 6


def texture(height: int, width: int, seed: int) -> np.ndarray:
    """A grey picture (height, width) uint8 with detail of all sizes up to 32 px, as photographs have it: whole random
    numbers of ever coarser grids, enlarged and added."""
    rng = np.random.default_rng(seed)
    out = np.zeros((height, width), np.float32)
    for octave in range(_OCTAVES):
        grid = rng.integers(0, 256, ((height >> octave) + 2, (width >> octave) + 2)).astype(np.float32)
        out += cv2.resize(grid, (width, height), interpolation=cv2.INTER_LINEAR) * (1 if octave else 0.5)
    low, high = out.min(), out.max()
    return np.round((out - low) * (255 / (high - low))).astype(np.uint8)


def moved_patch(distance: int, size: int = 70, seed: int = 0, height: int = 256, width: int = 340):
    """(first, second, inside): a textured square of ``size`` px moves ``distance`` px to the right over another texture
    that stands still; grey frames (height, width) uint8, and the square's place in the first frame as slices."""
    ground, patch = texture(height, width, 2 * seed), texture(size, size, 2 * seed + 1)
    top, left = (height - size) // 2, (width - size - distance) // 2
    pair = []
    for column in (left, left + distance):
        frame = ground.copy()
        frame[top : top + size, column : column + size] = patch
        pair.append(frame)
    return *pair, (slice(top, top + size), slice(left, left + size))


def found(flow: np.ndarray, inside) -> tuple[float, float]:
    """(u, v): the median motion in px which a field (H, W, 2) gives the pixels ``inside``."""
    u, v = np.median(flow[inside].reshape(-1, 2), axis=0)
    return float(u), float(v)


def residual(first: np.ndarray, second: np.ndarray, flow: np.ndarray, inside=...) -> float:
    """Mean absolute grey-level difference between the first frame and the second one read at x + flow (H, W, 2),
    over the pixels ``inside``; grey uint8 frames, bilinear, border repeated. With a flow of 0: what motion there is to
    explain."""
    height, width = first.shape
    y, x = np.mgrid[:height, :width].astype(np.float32)
    flow = flow.astype(np.float32)
    there = cv2.remap(
        second.astype(np.float32), x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return float(np.abs(there - first)[inside].mean())
