"""The pipeline under the real DVC: what is stale runs, what is not does not, and kills cost nothing but time."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from dvc_project import call, dvc, environment, ran, write_project
from tiny import SYSTEMS, write_params

pytest.importorskip("dvc")


@pytest.fixture
def project(tmp_path):
    folder = write_project(tmp_path / "project", report={})  # its tables would be made anew after each change below
    dvc(folder, "init", "--no-scm", "-q")
    return folder


def test_a_downloaded_zip_works_without_a_repository(tmp_path):
    """DVC refuses a folder with its own settings and without git, unless told."""
    folder, root = write_project(tmp_path / "project"), Path(__file__).resolve().parents[2]
    (folder / ".dvc").mkdir()
    shutil.copy(root / ".dvc" / "config", folder / ".dvc"), shutil.copy(root / "Makefile", folder)
    venv = Path(sys.prefix)
    call(folder, "make", "-o", venv / ".ready", "use", f"VENV={venv}")
    assert "code" in dvc(folder, "stage", "list", "--name-only").split()
    assert Path(folder, ".dvc", "config").read_bytes() == (root / ".dvc" / "config").read_bytes()


def begin(folder):
    return subprocess.Popen(
        ["dvc", "repro"],
        cwd=folder,
        env=environment(folder),
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

    def after(**changes):  # editing the profile and running again is the ordinary way
        write_params(project / "params", name="tiny.yaml", report={}, **changes)
        call(project, "repro", "pipeline")

    after(fusions__two_stream__weights=[1.0, 2.0])
    assert ran(dvc(project, "repro")) == ["code", "fuse@toy-1-3"]
    # how the machine is used, and what a dataset is called, is nothing that scores depend on
    after(fusions__two_stream__weights=[1.0, 2.0], engine__processes=1, datasets__toy__title="Another title")
    assert ran(dvc(project, "repro")) == ["code"]
    call(project, "repro", "locks")
