"""ResNet-50 streams of full size on real clips: some steps, kill -9 in the middle, resumed, equal to the undisturbed run."""

import os
import signal
import subprocess
import sys
import time

import pytest
import yaml

from repro.training.checkpoint import load_checkpoint

CLASSES, CLIPS, STEPS = ("catch", "golf"), 8, 3
PLACE = ("--dataset", "jhmdb", "--split", "1")


def params(width, input_size):
    """The paper's network and both kinds of phases, cut to three steps of eight videos."""
    recipe = {"schedule": [[0.001, STEPS - 1], [0.0001, 1]], "videos_per_step": 8, "clips_per_batch_norm": 4}
    systems = {
        "appearance": {"model": {"streams": ["appearance"]}, "recipe": recipe},
        "st_resnet": {
            "model": {"temporal": "average", "injection": "add"},
            "init_from": ["appearance"],
            "recipe": {**recipe, "frames": 5, "stride": [1, 5]},
        },
    }
    return {
        "profile": "full",
        "input_size": input_size,
        "run": {"datasets": ["jhmdb"], "splits": [1], "seeds": [0]},
        "datasets": {"jhmdb": {"title": "Some clips of J-HMDB", "layout": "jhmdb"}},
        "store": {"rgb_quality": 90, "flow_quality": 90, "flow_bound": 20.0},
        "flow": {"backend": "dis"},
        "network": {"layout": "caffe", "blocks": [3, 4, 6, 3], "width": width},
        "systems": systems,
        "evaluation": {},
        "engine": {"processes": 2, "training": {"device": "cpu", "threads": 2, "checkpoint_steps": 1}},
    }


def begin(folder, *command):
    return subprocess.Popen([sys.executable, "-m", "repro", *command], cwd=folder, env={**os.environ, "OMP_NUM_THREADS": "2"})


def finish(folder, *command):
    assert begin(folder, *command).wait() == 0, command


def outputs(folder):
    """Bytes of everything that training left, by relative path."""
    files = [path for top in ("models", "results") for path in sorted((folder / top).rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def clips(source, target):
    """The first clips of two classes in J-HMDB's layout, with the official lists cut to them."""
    for name in CLASSES:
        chosen = {path.name: path for path in sorted((source / "clips" / name).glob("*.avi"))[:CLIPS]}
        (target / "videos" / name).mkdir(parents=True)
        (target / "splits").mkdir(exist_ok=True)
        for path in chosen.values():
            (target / "videos" / name / path.name).symlink_to(path)
        for split in (1, 2, 3):
            lists = f"{name}_test_split{split}.txt"
            lines = [line for line in (source / "splits" / lists).read_text().splitlines() if line.split()[0] in chosen]
            (target / "splits" / lists).write_text("\n".join(lines) + "\n")


@pytest.mark.slow
@pytest.mark.parametrize("width, input_size", [(4, 64), (64, 224)], ids=["thin", "full"])
def test_a_killed_run_of_full_depth_resumes_to_the_same_bytes(shared_data, tmp_path, width, input_size):
    clips(shared_data / "jhmdb", tmp_path / "data" / "jhmdb" / "raw")
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params(width, input_size)))
    finish(tmp_path, "prepare", "jhmdb")
    finish(tmp_path, "extract", "--dataset", "jhmdb")
    for system in ("appearance", "st_resnet"):
        finish(tmp_path, "train", *PLACE, "--system", system)
    straight = outputs(tmp_path)
    (checkpoint,) = tmp_path.glob("models/full/jhmdb/split1/**/st_resnet/checkpoint.pt")
    (curves,) = tmp_path.glob("results/full/curves/jhmdb/split1/**/st_resnet.csv")
    meta = load_checkpoint(checkpoint)["meta"]
    assert meta["steps"] == STEPS and len(curves.read_text().splitlines()) == STEPS + 1
    checkpoint.unlink(), curves.unlink()

    begun, deadline = begin(tmp_path, "train", *PLACE, "--system", "st_resnet"), time.monotonic() + 3600
    while not list(tmp_path.glob("work/train-st_resnet-*/checkpoint.pt")):
        assert begun.poll() is None and time.monotonic() < deadline, "ended before it could be killed"
        time.sleep(0.05)
    begun.send_signal(signal.SIGKILL)
    begun.wait()
    assert not checkpoint.exists() and not curves.exists()
    (left,) = tmp_path.glob("work/train-st_resnet-*/checkpoint.pt")
    assert load_checkpoint(left, needs=("step",))["step"] < STEPS
    finish(tmp_path, "train", *PLACE, "--system", "st_resnet")
    assert outputs(tmp_path) == straight
