"""The pipeline under the real DVC: what is stale runs, what is not does not, and kills cost nothing but time."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
import yaml
from dvc_project import ENVIRONMENT, dvc, ran, write_project
from tiny import SYSTEMS

pytest.importorskip("dvc")


@pytest.fixture
def project(tmp_path):
    folder = write_project(tmp_path / "project", without=("report",))  # its tables would be made anew after each change below
    dvc(folder, "init", "--no-scm", "-q")
    return folder


def begin(folder):
    return subprocess.Popen(
        ["dvc", "repro"],
        cwd=folder,
        env=ENVIRONMENT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


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
    for condition in (
        lambda: store() >= 3,
        lambda: list(project.glob("work/train-st_resnet-*/checkpoint.pt")),
        lambda: list(project.glob("work/evaluate-motion-*")),
    ):
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
