"""A small dataset of one's own, prepared: what is done to it must cost nothing but what is told."""

import subprocess
import sys

import av
import numpy as np
import pytest
import yaml

from repro import cli
from repro.datasets.own import write_splits

PARAMS = {
    "profile": "mine",
    "input_size": 32,
    "datasets": {"mine": {"title": "Mine", "layout": "folders", "exclude_bad": True}},
    "store": {"rgb_quality": 90, "flow_quality": 90, "flow_bound": 6.0},
    "flow": {"backend": "dis"},
    "engine": {"processes": 2},
    "idt": {"idt": {"features": {}, "codebook": {"gaussians": 2, "samples": 200}, "svm_c": 1.0}},
}


def write_clip(path, seed=0, frames=8, size=(48, 64), codec="mpeg4", container=None, pix_fmt="yuv420p"):
    """A bright square that moves over a dim random ground."""
    height, width = size
    ground = np.random.default_rng(seed).integers(0, 85, (height, width, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(f"file:{path}", "w", format=container) as out:
        stream = out.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
        for t in range(frames):
            picture = ground.copy()
            picture[2 + t : 14 + t, 4 + 2 * t : 16 + 2 * t] = (250, 200, 40)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(stream.encode())
    return path


def write_params(folder, **changes):
    (folder / "params.yaml").write_text(yaml.safe_dump({**PARAMS, **changes}), encoding="utf-8")


@pytest.fixture(scope="session")
def prepared(tmp_path_factory):
    """A project whose data/mine holds videos, lists and index. Don't write into it."""
    folder = tmp_path_factory.mktemp("prepared")
    raw = folder / "data" / "mine" / "raw"
    for number, name in enumerate(("jump", "wave")):
        for k in range(4):
            write_clip(raw / "videos" / name / f"{name}{k}.avi", 10 * number + k)
    write_splits(raw / "videos", raw / "splits", splits=1)
    write_params(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert cli.main(["prepare", "mine"]) == 0
    return folder


@pytest.fixture
def project(prepared, tmp_path, monkeypatch):
    """A copy of it, times of change and all; the working directory for the rest of the test."""
    subprocess.run(["cp", "-a", prepared, tmp_path / "project"], check=True)
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"


@pytest.fixture
def refused(capfd):
    """Run a command that must fail with one line; returns the line."""

    def run(*arguments):
        capfd.readouterr()
        assert cli.main([str(argument) for argument in arguments]) == 2
        out, err = capfd.readouterr()
        lines = [line for line in err.splitlines() if " gone, " not in line]  # but for progress
        assert len(lines) == 1 and "Traceback" not in out + err, err
        return lines[0]

    return run


def start(*arguments):
    """A command as a process of its own."""
    return subprocess.Popen([sys.executable, "-m", "repro", *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
