"""By the stages: two processes under torchrun, other protocols, memory that runs out, videos shorter than a flow stack."""

import os
import re
import shutil
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch
from tiny import write_params

from repro.datasets.index import DatasetIndex
from repro.engine.machine import Machine
from repro.evaluation.scores import Scores
from repro.stages import evaluate
from repro.training.checkpoint import load_checkpoint

PLACE = ("--dataset", "toy", "--split", 1)


@pytest.fixture
def made(finished, tmp_path):
    """A copy of the finished chain that a test may change; times of change are kept."""
    return shutil.copytree(finished, tmp_path / "run")


def test_a_training_without_room_for_its_loaders_says_so_and_reads_by_itself(made, finished, monkeypatch, stages, capsys):
    shutil.rmtree(made / "models")
    write_params(made, engine={"processes": 1, "training": {"device": "cpu", "threads": 1, "workers": 2}})
    monkeypatch.setattr(Machine, "here", classmethod(lambda cls: Machine(4, 65536, shared=0)))
    assert stages.repro(made, "train", *PLACE, "--system", "motion") == 0
    assert "room for 0 of 2 loader processes, which is slower; `repro doctor run` says more" in capsys.readouterr().out
    a, b = (load_checkpoint(one(folder, "models/tiny/toy/split1/**/motion/checkpoint.pt")) for folder in (finished, made))
    assert all(torch.equal(a["model"][name], b["model"][name]) for name in a["model"])


def one(folder, pattern):
    (found,) = folder.glob(pattern)
    return found


def test_two_processes_of_torchrun_give_the_weights_of_one(made, finished):
    shutil.rmtree(made / "models")
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        "-m",
        "repro",
        "train",
        *map(str, PLACE),
        "--system",
        "motion",
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=made, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("4 steps on CPU") == 1  # one process speaks
    a, b = (load_checkpoint(one(folder, "models/tiny/toy/split1/**/motion/checkpoint.pt")) for folder in (finished, made))
    assert a["meta"] == b["meta"]
    for name, tensor in a["model"].items():
        torch.testing.assert_close(b["model"][name], tensor, rtol=1e-3, atol=1e-4, msg=lambda m, name=name: f"{name}: {m}")
    rows = [
        [line.split(",") for line in one(folder, "results/tiny/curves/toy/split1/**/motion.csv").read_text().splitlines()[1:]]
        for folder in (finished, made)
    ]
    for x, y in zip(*rows, strict=True):
        assert x[:2] + x[3:] == y[:2] + y[3:] and float(x[2]) == pytest.approx(float(y[2]), rel=1e-3)
    assert not list((made / "work").iterdir())


@pytest.mark.parametrize(
    "settings, told",
    [
        ({"frames_per_chunk": 9}, "25 frames as one clip and its flip, fully convolutional, before softmax"),
        (
            {"protocol": "crops10", "frames_per_chunk": 11},
            "25 frames as one clip, 10 crops (four corners, centre, and their flips), before softmax",
        ),
    ],
    ids=["chunks", "ten crops"],
)
def test_the_protocol_of_the_params_is_used_and_named(made, finished, stages, settings, told):
    write_params(made, evaluation=settings)
    assert stages.repro(made, "evaluate", *PLACE, "--system", "st_resnet_star") == 0
    whole, found = (Scores.load(one(f, "results/tiny/scores/toy/split1/**/st_resnet_star.npz")) for f in (finished, made))
    assert found.header["protocol"] == told
    same = np.allclose(found.scores, whole.scores, rtol=1e-4, atol=1e-5)
    assert same == ("protocol" not in settings)


@pytest.mark.parametrize(
    "error, first_line",
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nMore."), "Tried to allocate 2 GiB."),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
            "can't allocate",
        ),
    ],
)
def test_memory_that_runs_out_names_the_parameter_to_lower(made, stages, monkeypatch, capfd, error, first_line):
    def fail(*_):
        raise error

    monkeypatch.setattr(evaluate, "score_video", fail)
    before = stages.tree(made)
    assert stages.repro(made, "evaluate", *PLACE, "--system", "motion") == 2
    (line,) = [x for x in capfd.readouterr().err.splitlines() if not re.match(r"[\w ]+: \d+/\d+ ", x)]
    assert line.startswith("repro evaluate: out of memory in evaluation") and first_line in line and "More." not in line
    assert line.endswith("lower evaluation.frames_per_chunk, now 25")
    assert stages.tree(made) == before


def test_other_errors_of_evaluation_are_no_lack_of_memory(made, stages, monkeypatch, capfd):
    def fail(*_):
        raise RuntimeError("shapes")

    monkeypatch.setattr(evaluate, "score_video", fail)
    assert stages.repro(made, "evaluate", *PLACE, "--system", "motion") == 1
    assert "repro evaluate: unexpected RuntimeError: shapes" in capfd.readouterr().err
    with pytest.raises(RuntimeError, match="shapes"):
        stages.repro(made, "--trace", "evaluate", *PLACE, "--system", "motion")


def test_videos_shorter_than_the_flow_stack_go_all_the_way_and_are_counted(finished, tmp_path, stages):
    folder = tmp_path / "run"
    shutil.copytree(finished / "data" / "toy" / "raw", folder / "data" / "toy" / "raw")
    recipe = {"schedule": [[0.02, 8]], "videos_per_step": 4, "clips_per_batch_norm": 2}  # every training video is drawn once
    write_params(folder, systems__motion__recipe=recipe)
    index = DatasetIndex.load(finished / "data" / "toy" / "index")
    for subset, frames in (("train", 6), ("test", 6), ("test", 1)):
        path = folder / "data" / "toy" / "raw" / "videos" / index.subset(1, subset)["path"].iloc[frames]
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 25, (48, 48))
        for t in range(frames):
            writer.write(np.full((48, 48, 3), 30 * t, np.uint8))
        writer.release()
    for command in (
        ("prepare", "toy"),
        ("extract", "--dataset", "toy"),
        *((c, *PLACE, "--system", "motion") for c in ("train", "evaluate")),
    ):
        assert stages.repro(folder, *command) == 0
    scores = Scores.load(one(folder, "results/tiny/scores/toy/split1/**/motion.npz"))
    assert scores.header["short"] == 2 and len(scores.names) == 16
    rows = one(folder, "results/tiny/curves/toy/split1/**/motion.csv").read_text().splitlines()[1:]
    assert sum(float(row.split(",")[-1]) for row in rows) > 0  # the short one was drawn, and flagged
