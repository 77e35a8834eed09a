"""One video to one container, on real clips."""

import cv2
import numpy as np
import pytest

from repro.errors import ReproError
from repro.flow import FlowSettings, make_flow, quantise
from repro.stages import extract_video as module
from repro.stages.extract_video import extract_video
from repro.video.decode import frames, gray, resize_short_side
from repro.video.store import ClipStore, StoreSettings

DIS = FlowSettings(backend="dis", dis_preset="fast")


def test_real_clip(shared_data, tmp_path):
    source = sorted((shared_data / "jhmdb" / "clips" / "catch").glob("*.avi"))[0]
    target = tmp_path / "clip.zip"
    settings = StoreSettings(flow_range=True)
    count = extract_video(source, target, settings, DIS)
    store = ClipStore(target)
    store.verify()
    assert (count, store.frames, store.fields, store.height, store.width) == (30, 30, 29, 256, 340)
    pictures = [resize_short_side(frame, 256) for frame in frames(source)]
    flow = make_flow(DIS)(gray(pictures[3]), gray(pictures[4]))  # flow of the resized frames
    assert np.abs(store.flow([3])[0].astype(int) - quantise(flow)).mean() < 0.7
    assert np.abs(store.rgb([3])[0].astype(int) - pictures[3]).mean() < 3
    assert store.meta["flow"] == DIS.used() and store.meta["versions"]["opencv"] == cv2.__version__
    assert store.meta["source"]["name"] == source.name
    assert np.allclose(store.meta["flow_range"][3], [[flow[..., k].min(), flow[..., k].max()] for k in (0, 1)])
    again = tmp_path / "again.zip"
    extract_video(source, again, settings, DIS)
    assert again.read_bytes() == target.read_bytes()


def test_one_frame(tmp_path):
    writer = cv2.VideoWriter(str(tmp_path / "one.avi"), cv2.VideoWriter_fourcc(*"FFV1"), 30, (48, 34))
    writer.write(np.full((34, 48, 3), 9, np.uint8))
    writer.release()
    assert extract_video(tmp_path / "one.avi", tmp_path / "one.zip", StoreSettings(short_side=32), DIS) == 1
    store = ClipStore(tmp_path / "one.zip")
    assert (store.frames, store.fields, store.height, store.width) == (1, 0, 32, 44)


@pytest.mark.parametrize("content", [None, b"", b"RIFF" * 9])
def test_a_bad_video_leaves_no_container(tmp_path, content):
    if content is not None:
        (tmp_path / "bad.avi").write_bytes(content)
    with pytest.raises(ReproError, match="bad.avi"):
        extract_video(tmp_path / "bad.avi", tmp_path / "bad.zip", StoreSettings(), DIS)
    assert not (tmp_path / "bad.zip").exists()


def film(path, frames):
    """A lossless video of grey pictures."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"FFV1"), 30, frames[0].shape[::-1])
    for frame in frames:
        writer.write(np.repeat(frame[..., None], 3, 2))
    writer.release()


@pytest.fixture(scope="module")
def pan():
    """Ten frames: the camera moves 3 px a frame to the right, and a square 2 px a frame downwards in the world."""
    rng = np.random.default_rng(0)
    world, actor = (
        cv2.normalize(cv2.GaussianBlur(rng.uniform(0, 1, shape), (0, 0), 2), None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
        for shape in ((128, 260), (40, 40))
    )
    frames = []
    for t in range(10):
        seen = world.copy()
        seen[30 + 2 * t : 70 + 2 * t, 90:130] = actor
        frames.append(np.ascontiguousarray(seen[:, 3 * t : 3 * t + 176]))
    return frames


MEDIUM = FlowSettings(backend="dis", dis_preset="medium")
PLANES = StoreSettings(short_side=128, flow_quality=100, planes=("rgb", "flow", "warped_flow", "backward_flow"), flow_range=True)


@pytest.mark.parametrize("together", [3, 64])
def test_further_planes_of_a_moving_camera(tmp_path, monkeypatch, pan, together):
    monkeypatch.setattr(module, "_PAIRS", together)  # also where pairs come in several lots
    film(tmp_path / "pan.avi", pan)
    assert extract_video(tmp_path / "pan.avi", tmp_path / "pan.zip", PLANES, MEDIUM) == 10
    store = ClipStore(tmp_path / "pan.zip")
    assert store.planes == PLANES.planes and store.fields == 9 and len(store.meta["flow_range"]) == 9
    flow, warped, backward = ((store.flow(range(9), plane) - 127.5) * 40 / 255 for plane in PLANES.fields)
    method, pictures = make_flow(MEDIUM), [gray(frame) for frame in frames(tmp_path / "pan.avi")]
    for t in range(9):
        for found, pair in ((flow[t], (t, t + 1)), (backward[t], (t + 1, t))):
            assert np.abs(found - method(*(pictures[i] for i in pair))).mean() < 0.12  # a byte is 0.16 px
    y, x = np.mgrid[:128, :176]
    for t in range(9):
        left = 90 - 3 * t  # of the square, at the start of the pair
        inside = (abs(y - 50 - 2 * t) < 14) & (abs(x - left - 20) < 14)
        away = ((abs(y - 50 - 2 * t) > 32) | (abs(x - left - 20) > 32)) & (abs(y - 64) < 54) & (abs(x - 88) < 76)
        for found, square, camera in ((flow[t], (-3, 2), (-3, 0)), (warped[t], (0, 2), (0, 0)), (backward[t], (3, -2), (3, 0))):
            assert np.abs(np.median(found[away], axis=0) - camera).max() < 0.25
            assert np.abs(np.median(found[inside], axis=0) - square).max() < 0.5


def test_what_is_not_asked_for_is_not_computed(tmp_path, monkeypatch, pan):
    film(tmp_path / "pan.avi", pan)
    asked = []

    def method(*_, **__):
        return lambda first, second: asked.append(len(first)) or np.zeros((*first.shape, 2), np.float32)

    monkeypatch.setattr(module, "make_flow", method)
    for planes, calls in ((("rgb",), []), (("rgb", "warped_flow"), [9]), (("rgb", "flow", "backward_flow"), [9, 9])):
        asked.clear()
        extract_video(tmp_path / "pan.avi", tmp_path / "pan.zip", StoreSettings(short_side=128, planes=planes), DIS)
        assert asked == calls and ClipStore(tmp_path / "pan.zip").planes == planes


def test_one_frame_has_no_field_of_any_plane(tmp_path, pan):
    film(tmp_path / "one.avi", pan[:1])
    assert extract_video(tmp_path / "one.avi", tmp_path / "one.zip", PLANES, DIS) == 1
    store = ClipStore(tmp_path / "one.zip")
    store.verify()
    assert store.fields == 0 and store.planes == PLANES.planes  # nothing is missing
