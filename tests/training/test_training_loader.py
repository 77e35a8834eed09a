"""Loader processes: the same training as without, and where one dies a line, never a hang."""

import dataclasses
import os
import signal
import time
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


def test_loader_processes_change_nothing(made_up, tmp_path):
    marks = tmp_path / "marks"
    marks.mkdir()
    rows = run(made_up, tmp_path, lambda step, number: (marks / str(os.getpid())).touch(), workers=2)
    loading = {int(path.name) for path in marks.iterdir()}
    assert len(loading) == 2 and os.getpid() not in loading  # nor is a sub-batch read to look at it
    assert rows == run(made_up, tmp_path, workers=0)


def test_a_loader_process_that_is_killed_is_one_line(made_up, tmp_path):
    owner = os.getpid()

    def before(step, number):
        if number == 2 and os.getpid() != owner:
            time.sleep(0.5)  # not in the moment in which the sub-batch before is handed over: that has a test of its own
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
