"""One video to one container, on real clips."""

import cv2
import numpy as np
import pytest

from repro.errors import ReproError
from repro.flow import FlowSettings, make_flow, quantise
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
