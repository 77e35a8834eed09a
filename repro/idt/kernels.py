"""Compiled inner loops of the optical flow and of the descriptors. One thread, IEEE arithmetic."""

import numpy as np
from numba import njit

BORDER_CERTAINTY = np.array([0.14, 0.14, 0.4472, 0.4472, 0.4472], np.float32)


@njit(nogil=True)
def _shifted_sum(out, row, offset, weight, sign):
    """out[i] += weight * (row[i + offset] + sign * row[i - offset]), rows padded by the caller."""
    n = out.shape[0]
    pad = (row.shape[0] - n) // 2
    right = row[pad + offset : pad + offset + n]
    left = row[pad - offset : pad - offset + n]
    for i in range(n):
        out[i] += weight * (right[i] + sign * left[i])


@njit(nogil=True)
def _pad_row(row, step, pad):
    """Repeat the first and last `step` values of the padded row outward."""
    n = row.shape[0]
    for i in range(pad - 1, -1, -1):
        row[i] = row[i + step]
    for i in range(n - pad, n):
        row[i] = row[i - step]


@njit(nogil=True)
def polynomial_expansion(image, weights, inverse):
    """Quadratic fit around every pixel (Farneback 2003): f(x) ~ x'Ax + b'x + c under Gaussian weights.

    image: (H, W) float32. weights: (n + 1,) float32, the half kernel. inverse: (4,) float32, the entries of the inverse
    normal matrix for 1/x, 1/xx, xx/xx and xy/xy. Returns (H, W, 5) float32: b_y, b_x, A_yy, A_xx, 2 A_xy. Replicated border.
    """
    height, width = image.shape
    n = weights.shape[0] - 1
    out = np.empty((height, width, 5), np.float32)
    rows = np.empty((3, width + 2 * n), np.float32)
    sums = np.empty((6, width), np.float32)
    one = np.float32(1)
    for y in range(height):
        # moments of order 0, 1, 2 down the column
        for x in range(width):
            rows[0, n + x] = weights[0] * image[y, x]
            rows[1, n + x] = 0
            rows[2, n + x] = 0
        for k in range(1, n + 1):
            above, below = image[max(y - k, 0)], image[min(y + k, height - 1)]
            w0, w1, w2 = weights[k], np.float32(k) * weights[k], np.float32(k * k) * weights[k]
            for x in range(width):
                both = above[x] + below[x]
                rows[0, n + x] += w0 * both
                rows[1, n + x] += w1 * (below[x] - above[x])
                rows[2, n + x] += w2 * both
        for moment in range(3):
            _pad_row(rows[moment], 1, n)
        # then along the row: 1, x, xx of order 0; 1, x of order 1; 1 of order 2
        for x in range(width):
            sums[0, x] = weights[0] * rows[0, n + x]
            sums[1, x] = 0
            sums[2, x] = 0
            sums[3, x] = weights[0] * rows[1, n + x]
            sums[4, x] = 0
            sums[5, x] = weights[0] * rows[2, n + x]
        for k in range(1, n + 1):
            w0, w1, w2 = weights[k], np.float32(k) * weights[k], np.float32(k * k) * weights[k]
            _shifted_sum(sums[0], rows[0], k, w0, one)
            _shifted_sum(sums[1], rows[0], k, w1, -one)
            _shifted_sum(sums[2], rows[0], k, w2, one)
            _shifted_sum(sums[3], rows[1], k, w0, one)
            _shifted_sum(sums[4], rows[1], k, w1, -one)
            _shifted_sum(sums[5], rows[2], k, w0, one)
        for x in range(width):
            out[y, x, 0] = inverse[0] * sums[3, x]
            out[y, x, 1] = inverse[0] * sums[1, x]
            out[y, x, 2] = inverse[1] * sums[0, x] + inverse[2] * sums[5, x]
            out[y, x, 3] = inverse[1] * sums[0, x] + inverse[2] * sums[2, x]
            out[y, x, 4] = inverse[3] * sums[4, x]
    return out


@njit(nogil=True)
def _edge(position, size):
    """Certainty of the expansion near an edge, where replicated pixels stand in for missing ones."""
    certainty = np.float32(1)
    if position < BORDER_CERTAINTY.shape[0]:
        certainty *= BORDER_CERTAINTY[position]
    if size - 1 - position < BORDER_CERTAINTY.shape[0]:
        certainty *= BORDER_CERTAINTY[size - 1 - position]
    return certainty


@njit(nogil=True)
def flow_equations(first, second, flow):
    """Normal equations of the displacement at every pixel, linearised at the present flow.

    first, second: (H, W, 5) expansions; flow: (H, W, 2) px. Returns (H, W, 5): G_yy, G_xy, G_xx, h_y, h_x.
    """
    height, width, _ = first.shape
    out = np.empty((height, width, 5), np.float32)
    half, quarter = np.float32(0.5), np.float32(0.25)
    for y in range(height):
        edge_y = _edge(y, height)
        inner_y = edge_y == 1
        for x in range(width):
            u, v = flow[y, x, 0], flow[y, x, 1]
            target_x, target_y = np.float32(x) + u, np.float32(y) + v
            column, row = int(np.floor(target_x)), int(np.floor(target_y))
            a = first[y, x]
            if 0 <= column < width - 1 and 0 <= row < height - 1:
                fx, fy = target_x - np.float32(column), target_y - np.float32(row)
                w11 = fx * fy
                w10, w01 = fy - w11, fx - w11
                w00 = np.float32(1) - fx - w10
                b00, b01 = second[row, column], second[row, column + 1]
                b10, b11 = second[row + 1, column], second[row + 1, column + 1]
                db_y = half * (a[0] - (w00 * b00[0] + w01 * b01[0] + w10 * b10[0] + w11 * b11[0]))
                db_x = half * (a[1] - (w00 * b00[1] + w01 * b01[1] + w10 * b10[1] + w11 * b11[1]))
                a_yy = half * (a[2] + w00 * b00[2] + w01 * b01[2] + w10 * b10[2] + w11 * b11[2])
                a_xx = half * (a[3] + w00 * b00[3] + w01 * b01[3] + w10 * b10[3] + w11 * b11[3])
                a_xy = quarter * (a[4] + w00 * b00[4] + w01 * b01[4] + w10 * b10[4] + w11 * b11[4])
            else:
                db_y, db_x, a_yy, a_xx, a_xy = half * a[0], half * a[1], a[2], a[3], half * a[4]
            db_y += a_yy * v + a_xy * u
            db_x += a_xy * v + a_xx * u
            if not (inner_y and 5 <= x < width - 5):
                certainty = edge_y * _edge(x, width)
                db_y *= certainty
                db_x *= certainty
                a_yy *= certainty
                a_xx *= certainty
                a_xy *= certainty
            out[y, x, 0] = a_yy * a_yy + a_xy * a_xy
            out[y, x, 1] = (a_yy + a_xx) * a_xy
            out[y, x, 2] = a_xx * a_xx + a_xy * a_xy
            out[y, x, 3] = a_yy * db_y + a_xy * db_x
            out[y, x, 4] = a_xy * db_y + a_xx * db_x
    return out


@njit(nogil=True)
def solve_flow(equations, window):
    """Average the normal equations over a Gaussian window and solve them.

    equations: (H, W, 5) of `flow_equations`; window: (m + 1,) float32 half kernel. Returns (H, W, 2) float32 px.
    """
    height, width, _ = equations.shape
    m = window.shape[0] - 1
    pad = 5 * m
    flat = equations.reshape(height, width * 5)
    out = np.empty((height, width, 2), np.float32)
    row = np.empty(width * 5 + 2 * pad, np.float32)
    mean = np.empty(width * 5, np.float32)
    middle = row[pad : pad + width * 5]
    one = np.float32(1)
    for y in range(height):
        here = flat[y]
        for i in range(width * 5):
            middle[i] = window[0] * here[i]
        for k in range(1, m + 1):
            above, below = flat[max(y - k, 0)], flat[min(y + k, height - 1)]
            for i in range(width * 5):
                middle[i] += window[k] * (above[i] + below[i])
        _pad_row(row, 5, pad)
        for i in range(width * 5):
            mean[i] = window[0] * middle[i]
        for k in range(1, m + 1):
            _shifted_sum(mean, row, 5 * k, window[k], one)
        for x in range(width):
            g_yy, g_xy, g_xx = mean[5 * x], mean[5 * x + 1], mean[5 * x + 2]
            h_y, h_x = mean[5 * x + 3], mean[5 * x + 4]
            scale = one / (g_yy * g_xx - g_xy * g_xy + np.float32(1e-3))
            out[y, x, 0] = (g_yy * h_x - g_xy * h_y) * scale
            out[y, x, 1] = (g_xx * h_y - g_xy * h_x) * scale
    return out


@njit(nogil=True)
def integral_histogram(magnitude, angle, bins, zero_below):
    """Integral image of orientation histograms, votes shared between the two nearest orientations.

    magnitude: (H, W) float32; angle: (H, W) float32 degrees. With `zero_below` >= 0 one more, last bin counts the pixels
    whose magnitude is at most that, one vote each (HOF). Returns (H + 1, W + 1, bins (+ 1)) float32.
    """
    height, width = magnitude.shape
    channels = bins + 1 if zero_below >= 0 else bins
    out = np.zeros((height + 1, width + 1, channels), np.float32)
    per_degree = np.float32(bins / 360.0)
    line = np.empty(channels, np.float32)
    for y in range(height):
        line[:] = 0
        for x in range(width):
            strength = magnitude[y, x]
            if zero_below >= 0 and strength <= zero_below:
                line[bins] += np.float32(1)
            else:
                position = angle[y, x] * per_degree
                low = int(position)
                upper = (position - np.float32(low)) * strength
                if low >= bins:
                    low -= bins
                line[low] += strength - upper
                line[low + 1 if low + 1 < bins else 0] += upper
            above, target = out[y, x + 1], out[y + 1, x + 1]
            for b in range(channels):
                target[b] = above[b] + line[b]
    return out


@njit(nogil=True)
def add_patch_descriptors(integral, corners, patch, out, begin):
    """Add each patch's normalised histogram to out[:, begin:begin + 4 bins], order x > y > bin.

    integral: (H + 1, W + 1, bins); corners: (N, 2) int, left and top of each patch; out: (N, columns) float32.
    Per bin + 0.05, then L1, then the square root (RootSIFT normalisation of the 2013 release).
    """
    bins = integral.shape[2]
    cell = patch // 2
    values = np.empty(4 * bins, np.float32)
    for track in range(corners.shape[0]):
        total = np.float32(0)
        position = 0
        for cell_x in range(2):
            for cell_y in range(2):
                left, top = corners[track, 0] + cell_x * cell, corners[track, 1] + cell_y * cell
                a, b = integral[top, left], integral[top, left + cell]
                c, d = integral[top + cell, left], integral[top + cell, left + cell]
                for k in range(bins):
                    value = max(d[k] + a[k] - c[k] - b[k], np.float32(0)) + np.float32(0.05)
                    values[position] = value
                    total += value
                    position += 1
        scale = np.float32(1) / total
        target = out[track]
        for k in range(4 * bins):
            target[begin + k] += np.sqrt(values[k] * scale)
