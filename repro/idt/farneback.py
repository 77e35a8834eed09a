"""Farneback's optical flow over the trajectory pyramid, with a median filter inside every level.

OpenCV's own function cannot stand in for it: the median has to act on the flow that the next finer level starts from, and the
expansion of a frame is used three times here (as second frame, as first frame, and against the compensated frame).
"""

import cv2
import numpy as np

from .kernels import flow_equations, polynomial_expansion, solve_flow

SCALE_FACTOR = 2.0**0.5
EXPANSION_RADIUS, EXPANSION_SIGMA = 7, 1.5
WINDOW_RADIUS, WINDOW_SIGMA = 5, 1.5
ITERATIONS = 2
MEDIAN_SIZE = 5


def pyramid_sizes(height, width, scales, shortest):
    """Factors and (height, width) of every scale: factor sqrt(2) while the shorter side stays >= `shortest`."""
    # float32 as in the release: its fifth factor falls just below 4, which halves into a blur of 7 and not 9 pixels
    factors = np.cumprod(np.array([1] + (scales - 1) * [SCALE_FACTOR], np.float32), dtype=np.float32).tolist()
    factors = [factor for factor in factors if min(height, width) / factor >= shortest]
    return factors, [(round(height / factor), round(width / factor)) for factor in factors]


def grey_pyramid(grey, sizes):
    """uint8 images of the given (height, width), each scaled from the one before."""
    levels = [grey]
    for height, width in sizes[1:]:
        levels.append(cv2.resize(levels[-1], (width, height), interpolation=cv2.INTER_LINEAR))
    return levels


def expansion_pyramid(grey, factors, sizes):
    """Polynomial expansion (H, W, 5) at every scale of a uint8 image (H, W), each blurred against aliasing."""
    image = grey.astype(np.float32)
    levels = []
    for factor, (height, width) in zip(factors, sizes):
        sigma = (factor - 1) / 2
        side = max(round(5 * sigma) | 1, 3)
        level = cv2.GaussianBlur(image, (side, side), sigma, sigmaY=sigma)
        if level.shape != (height, width):
            level = cv2.resize(level, (width, height), interpolation=cv2.INTER_LINEAR)
        levels.append(polynomial_expansion(level, _EXPANSION_WEIGHTS, _EXPANSION_INVERSE))
    return levels


def flow_pyramid(first, second):
    """Flow (H, W, 2) float32, px of each scale, from two expansion pyramids; median-filtered at every level."""
    levels = [None] * len(first)
    for k in range(len(first) - 1, -1, -1):
        height, width = first[k].shape[:2]
        if k == len(first) - 1:
            flow = np.zeros((height, width, 2), np.float32)
        else:
            flow = cv2.resize(levels[k + 1], (width, height), interpolation=cv2.INTER_LINEAR)
            flow *= np.float32(SCALE_FACTOR)
        for _ in range(ITERATIONS):
            flow = solve_flow(flow_equations(first[k], second[k], flow), _WINDOW)
        levels[k] = np.dstack([cv2.medianBlur(part, MEDIAN_SIZE) for part in cv2.split(flow)])
    return levels


def _half_gaussian(radius, sigma):
    offsets = np.arange(-radius, radius + 1)
    weights = np.exp(-(offsets**2) / (2 * sigma**2))
    return weights[radius:] / weights.sum()


def _expansion_kernel():
    """Half kernel and the needed entries of the inverse normal matrix of the basis 1, x, y, xx, yy, xy."""
    half = _half_gaussian(EXPANSION_RADIUS, EXPANSION_SIGMA)
    line = np.concatenate([half[:0:-1], half])
    y, x = np.mgrid[-EXPANSION_RADIUS : EXPANSION_RADIUS + 1, -EXPANSION_RADIUS : EXPANSION_RADIUS + 1]
    basis = np.stack([np.ones_like(x), x, y, x * x, y * y, x * y]).reshape(6, -1).astype(float)
    inverse = np.linalg.inv((basis * np.outer(line, line).ravel()) @ basis.T)
    entries = [inverse[1, 1], inverse[0, 3], inverse[3, 3], inverse[5, 5]]
    return half.astype(np.float32), np.array(entries, np.float32)


_EXPANSION_WEIGHTS, _EXPANSION_INVERSE = _expansion_kernel()
_WINDOW = _half_gaussian(WINDOW_RADIUS, WINDOW_SIGMA).astype(np.float32)
