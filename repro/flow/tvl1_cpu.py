"""TV-L1 for one CPU core, in both presets.

The same methods as ``repro.flow.tvl1`` (see there for sources). OpenCV's passes over the picture six times per inner
iteration and calls a double precision hypot per pixel; here one pass updates flow and dual variables, and is vector
code. Pyramids are OpenCV's own, and in its preset warp and median filter too; the authors' are in
``repro.flow.tvl1_kernel`` and ``repro.flow.tvl1_warp``.
"""

import cv2
import numba
import numpy as np

from repro.flow.tvl1_kernel import inside_of, minimise, picture, pitch_of, planes
from repro.flow.tvl1_warp import grow, linearise, with_slopes

_SMALLEST = 16  # px; levels with a shorter side are left out
_FLAT = np.float32(1.1920929e-07)  # squared gradients below this count as no texture


def tvl1_cpu(first: np.ndarray, second: np.ndarray, settings) -> np.ndarray:
    """Flow between two grey frames (H, W), 0..255: (H, W, 2) float32 px. settings: a FlowSettings."""
    frames = first.astype(np.float32), second.astype(np.float32)
    return (_authors if settings.preset == "authors" else _opencv)(*frames, settings)


def _pyramid(first, second, settings, smaller):
    """[(first, second), ...] from fine to coarse; ``smaller`` makes a frame of the next level."""
    levels = [(first, second)]
    for _ in range(settings.scales - 1):
        level = tuple(smaller(frame) for frame in levels[-1])
        if min(level[0].shape) < _SMALLEST:
            break
        levels.append(level)
    return levels


def _authors(first, second, settings):
    tau, theta, threshold = (np.float32(each) for each in (settings.tau, settings.theta, settings.lambda_ * settings.theta))
    coarser = None
    for here, there in reversed(_pyramid(first, second, settings, cv2.pyrDown)):  # coarse to fine
        height, width = here.shape
        pitch, inside, frame = pitch_of(width), inside_of(width), with_slopes(there)
        u, v, *rest = planes(10, height, width)  # of 0, dual variables too; kept from warp to warp
        dual, target = tuple(rest[:4]), tuple(rest[4:])
        if coarser:
            for small, large in zip(coarser[0], (u, v)):
                grow(small, *coarser[1:], large, height, width, pitch)
        limit = settings.epsilon**2 * height * width
        for _ in range(settings.warps):
            linearise(here, frame, u, v, target, pitch)
            minimise(u, v, dual, target, inside, height, width, pitch, tau, theta, threshold, limit, settings.inner)
        coarser = (u, v), height, width, pitch
    return np.stack([picture(u, height, width), picture(v, height, width)], -1)


def _opencv(first, second, settings):
    levels = _pyramid(
        first, second, settings, lambda frame: cv2.resize(frame, None, fx=settings.scale_step, fy=settings.scale_step)
    )
    u, v = (np.zeros(levels[-1][0].shape, np.float32) for _ in range(2))  # two: without a median they change in place
    for first, second in reversed(levels):  # coarse to fine
        height, width = first.shape
        if u.shape != first.shape:
            u, v = (cv2.resize(each, (width, height)) / np.float32(settings.scale_step) for each in (u, v))
        u, v = _one_level(first, second, u, v, settings)
    return np.stack([u, v], -1)


def _one_level(first, second, u, v, settings):
    height, width = first.shape
    padded = np.pad(second, 1, mode="edge")
    slope_x = (padded[1:-1, 2:] - padded[1:-1, :-2]) * np.float32(0.5)
    slope_y = (padded[2:, 1:-1] - padded[:-2, 1:-1]) * np.float32(0.5)
    grid_y, grid_x = np.mgrid[:height, :width].astype(np.float32)
    # p11 p12 p21 p22, kept from warp to warp; a row and a column of 0 come first, so that no loop asks for
    # the border
    dual = np.zeros((4, height + 1, width + 1), np.float32)
    limit = settings.epsilon**2 * height * width
    for _ in range(settings.warps):
        there = grid_x + u, grid_y + v
        value, along_x, along_y = (cv2.remap(each, *there, cv2.INTER_CUBIC) for each in (second, slope_x, slope_y))
        rest = value - along_x * u - along_y * v - first
        inverse = 1 / np.maximum(along_x**2 + along_y**2, _FLAT)
        for _ in range(settings.outer):
            if settings.median > 1:
                u, v = cv2.medianBlur(u, settings.median), cv2.medianBlur(v, settings.median)
            change = _inner(
                u,
                v,
                dual,
                along_x,
                along_y,
                rest,
                inverse,
                np.float32(settings.tau / settings.theta),
                np.float32(settings.lambda_ * settings.theta),
                np.float32(settings.theta),
                limit,
                settings.inner,
            )
            if change <= limit:
                break
    return u, v


@numba.njit(fastmath=True, cache=True, nogil=True, error_model="numpy")
def _inner(u, v, dual, along_x, along_y, rest, inverse, tau, threshold, theta, limit, iterations):
    """Up to ``iterations`` inner iterations in place, until the summed squared update is <= limit; returns it.

    All pictures (H, W) float32, dual (4, H + 1, W + 1). Row y of the dual variables needs the new flow of
    rows y and y + 1, and the flow of row y + 1 the old dual variables of rows y and y + 1: so the flow runs
    one row ahead.
    """
    height = u.shape[0]
    change = np.float64(0)
    for _ in range(iterations):
        change = np.float64(_flow_row(0, u, v, dual, along_x, along_y, rest, inverse, threshold, theta))
        for y in range(height):
            if y + 1 < height:
                change += _flow_row(y + 1, u, v, dual, along_x, along_y, rest, inverse, threshold, theta)
            _dual_row(y, u, dual[0], dual[1], tau)
            _dual_row(y, v, dual[2], dual[3], tau)
        if change <= limit:
            break
    return change


@numba.njit(fastmath=True, cache=True, nogil=True, error_model="numpy")
def _flow_row(y, u, v, dual, along_x, along_y, rest, inverse, threshold, theta):
    """Thresholding and flow update of row y in place; returns the summed squared update."""
    width = u.shape[1]
    u_row, v_row, x_row, y_row, rest_row, inverse_row = u[y], v[y], along_x[y], along_y[y], rest[y], inverse[y]
    p11, p12, p21, p22 = dual[0, y + 1], dual[1, y + 1], dual[2, y + 1], dual[3, y + 1]
    p12_above, p22_above = dual[1, y], dual[3, y]
    change = np.float32(0)
    for x in range(width):
        step = -(rest_row[x] + x_row[x] * u_row[x] + y_row[x] * v_row[x]) * inverse_row[x]
        step = min(max(step, -threshold), threshold)
        du = step * x_row[x] + theta * (p11[x + 1] - p11[x] + p12[x + 1] - p12_above[x + 1])
        dv = step * y_row[x] + theta * (p21[x + 1] - p21[x] + p22[x + 1] - p22_above[x + 1])
        u_row[x] += du
        v_row[x] += dv
        change += du * du + dv * dv
    return change


@numba.njit(fastmath=True, cache=True, nogil=True, error_model="numpy")
def _dual_row(y, u, p_x, p_y, tau):
    """Dual update of row y in place; beyond the last row and column the flow goes on unchanged."""
    height, width = u.shape
    row, below = u[y], u[min(y + 1, height - 1)]
    px, py = p_x[y + 1], p_y[y + 1]
    for x in range(width - 1):
        right, down = row[x + 1] - row[x], below[x] - row[x]
        shrinkage = np.float32(1) / (np.float32(1) + tau * np.sqrt(right * right + down * down))
        px[x + 1] = (px[x + 1] + tau * right) * shrinkage
        py[x + 1] = (py[x + 1] + tau * down) * shrinkage
    down = below[width - 1] - row[width - 1]
    py[width] = (py[width] + tau * down) / (np.float32(1) + tau * abs(down))
