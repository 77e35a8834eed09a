"""Clips read from containers whose pictures tell their own number."""

import dataclasses
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from repro.clips.augment import CropSettings
from repro.clips.dataset import TestClips, TrainingClips, VideoReader, batch_inputs
from repro.clips.modality import Modality
from repro.clips.resize import Resize
from repro.errors import ReproError
from repro.evaluation.settings import EvaluationSettings
from repro.video.store import ClipStore, StoreSettings, StoreWriter

LENGTHS = {"A/long": 60, "A/other": 45, "B/exact": 11, "B/short": 6, "B/still": 1}
NAMES, LABELS = list(LENGTHS), [0, 0, 1, 1, 1]
RGB, FLOW = Modality("rgb", beside_flow=10), Modality("flow", 10)
BOTH = {"appearance": RGB, "motion": FLOW}
MOTION = {"motion": FLOW}


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What of a recipe these data sets read."""

    videos_per_step: int = 4
    clips_per_batch_norm: int = 2
    frames: int = 3
    stride: tuple[int, int] = (2, 6)
    sampling: str = "strided"
    order: str = "shuffled"
    crop: CropSettings = CropSettings()
    rgb_jitter: float = 0.0

    def sub_batches(self):
        return math.ceil(self.videos_per_step / self.clips_per_batch_norm)


RECIPE = Recipe()


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


def training(folder, streams=BOTH, recipe=RECIPE, cache=0.0, seed=5):
    return TrainingClips(VideoReader(folder, streams, cache_gib=cache), NAMES, LABELS, recipe, 32, seed)


def test_a_stack_is_u1_v1_u2_v2_of_fields_t_minus_5_to_t_plus_4(folder):
    flow = torch.from_numpy(VideoReader(folder, MOTION).read("A/long", [5, 20, 54])["motion"])
    u, v = numbers(flow[..., 0::2], 3, 20), numbers(flow[..., 1::2], -3, 200)
    expected = torch.tensor([range(0, 10), range(15, 25), range(49, 59)])
    assert torch.equal(u, expected.int()) and torch.equal(v, expected.int())


def test_frames_are_the_centres_of_their_stacks(folder):
    rgb, flow = VideoReader(folder, BOTH).read("A/long", [9, 30]).values()
    assert numbers(torch.from_numpy(rgb), 4, 0)[:, 0].tolist() == [9, 30]
    assert numbers(torch.from_numpy(flow[..., 10:11]), 3, 20)[:, 0].tolist() == [9, 30]  # u6 goes from t to t + 1


def test_edge_fields_repeat_in_a_short_video(folder):
    flow = VideoReader(folder, MOTION).read("B/short", [2])["motion"]
    assert numbers(torch.from_numpy(flow[..., 0::2]), 3, 20)[0].tolist() == [0, 0, 0, 0, 1, 2, 3, 4, 4, 4]


def test_a_video_of_one_frame_has_zero_flow(folder):
    rgb, flow = VideoReader(folder, BOTH).read("B/still", [0, 0]).values()
    assert rgb.shape == (2, 40, 48, 3) and flow.shape == (2, 40, 48, 20) and (flow == 128).all()


def test_a_container_without_flow_is_no_still_video(tmp_path):
    write_container(tmp_path / "A" / "rgb.zip", 20, fields=0)
    with pytest.raises(ReproError, match="rgb.zip.*motion.*reads flow.*repro extract"):
        VideoReader(tmp_path, MOTION).read("A/rgb", [5])


def test_a_missing_container_is_named(folder):
    with pytest.raises(ReproError, match="no container.*absent.zip"):
        VideoReader(folder, MOTION).read("A/absent", [5])


@pytest.mark.parametrize("gib", [1.0, 1e-6])
def test_a_cache_changes_nothing(folder, gib):
    cached, direct = (VideoReader(folder, BOTH, cache_gib=g) for g in (gib, 0.0))
    for _ in range(2):
        for name in NAMES:
            last = LENGTHS[name] - 1
            found, expected = (reader.read(name, [last, 0, last]) for reader in (cached, direct))
            for stream in BOTH:
                np.testing.assert_array_equal(found[stream], expected[stream])


def test_a_clip_has_one_crop_for_all_frames_and_both_modalities(folder):
    def digest(streams):
        return [
            (c.name, c.flip, {stream: tuple(p.shape[1:3]) for stream, p in c.planes.items()})
            for step in range(4)
            for number in range(2)
            for c in training(folder, streams)[step, number]
        ]

    both, rgb, flow = digest(BOTH), digest({"appearance": RGB}), digest(MOTION)
    assert all(s["appearance"] == s["motion"] for _, _, s in both)
    assert [(n, f, {"appearance": s["appearance"]}) for n, f, s in both] == rgb
    assert [(n, f, {"motion": s["motion"]}) for n, f, s in both] == flow
    assert len({s["motion"] for _, _, s in both}) > 3  # drawn anew for each clip


def test_the_crop_window_is_the_drawn_one(tmp_path):
    """A frame whose pixels tell their place: the window of both modalities begins at the same pixel."""
    with StoreWriter(tmp_path / "ramp.zip", StoreSettings(short_side=40, rgb_quality=100, flow_quality=100), {}) as writer:
        y, x = np.mgrid[0:40, 0:48]
        for _ in range(12):
            writer.rgb(np.repeat((4 * x + y)[..., None], 3, 2).astype(np.uint8))
        for _ in range(11):
            writer.flow(np.stack([4 * x, 4 * y], -1).astype(np.uint8))
    clips = TrainingClips(VideoReader(tmp_path, BOTH), ["ramp"], [0], RECIPE, 32, 1)
    for step in range(8):
        for clip in clips[step, 0]:
            left, top = (int(round(float(clip.planes["motion"][0, 0, 0, k]) / 4)) for k in (0, 1))
            height, width = clip.planes["motion"].shape[1:3]
            expected = (4 * x + y)[top : top + height, left : left + width]
            np.testing.assert_allclose(clip.planes["appearance"][0, ..., 0].numpy(), expected, atol=5)


def test_the_stride_is_drawn_once_per_sub_batch(folder):
    recipe = dataclasses.replace(RECIPE, stride=(1, 5))
    seen = set()
    for step in range(12):
        for number in range(2):
            steps = {
                int(d)
                for clip in training(folder, recipe=recipe)[step, number]
                if not clip.fallback
                for d in np.diff(numbers(clip.planes["appearance"], 4, 0)[:, 0])
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
        (c.name, c.label, c.flip, c.fallback, c.planes["appearance"].numpy().tobytes(), c.planes["motion"].numpy().tobytes())
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
    found = [
        (c.name, c.flip, c.planes["appearance"].numpy().tobytes(), c.planes["motion"].numpy().tobytes())
        for batch in loader
        for c in batch
    ]
    expected = [(n, f, rgb, flow) for n, _, f, _, rgb, flow in flattened(training(folder), places)]
    assert found == expected


def test_the_test_clip_is_25_whole_frames(folder):
    clips = TestClips(VideoReader(folder, BOTH), NAMES, LABELS, EvaluationSettings())
    assert len(clips) == 5
    (clip,) = clips[0]
    assert (
        clip.planes["appearance"].shape == (25, 40, 48, 3) and clip.planes["motion"].shape == (25, 40, 48, 20) and not clip.flip
    )
    expected = [int(6 + 49 * k / 24 + 0.5) - 1 for k in range(25)]  # N = 60: 6..55 counted from 1
    assert numbers(clip.planes["appearance"], 4, 0)[:, 0].tolist() == expected
    assert clips[4][0].planes["appearance"].shape == (25, 40, 48, 3)  # the one frame 25 times


def test_a_crop_kind_of_the_recipe_is_used(folder):
    recipe = dataclasses.replace(RECIPE, crop=CropSettings("corners"))
    sides = {
        c.planes["appearance"].shape[k] for step in range(10) for c in training(folder, recipe=recipe)[step, 0] for k in (1, 2)
    }
    assert sides <= {37, 32, 27, 24} and len(sides) == 4


def test_a_sub_batch_may_share_one_place_and_flip(folder):
    recipe = dataclasses.replace(RECIPE, crop=CropSettings("corners", per="sub_batch"), clips_per_batch_norm=4)
    drawn = [training(folder, recipe=recipe)[step, 0] for step in range(20)]
    assert all(len({c.flip for c in clips}) == 1 for clips in drawn)
    assert {clips[0].flip for clips in drawn} == {False, True}
    single = [training(folder, recipe=dataclasses.replace(recipe, crop=CropSettings("corners")))[s, 0] for s in range(20)]
    assert any(len({c.flip for c in clips}) == 2 for clips in single)


def test_segments_and_dense_clips_of_the_recipe_are_used(folder):
    streams = {"rgb": Modality("rgb"), "flow": Modality("flow", 5, anchor="start")}
    for sampling, law in (("segments", lambda c: c // 19 == np.arange(3)), ("dense", lambda c: np.diff(c) == 4)):
        recipe = dataclasses.replace(RECIPE, sampling=sampling, stride=(4, 4))
        clips = TrainingClips(VideoReader(folder, streams), ["A/long"], [0], recipe, 32, 0)
        for step in range(10):
            for clip in clips[step, 0]:
                frames = numbers(clip.planes["rgb"], 4, 0)[:, 0]
                assert law(frames.numpy()).all()
                assert torch.equal(numbers(clip.planes["flow"][..., 0::2], 3, 20), frames[:, None] + torch.arange(5).int())


def test_a_class_uniform_order_of_the_recipe_is_used(folder):
    clips = TrainingClips(
        VideoReader(folder, BOTH), NAMES, [0, 1, 1, 1, 1], dataclasses.replace(RECIPE, order="class_uniform"), 32, 0
    )
    share = np.mean([clips.order[p] == 0 for p in range(1000)])
    assert abs(share - 0.5) < 0.06


def test_several_test_clips_of_a_video(folder):
    streams = {"rgb": Modality("rgb")}
    ways = EvaluationSettings(frames=8, sampling="dense", stride=2, clips=3)
    clips = TestClips(VideoReader(folder, streams), NAMES, LABELS, ways)
    shown = [numbers(clip.planes["rgb"], 4, 0)[:, 0].tolist() for clip in clips[0]]  # 60 frames, a clip spans 15
    assert shown == [list(range(start, start + 16, 2)) for start in (0, 23, 45)]
    assert [c.name for c in clips[0]] == ["A/long"] * 3 and not clips[0][0].fallback


def test_batches_are_the_clips_resized_mirrored_and_normalised(folder):
    norm = SimpleNamespace(mean=(10.0, 20.0, 30.0), std=(1.0, 2.0, 1.0), bgr=False)
    clips = training(folder)[0, 0]
    found, labels = batch_inputs(clips, BOTH, {"appearance": norm}, CropSettings(antialias=False), 32, torch.device("cpu"))
    assert labels.tolist() == [c.label for c in clips]
    assert found["appearance"].shape == (2, 3, 3, 32, 32) and found["motion"].shape == (2, 3, 20, 32, 32)
    for k, clip in enumerate(clips):
        for stream, modality in BOTH.items():
            expected = modality.to_input(clip.planes[stream], norm, clip.flip, (32, 32), Resize(antialias=False))
            assert torch.equal(found[stream][k], expected)


def test_jitter_shifts_the_three_colours_of_a_clip_and_cancels_in_differences(folder):
    streams = {"rgb": Modality("rgb"), "difference": Modality("rgb_difference", length=2)}
    norm = SimpleNamespace(mean=(10.0, 20.0, 30.0), std=(1.0, 2.0, 1.0), bgr=False)
    clips = TrainingClips(VideoReader(folder, streams), NAMES, LABELS, dataclasses.replace(RECIPE, rgb_jitter=8.0), 32, 0)[0, 0]
    still = [dataclasses.replace(clip, shift=None) for clip in clips]
    crop, norms = CropSettings(), {"rgb": norm, "difference": norm}
    (found, _), (plain, _) = (batch_inputs(c, streams, norms, crop, 32, torch.device("cpu")) for c in (clips, still))
    for k, clip in enumerate(clips):
        moved = (found["rgb"][k] - plain["rgb"][k]) * torch.tensor(norm.std).view(1, 3, 1, 1)
        torch.testing.assert_close(moved, torch.tensor(clip.shift).float().view(1, 3, 1, 1).expand_as(moved), atol=1e-3, rtol=0)
    assert clips[0].shift != clips[1].shift and torch.equal(found["difference"], plain["difference"])


def todays_crop(height, width, size, rng):
    """(top, left, height, width, flip), kind ``borders``."""
    h = min(round(size * rng.uniform(0.75, 1.25)), height)
    w = min(round(size * rng.uniform(0.75, 1.25)), width)
    fractions = rng.uniform(0, 0.25, 2)
    if rng.random() < 0.5:
        fractions = 1 - fractions
    return round(fractions[0] * (height - h)), round(fractions[1] * (width - w)), h, w, bool(rng.random() < 0.5)


def todays_clips(folder, place, seed, recipe):
    """A sub-batch by the formulas of the committed runs, draw by draw: [(name, rgb, flow, flip)], crops of kind ``borders``."""
    step, number = place
    rng = np.random.default_rng([seed, 12, step, number])
    stride = int(rng.integers(recipe.stride[0], recipe.stride[1] + 1))
    out = []
    for i in range(recipe.clips_per_batch_norm):
        turn, at = divmod(step * recipe.videos_per_step + number * recipe.clips_per_batch_norm + i, len(NAMES))
        name = NAMES[np.random.default_rng([seed, 11, turn]).permutation(len(NAMES))[at]]
        store = ClipStore(folder / f"{name}.zip")
        first, last = 5, store.frames - 6
        if first > last:
            first = last = (store.frames - 1) // 2
        grid = np.arange(first, last + 1, stride)
        if len(grid) >= recipe.frames:
            begin = rng.integers(len(grid) - recipe.frames + 1)
            centres = grid[begin : begin + recipe.frames]
        else:
            centres = np.floor(np.linspace(first, last, recipe.frames) + 0.5).astype(int)
        top, left, h, w, flip = todays_crop(store.height, store.width, 32, rng)
        window = np.s_[:, top : top + h, left : left + w]
        flow = np.full((len(centres), store.height, store.width, 20), 128, np.uint8)
        if store.fields:
            for row, centre in enumerate(centres):
                for k in range(10):
                    flow[row, ..., 2 * k : 2 * k + 2] = store.flow([min(max(centre - 5 + k, 0), store.fields - 1)])[0]
        out.append((name, store.rgb(centres)[window], flow[window], flip))
    return out


def test_clips_of_the_committed_runs_stay_byte_for_byte(folder):
    clips = training(folder, seed=9)
    for place in [(step, number) for step in range(6) for number in range(2)]:
        for clip, (name, rgb, flow, flip) in zip(clips[place], todays_clips(folder, place, 9, RECIPE), strict=True):
            assert (clip.name, clip.flip) == (name, flip)
            assert np.array_equal(clip.planes["appearance"], rgb) and np.array_equal(clip.planes["motion"], flow)


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("antialias", [False, True])
def test_inputs_of_the_committed_runs_stay_bit_for_bit(flip, antialias):
    """Their formulas: resize by torch's bicubic, clamp, mirror, 255 - u, 128 or mean subtracted."""
    norm = SimpleNamespace(mean=(123.0, 117.0, 104.0), std=(58.4, 57.1, 57.4), bgr=True)
    rng = np.random.default_rng(0)
    for modality, channels in ((RGB, 3), (FLOW, 20)):
        bytes_ = torch.from_numpy(rng.integers(0, 256, (2, 37, 41, channels), np.uint8))
        x = bytes_.permute(0, 3, 1, 2).float()
        x = F.interpolate(x, size=(32, 32), mode="bicubic", antialias=antialias, align_corners=False).clamp_(0, 255)
        if flip:
            x = x.flip(-1)
        if channels == 20:
            if flip:
                x[:, 0::2] = 255 - x[:, 0::2]
            x = x - 128.0
        else:
            x = (x.flip(1) - torch.tensor(norm.mean).view(1, -1, 1, 1)) / torch.tensor(norm.std).view(1, -1, 1, 1)
        assert torch.equal(modality.to_input(bytes_, norm, flip, (32, 32), Resize(antialias=antialias)), x)
