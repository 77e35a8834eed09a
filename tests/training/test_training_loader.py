"""Loader processes without shared memory, and those that die: a line, never a hang."""

import dataclasses
import os
import re
import signal
from types import SimpleNamespace

import pytest

from repro.engine.settings import EngineSettings
from repro.errors import ReproError
from repro.training import loader
from repro.training.loop import train

NORM = {"appearance": SimpleNamespace(mean=(128.0, 128.0, 128.0), std=(60.0, 60.0, 60.0), bgr=False)}


def run(make, folder, before=lambda step, number: None, workers=1):
    short = dataclasses.replace(make.recipe, schedule=((0.002, 1),))
    model, clips = make(short, before=before)
    train(model, clips, short, EngineSettings(device="cpu", threads=1, workers=workers), NORM, folder)
    return (folder / "curves.csv").read_text()


@pytest.mark.parametrize(
    "room, writable, told",
    [
        ((0, 4096), True, r"/dev/shm has 0.0 MiB left, 2 loader processes need \d+.\d"),
        ((10**6, 4096), False, "/dev/shm cannot be written"),
        (None, True, r"no /dev/shm \(No such file or directory\)"),
        ((10**6, 4096), True, ""),
    ],
)
def test_without_room_in_shared_memory_the_training_process_loads(made_up, tmp_path, monkeypatch, capsys, room, writable, told):
    def statvfs(path):
        if room is None:
            raise FileNotFoundError(2, "No such file or directory")
        return SimpleNamespace(f_bavail=room[0], f_frsize=room[1])

    loading = set()
    monkeypatch.setattr(loader.os, "statvfs", statvfs)
    monkeypatch.setattr(loader.os, "access", lambda *arguments: writable)
    marks = tmp_path / "marks"
    marks.mkdir()
    rows = run(made_up, tmp_path, lambda step, number: (marks / str(os.getpid())).touch(), workers=2)
    loading = {int(path.name) for path in marks.iterdir()} - {os.getpid()}
    lines = capsys.readouterr().out.splitlines()
    if told:
        assert len(lines) == 1 and re.match(told, lines[0]) and not loading
    else:
        assert not lines and len(loading) == 2
    assert rows == run(made_up, tmp_path, workers=0)


def test_a_loader_process_that_is_killed_is_one_line(made_up, tmp_path):
    owner = os.getpid()

    def before(step, number):
        if number == 2 and os.getpid() != owner:
            os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(
        ReproError, match="a loader process died or hung .DataLoader worker.*lower engine.training.workers"
    ) as caught:
        run(made_up, tmp_path, before)
    assert "\n" not in str(caught.value)


def test_a_loader_process_that_hangs_is_one_line(made_up, tmp_path, monkeypatch):
    owner = os.getpid()
    monkeypatch.setattr(loader, "_PATIENCE", 2)

    def before(step, number):
        if number == 2 and os.getpid() != owner:
            signal.pause()

    with pytest.raises(ReproError, match="a loader process died or hung .DataLoader timed out after 2 seconds"):
        run(made_up, tmp_path, before)


def test_bad_input_in_a_loader_process_is_told_as_in_this_one(made_up, tmp_path):
    def before(step, number):
        if number == 2:
            raise ReproError("damaged container", path="a.zip", why="checksum differs", fix="extract it again")

    with pytest.raises(ReproError) as caught:
        run(made_up, tmp_path, before)
    assert str(caught.value) == "damaged container: a.zip (checksum differs); extract it again"
