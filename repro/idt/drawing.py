"""Pictures of trajectories and of their descriptors."""

import cv2
import numpy as np

from .settings import DESCRIPTOR_BINS, SPATIAL_CELLS, TEMPORAL_CELLS, descriptor_layout

GREEN, RED = (0, 255, 0), (255, 0, 0)
SUBPIXEL_BITS = 4


def draw_trajectories(frame, trajectories, at, *, compensated=False, colour=GREEN, magnify=1):
    """Frame number `at` with every trajectory that is alive in it, each from its start to its present point (a red dot).

    frame: (H, W, 3) uint8 RGB, left as it is; trajectories: as extracted, with `paths` and `steps`. With `compensated` the
    lines show what is left of the motion once the camera's is taken out, ending in the tracked point.
    Returns (magnify H, magnify W, 3) uint8. Raises ValueError for trajectories read from a file, which holds no paths.
    """
    if trajectories.paths is None:
        raise ValueError("trajectories.paths is None: draw the result of extract_trajectories, files hold no paths")
    picture = cv2.resize(frame, None, fx=magnify, fy=magnify, interpolation=cv2.INTER_CUBIC)
    steps = trajectories.steps.shape[1]
    taken = at - (trajectories.end - steps)
    for index in np.flatnonzero((taken >= 0) & (taken <= steps)):
        path = trajectories.paths[index, : taken[index] + 1]
        if compensated:
            moved = np.concatenate([np.zeros((1, 2)), trajectories.steps[index, : taken[index]].cumsum(axis=0)])
            path = path[-1] + moved - moved[-1]
        scaled = ((path + 0.5) * magnify - 0.5) * 2**SUBPIXEL_BITS
        points = np.rint(scaled).astype(np.int32)
        cv2.polylines(picture, [points[:, None]], False, colour, 1, cv2.LINE_AA, SUBPIXEL_BITS)
        cv2.circle(picture, points[-1].tolist(), magnify * 2 ** (SUBPIXEL_BITS - 1), RED, -1, cv2.LINE_AA, SUBPIXEL_BITS)
    return picture


def descriptor_cells(descriptors, name, track_length=15):
    """Histogram descriptor `name` (hog, hof, mbhx or mbhy) of rows (N, 426) as (N, 3 times, 2 x, 2 y, bins)."""
    if name not in DESCRIPTOR_BINS:
        raise ValueError(f"name must be one of {', '.join(DESCRIPTOR_BINS)}, got {name!r}")
    part = descriptors[:, descriptor_layout(track_length)[name]]
    return part.reshape(-1, TEMPORAL_CELLS, SPATIAL_CELLS, SPATIAL_CELLS, DESCRIPTOR_BINS[name])
