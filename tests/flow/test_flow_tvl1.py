"""Our two TV-L1s against OpenCV's: each part, real clips, known motion."""

import cv2
import numpy as np
import pytest
import torch

from repro.flow import FlowSettings, make_flow, tvl1
from repro.flow import tvl1_parts as parts
from repro.video.decode import frames, gray

OURS = ["tvl1_cpu", "tvl1_torch"]


def picture(height, width, seed=0):
    return np.random.default_rng(seed).uniform(0, 255, (height, width)).astype(np.float32)


def tensor(array):
    return torch.from_numpy(array)[None]


@pytest.mark.parametrize("size", [3, 5])
def test_median_is_opencvs(size):
    a = picture(31, 43)
    a[5:12, 7:20] = 3  # ties
    assert np.array_equal(parts.median(tensor(a), size)[0].numpy(), cv2.medianBlur(a, size))


@pytest.mark.parametrize("shape", [(61, 83), (64, 80), (45, 45)])
def test_pyramid_steps_are_opencvs(shape):
    a = picture(*shape)
    expected = cv2.resize(a, None, fx=0.8, fy=0.8, interpolation=cv2.INTER_LINEAR)
    assert np.allclose(parts.shrink(tensor(a), 0.8)[0].numpy(), expected, atol=1e-3)
    larger = cv2.resize(a, (103, 77), interpolation=cv2.INTER_LINEAR)
    assert np.allclose(parts.resize(tensor(a), 77, 103)[0].numpy(), larger, atol=1e-3)


def test_warp_is_opencvs():
    a = picture(41, 53)
    flow = np.random.default_rng(1).uniform(-9, 9, (2, 41, 53)).astype(np.float32)
    flow[:, :3] *= 1000  # far outside
    if int(cv2.__version__.split(".")[0]) < 5:
        flow = np.round(flow * 32) / 32  # older versions round positions so
    y, x = np.mgrid[:41, :53].astype(np.float32)
    expected = cv2.remap(a, x + flow[0], y + flow[1], cv2.INTER_CUBIC)
    found = parts.warp(tensor(a)[None], tensor(flow))[0, 0].numpy()
    assert np.allclose(found, expected, atol=0.01)


def end_point_difference(a, b):
    return np.hypot(*np.moveaxis(a - b, -1, 0))


def real_pairs(shared_data, count, size=None):
    clips = sorted((shared_data / "jhmdb" / "clips").glob("*/*.avi"))[:: 928 // count][:count]
    for clip in clips:
        grays = [gray(frame) for _, frame in zip(range(8), frames(clip))]
        yield tuple(frame[:size, :size] if size else frame for frame in grays[6:8])


@pytest.mark.parametrize("backend", OURS)
def test_as_opencv_on_real_pairs(backend, shared_data):
    first, second = (np.stack(side) for side in zip(*real_pairs(shared_data, 4, 96)))
    difference = end_point_difference(
        make_flow(FlowSettings(backend=backend))(first, second), make_flow(FlowSettings())(first, second)
    )
    assert difference.mean() <= 0.02 and (difference > 1).mean() <= 0.002


@pytest.mark.parametrize("backend", OURS)
@pytest.mark.parametrize(
    "change",
    [
        {"warps": 2, "epsilon": 0.03},
        {"median": 1},
        {"median": 3, "scale_step": 0.5},
        {"lambda_": 0.05, "tau": 0.2, "theta": 0.4},
        {"scales": 1},
        {"inner": 7, "outer": 3},
    ],
)
def test_as_opencv_with_other_parameters(backend, change):
    wide = cv2.GaussianBlur(picture(90, 110), (0, 0), 1.5)
    wide = cv2.normalize(wide, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
    first, second = wide[5:75, 5:95], wide[4:74, 7:97]
    difference = end_point_difference(
        make_flow(FlowSettings(backend=backend, **change))(first, second), make_flow(FlowSettings(**change))(first, second)
    )
    assert difference.mean() <= 0.02


def test_both_components_are_computed_at_the_coarsest_level_without_a_median():
    first, second, _ = known_motion("shift")
    one, other = (make_flow(FlowSettings(backend=name, median=1, scales=1))(first, second) for name in ("tvl1_cpu", "tvl1"))
    assert end_point_difference(one, other).mean() <= 0.02


def known_motion(kind):
    """Two frames (72, 88) sampled from one smooth function, and the exact flow of the first."""
    y, x = np.mgrid[:72, :88].astype(float)
    u, v = {
        "shift": (2.3 + 0 * x, -1.6 + 0 * x),
        "rotation": (-0.04 * (y - 36), 0.04 * (x - 44)),
        "zoom": (0.05 * (x - 44), 0.05 * (y - 36)),
    }[kind]

    def scene(x, y):
        return 128 + 40 * np.sin(0.31 * x + 0.1 * y) + 35 * np.sin(0.23 * y - 0.12 * x + 1) + 30 * np.cos(0.17 * x - 0.29 * y)

    if kind == "shift":
        back = x - u, y - v
    elif kind == "zoom":
        back = 44 + (x - 44) / 1.05, 36 + (y - 36) / 1.05
    else:
        back = np.einsum("ij,jhw->ihw", np.linalg.inv([[1, -0.04], [0.04, 1]]), np.stack([x - 44, y - 36]))
        back = back[0] + 44, back[1] + 36
    first, second = (np.round(scene(*at)).clip(0, 255).astype(np.uint8) for at in ((x, y), back))
    return first, second, np.stack([u, v], -1)


@pytest.mark.parametrize("backend", OURS)
@pytest.mark.parametrize("kind", ["shift", "rotation", "zoom"])
def test_known_motion_as_well_as_opencv(backend, kind):
    first, second, exact = known_motion(kind)
    errors = [
        end_point_difference(make_flow(FlowSettings(backend=name))(first, second), exact)[10:-10, 10:-10].mean()
        for name in (backend, "tvl1")
    ]
    assert errors[1] < 0.3  # OpenCV finds the motion: the comparison means something
    assert errors[0] <= 1.02 * errors[1]


def test_a_batch_gives_what_its_pairs_give(monkeypatch):
    """Pairs converge at different iterations; leaving the batch late (as on a GPU) changes nothing."""
    pairs = [known_motion(kind)[:2] for kind in ("shift", "rotation")] + [(known_motion("zoom")[0],) * 2]
    estimate = make_flow(FlowSettings(backend="tvl1_torch", scales=3, warps=2))
    alone = np.stack([estimate(*pair) for pair in pairs])
    together = estimate(*(np.stack(side) for side in zip(*pairs)))
    assert np.allclose(alone, together, atol=1e-4)
    monkeypatch.setitem(tvl1._PATIENCE, "cpu", 7)
    assert np.allclose(alone, estimate(*(np.stack(side) for side in zip(*pairs))), atol=1e-4)


@pytest.mark.parametrize("backend", OURS)
def test_still_small_and_deterministic(backend):
    estimate = make_flow(FlowSettings(backend=backend))
    first, second, _ = known_motion("shift")
    assert np.array_equal(estimate(first, second), estimate(first, second))
    assert not estimate(first, first).any()
    assert estimate(first[:17, :20], second[:17, :20]).shape == (17, 20, 2)
    flat = np.full((30, 40), 77, np.uint8)
    assert np.isfinite(estimate(flat, first[:30, :40])).all()


def test_shapes_are_checked():
    with pytest.raises(ValueError, match="two batches"):
        tvl1.tvl1(torch.zeros(2, 20, 20), torch.zeros(2, 20, 21), FlowSettings())


@pytest.mark.slow
def test_compiled_as_plain():
    first, second, _ = known_motion("rotation")
    settings = FlowSettings(backend="tvl1_torch", scales=2, warps=1)
    found = make_flow(settings, compiled=True)(first, second)
    assert end_point_difference(found, make_flow(settings)(first, second)).mean() < 0.02
