"""What surrounds the inner iterations of the authors' TV-L1 on one CPU core: warping, and flow for the next level.

Planes as in ``repro.flow.tvl1_kernel``.
"""

import numba
import numpy as np

from repro.flow.lanes import LANES, lane, load, pair, splat
from repro.flow.tvl1_kernel import FLAT, OPTIONS

_HALF, _ONE, _TWO = np.float32(0.5), np.float32(1), np.float32(2)
_FAR = 4  # px beyond the border from where on nothing changes any more
_EDGE = _FAR + 2  # px which the border is repeated for
_EACH = 4  # floats of a pixel: value, d/dx, d/dy, and one that makes two pixels a vector


@numba.njit(**OPTIONS)
def with_slopes(second):
    """A frame (H, W) float32 with its central differences, flat: (H + 2 edge, W + 2 edge, 4), its border repeated."""
    height, width = second.shape
    out = np.zeros((height + 2 * _EDGE, width + 2 * _EDGE, _EACH), np.float32)
    for row in range(height + 2 * _EDGE):
        y = min(max(row - _EDGE, 0), height - 1)
        above, below = max(y - 1, 0), min(y + 1, height - 1)
        for column in range(width + 2 * _EDGE):
            x = min(max(column - _EDGE, 0), width - 1)
            out[row, column, 0] = second[y, x]
            out[row, column, 1] = _HALF * (second[y, min(x + 1, width - 1)] - second[y, max(x - 1, 0)])
            out[row, column, 2] = _HALF * (second[below, x] - second[above, x])
    return out.ravel()


@numba.njit(**OPTIONS)
def linearise(first, second, u, v, target, pitch):
    """Warp ``second`` (of ``with_slopes``) by the flow in planes u, v, and write what the inner iterations read into
    the planes ``target``: d/dx, d/dy, the residual less its part that depends on the flow, 1 / squared gradient.

    Cubic convolution with a = -0.5; beyond the border the border pixels go on.
    """
    height, width = first.shape
    along_x, along_y, rest, inverse = target
    line = (width + 2 * _EDGE) * _EACH
    corners = np.empty(width, np.int64)
    weights = np.empty((8, width), np.float32)  # of four columns, of four rows
    for y in range(height):
        begin = (y + 1) * pitch + LANES
        end = begin + width
        row_u, row_v, row_x, row_y = u[begin:end], v[begin:end], along_x[begin:end], along_y[begin:end]
        row_rest, row_inverse = rest[begin:end], inverse[begin:end]
        _places(np.float32(y), height, width, line, row_u, row_v, corners, weights)
        for x in range(width):
            i = corners[x]
            west, east = pair(weights[0, x], weights[1, x]), pair(weights[2, x], weights[3, x])
            both = splat(weights[4, x]) * (west * load(second, i) + east * load(second, i + LANES))
            i += line
            both = both + splat(weights[5, x]) * (west * load(second, i) + east * load(second, i + LANES))
            i += line
            both = both + splat(weights[6, x]) * (west * load(second, i) + east * load(second, i + LANES))
            i += line
            both = both + splat(weights[7, x]) * (west * load(second, i) + east * load(second, i + LANES))
            row_rest[x] = lane(both, 0) + lane(both, 4)
            row_x[x], row_y[x] = lane(both, 1) + lane(both, 5), lane(both, 2) + lane(both, 6)
        for x in range(width):
            row_rest[x] -= row_x[x] * row_u[x] + row_y[x] * row_v[x] + first[y, x]
            row_inverse[x] = _ONE / max(row_x[x] * row_x[x] + row_y[x] * row_y[x], FLAT)


@numba.njit(**OPTIONS)
def _places(y, height, width, line, u, v, corners, weights):
    """Where each pixel of row y finds its sixteen samples in ``with_slopes``, and their weights."""
    low, right, bottom = np.float32(-_FAR), np.float32(width - 1 + _FAR), np.float32(height - 1 + _FAR)
    for x in range(width):
        there_x = min(max(np.float32(x) + u[x], low), right)
        there_y = min(max(y + v[x], low), bottom)
        left, top = np.floor(there_x), np.floor(there_y)
        corners[x] = (np.int32(top) + (_EDGE - 1)) * line + (np.int32(left) + (_EDGE - 1)) * _EACH
        weights[0, x], weights[1, x], weights[2, x], weights[3, x] = _cubic(there_x - left)
        weights[4, x], weights[5, x], weights[6, x], weights[7, x] = _cubic(there_y - top)


@numba.njit(**OPTIONS, forceinline=True)
def _cubic(t):
    """Weights of the samples at -1, 0, 1, 2 for a position t in [0, 1)."""
    before = ((_ONE - _HALF * t) * t - _HALF) * t
    after = ((_TWO - np.float32(1.5) * t) * t + _HALF) * t
    second = (_HALF * t - _HALF) * t * t
    return before, _ONE - before - after - second, after, second


@numba.njit(**OPTIONS)
def grow(small, small_height, small_width, small_pitch, large, height, width, pitch):
    """Flow component of one level, in px of the next finer one: twice ``small``, read at (x, y) * small / large size
    (pixel 0 on pixel 0, as ``pyrDown`` leaves them), bilinear."""
    step_x, step_y = np.float32(small_width / width), np.float32(small_height / height)
    left, right, part_x = np.empty(width, np.int64), np.empty(width, np.int64), np.empty(width, np.float32)
    for x in range(width):
        left[x] = min(int(np.float32(x) * step_x), small_width - 1)
        right[x] = min(left[x] + 1, small_width - 1)
        part_x[x] = np.float32(x) * step_x - np.float32(left[x])
    for y in range(height):
        top = min(int(np.float32(y) * step_y), small_height - 1)
        part_y = np.float32(y) * step_y - np.float32(top)
        above = (top + 1) * small_pitch + LANES
        below = (min(top + 1, small_height - 1) + 1) * small_pitch + LANES
        for x in range(width):
            west = (_ONE - part_y) * small[above + left[x]] + part_y * small[below + left[x]]
            east = (_ONE - part_y) * small[above + right[x]] + part_y * small[below + right[x]]
            large[(y + 1) * pitch + LANES + x] = _TWO * (west + part_x[x] * (east - west))
