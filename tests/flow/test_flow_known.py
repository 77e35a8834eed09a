"""Made motion and the residual after warping."""

import numpy as np
import pytest

from repro.flow.known import found, moved_patch, residual, texture


def test_the_patch_moves_and_nothing_else():
    first, second, inside = moved_patch(12, size=40, height=90, width=120)
    rows, columns = inside
    moved = rows, slice(columns.start + 12, columns.stop + 12)
    assert first.shape == (90, 120) and first.dtype == np.uint8 and first[inside].shape == (40, 40)
    assert np.array_equal(first[inside], second[moved])
    still = np.ones((90, 120), bool)
    still[inside] = still[moved] = False
    assert np.array_equal(first[still], second[still])
    assert (first[inside] != second[inside]).mean() > 0.9


def test_textures_differ_by_seed_only():
    assert np.array_equal(texture(50, 60, 3), texture(50, 60, 3))
    assert not np.array_equal(texture(50, 60, 3), texture(50, 60, 4))
    assert texture(50, 60, 3).min() == 0 and texture(50, 60, 3).max() == 255


def test_found_is_the_median_inside():
    flow = np.zeros((10, 12, 2), np.float32)
    flow[2:5, 3:7] = (4, -1)
    flow[2, 3] = (99, 99)
    assert found(flow, np.s_[2:5, 3:7]) == (4, -1) and found(flow, np.s_[6:, :]) == (0, 0)


@pytest.mark.parametrize("u,v", [(3, -2), (0, 0), (-4, 1)])
def test_residual_of_the_true_motion_is_nought(u, v):
    wide = texture(70, 80, 0)
    first, second = wide[10:60, 10:70], wide[10 - v : 60 - v, 10 - u : 70 - u]
    flow = np.full((50, 60, 2), (u, v), np.float32)
    flow[:5], flow[-5:], flow[:, :5], flow[:, -5:] = 0, 0, 0, 0  # the border reads outside
    by_hand = np.abs(first.astype(float) - second)
    by_hand[5:-5, 5:-5] = 0
    assert residual(first, second, flow) == pytest.approx(by_hand.mean(), abs=1e-4)
    assert residual(first, second, 0 * flow) == pytest.approx(np.abs(first.astype(float) - second).mean(), abs=1e-4)
    assert residual(first, second, flow, np.s_[5:-5, 5:-5]) == pytest.approx(0, abs=1e-4)
