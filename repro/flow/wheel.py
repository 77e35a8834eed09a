"""Flow as a picture: direction gives the hue, length the saturation."""

import numpy as np

# corner colours of the wheel, and how many hue steps lead from each to the next; Baker et al., "A Database
# and Evaluation Methodology for Optical Flow" (IJCV 2011): more steps where the eye tells more hues apart
_CORNERS = np.array([(1, 0, 0), (1, 1, 0), (0, 1, 0), (0, 1, 1), (0, 0, 1), (1, 0, 1)], float)
_STEPS = (15, 6, 4, 11, 13, 6)


def colour_wheel(flow: np.ndarray, longest: float | None = None) -> np.ndarray:
    """Picture (H, W, 3) uint8 RGB of a flow field (H, W, 2) px: white = still, red = to the right, hues
    clockwise.

    ``longest`` is the length in px that gets the full colour (the field's own maximum where not given);
    longer vectors are drawn darker.
    """
    u, v = flow[..., 0].astype(np.float64), flow[..., 1].astype(np.float64)
    length = np.hypot(u, v)
    length = length / max(longest or length.max(), 1e-6)
    hues = _hues()
    position = (np.arctan2(v, u) / (2 * np.pi) % 1) * len(hues)
    low = position.astype(int) % len(hues)
    part = (position - np.floor(position))[..., None]
    full = (1 - part) * hues[low] + part * hues[(low + 1) % len(hues)]
    inside = 1 - length[..., None] * (1 - full)
    return np.round(255 * np.where(length[..., None] <= 1, inside, 0.75 * full)).astype(np.uint8)


def _hues():
    """(55, 3) colours in [0, 1] round the wheel, beginning with red."""
    following = np.roll(_CORNERS, -1, axis=0)
    return np.concatenate(
        [start + (end - start) * np.arange(steps)[:, None] / steps for start, end, steps in zip(_CORNERS, following, _STEPS)]
    )
