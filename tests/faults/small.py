"""A small dataset of one's own: its videos, its params, and commands on it as processes of their own."""

import subprocess
import sys

import av
import numpy as np
import yaml

PARAMS = {
    "profile": "mine",
    "input_size": 32,
    "datasets": {"mine": {"title": "Mine", "layout": "folders", "exclude_bad": True}},
    "store": {"rgb_quality": 90, "flow_quality": 90, "flow_bound": 6.0},
    "flow": {"backend": "dis"},
    "engine": {"processes": 2},
    "idt": {"idt": {"features": {}, "codebook": {"gaussians": 2, "samples": 200}, "svm_c": 1.0}},
}


def enter_copy(project, folder, monkeypatch):
    """A copy of a project, times of change and all, at ``folder``: the working directory for the rest of the test."""
    subprocess.run(["cp", "-a", project, folder], check=True)
    monkeypatch.chdir(folder)
    return folder


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


def start(*arguments):
    """A command as a process of its own."""
    return subprocess.Popen([sys.executable, "-m", "repro", *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
