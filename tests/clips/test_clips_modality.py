"""Modalities against hand-computed cases and the formulas of their papers spelled out."""

import subprocess
import sys
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from repro.clips.kinds import KINDS, Kind, register
from repro.clips.modality import Modality, check_container, check_planes, modality_of, union_margin
from repro.clips.resize import Resize
from repro.clips.sampling import flow_fields
from repro.errors import ReproError
from repro.video.settings import FIELDS, StoreSettings
from repro.video.store import ClipStore, StoreWriter

H, W, N, BOUND = 14, 18, 30, 20.0
CAFFE = SimpleNamespace(mean=(100.0, 110.0, 120.0), std=(1.0, 1.0, 1.0), bgr=False)
STACKED = ["flow", "warped_flow", "trajectory_flow", "bidirectional_flow"]


class Video:
    """Planes held in memory, as a container would give them."""

    def __init__(self, frames=N, seed=0, **planes):
        rng = np.random.default_rng(seed)
        self.frames, self.height, self.width, self.flow_bound = frames, H, W, BOUND
        small = {plane: rng.integers(90, 166, (max(frames - 1, 0), 3, 4, 2), np.uint8) for plane in FIELDS}
        self.held = {
            plane: np.stack([cv2.resize(f, (W, H), interpolation=cv2.INTER_LINEAR) for f in fields]) if frames > 1 else fields
            for plane, fields in small.items()
        }
        self.held["rgb"] = rng.integers(0, 256, (frames, H, W, 3), np.uint8)
        self.held |= planes

    def __call__(self, plane, numbers):
        return self.held[plane][numbers]


def floats(modality, bytes_, **kwargs):
    """(T, H, W, C) float64 of the network's input."""
    return modality.to_input(torch.from_numpy(bytes_), **kwargs).permute(0, 2, 3, 1).double().numpy()


@pytest.mark.parametrize(
    "modality, channels, planes, margin",
    [
        (Modality(), 3, ("rgb",), (0, 0)),
        (Modality("rgb", beside_flow=10), 3, ("rgb",), (5, 5)),
        (Modality("flow"), 20, ("flow",), (5, 5)),
        (Modality("flow", 5), 10, ("flow",), (2, 3)),
        (Modality("flow", 5, anchor="start"), 10, ("flow",), (0, 5)),
        (Modality("flow", 1), 2, ("flow",), (0, 1)),
        (Modality("rgb_difference"), 15, ("rgb",), (2, 3)),
        (Modality("rgb_difference", 1, anchor="start"), 3, ("rgb",), (0, 1)),
        (Modality("warped_flow", 10), 20, ("warped_flow",), (5, 5)),
        (Modality("trajectory_flow", 3), 6, ("flow",), (1, 2)),
        (Modality("bidirectional_flow", 6), 12, ("flow", "backward_flow"), (3, 3)),
    ],
)
def test_what_a_modality_needs_and_gives(modality, channels, planes, margin):
    assert (modality.channels, modality.planes, modality.margin) == (channels, planes, margin)
    centres = [margin[0], N - 1 - margin[1]]  # the first and the last usable one
    bytes_ = modality.read(Video(), centres)
    assert bytes_.dtype == np.uint8 and bytes_.shape[:3] == (2, H, W)
    found = modality.to_input(torch.from_numpy(bytes_), CAFFE, size=(7, 9))
    assert found.shape == (2, channels, 7, 9) and found.dtype == torch.float32


def test_every_stack_of_a_usable_centre_lies_in_the_video_and_no_centre_is_left_out():
    class Strict(Video):
        asked = set()

        def __call__(self, plane, numbers):
            self.asked |= {(plane, int(n)) for n in np.ravel(numbers)}
            return super().__call__(plane, numbers)

    for name in (*STACKED, "rgb_difference"):
        for length in (2, 4, 6):
            for anchor in ("centre", "start") if name != "bidirectional_flow" else ("centre",):
                modality = Modality(name, length, anchor=anchor)
                before, after = modality.margin
                for centre, edge in ((before, 0), (N - 1 - after, 1)):
                    video = Strict()
                    video.asked = set()
                    modality.read(video, [centre])
                    plane = modality.planes[-1 if edge == 0 else 0]
                    numbers = [n for p, n in video.asked if p == plane]
                    last = N - 1 if name == "rgb_difference" else N - 2
                    assert (min(numbers) == 0) if edge == 0 else (max(numbers) == last)
                    assert len(numbers) == {"rgb_difference": length + 1, "bidirectional_flow": length // 2}.get(name, length)


def test_a_flow_stack_is_u1_v1_u2_v2_of_fields_t_minus_5_to_t_plus_4():
    video = Video()
    found = Modality("flow").read(video, [5, 20, N - 6])
    for centre, stack in zip((5, 20, N - 6), found):
        for k in range(10):
            assert np.array_equal(stack[..., 2 * k : 2 * k + 2], video.held["flow"][centre - 5 + k])
    start = Modality("flow", 5, anchor="start").read(video, [7])[0]
    assert all(np.array_equal(start[..., 2 * k : 2 * k + 2], video.held["flow"][7 + k]) for k in range(5))
    warped = Modality("warped_flow", 2).read(video, [7])[0]
    assert np.array_equal(warped, np.concatenate([video.held["warped_flow"][6], video.held["warped_flow"][7]], -1))


def test_rgb_difference_by_hand():
    """Three frames of one pixel each side: 10 20 30, 13 18 30, 0 255 31."""
    frames = np.array([[10, 20, 30], [13, 18, 30], [0, 255, 31]], np.uint8)
    video = Video(3, rgb=np.broadcast_to(frames[:, None, None], (3, H, W, 3)))
    modality = Modality("rgb_difference", 2, anchor="start")
    bytes_ = modality.read(video, [0])
    assert bytes_.shape == (1, H, W, 9)
    assert floats(modality, bytes_, normalisation=CAFFE)[0, 3, 4].tolist() == [3, -2, 0, -13, 237, 1]
    norm = SimpleNamespace(mean=(100.0, 110.0, 120.0), std=(1.0, 2.0, 4.0), bgr=True)
    assert floats(modality, bytes_, normalisation=norm)[0, 3, 4].tolist() == [0, -1, 0.75, 1, 118.5, -3.25]  # blue first
    # around frame 1 the differences are the same two; at the end the last frame repeats, so nothing changes any more
    assert np.array_equal(Modality("rgb_difference", 2).read(video, [1]), bytes_)
    last = floats(modality, modality.read(video, [1]), normalisation=CAFFE)
    assert last[0, 0, 0].tolist() == [-13, 237, 1, 0, 0, 0]


def test_rgb_differences_are_differences_of_what_an_rgb_stream_sees():
    video, norm = Video(), SimpleNamespace(mean=(101.0, 120.0, 99.0), std=(58.0, 57.0, 56.0), bgr=True)
    bytes_ = Modality("rgb_difference", 3).read(video, [9])
    settings = dict(normalisation=norm, flip=True, size=(8, 8), resize=Resize())
    seen = floats(Modality("rgb"), video.held["rgb"][8:12], **settings)
    expected = np.concatenate([seen[k + 1] - seen[k] for k in range(3)], -1)
    np.testing.assert_allclose(floats(Modality("rgb_difference", 3), bytes_, **settings)[0], expected, atol=1e-5)


@pytest.mark.parametrize("frames", [1, 2, 3, 5, 30])
@pytest.mark.parametrize("name", [*STACKED, "rgb_difference"])
def test_a_static_video_has_no_motion(name, frames):
    still = {plane: np.full((frames - 1, H, W, 2), 128, np.uint8) for plane in FIELDS}
    picture = np.random.default_rng(0).integers(0, 256, (H, W, 3), np.uint8)
    video = Video(frames, rgb=np.broadcast_to(picture, (frames, H, W, 3)), **still)
    for mean in (False, True) if name != "rgb_difference" else (False,):
        modality = Modality(name, 4, subtract_mean=mean)
        found = floats(modality, modality.read(video, [frames // 2, frames - 1]), normalisation=CAFFE)
        assert found.shape == (2, H, W, modality.channels) and (found == 0).all()


def test_a_field_less_its_mean_is_rounded_to_bytes():
    """Against whole numbers: a byte less the mean, above zero motion at 128, halves rounded up, cut off at 0 and 255."""
    video = Video(12)
    found = Modality("flow", 1, subtract_mean=True).read(video, [3])[0]  # (H, W, 2)
    (number,) = flow_fields(3, 11, 1)
    field = video.held["flow"][number].astype(int)
    for channel in (0, 1):
        total = int(field[..., channel].sum())
        expected = [(2 * (H * W * (int(byte) + 128) - total) + H * W) // (2 * H * W) for byte in field[..., channel].ravel()]
        assert found[..., channel].ravel().tolist() == [min(max(byte, 0), 255) for byte in expected]


def test_bidirectional_is_forward_from_the_frame_then_backward_from_it():
    video = Video()
    found = Modality("bidirectional_flow", 6).read(video, [11])[0]
    forward, backward = video.held["flow"], video.held["backward_flow"]
    # 11 to 12, 12 to 13, 13 to 14; 11 to 10 is backward field 10, then 9 and 8
    expected = [forward[11], forward[12], forward[13], backward[10], backward[9], backward[8]]
    assert np.array_equal(found, np.concatenate(expected, -1))


def test_a_trajectory_reads_fields_along_its_path_by_hand():
    """A step of 2 px right and 1 px down, then a field that tells where it is read."""
    y, x = np.mgrid[:H, :W]
    per_px = 255 / (2 * BOUND)
    first = np.stack([np.full((H, W), 128), np.full((H, W), 128)], -1).astype(np.uint8)
    second = np.stack([5 * x + 60, 4 * y + 100], -1).astype(np.uint8)
    first[..., 0] += 13  # 2.04 px
    first[..., 1] += 6  # 0.94 px
    dx, dy = 13 / per_px, 6 / per_px
    video = Video(3, flow=np.stack([first, second]))
    found = Modality("trajectory_flow", 2, anchor="start").read(video, [0])[0]
    assert np.array_equal(found[..., :2], first)
    expected = np.stack([5 * np.minimum(x + dx, W - 1) + 60, 4 * np.minimum(y + dy, H - 1) + 100], -1)
    assert np.abs(found[..., 2:] - expected).max() <= 0.51


@pytest.mark.parametrize("mean", [False, True])
def test_trajectories_of_a_translation_are_the_plain_stack(mean):
    moving = np.broadcast_to(np.random.default_rng(3).integers(0, 256, (N - 1, 1, 1, 2), np.uint8), (N - 1, H, W, 2))
    video = Video(flow=moving)
    stacks = [Modality(name, 6, mean).read(video, [5, 20]) for name in ("flow", "trajectory_flow")]
    assert np.array_equal(*stacks)
    assert not mean or (stacks[0] == 128).all()  # a shift of the camera is removed exactly


@pytest.mark.parametrize("name", STACKED)
def test_mean_subtraction_takes_the_mean_of_the_whole_field(name):
    video = Video()
    if name == "trajectory_flow":  # paths that stay where they are, so that fields are read in place
        video.held["flow"][5:8] = 128
        video.held["flow"][8] = np.random.default_rng(0).integers(60, 200, (H, W, 2))
    plain, less = (Modality(name, 4, mean).read(video, [7]).astype(float)[0] for mean in (False, True))
    means = np.array([plain[..., k].sum() / (H * W) for k in range(8)])
    assert np.abs((less - 128) - (plain - means)).max() <= 0.5 + 1e-3


@given(st.integers(0, 255), st.integers(0, 2**32 - 1))
def test_mean_subtraction_forgets_any_shift_of_the_camera(shift, seed):
    field = np.random.default_rng(seed).integers(0, 256, (1, H, W, 2)).astype(int)
    field = field % max(256 - shift, 1)
    still, moved = (
        Modality("flow", 1, True).read(Video(2, flow=(field + s).astype(np.uint8)), [0])
        for s in (0, min(shift, 255 - field.max()))
    )
    assert np.array_equal(still, moved)


@pytest.mark.parametrize("name", STACKED)
def test_a_flip_negates_u_and_leaves_v(name):
    modality = Modality(name, 4)
    bytes_ = modality.read(Video(), [9, 10])
    mirrored = bytes_[:, :, ::-1].astype(float)
    found = floats(modality, bytes_, flip=True)
    assert np.array_equal(found[..., 0::2], 255 - mirrored[..., 0::2] - 128)
    assert np.array_equal(found[..., 1::2], mirrored[..., 1::2] - 128)


def test_edges_repeat_in_a_short_video():
    video = Video(4)
    found = Modality("flow", 10).read(video, [2])[0]
    numbers = [0, 0, 0, 0, 1, 2, 2, 2, 2, 2]  # fields -3 .. 6
    assert np.array_equal(found, np.concatenate([video.held["flow"][n] for n in numbers], -1))


def test_a_name_or_a_mapping():
    assert modality_of("flow") == Modality("flow", 10)
    assert modality_of({"modality": "flow", "length": 5, "subtract_mean": True}) == Modality("flow", 5, True)
    assert modality_of({"beside_flow": 10}) == Modality("rgb", beside_flow=10)
    assert modality_of(Modality("rgb")) == Modality()


@pytest.mark.parametrize(
    "value, words",
    [
        ("flwo", "`flwo` in systems.x.streams.motion.*did you mean `flow`"),
        ({"modality": "rgb_diference"}, "did you mean `rgb_difference`"),
        ({"modality": "flow", "lenght": 5}, "`lenght`.*did you mean `length`"),
        ({"modality": "flow", "length": 0}, "length of flow must be at least 1, got 0"),
        ({"modality": "rgb", "length": 3}, "length of rgb must be 1, got 3"),
        ({"modality": "rgb", "subtract_mean": True}, "subtract_mean must be false for rgb"),
        ({"modality": "flow", "beside_flow": 10}, "beside_flow must be 0"),
        ({"modality": "flow", "anchor": "middle"}, "anchor must be centre or start, got 'middle'"),
        ({"modality": "bidirectional_flow", "length": 5}, "even.*got 5"),
        (7, "systems.x.streams.motion must be the name"),
    ],
)
def test_errors_name_the_place_and_the_nearest_word(value, words):
    with pytest.raises(ReproError, match=words):
        modality_of(value, "systems.x.streams.motion")


def test_the_margin_of_a_clip_suits_all_its_streams():
    assert union_margin([Modality("rgb"), Modality("flow", 10)]) == (5, 5)
    assert union_margin([Modality("flow", 4), Modality("flow", 5, anchor="start")]) == (2, 5)


def test_a_modality_from_outside():
    grey = Kind(
        ("rgb",),
        1,
        None,
        lambda modality, source, centres: source("rgb", centres).mean(-1, keepdims=True).astype(np.uint8),
        lambda planes, normalisation, flip, size, resize: planes.permute(0, 3, 1, 2).float() / 255,
        lambda modality: (0, 0),
        colours=True,
    )
    register("theirs", grey)
    try:
        modality = modality_of("theirs")
        assert modality.channels == 1 and modality.read(Video(), [3]).shape == (1, H, W, 1)
        with pytest.raises(ValueError, match="name must be new, got 'theirs'"):
            register("theirs", grey)
    finally:
        del KINDS["theirs"]


def test_missing_planes_are_told_before_anything_is_decoded(tmp_path):
    streams = {"appearance": Modality(), "motion": Modality("bidirectional_flow")}
    check_planes(streams, StoreSettings(planes=("rgb", "flow", "backward_flow")))
    with pytest.raises(
        ReproError, match=r"params.yaml.*motion.*reads backward_flow.*\[rgb, flow, backward_flow\].*repro extract"
    ):
        check_planes(streams, StoreSettings(), "params.yaml")
    path = tmp_path / "a.zip"
    with StoreWriter(path, StoreSettings(), {}) as writer:
        for t in range(3):
            writer.rgb(np.zeros((16, 16, 3), np.uint8))
            if t:
                writer.flow(np.zeros((16, 16, 2), np.uint8))
    check_container({"motion": Modality("flow")}, ClipStore(path))
    with pytest.raises(ReproError, match=r"a.zip.*warped_flow.*`store.planes`"):
        check_container({"motion": Modality("warped_flow")}, ClipStore(path))


def test_params_are_checked_without_torch():
    code = "import sys, repro.clips.modality, repro.clips.augment, repro.clips.sampling; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
