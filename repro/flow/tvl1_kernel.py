"""The authors' TV-L1 on one CPU core: warp, inner iterations, and doubling the flow, as Numba kernels.

A plane is a one-dimensional float32 array: rows of ``pitch`` floats, one row of 0 above the picture, eight columns
of 0 to its left and at least one column to its right, so that no loop asks for the border. Pixel (x, y) lies at
``start(pitch) + y * pitch + x``.

Dual variables are kept divided by tau / theta: their step then adds the plain difference of the flow, and the
divergence weighs tau in place of theta.
"""

import numba
import numpy as np

from repro.flow.lanes import LANES, greatest, least, load, root, splat, store, total

_ONE = np.float32(1)
FLAT = np.float32(1.1920929e-07)  # squared gradients below this count as no texture
OPTIONS = {"fastmath": True, "cache": True, "nogil": True, "error_model": "numpy"}


def pitch_of(width):
    """Floats from one row of a plane to the next."""
    return LANES + (width + LANES) // LANES * LANES


def planes(count, height, width):
    """``count`` planes of 0, their beginnings spread over a memory page: were they equal modulo 4096 bytes, as NumPy
    lays out large arrays, eleven planes would share the eight places that a cache has for an address."""
    page, spread = 1024, 112
    size = -(-(height + 2) * pitch_of(width) // page) * page + spread
    memory = np.zeros(count * size + page, np.float32)
    begin = -(memory.ctypes.data // 4) % page
    return [memory[begin + k * size :][: (height + 2) * pitch_of(width)] for k in range(count)]


def picture(plane, height, width):
    """The (height, width) view of a plane's picture."""
    return plane.reshape(height + 2, pitch_of(width))[1 : height + 1, LANES : LANES + width]


def inside_of(width):
    """A row of weights: 1 for the picture's columns, 0 for those that only fill up the last vector."""
    return (np.arange(width + LANES) < width).astype(np.float32)


@numba.njit(**OPTIONS)
def minimise(u, v, dual, target, inside, height, width, pitch, tau, theta, threshold, limit, iterations):
    """Inner iterations of one warp in place, by OpenCV 2.4's rule for when to stop; returns how many were done.

    dual: four planes; target: planes of d/dx, d/dy, residual without flow, 1 / squared gradient. The summed squared
    update is compared with ``limit`` at odd iterations, counted from 0; where it was k limits, not before k
    iterations later.
    """
    first = pitch + LANES
    previous = 0.0
    for number in range(iterations):
        asked = number % 2 == 1 and previous < limit
        change = 0.0
        # row y of the dual variables needs the new flow of rows y and y + 1, and the flow of row y + 1 the old dual
        # variables of rows y and y + 1: the flow runs one row ahead
        change += _flow_row(first, width, pitch, u, v, dual, target, inside, tau, threshold, asked)
        for begin in range(first, first + (height - 1) * pitch, pitch):
            change += _both_rows(begin, width, pitch, u, v, dual, target, inside, tau, theta, threshold, asked)
        _dual_row(first + (height - 1) * pitch, width, u, v, dual, tau, theta)
        if asked and change <= limit:
            return number + 1
        previous = change if asked else previous - limit
    return iterations


@numba.njit(**OPTIONS, forceinline=True)
def _flow_row(begin, width, pitch, u, v, dual, target, inside, tau, threshold, asked):
    """Thresholding and flow update of the row that begins there; returns the summed squared update, if ``asked``."""
    tau, high, low = splat(tau), splat(threshold), splat(-threshold)
    change = splat(np.float32(0))
    for x in range(0, width, LANES):
        i = begin + x
        new_u, new_v, squared = _flow(i, pitch, u, v, dual, target, tau, low, high)
        if asked:
            change = change + squared * load(inside, x)
    _repeat_last(begin + width, u, v)
    return total(change)


@numba.njit(**OPTIONS, forceinline=True)
def _both_rows(begin, width, pitch, u, v, dual, target, inside, tau, theta, threshold, asked):
    """``_flow_row`` for the next row and ``_dual_row`` for this one, in one pass over both.

    The dual update of a vector follows the flow update of the next vector: the two do not wait for each other.
    """
    tension, tau, high, low = splat(tau / theta), splat(tau), splat(threshold), splat(-threshold)
    below_u, below_v, change = _flow(begin + pitch, pitch, u, v, dual, target, tau, low, high)
    change = change * load(inside, 0)
    for x in range(LANES, width, LANES):
        i = begin + x
        new_u, new_v, squared = _flow(i + pitch, pitch, u, v, dual, target, tau, low, high)
        if asked:
            change = change + squared * load(inside, x)
        _dual(i - LANES, below_u, u, dual[0], dual[1], tension)
        _dual(i - LANES, below_v, v, dual[2], dual[3], tension)
        below_u, below_v = new_u, new_v
    last = begin + (width - 1) // LANES * LANES
    _dual(last, below_u, u, dual[0], dual[1], tension)
    _dual(last, below_v, v, dual[2], dual[3], tension)
    _repeat_last(begin + pitch + width, u, v)
    return total(change)


@numba.njit(**OPTIONS, forceinline=True)
def _dual_row(begin, width, u, v, dual, tau, theta):
    """Dual update of the last row, below which the flow goes on unchanged."""
    tension = splat(tau / theta)
    for i in range(begin, begin + width, LANES):
        _dual(i, load(u, i), u, dual[0], dual[1], tension)
        _dual(i, load(v, i), v, dual[2], dual[3], tension)


@numba.njit(**OPTIONS, forceinline=True)
def _flow(i, pitch, u, v, dual, target, tau, low, high):
    """New (u, v, squared update) at i .. i + 7."""
    p11, p12, p21, p22 = dual
    along_x, along_y, rest, inverse = target
    old_u, old_v, slope_x, slope_y = load(u, i), load(v, i), load(along_x, i), load(along_y, i)
    step = (load(rest, i) + slope_x * old_u + slope_y * old_v) * load(inverse, i)
    step = least(greatest(step, low), high)
    du = tau * (load(p11, i) - load(p11, i - 1) + load(p12, i) - load(p12, i - pitch)) - step * slope_x
    dv = tau * (load(p21, i) - load(p21, i - 1) + load(p22, i) - load(p22, i - pitch)) - step * slope_y
    new_u, new_v = old_u + du, old_v + dv
    store(u, i, new_u)
    store(v, i, new_v)
    return new_u, new_v, du * du + dv * dv


@numba.njit(**OPTIONS, forceinline=True)
def _dual(i, below, u, p_x, p_y, tension):
    """Dual variables of one flow component at i .. i + 7; ``below``: its new values one row further down."""
    here = load(u, i)
    right, down = load(u, i + 1) - here, below - here
    shrinkage = splat(_ONE) / (splat(_ONE) + tension * root(right * right + down * down))
    store(p_x, i, (load(p_x, i) + right) * shrinkage)
    store(p_y, i, (load(p_y, i) + down) * shrinkage)


@numba.njit(**OPTIONS, forceinline=True)
def _repeat_last(end, u, v):
    """Beyond the last column the flow goes on unchanged."""
    u[end], v[end] = u[end - 1], v[end - 1]
