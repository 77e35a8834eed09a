"""How far `make repro` is: counts and times by hand, and on a lock that the real DVC wrote."""

import multiprocessing
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from dvc_project import environment
from tiny import write_params

from repro import cli
from repro.evaluation.scores import Scores
from repro.params import load
from repro.profile.blocks import versions_of
from repro.profile.course import Course, logged, remaining, spoken
from repro.profile.lock import to_run
from repro.stages.progress import accuracies

pytest.importorskip("dvc")


def test_what_is_left_takes_as_long_as_what_is_done_took():
    state = {"begun": 1000.0, "hours": {"a": 1.0, "b": 3.0, "c": 4.0}, "done": []}
    assert remaining(state, 1060.0) == "60 s gone"
    assert remaining({**state, "done": ["a"]}, 1060.0) == "60 s gone, about 7 min left"  # 7 hours by rates beside 1
    assert remaining({**state, "done": ["a", "b"]}, 1240.0) == "4 min gone, about 4 min left"
    assert remaining({**state, "done": ["a", "b", "c"]}, 1480.0) == "8 min gone"


def test_a_stage_that_nobody_measured_counts_as_the_mean_of_the_others():
    state = {"begun": 0.0, "hours": {"a": 1.0, "b": 3.0, "c": None}, "done": ["b"]}
    assert remaining(state, 300.0) == "5 min gone, about 5 min left"  # 1 + 2 beside 3
    state = {"begun": 0.0, "hours": {"a": None, "b": None, "c": None, "d": None}, "done": ["b"]}
    assert remaining(state, 300.0) == "5 min gone, about 15 min left"


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0 s"), (41, "41 s"), (99, "99 s"), (100, "2 min"), (5900, "98 min"), (7500, "2 h 5 min")]
)
def test_times_in_words(seconds, words):
    assert spoken(seconds) == words


def test_lines_of_a_run_and_of_the_next(tmp_path):
    course = Course("toy", tmp_path / "log")
    assert course.state() is None
    assert course.begin({"draw@a": 0.5, "train@a": 1.5}, 3) == "2 of 5 stages to run, 2 h 0 min by measured rates"
    assert course.finished("evaluate@a", 1) is None  # the run had not to run it
    assert course.finished("draw@a", 41).startswith("[1 of 2] draw@a: 41 s; ")
    course.failed("train@a", "no room left")
    assert course.begin({"train@a": None}, 4) == "1 of 5 stages to run"
    assert re.fullmatch(
        r"\[1 of 1\] train@a: 2 min; Motion: 87.5 %; \d+ s gone", course.finished("train@a", 130, "Motion: 87.5 %")
    )
    lines = course.log.read_text().splitlines()
    assert len(lines) == 5 and lines[2] == "train@a: no room left"
    assert lines[1].startswith("[1 of 2] draw@a") and lines[4].startswith("[1 of 1] train@a")


def _finish(folder, number):
    for k in range(20):
        Course("toy", folder).finished(f"{number}-{k}", 1)


def test_chains_side_by_side_count_every_stage_once(tmp_path):
    Course("toy", tmp_path).begin({f"{number}-{k}": None for number in range(3) for k in range(20)}, 0)
    chains = [multiprocessing.get_context("fork").Process(target=_finish, args=(tmp_path, number)) for number in range(3)]
    for chain in chains:
        chain.start()
    for chain in chains:
        chain.join()
    counted = re.findall(r"^\[(\d+) of 60\]", Course("toy", tmp_path).log.read_text(), re.M)
    assert list(map(int, counted)) == list(range(1, 61))


def _score_file(folder, split, right):
    """Of eight test videos, the first ``right`` recognised."""
    labels = np.arange(8) % 2
    scores = np.eye(2, dtype=np.float32)[np.where(np.arange(8) < right, labels, 1 - labels)][None]
    header = {"dataset": "toy", "split": split, "system": "motion", "seed": 3, "protocol": "-", "device": "-"}
    header |= {"params_hash": "-", "code_version": "-"}
    names = [f"video{number}" for number in range(8)]
    path = folder / f"results/tiny/scores/toy/split{split}/seed3/motion.npz"
    Scores(names, labels, ("a", "b"), ("motion",), scores, header).save(path)


def _as_dvc_runs_it(folder, stage, *command):
    given = {**environment(folder), "DVC_STAGE": stage}
    return subprocess.run(["repro", *command], cwd=folder, env=given, capture_output=True, text=True)


def test_a_finished_stage_is_a_line_and_the_next_run_counts_what_is_left(project, monkeypatch, capsys):
    monkeypatch.chdir(project)
    params = load("params.yaml")
    assert to_run(params, versions_of(params)) == []
    Path("results/tiny/scores/toy/split1/seed3/motion.npz").unlink()
    shutil.rmtree("data/toy/store")
    (project / "models/tiny/toy/split1/seed3/motion/inside/file").write_text("other bytes, which are not read")
    stage = "evaluate_motion@toy-1-3"
    left = [stage, "extract@toy", "fuse@toy-1-3", "report"]  # these two read all scores
    assert sorted(to_run(params, versions_of(params))) == left
    assert cli.main(["progress", "--begin"]) == 0
    assert re.search(r"^4 of \d+ stages to run", capsys.readouterr().out)
    _score_file(project, 1, right=6)
    shown = _as_dvc_runs_it(project, f"dvc.yaml:{stage}", "jobs").stdout  # any command will do: DVC says which stage it is
    assert re.search(rf"^\[1 of 4\] {stage}: \d+ s; Motion on toy split 1: 75.0 %; \d+ s gone, about \d+ s left$", shown, re.M)
    failed = _as_dvc_runs_it(project, "extract@toy", "extract", "--dataset", "toy")
    assert failed.returncode == 2
    assert cli.main(["progress"]) == 0
    assert re.search(r"^1 of 4 stages have run, \d+ s gone, .* left; log: work/log/tiny.log$", capsys.readouterr().out)
    assert Path("work/log/tiny.log").read_text().splitlines()[-1].startswith("extract@toy: ")
    assert sorted(to_run(params, versions_of(params))) == left  # these scores are not those of the lock


def test_the_mean_over_the_splits_is_told_once_all_of_them_have_run(tmp_path, monkeypatch, capsys):
    write_params(tmp_path, name="params.yaml", run__splits=[1, 2])
    monkeypatch.chdir(tmp_path)
    stages = [f"evaluate_motion@toy-{split}-3" for split in (1, 2)]
    Course("tiny").begin(dict.fromkeys([*stages, "report"]), 0)
    for split, stage in zip((1, 2), stages):
        with logged("params.yaml", stage, accuracies):
            _score_file(tmp_path, split, right=5 + split)
    first, second = capsys.readouterr().out.splitlines()
    assert "Motion on toy split 1: 75.0 %;" in first
    assert "Motion on toy split 2: 87.5 %, mean of 2 splits 81.2 %;" in second


DAMAGE = [
    '{"begun": 1.0',
    "[]",
    '{"begun": 1.0, "hours": {}, "done": ["a"]}',
    '{"begun": "x", "hours": {}, "done": []}',
    "[" * 9999,
]


@pytest.mark.parametrize("text", DAMAGE, ids=lambda text: text[:30])
def test_a_damaged_log_is_done_without(tmp_path, monkeypatch, capsys, text):
    write_params(tmp_path, name="params.yaml")
    monkeypatch.chdir(tmp_path)
    Course("tiny").begin({"report": None}, 0)
    Path("work/log/tiny.json").write_text(text)
    with logged("params.yaml", "report", accuracies):
        pass
    assert cli.main(["progress"]) == 0
    assert "has not run profile tiny here" in capsys.readouterr().out


def nothing(*_):
    return ""


def full(*_):
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("part", ["told", "log", "state"])
def test_a_stage_that_has_run_is_not_failed_by_its_log(tmp_path, monkeypatch, capsys, part):
    """Nor is another word put in the place of what a stage says when it fails."""
    write_params(tmp_path, name="params.yaml")
    monkeypatch.chdir(tmp_path)
    Course("tiny").begin({"report": None}, 0)
    if part != "told":
        monkeypatch.setattr(Course, "_locked" if part == "log" else "_write", full)
    with logged("params.yaml", "report", full if part == "told" else nothing):
        pass
    assert capsys.readouterr().out == "work/log/tiny.log lacks a stage: [Errno 28] No space left on device\n"
    with pytest.raises(ZeroDivisionError), logged("params.yaml", "report", nothing):
        raise ZeroDivisionError


def test_where_no_run_was_begun_nothing_is_written(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with logged("params.yaml", "report", accuracies):  # not even params are read
        pass
    assert list(tmp_path.iterdir()) == [] and capsys.readouterr().out == ""
