"""Decoding: against OpenCV's decoder, and on files that are broken in the ways real ones are."""

import av
import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro.video.decode import DecodeError, frames, probe, resize_short_side, target_size

ODD_NAMES = [
    "two words.avi",
    "a[1](2){3}.avi",
    "#1 & co; x=y.avi",
    "schön_日本.avi",
    "c:d.avi",
    "%03d.avi",
    "-x.avi",
    "'q\"`$.avi",
]


def lossless(path, pictures, fps=25):
    """Write RGB pictures as FFV1, which gives back every bit."""
    height, width = pictures[0].shape[:2]
    with av.open(f"file:{path}", "w", format="avi") as container:
        stream = container.add_stream("ffv1", rate=fps, width=width, height=height, pix_fmt="bgr0")
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format="bgr0")))
        container.mux(stream.encode())
    return path


def noise(count, height, width, seed=0):
    return list(np.random.default_rng(seed).integers(0, 256, (count, height, width, 3), np.uint8))


def xvid(path, pictures):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"XVID"), 30, pictures[0].shape[1::-1])
    for picture in pictures:
        writer.write(picture)
    writer.release()
    return path


@pytest.mark.parametrize("size", [(48, 64), (47, 63), (33, 50)])
def test_every_frame_comes_back(tmp_path, size):
    pictures = noise(7, *size)
    path = lossless(tmp_path / "clip.avi", pictures)
    decoded = list(frames(path))
    assert len(decoded) == 7
    assert all(np.array_equal(a, b) for a, b in zip(decoded, pictures))
    info = probe(path)
    assert (info.frames, info.fps, info.height, info.width) == (7, 25.0, *size)


@pytest.mark.parametrize("name", ODD_NAMES)
def test_names(tmp_path, name):
    path = lossless(tmp_path / name, noise(2, 32, 48))
    assert probe(path).frames == 2


def test_one_frame(tmp_path):
    assert probe(lossless(tmp_path / "one.avi", noise(1, 32, 48))).frames == 1


def test_real_clips_as_opencv_decodes_them(shared_data):
    for path in [
        *sorted((shared_data / "jhmdb" / "clips").glob("*/*.avi"))[::300],
        *sorted((shared_data / "ucf101-clips").glob("*/*.avi"))[:1],
    ]:
        capture, worst = cv2.VideoCapture(str(path)), 0
        for index, frame in enumerate(frames(path)):
            there, other = capture.read()
            assert there, f"OpenCV finds only {index} frames"
            worst = max(worst, np.abs(frame.astype(int) - other[..., ::-1]).mean())
        assert not capture.read()[0]
        assert worst < 2  # the two convert colours by different code


def test_a_header_that_lies(tmp_path):
    path = xvid(tmp_path / "clip.avi", noise(12, 48, 64))
    data = bytearray(path.read_bytes())
    count = data.index(b"strh") + 8 + 32  # AVISTREAMHEADER.dwLength
    data[count : count + 4] = (444).to_bytes(4, "little")
    path.write_bytes(data)
    info = probe(path)
    assert (info.frames, info.declared_frames) == (12, 444)


def test_truncated_gives_the_frames_that_are_there(tmp_path):
    path = xvid(tmp_path / "clip.avi", noise(12, 48, 64))
    data = path.read_bytes()
    whole = list(frames(path))
    path.write_bytes(data[: len(data) // 2])
    kept = list(frames(path))
    assert 3 <= len(kept) < 12
    assert all(np.array_equal(a, b) for a, b in zip(kept[:-1], whole))
    assert probe(path).declared_frames == 12


@pytest.mark.parametrize("content", [b"", b"RIFF", b"no video at all" * 50])
def test_not_a_video(tmp_path, content):
    path = tmp_path / "bad.avi"
    path.write_bytes(content)
    with pytest.raises(DecodeError, match="bad.avi") as caught:
        list(frames(path))
    assert "\n" not in str(caught.value)
    with pytest.raises(DecodeError):
        probe(path)


def test_missing_and_folder(tmp_path):
    for path in (tmp_path / "none.avi", tmp_path):
        with pytest.raises(DecodeError, match="cannot open"):
            list(frames(path))


def test_audio_only(tmp_path):
    path = tmp_path / "sound.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        stream.layout = "mono"
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
        container.mux(stream.encode())
    with pytest.raises(DecodeError, match="no video stream"):
        list(frames(path))


def test_variable_size_takes_the_size_of_the_first_frame(tmp_path):
    # an MJPEG stream may change its size at any frame
    pictures = [np.full((48, 64, 3), 200, np.uint8), np.full((96, 128, 3), 90, np.uint8), np.full((48, 64, 3), 30, np.uint8)]
    path = tmp_path / "clip.mjpeg"
    path.write_bytes(b"".join(cv2.imencode(".jpg", picture)[1].tobytes() for picture in pictures))
    decoded = list(frames(path))
    assert [frame.shape for frame in decoded] == [(48, 64, 3)] * 3
    assert [round(float(frame.mean())) for frame in decoded] == pytest.approx([200, 90, 30], abs=2)


def test_resize_is_the_papers():
    assert target_size(240, 320, 256) == (256, 340)
    assert resize_short_side(np.zeros((240, 320, 3), np.uint8), 256).shape == (256, 340, 3)
    ramp = np.repeat(np.arange(0, 240, 2, dtype=np.uint8)[None, :, None], 100, 0).repeat(3, 2)  # 100 x 120
    up = resize_short_side(ramp, 200)
    # bicubic interpolation nearly keeps a ramp: sample x of the larger picture lies at (x + 0.5) / 2 - 0.5
    assert np.abs(up[100, 10:-10, 0] - 2 * ((np.arange(240) + 0.5) / 2 - 0.5)[10:-10]).max() <= 1
    checker = ((np.indices((128, 128)).sum(0) % 2) * 255).astype(np.uint8)[..., None].repeat(3, 2)
    assert resize_short_side(checker, 32).std() < 5  # shrinking does not alias


def test_resize_same_size_is_untouched():
    frame = noise(1, 64, 80)[0]
    assert np.array_equal(resize_short_side(frame, 64), frame)


@given(height=st.integers(1, 700), width=st.integers(1, 700), half=st.integers(1, 200))
def test_target_size_is_even_and_keeps_the_shape(height, width, half):
    new = target_size(height, width, 2 * half)
    assert min(new) == 2 * half and new[0] % 2 == new[1] % 2 == 0
    assert (new[0] <= new[1]) if height <= width else (new[0] >= new[1])
    exact = max(height, width) * 2 * half / min(height, width)
    assert exact - 2 < max(new) <= exact


@pytest.mark.parametrize("bad", [0, -2, 255])
def test_odd_short_side_is_refused(bad):
    with pytest.raises(ValueError, match="short_side"):
        target_size(10, 10, bad)
