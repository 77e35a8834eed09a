"""Decoding: against OpenCV's decoder, and on files that are broken in the ways real ones are."""

import os
import re
import struct

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


def with_matrix(path, a, b, c, d):
    """Write a display matrix into the track header of an MP4: a stored (x, y) is shown at (a x + c y, b x + d y)."""
    data = bytearray(path.read_bytes())
    place = data.index(b"tkhd") + 44
    struct.pack_into(
        ">9i", data, place, *(int(v * 65536) for v in (a, b)), 0, *(int(v * 65536) for v in (c, d)), 0, 0, 0, 0x40000000
    )
    path.write_bytes(data)


def shown(frame, a, b, c, d):
    """Every pixel carried to where the matrix puts it, moved into view."""
    y, x = np.mgrid[: frame.shape[0], : frame.shape[1]]
    across, down = a * x + c * y, b * x + d * y
    across, down = across - across.min(), down - down.min()
    out = np.zeros((down.max() + 1, across.max() + 1, 3), np.uint8)
    out[down, across] = frame
    return out


TURNS = [(1, 0, 0, 1), (0, 1, -1, 0), (-1, 0, 0, -1), (0, -1, 1, 0), (-1, 0, 0, 1), (1, 0, 0, -1), (0, 1, 1, 0), (0, -1, -1, 0)]


@pytest.mark.parametrize("matrix", TURNS, ids=str)
def test_pictures_are_turned_and_mirrored_as_players_do(tmp_path, matrix):
    path = tmp_path / "phone.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for t in range(5):
            picture = np.full((48, 64, 3), 40, np.uint8)
            picture[4 : 12 + t, 6:30] = (250, 200, 40)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    stored = list(frames(path))
    with_matrix(path, *matrix)
    turned = list(frames(path))
    assert np.array_equal(turned, [shown(frame, *matrix) for frame in stored])
    info = probe(path)
    assert (info.height, info.width) == turned[0].shape[:2]
    if matrix[0] == matrix[3] and matrix[1] == -matrix[2]:  # OpenCV turns too, but does not mirror
        capture = cv2.VideoCapture(str(path))
        theirs = capture.read()[1][..., ::-1]
        assert theirs.shape == turned[0].shape and np.abs(theirs.astype(int) - turned[0]).mean() < 3


def test_a_matrix_of_another_angle_is_left_alone(tmp_path):
    path = tmp_path / "tilted.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")))
        container.mux(stream.encode())
    for matrix in ((0.7, 0.7, -0.7, 0.7), (0, 0, 0, 0)):
        with_matrix(path, *matrix)
        assert next(frames(path)).shape == (48, 64, 3)


def test_unusual_colour_tags_are_no_reason_to_refuse_a_sound_file(tmp_path):
    """H.264 tagged as YCgCo and BT.2020 constant luminance, which the converter does not know: read as if without a tag."""
    pictures = [np.full((48, 64, 3), (10 * t, 100, 200), np.uint8) for t in range(6)]
    found = {}
    for space in (2, 8, 10):
        path = tmp_path / f"{space}.mp4"
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=25)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            stream.codec_context.colorspace = space
            for picture in pictures:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(stream.encode())
        with av.open(str(path)) as container:
            assert next(container.decode(video=0)).colorspace == space
        found[space] = list(frames(path))
    assert len(found[2]) == 6 and all(np.array_equal(found[2], found[space]) for space in (8, 10))


def test_what_is_not_whole_is_doubted(tmp_path):
    """A file cut short, zeros in its middle, and a first frame that is no key frame; the whole one is not doubted."""
    pictures = noise(50, 48, 64)
    whole = xvid(tmp_path / "whole.avi", pictures)
    data = whole.read_bytes()
    assert probe(whole).doubts == "" and probe(whole).declared_frames == 50
    (tmp_path / "cut.avi").write_bytes(data[: len(data) // 2])
    assert re.search(rf"cut short by {len(data) - len(data) // 2} bytes", probe(tmp_path / "cut.avi").doubts)
    dirt = bytearray(data)
    dirt[len(dirt) // 2 : len(dirt) // 2 + 3000] = bytes(3000)
    (tmp_path / "dirt.avi").write_bytes(dirt)
    assert re.match(r"\d+ of \d+ frames damaged", probe(tmp_path / "dirt.avi").doubts)
    riff = bytearray(data[: len(data) // 2])
    riff[4:8] = (len(riff) - 8).to_bytes(4, "little")  # a repair tool has put the size right, and the count not
    (tmp_path / "repaired.avi").write_bytes(riff)
    assert "of 50 announced frames" in probe(tmp_path / "repaired.avi").doubts


def test_real_clips_are_not_doubted(shared_data):
    clips = sorted((shared_data / "ucf101-clips").rglob("*.avi"))[::9] + sorted((shared_data / "jhmdb").rglob("*.avi"))[::200]
    assert len(clips) >= 7 and not [probe(path).doubts for path in clips if probe(path).doubts]


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_pipes_and_folders_are_refused_without_waiting(tmp_path, make):
    make(tmp_path / "x.avi")
    with pytest.raises(DecodeError, match="cannot open as a video: .*x.avi"):
        probe(tmp_path / "x.avi")


def program_stream(path, kind, pictures=(), seconds=0):
    with av.open(str(path), "w", format="mpeg") as container:
        stream = container.add_stream(kind, rate=44100 if seconds else 25)
        if seconds:
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 2 * 44100 * seconds), np.int16), format="s16", layout="stereo")
            silence.sample_rate = 44100
            container.mux(stream.encode(silence))
        else:
            stream.width, stream.height, stream.bit_rate, stream.gop_size = 256, 256, 60_000_000, 1
            stream.pix_fmt, stream.options = "yuv420p", {"qmin": "1", "qmax": "1"}
            for picture in pictures:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path.read_bytes()


def test_a_stream_that_appears_late_costs_no_frame(tmp_path):
    """Sound that begins after the five megabytes that are looked at on opening: PyAV lists no such stream."""
    shown = program_stream(tmp_path / "shown.mpg", "mpeg2video", noise(60, 256, 256))
    heard = program_stream(tmp_path / "heard.mpg", "mp2", seconds=1)
    assert len(shown) > 5_000_000
    (tmp_path / "late.mpg").write_bytes(shown + heard + shown)
    assert probe(tmp_path / "late.mpg").frames == 120


def test_a_codec_without_a_decoder_is_told(tmp_path):
    path = xvid(tmp_path / "a.avi", noise(3, 48, 64))
    path.write_bytes(path.read_bytes().replace(b"XVID", b"ZQZQ"))
    with pytest.raises(DecodeError, match="no decoder for this video: .*a.avi"):
        probe(path)
