"""Small videos in every container that PyAV writes here, cut and garbled hundreds of times: each is decoded, or named as bad."""

import os
import random
import subprocess
import sys
import time

import pytest
from small import write_clip

from repro.datasets import probes
from repro.datasets.probes import probe_videos
from repro.datasets.scan import VIDEO_SUFFIXES
from repro.engine.pool import Failure, each
from repro.video.decode import DecodeError, probe

KINDS = {  # name of the file: codec, format where the ending does not tell, pixels
    "a.avi": ("mpeg4", None, "yuv420p"),
    "b.avi": ("mjpeg", None, "yuvj420p"),
    "c.avi": ("rawvideo", None, "bgr24"),
    "a.mp4": ("libx264", None, "yuv420p"),
    "b.mp4": ("mpeg4", None, "yuv420p"),
    "a.mov": ("libx264", None, "yuv420p"),
    "a.3gp": ("mpeg4", None, "yuv420p"),
    "a.mkv": ("libx264", None, "yuv420p"),
    "b.mkv": ("ffv1", None, "yuv420p"),
    "a.webm": ("libvpx", None, "yuv420p"),
    "a.flv": ("flv", None, "yuv420p"),
    "a.wmv": ("wmv2", "asf", "yuv420p"),
    "a.mpg": ("mpeg1video", "mpeg", "yuv420p"),
    "a.mts": ("mpeg2video", "mpegts", "yuv420p"),
    "a.ogv": ("libvpx", "ogg", "yuv420p"),
    "a.nut": ("mpeg4", None, "yuv420p"),
    "a.mxf": ("mpeg2video", None, "yuv420p"),
    "a.rm": ("rv10", None, "yuv420p"),
    "a.dv": ("dvvideo", None, "yuv420p"),
    "b.webm": ("libvpx-vp9", None, "yuv420p"),
    "a.m4v": ("mpeg4", None, "yuv420p"),
    "a.gif": ("gif", None, "pal8"),
    "a.mjpeg": ("mjpeg", None, "yuvj420p"),
    "a.y4m": ("wrapped_avframe", "yuv4mpegpipe", "yuv420p"),
}


SIZES = {"a.dv": (576, 720)}  # height and width: DV has no other
SAME = {  # endings that are taken for videos, and the one above of the same container
    **{".divx": ".avi", ".f4v": ".mp4", ".3g2": ".3gp", ".mpeg": ".mpg", ".vob": ".mpg", ".asf": ".wmv", ".ogg": ".ogv"},
    **{".ts": ".mts", ".m2ts": ".mts", ".rmvb": ".rm", ".mjpg": ".mjpeg"},
}


def look(path):
    """What became of a video, in a word."""
    try:
        info = probe(path)
    except DecodeError as error:
        assert str(path) in str(error) and len(str(error).splitlines()) == 1
        return "bad"
    assert info.frames > 0 and info.width > 0 and info.height > 0 and isinstance(info.doubts, str)
    return "doubted" if info.doubts else "decoded"


def harmed(data, seed, count):
    """``count`` versions of a file, half of them cut, half with some bytes flipped or a stretch of zeros."""
    rng = random.Random(seed)
    for number in range(count):
        copy = bytearray(data)
        if number % 2:
            del copy[rng.randrange(len(copy)) :]
        elif number % 4:
            for _ in range(rng.choice((1, 4, 40))):
                copy[rng.randrange(len(copy))] ^= 1 << rng.randrange(8)
        else:
            begin = rng.randrange(len(copy))
            length = rng.randrange(1, len(copy) // 4)
            copy[begin : begin + length] = bytes(len(copy[begin : begin + length]))
        yield bytes(copy)


def check(tmp_path, name, count):
    codec, container, pixels = KINDS[name]
    try:
        size = SIZES.get(name, (32, 48))
        whole = write_clip(tmp_path / name, frames=6, size=size, codec=codec, container=container, pix_fmt=pixels)
    except Exception as error:
        pytest.skip(f"PyAV cannot write {name} here: {error}")
    assert look(whole) == "decoded", f"a sound {name} is not doubted"
    data, paths = whole.read_bytes(), []
    for number, copy in enumerate(harmed(data, name, count)):
        paths.append(whole.with_stem(f"{whole.stem}{number}"))
        paths[-1].write_bytes(copy)
    found = dict(each(look, [(path,) for path in paths], 2, timeout=30))
    assert not [paths[number].name + " " + one.why for number, one in found.items() if isinstance(one, Failure)]
    return found


def test_no_kind_of_file_that_is_taken_for_a_video_is_left_out():
    assert {SAME.get(suffix, suffix) for suffix in VIDEO_SUFFIXES} == {os.path.splitext(name)[1] for name in KINDS}


@pytest.mark.parametrize("name", KINDS)
def test_harmed_videos_are_decoded_or_named(tmp_path, name):
    assert len(check(tmp_path, name, 12)) == 12


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_many_harmed_videos_are_decoded_or_named(tmp_path, name):
    assert len(check(tmp_path, name, 200)) == 200


def test_half_a_file_is_never_taken_for_a_whole_one(tmp_path):
    """Those containers that say their length: what is decoded of half a file is doubted."""
    for name in ("a.avi", "b.avi", "c.avi"):
        codec, container, pixels = KINDS[name]
        whole = write_clip(tmp_path / name, frames=20, codec=codec, container=container, pix_fmt=pixels)
        whole.write_bytes(whole.read_bytes()[: whole.stat().st_size * 4 // 5])
        assert look(whole) in ("bad", "doubted")


def test_interrupted_downloads_at_every_length(tmp_path):
    """Cut within the first bytes, where PyAV has the most kinds of errors, `EOFError` among them."""
    whole = write_clip(tmp_path / "a.mp4", codec="libx264")
    paths = []
    for length in range(0, 800, 20):
        paths.append(tmp_path / f"{length}.mp4")
        paths[-1].write_bytes(whole.read_bytes()[:length])
    found = probe_videos(tmp_path, [path.name for path in paths], 2, timeout=30)
    assert all(one.problem and "Error:" not in one.problem for one in found.values()), found


def test_a_time_out_is_not_remembered(tmp_path, monkeypatch):
    """Nor anything else that may have been the machine's fault: with more time, the video is decoded."""
    paths = [write_clip(tmp_path / f"{name}.avi").name for name in "ab"]
    with monkeypatch.context() as patch:
        patch.setattr(probes, "probe", lambda path: time.sleep(60))
        first = probe_videos(tmp_path, paths, 2, tmp_path / "journal", timeout=1)
    assert {one.problem for one in first.values()} == {"no end after 1 s"}
    again = probe_videos(tmp_path, paths, 2, tmp_path / "other", known=tmp_path / "journal")
    assert [one.problem for one in again.values()] == ["", ""]


def test_a_decoder_that_crashes_its_process_is_that_videos_problem(tmp_path):
    write_clip(tmp_path / "a.avi"), write_clip(tmp_path / "b.avi"), write_clip(tmp_path / "c.avi")
    code = (
        "import os, sys\nfrom repro.datasets import probes\nreal = probes.probe\n"
        "probes.probe = lambda path: os.abort() if path.name == 'b.avi' else real(path)\n"
        "print(probes.probe_videos(sys.argv[1], ['a.avi', 'b.avi', 'c.avi'], 2))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert "its process died (SIGABRT)" in done.stdout and done.stdout.count("problem=''") == 2
