"""Crops, flips and the way onto the device, against hand-computed cases, Pillow and OpenCV."""

from collections import Counter
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from repro.clips.augment import CropSettings, draw_crop, draw_place
from repro.clips.modality import Modality

RGB = SimpleNamespace(mean=(100.0, 110.0, 120.0), std=(1.0, 1.0, 1.0), bgr=False)


def to_input(planes, normalisation, **settings):
    return Modality("flow" if normalisation is None else "rgb").to_input(planes, normalisation, **settings)


def crops(settings, height, width, size, count, seed=0):
    rng = np.random.default_rng(seed)
    return [draw_crop(settings, height, width, size, rng) for _ in range(count)]


@given(
    st.sampled_from(["corners", "borders", "tsn", "random"]),
    st.integers(1, 600),
    st.integers(1, 600),
    st.sampled_from([32, 64, 224]),
    st.integers(0, 2**32 - 1),
)
def test_a_crop_lies_in_the_frame_at_any_size(kind, height, width, size, seed):
    crop = draw_crop(CropSettings(kind), height, width, size, np.random.default_rng(seed))
    assert 1 <= crop.height and 0 <= crop.top and crop.top + crop.height <= height
    assert 1 <= crop.width and 0 <= crop.left and crop.left + crop.width <= width


def test_motion_crops_are_four_corners_and_the_centre_with_four_sides_each():
    drawn = crops(CropSettings("corners"), 256, 340, 224, 4000)
    assert {c.height for c in drawn} == {c.width for c in drawn} == {256, 224, 192, 168}
    sizes = {(c.height, c.width) for c in drawn}
    assert len(sizes) == 16  # width and height independently
    places = {(c.top, c.left) for c in drawn if (c.height, c.width) == (192, 224)}
    assert places == {(0, 0), (0, 116), (64, 0), (64, 116), (32, 58)}
    counts = np.unique(
        [(c.top > 32) * 2 + (c.left > 58) for c in drawn if (c.height, c.width) == (192, 224)], return_counts=True
    )[1]
    assert len(counts) == 4 and counts[0] > counts[1]  # top left and centre share a cell


def test_sizes_are_fractions_of_the_input():
    assert {c.height for c in crops(CropSettings("corners"), 74, 98, 64, 400)} == {73, 64, 55, 48}
    sides = [c.height for c in crops(CropSettings("borders"), 200, 200, 64, 4000)]
    assert min(sides) == 48 and max(sides) == 80


def test_border_crops_take_the_same_end_on_both_axes():
    drawn = crops(CropSettings("borders"), 512, 680, 224, 4000)
    assert min(c.height for c in drawn) == 168 and max(c.height for c in drawn) == 280
    assert np.corrcoef([c.height for c in drawn], [c.width for c in drawn])[0, 1] < 0.06
    fractions = np.array([(c.top / (512 - c.height), c.left / (680 - c.width)) for c in drawn])
    low, high = (fractions <= 0.252).all(axis=1), (fractions >= 0.748).all(axis=1)
    assert (low | high).all()  # never one axis at its start and the other at its end
    assert abs(low.mean() - 0.5) < 0.04
    assert fractions[low].min() < 0.01 and fractions[high].max() > 0.99
    assert abs(np.corrcoef(fractions[low].T)[0, 1]) < 0.1  # but the offsets themselves are independent


def test_border_crops_are_capped_by_the_frame():
    drawn = crops(CropSettings("borders"), 180, 256, 224, 1000)
    assert max(c.height for c in drawn) == 180 and max(c.width for c in drawn) == 256
    assert all(c.top == 0 for c in drawn if c.height == 180)


@pytest.mark.parametrize("kind", ["corners", "borders", "tsn", "random"])
def test_half_of_the_crops_are_flipped(kind):
    assert abs(np.mean([c.flip for c in crops(CropSettings(kind), 256, 340, 224, 2000)]) - 0.5) < 0.05


def test_an_unknown_kind_is_named():
    with pytest.raises(ValueError, match="one of corners, borders, tsn, random, got 'corner'"):
        CropSettings("corner")


def test_tsn_crops_are_13_places():
    """A square of 192 in 256 x 340: steps of (256 - 192) // 4 = 16 down and (340 - 192) // 4 = 37 to the right."""
    drawn = crops(CropSettings("tsn", scales=(0.75,)), 256, 340, 224, 4000)
    places = [(c.top, c.left) for c in drawn]
    assert set(places) == {
        *[(0, 0), (0, 148), (64, 0), (64, 148), (32, 74)],  # corners, centre
        *[(0, 74), (64, 74), (32, 0), (32, 148)],  # middles of the sides
        *[(16, 37), (16, 111), (48, 37), (48, 111)],  # quarter points
    }
    counts = Counter(places)
    assert max(abs(n - 4000 / 13) for n in counts.values()) < 80


def test_tsn_sides_are_neighbours_among_the_scales_of_the_shorter_side():
    sizes = {(c.height, c.width) for c in crops(CropSettings("tsn"), 256, 340, 224, 2000)}
    sides = [256, 224, 192, 168]  # 168.96 is cut
    assert sizes == {(a, b) for i, a in enumerate(sides) for j, b in enumerate(sides) if abs(i - j) <= 1}
    flow = {(c.height, c.width) for c in crops(CropSettings("tsn", scales=(1.0, 0.875, 0.75)), 256, 340, 224, 1000)}
    assert len(flow) == 7 and min(min(size) for size in flow) == 192
    square = {(c.height, c.width) for c in crops(CropSettings("tsn", max_distort=0), 256, 340, 224, 1000)}
    assert square == {(s, s) for s in sides}


def test_tsn_sides_near_the_input_become_it():
    assert {c.height for c in crops(CropSettings("tsn", scales=(0.884,)), 256, 340, 224, 9)} == {224}  # 226
    assert {c.height for c in crops(CropSettings("tsn", scales=(0.887,)), 256, 340, 224, 9)} == {227}


def test_corners_take_other_scales():
    drawn = crops(CropSettings("corners", scales=(1.0, 0.5), max_distort=0), 256, 340, 224, 400)
    assert {(c.height, c.width) for c in drawn} == {(224, 224), (112, 112)}


def test_random_crops_are_squares_anywhere_in_the_frame():
    drawn = crops(CropSettings("random"), 226, 230, 224, 4000)
    assert {(c.height, c.width) for c in drawn} == {(224, 224)}
    counts = Counter((c.top, c.left) for c in drawn)
    assert set(counts) == {(y, x) for y in range(3) for x in range(7)} and max(abs(n - 4000 / 21) for n in counts.values()) < 65


@pytest.mark.parametrize("kind", ["corners", "borders", "tsn", "random"])
def test_a_place_is_the_same_for_windows_of_any_size(kind):
    rng = np.random.default_rng(4)
    place = draw_place(CropSettings(kind), rng)
    drawn = [draw_crop(CropSettings(kind), 256, 340, 224, rng, place) for _ in range(50)]
    assert {c.flip for c in drawn} == {place.flip}
    for c in drawn:
        assert abs(c.top - place.y * (256 - c.height)) <= 4 and abs(c.left - place.x * (340 - c.width)) <= 4
    assert kind == "random" or len({(c.height, c.width) for c in drawn}) > 5


@pytest.mark.parametrize(
    "bad, words",
    [
        ({"per": "batch"}, "per must be clip or sub_batch, got 'batch'"),
        ({"scales": (1.0,)}, "scales must be left out where kind is borders"),
        ({"kind": "tsn", "scales": ()}, "scales must be positive"),
        ({"kind": "tsn", "max_distort": -1}, "max_distort must be at least 0, got -1"),
    ],
)
def test_settings_are_checked(bad, words):
    with pytest.raises(ValueError, match=words):
        CropSettings(**bad)


def todays_crop(kind, height, width, size, rng):
    """(top, left, height, width, flip) by the formulas of the committed runs, draw by draw."""
    if kind == "corners":
        sides = [round(size * (8 / 7, 1.0, 6 / 7, 3 / 4)[rng.integers(4)]) for _ in range(2)]
        h, w = min(sides[0], height), min(sides[1], width)
        y, x = height - h, width - w
        top, left = ((0, 0), (0, x), (y, 0), (y, x), (y // 2, x // 2))[rng.integers(5)]
    else:
        h = min(round(size * rng.uniform(0.75, 1.25)), height)
        w = min(round(size * rng.uniform(0.75, 1.25)), width)
        fractions = rng.uniform(0, 0.25, 2)
        if rng.random() < 0.5:
            fractions = 1 - fractions
        top, left = round(fractions[0] * (height - h)), round(fractions[1] * (width - w))
    return top, left, h, w, bool(rng.random() < 0.5)


@given(
    st.sampled_from(["corners", "borders"]),
    st.integers(1, 600),
    st.integers(1, 600),
    st.sampled_from([32, 64, 224]),
    st.integers(0, 2**32 - 1),
)
def test_draws_of_the_committed_runs_stay(kind, height, width, size, seed):
    crop = draw_crop(CropSettings(kind), height, width, size, rng := np.random.default_rng(seed))
    expected = todays_crop(kind, height, width, size, other := np.random.default_rng(seed))
    assert (crop.top, crop.left, crop.height, crop.width, crop.flip) == expected
    assert rng.random() == other.random()  # nothing more was drawn


@pytest.fixture
def planes():
    rng = np.random.default_rng(1)
    coarse = rng.integers(0, 256, (2, 12, 14, 3), np.uint8)
    return np.stack([cv2.resize(c, (61, 47), interpolation=cv2.INTER_CUBIC) for c in coarse])


@pytest.mark.parametrize("size", [(32, 32), (96, 80), (32, 80)])
def test_antialiased_resize_is_pillows_bicubic(planes, size):
    found = to_input(torch.from_numpy(planes), RGB, size=size).numpy()
    for frame, got in zip(planes, found):
        for channel in range(3):
            picture = Image.fromarray(frame[..., channel].astype(np.float32), mode="F")
            expected = np.asarray(picture.resize(size[::-1], Image.Resampling.BICUBIC)).clip(0, 255) - RGB.mean[channel]
            np.testing.assert_allclose(got[channel], expected, atol=0.01)


def test_resize_without_antialiasing_is_opencvs_bicubic(planes):
    found = to_input(torch.from_numpy(planes), RGB, size=(32, 40), antialias=False).numpy()
    for frame, got in zip(planes, found):
        expected = cv2.resize(frame.astype(np.float32), (40, 32), interpolation=cv2.INTER_CUBIC).clip(0, 255) - RGB.mean
        np.testing.assert_allclose(got.transpose(1, 2, 0), expected, atol=0.01)


def test_antialiasing_matters_when_shrinking(planes):
    sharp, smooth = (to_input(torch.from_numpy(planes), RGB, size=(16, 20), antialias=a) for a in (False, True))
    assert (sharp - smooth).abs().max() > 1


def test_rgb_has_its_mean_subtracted_and_nothing_else(planes):
    found = to_input(torch.from_numpy(planes), RGB)
    assert found.dtype == torch.float32 and found.shape == (2, 3, 47, 61)
    np.testing.assert_array_equal(found.permute(0, 2, 3, 1).numpy(), planes.astype(np.float32) - np.float32(RGB.mean))


def test_rgb_follows_the_normalisation_of_its_weights(planes):
    norm = SimpleNamespace(mean=(104.0, 117.0, 124.0), std=(2.0, 4.0, 8.0), bgr=True)
    found = to_input(torch.from_numpy(planes), norm).permute(0, 2, 3, 1).numpy()
    np.testing.assert_allclose(found, (planes[..., ::-1].astype(np.float32) - norm.mean) / norm.std, rtol=1e-6)


def test_a_flip_mirrors_rgb(planes):
    straight, flipped = (to_input(torch.from_numpy(planes), RGB, flip=f) for f in (False, True))
    np.testing.assert_array_equal(flipped.numpy(), straight.numpy()[..., ::-1])


def test_a_flip_of_flow_negates_u_and_leaves_v():
    stacks = np.random.default_rng(2).integers(0, 256, (3, 5, 7, 20), np.uint8)
    found = to_input(torch.from_numpy(stacks), None, flip=True).permute(0, 2, 3, 1).numpy()
    mirrored = stacks[:, :, ::-1].astype(np.float32)
    np.testing.assert_array_equal(found[..., 0::2], 255 - mirrored[..., 0::2] - 128)
    np.testing.assert_array_equal(found[..., 1::2], mirrored[..., 1::2] - 128)


def test_the_input_is_left_as_it_was(planes):
    before = planes.copy()
    to_input(torch.from_numpy(planes), None, flip=True)
    np.testing.assert_array_equal(planes, before)
