"""Crops, flips and the way onto the device, against hand-computed cases, Pillow and OpenCV."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from repro.clips.augment import CropSettings, draw_crop
from repro.clips.dataset import to_input

RGB = SimpleNamespace(mean=(100.0, 110.0, 120.0), std=(1.0, 1.0, 1.0), bgr=False)


def crops(settings, height, width, size, count, seed=0):
    rng = np.random.default_rng(seed)
    return [draw_crop(settings, height, width, size, rng) for _ in range(count)]


@given(
    st.sampled_from(["corners", "borders"]),
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


@pytest.mark.parametrize("kind", ["corners", "borders"])
def test_half_of_the_crops_are_flipped(kind):
    assert abs(np.mean([c.flip for c in crops(CropSettings(kind), 256, 340, 224, 2000)]) - 0.5) < 0.05


def test_an_unknown_kind_is_named():
    with pytest.raises(ValueError, match="corners or borders, got 'corner'"):
        CropSettings("corner")


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
