"""The optical flow and the compiled kernels, against OpenCV, NumPy and hand-computed cases."""

import cv2
import numpy as np
import pytest

from repro.idt.farneback import (
    _EXPANSION_INVERSE,
    _EXPANSION_WEIGHTS,
    _WINDOW,
    expansion_pyramid,
    flow_pyramid,
    grey_pyramid,
    pyramid_sizes,
)
from repro.idt.kernels import add_patch_descriptors, flow_equations, integral_histogram, polynomial_expansion, solve_flow


def texture(height, width, seed=0):
    noise = np.random.default_rng(seed).random((height, width)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 2)
    return cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)


def test_pyramid_of_the_paper_sizes():
    factors, sizes = pyramid_sizes(240, 320, 8, 32)
    assert sizes == [(240, 320), (170, 226), (120, 160), (85, 113), (60, 80), (42, 57)]
    np.testing.assert_allclose(factors, 2 ** (np.arange(6) / 2), rtol=1e-6)
    assert len(pyramid_sizes(120, 160, 8, 32)[1]) == 4
    assert pyramid_sizes(2000, 2000, 8, 32)[1][-1] == (177, 177)  # at most eight
    assert pyramid_sizes(31, 400, 8, 32) == ([], [])
    assert pyramid_sizes(32, 33, 8, 32)[1] == [(32, 33)]


def test_expansion_of_a_quadratic_is_the_quadratic():
    y, x = np.mgrid[:40, :50].astype(np.float32)
    image = 0.3 * x * x - 0.2 * y * y + 0.1 * x * y + 2 * x - 3 * y + 5
    fit = polynomial_expansion(image, _EXPANSION_WEIGHTS, _EXPANSION_INVERSE)
    centre_y, centre_x = 20, 25
    b_y, b_x, a_yy, a_xx, a_xy2 = fit[centre_y, centre_x]
    assert b_x == pytest.approx(0.6 * centre_x + 0.1 * centre_y + 2, rel=1e-3)
    assert b_y == pytest.approx(-0.4 * centre_y + 0.1 * centre_x - 3, rel=1e-3)
    assert (a_xx, a_yy, a_xy2) == pytest.approx((0.3, -0.2, 0.1), abs=1e-3)


def test_one_level_without_median_is_opencv_farneback():
    first, second = texture(61, 83), texture(61, 83)
    second = np.roll(second, (1, -2), axis=(0, 1))
    a, b = (expansion_pyramid(image, [1.0], [image.shape])[0] for image in (first, second))
    flow = np.zeros((*first.shape, 2), np.float32)
    for _ in range(2):
        flow = solve_flow(flow_equations(a, b, flow), _WINDOW)
    expected = cv2.calcOpticalFlowFarneback(first, second, None, 0.5, 1, 10, 2, 7, 1.5, cv2.OPTFLOW_FARNEBACK_GAUSSIAN)
    np.testing.assert_allclose(flow, expected, atol=2e-3)
    assert np.abs(expected).max() > 1


def test_flow_of_a_known_shift():
    big = texture(160, 200)
    first, second = big[20:140, 20:180], big[22:142, 17:177]  # content moves by (+3, -2)
    factors, sizes = pyramid_sizes(*first.shape, 8, 32)
    flow = flow_pyramid(*(expansion_pyramid(image, factors, sizes) for image in (first, second)))
    assert [level.shape[:2] for level in flow] == sizes
    error = np.abs(flow[0][12:-12, 12:-12] - (3, -2))
    assert np.median(error) < 0.05 and error.mean() < 0.15
    np.testing.assert_allclose(np.median(flow[2][8:-8, 8:-8], axis=(0, 1)), (1.5, -1), atol=0.1)


def test_blank_frames_do_not_move():
    factors, sizes = pyramid_sizes(64, 64, 8, 32)
    blank = expansion_pyramid(np.full((64, 64), 90, np.uint8), factors, sizes)
    for level in flow_pyramid(blank, blank):
        np.testing.assert_allclose(level, 0, atol=1e-4)


def test_grey_pyramid_scales_from_level_to_level():
    image = texture(64, 80)
    sizes = [(64, 80), (45, 57), (32, 40)]
    levels = grey_pyramid(image, sizes)
    assert [level.shape for level in levels] == sizes and levels[0] is image
    np.testing.assert_array_equal(levels[2], cv2.resize(levels[1], (40, 32), interpolation=cv2.INTER_LINEAR))


def slow_histogram(magnitude, angle, bins, zero_below):
    """Votes per pixel (H, W, bins), the long way."""
    votes = np.zeros((*magnitude.shape, bins + (zero_below >= 0)))
    for y, x in np.ndindex(magnitude.shape):
        if zero_below >= 0 and magnitude[y, x] <= zero_below:
            votes[y, x, bins] += 1
            continue
        position = angle[y, x] / 360 * bins
        low = int(np.floor(position))
        votes[y, x, low % bins] += magnitude[y, x] * (1 - (position - low))
        votes[y, x, (low + 1) % bins] += magnitude[y, x] * (position - low)
    return votes


@pytest.mark.parametrize("zero_below", [-1.0, 0.4])
def test_patch_descriptors_against_plain_sums(zero_below):
    rng = np.random.default_rng(1)
    magnitude = (rng.random((40, 44)) * 1.2).astype(np.float32)
    angle = (rng.random((40, 44)) * 360).astype(np.float32)
    angle[0, 0], angle[1, 1] = 360, 0  # both ends of the circle
    votes = slow_histogram(magnitude, angle, 8, zero_below)
    integral = integral_histogram(magnitude, angle, 8, np.float32(zero_below))
    assert integral.shape == (41, 45, 9 if zero_below >= 0 else 8)
    np.testing.assert_allclose(integral[1:, 1:], votes.cumsum(0).cumsum(1), rtol=1e-4, atol=1e-3)
    corners = np.array([[0, 0], [12, 8], [5, 3]])
    out = np.zeros((3, 50), np.float32)
    add_patch_descriptors(integral, corners, 32, out, 7)
    size = 4 * integral.shape[2]
    for row, (left, top) in zip(out, corners):
        patch = votes[top : top + 32, left : left + 32]
        expected = np.concatenate([patch[y : y + 16, x : x + 16].sum((0, 1)) for x in (0, 16) for y in (0, 16)]) + 0.05
        np.testing.assert_allclose(row[7 : 7 + size], np.sqrt(expected / expected.sum()), atol=1e-4)
        assert not row[:7].any() and not row[7 + size :].any()
        assert (row**2).sum() == pytest.approx(1, abs=1e-4)
