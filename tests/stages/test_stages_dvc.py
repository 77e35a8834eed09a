"""The pipeline under the real DVC: what is stale runs, what is not does not, and kills cost nothing but time."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from tiny import SYSTEMS, write_params

pytest.importorskip("dvc")
ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
               "OMP_NUM_THREADS": "1", "DVC_NO_ANALYTICS": "1", "DVC_TEST": "1", "NO_COLOR": "1"}


def dvc(folder, *arguments):
    done = subprocess.run(["dvc", *arguments], cwd=folder, env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def ran(output):
    return re.findall(r"Running stage '([^']+)'", output)


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "project"
    write_params(folder)
    mapping = yaml.safe_load((folder / "params.yaml").read_text())
    real = yaml.safe_load((ROOT / "params.yaml").read_text())
    mapping["run"] |= {key: [] for key in real["run"] if key not in mapping["run"]}
    mapping |= {key: real[key] for key in real if key not in mapping}
    (folder / "params.yaml").write_text(yaml.safe_dump(mapping))
    pipeline = yaml.safe_load((ROOT / "dvc.yaml").read_text())
    pipeline["stages"].pop("report")  # tables need datasets that a paper names
    (folder / "dvc.yaml").write_text(yaml.safe_dump(pipeline, sort_keys=False))
    shutil.copytree(ROOT / "repro", folder / "repro", ignore=shutil.ignore_patterns("__pycache__"))
    dvc(folder, "init", "--no-scm", "-q")
    return folder


def begin(folder):
    return subprocess.Popen(["dvc", "repro"], cwd=folder, env=ENVIRONMENT, stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL, start_new_session=True)


def wait_for(process, condition):
    deadline = time.monotonic() + 1200
    while not condition():
        assert process.poll() is None and time.monotonic() < deadline, "ended before it could be killed"
        time.sleep(0.02)


def stage_processes(folder):
    """Processes of ours that work in ``folder``, by /proc."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and os.readlink(entry / "cwd") == str(folder):
                if b"repro\0--" in (line := (entry / "cmdline").read_bytes()) or b"/repro\0" in line:
                    found.append(int(entry.name))
        except OSError:
            continue
    return found


@pytest.mark.slow
def test_dvc_runs_what_is_stale_and_resumes_after_kills(project, finished):
    store = lambda: len(list(project.glob("work/extract-*/store/*/*.zip")))  # noqa: E731
    for condition in (lambda: store() >= 3, lambda: list(project.glob("work/train-st_resnet-*/checkpoint.pt")),
                      lambda: list(project.glob("work/evaluate-motion-*"))):
        process = begin(project)
        wait_for(process, condition)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    # DVC alone killed: its stage ends soon after and leaves no second writer
    process = begin(project)
    wait_for(process, lambda: list(project.glob("work/evaluate-st_resnet_star-*")))
    assert stage_processes(project)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + 60
    while stage_processes(project):
        assert time.monotonic() < deadline, "a stage outlives the DVC that started it"
        time.sleep(0.2)

    output = dvc(project, "repro")
    assert not [stage for stage in ran(output) if stage.startswith(("draw", "prepare", "extract", "train"))]
    for system in SYSTEMS:
        place = f"results/tiny/scores/toy/split1/seed3/{system}.npz"
        assert (project / place).read_bytes() == (finished / place).read_bytes()
    assert not list((project / "work").iterdir())

    again = dvc(project, "repro")
    assert not ran(again) and "up to date" in again

    params = yaml.safe_load((project / "params.yaml").read_text())
    params["fusions"]["two_stream"]["weights"] = [1.0, 2.0]
    (project / "params.yaml").write_text(yaml.safe_dump(params))
    assert ran(dvc(project, "repro")) == ["fuse@toy-1-3"]

    params["engine"]["processes"] = 1  # how the machine is used is nothing that results depend on
    params["datasets"]["toy"]["title"] = "Another title"
    (project / "params.yaml").write_text(yaml.safe_dump(params))
    assert not [stage for stage in ran(dvc(project, "repro", "--dry")) if stage.startswith(("draw", "train", "evaluate"))]
