"""Clips read from containers whose pictures tell their own number."""

import dataclasses

import numpy as np
import pytest
import torch

from repro.clips.augment import CropSettings
from repro.clips.dataset import TestClips, TrainingClips, VideoReader
from repro.errors import ReproError
from repro.training.recipe import Recipe
from repro.video.store import StoreSettings, StoreWriter

LENGTHS = {"A/long": 60, "A/other": 45, "B/exact": 11, "B/short": 6, "B/still": 1}
NAMES, LABELS = list(LENGTHS), [0, 0, 1, 1, 1]
RECIPE = Recipe(((0.1, 4),), videos_per_step=4, clips_per_batch_norm=2, frames=3, stride=(2, 6))


def write_container(path, frames, fields=None):
    """Frame t is grey 4 t; field t has u = 3 t + 20 and v = 200 - 3 t."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with StoreWriter(path, StoreSettings(short_side=40, rgb_quality=100, flow_quality=100), {}) as writer:
        for t in range(frames):
            writer.rgb(np.full((40, 48, 3), 4 * t, np.uint8))
        for t in range(frames - 1 if fields is None else fields):
            writer.flow(np.stack([np.full((40, 48), 3 * t + 20), np.full((40, 48), 200 - 3 * t)], -1).astype(np.uint8))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    for name, frames in LENGTHS.items():
        write_container(folder / f"{name}.zip", frames)
    return folder


def numbers(planes, scale, offset):
    """The picture number that every plane shows, (T, C)."""
    values = planes.float().mean((1, 2))
    assert float((planes.float() - values[:, None, None]).abs().max()) <= 1.5  # JPEG of a constant
    return torch.round((values - offset) / scale).int()


def training(folder, streams=("appearance", "motion"), recipe=RECIPE, cache=0.0, seed=5):
    return TrainingClips(VideoReader(folder, streams, cache_gib=cache), NAMES, LABELS, recipe, 32, seed)


def test_a_stack_is_u1_v1_u2_v2_of_fields_t_minus_5_to_t_plus_4(folder):
    _, flow = VideoReader(folder, ("motion",)).read("A/long", [5, 20, 54])
    flow = torch.from_numpy(flow)
    u, v = numbers(flow[..., 0::2], 3, 20), numbers(flow[..., 1::2], -3, 200)
    expected = torch.tensor([range(0, 10), range(15, 25), range(49, 59)])
    assert torch.equal(u, expected.int()) and torch.equal(v, expected.int())


def test_frames_are_the_centres_of_their_stacks(folder):
    rgb, flow = VideoReader(folder, ("appearance", "motion")).read("A/long", [9, 30])
    assert numbers(torch.from_numpy(rgb), 4, 0)[:, 0].tolist() == [9, 30]
    assert numbers(torch.from_numpy(flow[..., 10:11]), 3, 20)[:, 0].tolist() == [9, 30]  # u6 goes from t to t + 1


def test_edge_fields_repeat_in_a_short_video(folder):
    _, flow = VideoReader(folder, ("motion",)).read("B/short", [2])
    assert numbers(torch.from_numpy(flow[..., 0::2]), 3, 20)[0].tolist() == [0, 0, 0, 0, 1, 2, 3, 4, 4, 4]


def test_a_video_of_one_frame_has_zero_flow(folder):
    rgb, flow = VideoReader(folder, ("appearance", "motion")).read("B/still", [0, 0])
    assert rgb.shape == (2, 40, 48, 3) and flow.shape == (2, 40, 48, 20) and (flow == 128).all()


def test_a_container_without_flow_is_no_still_video(tmp_path):
    write_container(tmp_path / "A" / "rgb.zip", 20, fields=0)
    with pytest.raises(ReproError, match="without flow.*repro extract"):
        VideoReader(tmp_path, ("motion",)).read("A/rgb", [5])


def test_a_missing_container_is_named(folder):
    with pytest.raises(ReproError, match="no container.*absent.zip"):
        VideoReader(folder, ("motion",)).read("A/absent", [5])


@pytest.mark.parametrize("gib", [1.0, 1e-6])
def test_a_cache_changes_nothing(folder, gib):
    cached, direct = (VideoReader(folder, ("appearance", "motion"), cache_gib=g) for g in (gib, 0.0))
    for _ in range(2):
        for name in NAMES:
            last = LENGTHS[name] - 1
            for a, b in zip(cached.read(name, [last, 0, last]), direct.read(name, [last, 0, last])):
                np.testing.assert_array_equal(a, b)


def test_a_clip_has_one_crop_for_all_frames_and_both_modalities(folder):
    def digest(streams):
        return [
            (c.name, c.flip, [None if p is None else p.shape[1:3] for p in (c.rgb, c.flow)])
            for step in range(4)
            for number in range(2)
            for c in training(folder, streams)[step, number]
        ]

    both, rgb, flow = digest(("appearance", "motion")), digest(("appearance",)), digest(("motion",))
    assert all(a == b for _, _, (a, b) in both)
    assert [(n, f, s[0]) for n, f, s in both] == [(n, f, s[0]) for n, f, s in rgb]
    assert [(n, f, s[1]) for n, f, s in both] == [(n, f, s[1]) for n, f, s in flow]
    assert len({tuple(s[0]) for _, _, s in both}) > 3  # drawn anew for each clip


def test_the_crop_window_is_the_drawn_one(tmp_path):
    """A frame whose pixels tell their place: the window of both modalities begins at the same pixel."""
    with StoreWriter(tmp_path / "ramp.zip", StoreSettings(short_side=40, rgb_quality=100, flow_quality=100), {}) as writer:
        y, x = np.mgrid[0:40, 0:48]
        for _ in range(12):
            writer.rgb(np.repeat((4 * x + y)[..., None], 3, 2).astype(np.uint8))
        for _ in range(11):
            writer.flow(np.stack([4 * x, 4 * y], -1).astype(np.uint8))
    clips = TrainingClips(VideoReader(tmp_path, ("appearance", "motion")), ["ramp"], [0], RECIPE, 32, 1)
    for step in range(8):
        for clip in clips[step, 0]:
            left, top = (int(round(float(clip.flow[0, 0, 0, k]) / 4)) for k in (0, 1))
            height, width = clip.flow.shape[1:3]
            expected = (4 * x + y)[top : top + height, left : left + width]
            np.testing.assert_allclose(clip.rgb[0, ..., 0].numpy(), expected, atol=5)


def test_the_stride_is_drawn_once_per_sub_batch(folder):
    recipe = dataclasses.replace(RECIPE, stride=(1, 5))
    seen = set()
    for step in range(12):
        for number in range(2):
            steps = {
                int(d)
                for clip in training(folder, recipe=recipe)[step, number]
                if not clip.fallback
                for d in np.diff(numbers(clip.rgb, 4, 0)[:, 0])
            }
            assert len(steps) <= 1
            seen |= steps
    assert seen == {1, 2, 3, 4, 5}


def test_every_video_is_seen_once_per_pass_and_short_ones_are_flagged(folder):
    clips = training(folder)
    drawn = [clip for step in range(5) for number in range(2) for clip in clips[step, number]]
    for start in range(0, 20, 5):
        assert sorted(c.name for c in drawn[start : start + 5]) == sorted(NAMES)
    single = training(folder, recipe=dataclasses.replace(RECIPE, frames=1, stride=(1, 1)))
    flagged = {c.name: c.fallback for step in range(5) for number in range(2) for c in single[step, number]}
    assert flagged == {"A/long": False, "A/other": False, "B/exact": False, "B/short": True, "B/still": True}
    assert all(c.label == LABELS[NAMES.index(c.name)] for c in drawn)


def test_the_last_sub_batch_holds_the_rest(folder):
    recipe = dataclasses.replace(RECIPE, videos_per_step=5, clips_per_batch_norm=2)
    clips = training(folder, recipe=recipe)
    assert [len(clips[0, n]) for n in range(recipe.sub_batches())] == [2, 2, 1]
    assert [len(clips[1, n]) for n in range(recipe.sub_batches())] == [2, 2, 1]


def flattened(clips, places):
    return [
        (c.name, c.label, c.flip, c.fallback, c.rgb.numpy().tobytes(), c.flow.numpy().tobytes())
        for place in places
        for c in clips[place]
    ]


def test_sub_batches_are_a_function_of_seed_step_and_number(folder):
    places = [(step, number) for step in range(4) for number in range(2)]
    straight = flattened(training(folder), places)
    shuffled = training(folder)
    for place in reversed(places):
        shuffled[place]
    assert flattened(shuffled, places) == straight  # whatever was read before
    assert flattened(training(folder, seed=6), places) != straight
    assert straight[:2] != straight[2:4]


@pytest.mark.parametrize("workers", [1, 2])
def test_loader_processes_change_nothing(folder, workers):
    places = [(step, number) for step in range(3) for number in range(2)]
    loader = torch.utils.data.DataLoader(training(folder), batch_size=None, sampler=places, num_workers=workers)
    found = [(c.name, c.flip, c.rgb.numpy().tobytes(), c.flow.numpy().tobytes()) for batch in loader for c in batch]
    expected = [(n, f, rgb, flow) for n, _, f, _, rgb, flow in flattened(training(folder), places)]
    assert found == expected


def test_the_test_clip_is_25_whole_frames(folder):
    clips = TestClips(VideoReader(folder, ("appearance", "motion")), NAMES, LABELS)
    assert len(clips) == 5
    clip = clips[0]
    assert clip.rgb.shape == (25, 40, 48, 3) and clip.flow.shape == (25, 40, 48, 20) and not clip.flip
    expected = [int(6 + 49 * k / 24 + 0.5) - 1 for k in range(25)]  # N = 60: 6..55 counted from 1
    assert numbers(clip.rgb, 4, 0)[:, 0].tolist() == expected
    assert clips[4].rgb.shape == (25, 40, 48, 3)  # the one frame 25 times


def test_a_crop_kind_of_the_recipe_is_used(folder):
    recipe = dataclasses.replace(RECIPE, crop=CropSettings("corners"))
    sides = {c.rgb.shape[k] for step in range(10) for c in training(folder, recipe=recipe)[step, 0] for k in (1, 2)}
    assert sides <= {37, 32, 27, 24} and len(sides) == 4
