"""Inputs made from flow fields: the alternatives that two-stream papers compare.

A sequence of fields is (n, H, W, 2) float in px; field t goes from frame t to frame t + 1. Stacked inputs
have channels last in the order u1 v1 u2 v2 ...
Sources: Simonyan and Zisserman, "Two-Stream Convolutional Networks" (2014), Sec. 3.1, called SZ below; Wang
and Schmid, "Action Recognition with Improved Trajectories" (2013), Sec. 3.
"""

import cv2
import numpy as np


def stack(fields: np.ndarray) -> np.ndarray:
    """Stack of L fields at fixed positions (SZ Eq. 1): (L, H, W, 2) to (H, W, 2L)."""
    length, height, width, _ = fields.shape
    return fields.transpose(1, 2, 0, 3).reshape(height, width, 2 * length)


def trajectory_stack(fields: np.ndarray) -> np.ndarray:
    """Stack of L fields along the motion (SZ Eq. 2): (L, H, W, 2) to (H, W, 2L) float32.

    Channels 2k - 1 and 2k hold field k at p_k, with p_1 the pixel and p_k = p_(k-1) + field k-1 at p_(k-1).
    Between pixels fields are interpolated bilinearly; a trajectory that leaves the picture reads the nearest
    border pixel.
    """
    length, height, width, _ = fields.shape
    x, y = _grid(height, width)
    out = np.empty((height, width, 2 * length), np.float32)
    for k, field in enumerate(fields.astype(np.float32)):
        out[..., 2 * k : 2 * k + 2] = here = _sample(field, x, y)
        x, y = x + here[..., 0], y + here[..., 1]
    return out


def bidirectional_stack(forward: np.ndarray, backward: np.ndarray) -> np.ndarray:
    """Fields forward from a frame, then as many backward from it (SZ Sec. 3.1): twice (n, H, W, 2) to (H, W, 4n).

    ``forward[k]`` goes from frame + k to frame + k + 1. ``backward`` is in the order of time, too: its last field goes from
    frame to frame - 1, the one before from frame - 1 to frame - 2. Its last field comes first in the stack.
    """
    if forward.shape != backward.shape:
        raise ValueError(f"backward must be of shape {forward.shape} like forward, got {backward.shape}")
    return stack(np.concatenate([forward, backward[::-1]]))


def subtract_mean(fields: np.ndarray) -> np.ndarray:
    """Each field less its own mean vector (SZ Sec. 3.1), a crude removal of camera motion: (..., H, W, 2),
    same shape out."""
    return fields - fields.mean(axis=(-3, -2), keepdims=True)


def camera_homography(flow: np.ndarray, step: int = 8, tolerance: float = 1.0) -> np.ndarray:
    """The 3x3 homography which most of a flow field (H, W, 2) follows: RANSAC on every ``step``-th pixel,
    ``tolerance`` in px.

    The identity where fewer than half of the points agree on one, or the one found folds the picture away.
    """
    height, width, _ = flow.shape
    x, y = (axis[step // 2 :: step, step // 2 :: step] for axis in _grid(height, width))
    start = np.stack([x, y], -1).reshape(-1, 2)
    end = start + flow[step // 2 :: step, step // 2 :: step].reshape(-1, 2)
    found, inliers = cv2.findHomography(start, end, cv2.RANSAC, tolerance) if len(start) >= 4 else (None, None)
    sound = found is not None and inliers.mean() >= 0.5 and abs(np.linalg.det(found)) > 1e-3
    return found if sound else np.eye(3)


def camera_compensated(flow: np.ndarray, homography: np.ndarray) -> np.ndarray:
    """Flow (H, W, 2) as it would be had the camera stood still ("warped flow", Wang and Schmid Sec. 3.1):
    float32.

    With homography H from the first frame to the second, pixel x moves to x + f(x), which is H^-1 (x + f(x))
    in a second frame warped back onto the first: the result is H^-1 (x + f(x)) - x.
    """
    x, y = _grid(*flow.shape[:2])
    back = _map(np.linalg.inv(homography), x + flow[..., 0], y + flow[..., 1])
    return np.stack([back[0] - x, back[1] - y], -1).astype(np.float32)


def _grid(height, width):
    y, x = np.mgrid[:height, :width].astype(np.float64)
    return x, y


def _map(homography, x, y):
    scale = homography[2, 0] * x + homography[2, 1] * y + homography[2, 2]
    return (
        (homography[0, 0] * x + homography[0, 1] * y + homography[0, 2]) / scale,
        (homography[1, 0] * x + homography[1, 1] * y + homography[1, 2]) / scale,
    )


def _sample(field, x, y):
    """field (H, W, 2) at real positions, bilinear, borders repeated. Not cv2.remap, which rounds positions to
    1/32 px."""
    height, width, channels = field.shape
    x, y = np.clip(x, 0, width - 1), np.clip(y, 0, height - 1)
    left, top = np.minimum(x.astype(int), max(width - 2, 0)), np.minimum(y.astype(int), max(height - 2, 0))
    a, b = ((rest[..., None]).astype(field.dtype) for rest in (x - left, y - top))
    corner, right, below = top * width + left, min(1, width - 1), width * min(1, height - 1)
    pixels = field.reshape(-1, channels)
    upper = (1 - a) * pixels.take(corner, 0) + a * pixels.take(corner + right, 0)
    lower = (1 - a) * pixels.take(corner + below, 0) + a * pixels.take(corner + below + right, 0)
    return (1 - b) * upper + b * lower
