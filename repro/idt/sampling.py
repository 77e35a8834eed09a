"""Which points start a track, and which finished tracks are kept."""

import cv2
import numpy as np


def sample_points(grey, occupied, settings):
    """Centres of grid cells without a live track whose texture can be tracked.

    grey: (H, W) uint8; occupied: (N, 2) float, x and y of the live tracks. Returns (n, 2) float32, row by row.
    """
    step = settings.grid_step
    rows, columns = grey.shape[0] // step, grey.shape[1] // step
    free = np.ones((rows, columns), bool)
    cell = np.floor(occupied).astype(np.int64) // step
    cell = cell[(cell[:, 0] < columns) & (cell[:, 1] < rows)]
    free[cell[:, 1], cell[:, 0]] = False
    texture = cv2.cornerMinEigenVal(grey, 3, ksize=3)
    centres = texture[step // 2 : rows * step : step, step // 2 : columns * step : step]
    y, x = np.nonzero(free & (centres > texture.max() * settings.quality))
    return np.stack([x, y], axis=1).astype(np.float32) * step + step // 2


def keep_tracks(paths, steps, settings):
    """Which finished tracks are neither static, erratic, jumping nor consistent with the camera's motion.

    paths: (N, L + 1, 2) points and steps: (N, L, 2) compensated displacements, float32 px of the full-resolution frame.
    Returns kept (N,) bool and statistics (N, 5) float32: mean x, mean y, std x, std y, length of the path.
    """
    mean, std = paths.mean(axis=1), paths.std(axis=1)
    moved = np.linalg.norm(np.diff(paths, axis=1), axis=2)
    length, longest = moved.sum(axis=1), moved.max(axis=1)
    static = (std < settings.min_std).all(axis=1)
    erratic = (std > settings.max_std).any(axis=1)
    jump = (longest > settings.max_step) & (longest > settings.max_step_share * length)
    kept = ~(static | erratic | jump)
    if settings.compensate:
        kept &= np.linalg.norm(steps, axis=2).max(axis=1) > settings.min_warped_step
    return kept, np.concatenate([mean, std, length[:, None]], axis=1)
