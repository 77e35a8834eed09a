"""Flow methods on known motion, 8-bit storage, the colour picture."""

import colorsys

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro.flow import FlowSettings, colour_wheel, dequantise, make_flow, quantise


def texture(height=80, width=100, seed=0):
    noise = np.random.default_rng(seed).normal(0, 1, (height, width))
    picture = cv2.GaussianBlur(noise, (0, 0), 2)
    return (picture - picture.min()) / np.ptp(picture) * 255


def shifted(u, v):
    """Two grey frames; everything moves by (u, v) whole pixels."""
    picture = texture(120, 140)
    return (picture[20:100, 20:120].astype(np.uint8), picture[20 - v : 100 - v, 20 - u : 120 - u].astype(np.uint8))


@pytest.mark.parametrize("backend,error", [("tvl1", 0.1), ("dis", 0.3), ("farneback", 0.6)])
@pytest.mark.parametrize("shift", [(3, -2), (-1, 4)])
def test_known_shift(backend, error, shift):
    flow = make_flow(FlowSettings(backend=backend))(*shifted(*shift))
    assert flow.dtype == np.float32 and flow.shape == (80, 100, 2)
    assert np.abs(flow[15:-15, 15:-15] - shift).mean() < error


@pytest.mark.parametrize("backend", ["tvl1", "dis", "farneback"])
def test_deterministic_and_still(backend):
    estimate = make_flow(FlowSettings(backend=backend))
    first, second = shifted(2, 1)
    assert np.array_equal(estimate(first, second), estimate(first, second))
    assert np.abs(estimate(first, first)).mean() < 0.01


def test_tvl1_is_opencvs_and_forgets_small_frames():
    first, second = shifted(3, 1)
    expected = cv2.optflow.DualTVL1OpticalFlow_create().calc(first, second, None)
    estimate = make_flow(FlowSettings())
    estimate(first[:20, :20], second[:20, :20])  # one pair so small that pyramid levels are left out
    assert np.array_equal(estimate(first, second), expected)


def test_parameters_reach_the_method():
    first, second = shifted(3, 1)
    default = make_flow(FlowSettings())(first, second)
    for change in ({"warps": 1}, {"scales": 2}, {"lambda_": 0.01}, {"epsilon": 0.1}, {"median": 1}, {"inner": 2, "outer": 1}):
        assert not np.array_equal(make_flow(FlowSettings(**change))(first, second), default), change


def test_presets():
    opencv, authors = FlowSettings(backend="tvl1_cpu"), FlowSettings(backend="tvl1_cpu", preset="authors")
    assert (opencv.scale_step, opencv.inner, opencv.outer, opencv.median) == (0.8, 30, 10, 5)  # cv2's own defaults
    assert (authors.scale_step, authors.inner, authors.outer, authors.median) == (0.5, 300, 1, 1)  # paper/st-resnet.md
    shared = ("tau", "lambda_", "theta", "scales", "warps", "epsilon")
    assert [getattr(authors, name) for name in shared] == [getattr(opencv, name) for name in shared]
    assert authors.used() == {"backend": "tvl1_cpu", "preset": "authors"} | {
        name: getattr(authors, name) for name in (*shared, "scale_step", "inner", "outer", "median")
    }
    assert "preset" not in opencv.used()  # containers that were made before there were presets stay recognised
    assert FlowSettings(**opencv.used()) == opencv and FlowSettings(**authors.used()) == authors


@pytest.mark.parametrize("backend", ["tvl1", "dis", "farneback"])
def test_the_authors_preset_needs_a_backend_that_has_it(backend):
    with pytest.raises(ValueError, match="preset 'authors' needs backend tvl1_cpu or tvl1_torch"):
        FlowSettings(backend=backend, preset="authors")


@pytest.mark.parametrize("change", [{"scale_step": 0.8}, {"median": 5}, {"outer": 10}])
def test_the_authors_preset_has_no_other_values_of_these(change):
    with pytest.raises(ValueError, match=f"{next(iter(change))} is .* in preset 'authors'"):
        FlowSettings(backend="tvl1_cpu", preset="authors", **change)


def test_only_the_parameters_in_use_are_recorded():
    assert FlowSettings(backend="dis").used() == {"backend": "dis", "dis_preset": "medium"}
    assert "lambda_" in FlowSettings().used() and "dis_preset" not in FlowSettings().used()


@pytest.mark.parametrize(
    "bad", [{"backend": "raft"}, {"median": 4}, {"tau": 0}, {"preset": "paper"}, {"scale_step": 1}, {"dis_preset": "slow"}]
)
def test_settings_are_checked(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        FlowSettings(**bad)


def test_frames_are_checked():
    estimate = make_flow(FlowSettings(backend="dis"))
    gray = np.zeros((32, 32), np.uint8)
    for bad in (gray.astype(np.float32), gray[:16], np.zeros((32, 32, 3), np.uint8)):
        with pytest.raises(ValueError, match="second"):
            estimate(gray, bad)


@given(st.floats(-60, 60), st.sampled_from([20.0, 5.0, 15.5]))
def test_quantise_is_the_formula(value, bound):
    byte = int(quantise(np.float32([value]), bound)[0])
    exact = 255 * (np.clip(value, -bound, bound) + bound) / (2 * bound)
    assert abs(byte - exact) <= 0.5 + 1e-4
    back = float(dequantise(np.uint8([byte]), bound)[0])
    assert abs(back - np.clip(value, -bound, bound)) <= bound / 255 + 1e-4


def test_quantise_anchors():
    assert quantise(np.float32([0, -20, 20, -99, 99])).tolist() == [128, 0, 255, 0, 255]
    every = np.arange(256, dtype=np.uint8)
    assert np.array_equal(quantise(dequantise(every)), every)
    with pytest.raises(ValueError, match="finite"):
        quantise(np.float32([np.nan]))


def test_colour_wheel():
    angles = np.linspace(0, 2 * np.pi, 73)[:-1]
    flow = np.stack([np.cos(angles), np.sin(angles)], -1)[None] * 4
    colours = colour_wheel(flow, 4.001)[0]
    hues = [colorsys.rgb_to_hsv(*(colour / 255))[0] for colour in colours]
    assert hues[0] == 0 and np.all(np.diff(hues) > 0)  # once round, clockwise in the picture, beginning with red
    assert np.all(colours.max(1) == 255) and np.all(colours.min(1) <= 2)
    assert np.all(colour_wheel(np.zeros((2, 2, 2))) == 255)
    assert colour_wheel(flow * 3, 4).max() <= 191
