"""The whole chain on tiny videos, and kill -9 in the middle of each long stage."""

import json
import os
import shutil

import numpy as np
import pytest
from tiny import SYSTEMS

from repro.datasets.index import DatasetIndex
from repro.evaluation.scores import Scores
from repro.stages import evaluate
from repro.training.checkpoint import load_checkpoint, save_checkpoint
from repro.video.store import ClipStore

PLACE = ("--dataset", "toy", "--split", 1)


@pytest.fixture
def copy(finished, tmp_path):
    """A copy of the finished chain without the files and folders named; times of change are kept."""

    def make(*without):
        shutil.copytree(
            finished,
            tmp_path / "run",
            ignore=lambda folder, names: [name for name in names if f"{os.path.relpath(folder, finished)}/{name}" in without],
        )
        return tmp_path / "run"

    return make


def scores(folder, system):
    return folder / "results" / "tiny" / "scores" / "toy" / "split1" / "seed3" / f"{system}.npz"


def test_every_stage_leaves_its_outputs_and_nothing_else(finished, stages):
    index = DatasetIndex.load(finished / "data" / "toy" / "index")
    assert len(index.table) == 48 and (index.table["problems"] == "").all()
    for row in index.table.itertuples():
        store = ClipStore(finished / "data" / "toy" / "store" / f"{row.video}.zip")
        assert (store.frames, store.fields, store.height, store.width) == (row.frames, row.frames - 1, 36, 36)
    outputs = {f"models/tiny/toy/split1/seed3/{s}/checkpoint.pt" for s in SYSTEMS}
    outputs |= {f"results/tiny/scores/toy/split1/seed3/{s}.npz" for s in SYSTEMS} | {
        f"results/tiny/curves/toy/split1/seed3/{s}.csv" for s in SYSTEMS
    }
    found = stages.tree(finished, skip=("data",))
    assert set(found) == outputs | {"params.yaml", "results/tiny/fused/toy/split1/seed3/two_stream.npz"}
    assert not list((finished / "work").iterdir())


def test_score_files_tell_where_they_come_from(finished):
    index = DatasetIndex.load(finished / "data" / "toy" / "index")
    videos = index.subset(1, "test")
    for system in SYSTEMS:
        found = Scores.load(scores(finished, system))
        assert found.names == tuple(videos["video"]) and list(found.labels) == list(videos["label"])
        assert found.heads == (("appearance", "motion") if system.startswith("st_") else (system,))
        expected = {
            "dataset": "toy",
            "split": 1,
            "system": system,
            "seed": 3,
            "profile": "tiny",
            "device": "CPU, 1 threads",
            "excluded": 0,
            "short": 0,
        }
        assert {key: found.header[key] for key in expected} == expected
        assert found.header["code_version"] and found.header["params_hash"] and "25 frames" in found.header["protocol"]


def test_fused_scores_are_the_mean(finished):
    fused = Scores.load(finished / "results" / "tiny" / "fused" / "toy" / "split1" / "seed3" / "two_stream.npz")
    parts = [Scores.load(scores(finished, system)) for system in ("appearance", "motion")]
    assert fused.mean() == pytest.approx(sum(part.mean() for part in parts) / 2, rel=1e-5, abs=1e-5)


def test_systems_start_from_their_predecessors(finished):
    models = finished / "models/tiny/toy/split1/seed3"
    meta = {system: load_checkpoint(models / system / "checkpoint.pt")["meta"] for system in SYSTEMS}
    assert meta["appearance"]["started"] == meta["motion"]["started"] == "random weights"
    assert meta["st_resnet"]["started"].startswith("from appearance, motion: ") and " 0 new" in meta["st_resnet"]["started"]
    assert meta["st_resnet_star"]["started"].startswith("from st_resnet: ") and " 0 unused" in meta["st_resnet_star"]["started"]
    assert meta["motion"]["model"]["dropout"] == {"motion": 0.5} and meta["st_resnet"]["model"]["dropout"] == {}


def test_a_kill_in_extraction_costs_nothing_but_time(copy, finished, stages):
    folder = copy("data/toy/store")
    begun = lambda: any(path.read_bytes().count(b"\n") >= 2 for path in folder.glob("work/extract-*/store.jsonl"))  # noqa: E731
    stages.killed_when(begun, folder, "extract", "--dataset", "toy")
    assert not (folder / "data" / "toy" / "store").exists()
    (work,) = folder.glob("work/extract-*/store")
    (work / "SwingTeal" / ".half-written.part").write_bytes(b"what a killed worker leaves")
    # what a worker finished in the last instant may not have a line yet: it is made again
    made = [json.loads(line)[0] for line in work.with_name("store.jsonl").read_text().splitlines()]
    kept = {work / f"{name}.zip": (work / f"{name}.zip").stat().st_mtime_ns for name in made}
    assert 2 <= len(kept) < 48
    assert stages.repro(folder, "extract", "--dataset", "toy") == 0
    assert stages.tree(folder / "data") == stages.tree(finished / "data")
    stores = folder / "data" / "toy" / "store"
    assert all((stores / path.relative_to(work)).stat().st_mtime_ns == time for path, time in kept.items())
    assert not list((folder / "work").iterdir())


@pytest.mark.parametrize("system", ["motion", "st_resnet"])
def test_a_kill_in_training_costs_nothing_but_time(copy, finished, stages, system):
    folder = copy(f"models/tiny/toy/split1/seed3/{system}", f"results/tiny/curves/toy/split1/seed3/{system}.csv")
    target = folder / f"models/tiny/toy/split1/seed3/{system}/checkpoint.pt"
    assert not target.exists()
    stages.killed_when(lambda: list(folder.glob("work/train-*/checkpoint.pt")), folder, "train", *PLACE, "--system", system)
    assert not target.exists()
    assert stages.repro(folder, "train", *PLACE, "--system", system) == 0
    assert stages.tree(folder) == stages.tree(finished)


def test_a_kill_in_evaluation_costs_nothing_but_time(copy, finished, stages, monkeypatch):
    folder = copy("results/tiny/scores/toy/split1/seed3/st_resnet.npz")
    assert not scores(folder, "st_resnet").exists()
    monkeypatch.setattr(evaluate, "_SAVE_EVERY", 3)
    begun = lambda: list(folder.glob("work/evaluate-*/partial.npz"))  # noqa: E731
    stages.killed_when(begun, folder, "evaluate", *PLACE, "--system", "st_resnet")
    assert not scores(folder, "st_resnet").exists()
    scored, score = [], evaluate.score_video
    monkeypatch.setattr(evaluate, "score_video", lambda *arguments: scored.append(1) or score(*arguments))
    assert stages.repro(folder, "evaluate", *PLACE, "--system", "st_resnet") == 0
    assert 1 <= len(scored) <= 13
    assert stages.tree(folder) == stages.tree(finished)


def half_done(folder, stages, monkeypatch):
    """The partial scores that a killed evaluation left."""
    monkeypatch.setattr(evaluate, "_SAVE_EVERY", 3)
    begun = lambda: list(folder.glob("work/evaluate-*/partial.npz"))  # noqa: E731
    stages.killed_when(begun, folder, "evaluate", *PLACE, "--system", "motion")
    return begun()[0]


def test_what_a_killed_report_left_is_gone_after_the_next(copy, stages):
    folder = copy()
    left = lambda: list(folder.glob("results/tiny/.tables.*"))  # noqa: E731
    stages.killed_when(left, folder, "report")
    assert left() and not (folder / "results/tiny/tables").exists()
    assert stages.repro(folder, "report") == 0
    assert not left() and (folder / "results/tiny/tables/table3.csv").is_file()


@pytest.mark.parametrize("command, kind", [("evaluate", "scores"), ("train", "curves")])
def test_a_folder_where_a_file_of_ours_belongs_stays_and_is_told(copy, stages, capfd, command, kind):
    place = f"results/tiny/{kind}/toy/split1/seed3/motion.{'npz' if kind == 'scores' else 'csv'}"
    folder = copy(place)
    (folder / place).mkdir()
    (folder / place / "mine.txt").write_text("precious")
    assert stages.repro(folder, command, *PLACE, "--system", "motion") == 2
    assert f"a folder lies where a file belongs: {place}; move it away and run again" in capfd.readouterr().err
    assert (folder / place / "mine.txt").read_text() == "precious"


WRONG = {
    "cut": lambda partial: partial.write_bytes(partial.read_bytes()[:-40]),
    "flipped bit": lambda partial: partial.write_bytes(bytes(b ^ (i == 200) for i, b in enumerate(partial.read_bytes()))),
    "other classes": lambda partial: np.savez(partial, scores=np.zeros((3, 1, 5), np.float32)),
    "other heads": lambda partial: np.savez(partial, scores=np.zeros((3, 2, 8), np.float32)),
    "too many": lambda partial: np.savez(partial, scores=np.zeros((17, 1, 8), np.float32)),
    "no number": lambda partial: np.savez(partial, scores=np.full((3, 1, 8), np.nan, np.float32)),
    "something else": lambda partial: np.savez(partial, other=np.zeros(3)),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_partial_scores_that_cannot_be_used_are_made_again(copy, finished, stages, monkeypatch, capsys, wrong):
    folder = copy("results/tiny/scores/toy/split1/seed3/motion.npz")
    partial = half_done(folder, stages, monkeypatch)
    WRONG[wrong](partial)
    assert stages.repro(folder, "evaluate", *PLACE, "--system", "motion") == 0
    assert "partial.npz" in (said := capsys.readouterr().out) and "the run begins again" in said
    assert stages.tree(folder) == stages.tree(finished)


def test_partial_scores_of_another_checkpoint_of_equal_size_and_time_are_not_gone_on_with(copy, stages, monkeypatch):
    folder = copy("results/tiny/scores/toy/split1/seed3/motion.npz")
    partial = half_done(folder, stages, monkeypatch)
    path = folder / "models/tiny/toy/split1/seed3/motion/checkpoint.pt"
    before, content = path.stat(), load_checkpoint(path)
    content["model"]["motion.conv1.weight"] += 1.0
    save_checkpoint(path, content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size and path.stat().st_mtime_ns == before.st_mtime_ns
    scored, score = [], evaluate.score_video
    monkeypatch.setattr(evaluate, "score_video", lambda *arguments: scored.append(1) or score(*arguments))
    assert stages.repro(folder, "evaluate", *PLACE, "--system", "motion") == 0
    assert len(scored) == 16 and partial.exists()


def test_partial_work_of_another_seed_is_never_reused(copy, stages):
    folder = copy("models/tiny/toy/split1/seed3/motion")
    command = ("train", *PLACE, "--system", "motion")
    stages.killed_when(lambda: list(folder.glob("work/train-*/checkpoint.pt")), folder, *command)
    (left,) = folder.glob("work/train-motion-*/")
    before = stages.tree(folder / "models")
    assert stages.repro(folder, *command, "--seed", 4) == 0
    meta = load_checkpoint(folder / "models/tiny/toy/split1/seed4/motion/checkpoint.pt")["meta"]
    assert left.exists() and meta["seed"] == 4 and before.items() <= stages.tree(folder / "models").items()
    rows = (folder / "results/tiny/curves/toy/split1/seed4/motion.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows[1:]] == ["1", "2", "3", "4"]


def test_a_seed_is_a_run_of_its_own(copy, finished, stages):
    folder = copy()
    for command in ("train", "evaluate"):
        assert stages.repro(folder, command, *PLACE, "--system", "motion", "--seed", 4) == 0
    for number, system in ((3, "motion"), (4, "motion"), (4, "appearance")):
        path = folder / f"results/tiny/scores/toy/split1/seed{number}/{system}.npz"
        assert path.exists() == (system == "motion")
    first, second = (Scores.load(folder / f"results/tiny/scores/toy/split1/seed{n}/motion.npz") for n in (3, 4))
    assert second.header["seed"] == 4 and second.names == first.names and (second.scores != first.scores).any()
    assert stages.repro(folder, "fuse", *PLACE, "--seed", 4) == 0  # appearance was not run from this seed
    assert not list((folder / "results/tiny/fused/toy/split1/seed4").iterdir())
    assert {k: v for k, v in stages.tree(folder).items() if "seed4" not in k} == stages.tree(finished)
