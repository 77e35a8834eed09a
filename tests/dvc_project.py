"""A project of its own under the real DVC: the tiny profile, this pipeline, this code."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tiny import write_params

ROOT = Path(__file__).resolve().parents[1]
_ENVIRONMENT = {
    **os.environ,
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    "OMP_NUM_THREADS": "1",
    "DVC_NO_ANALYTICS": "1",
    "DVC_TEST": "1",
    "NO_COLOR": "1",
}


def environment(folder):
    """Of a process in ``folder``, which works with the folder's own copy of the code where it has one."""
    return {**_ENVIRONMENT, "PYTHONPATH": str(folder)} if (folder / "repro").is_dir() else _ENVIRONMENT


def call(folder, *command):
    """Run a command in ``folder``; returns what it printed."""
    done = subprocess.run(command, cwd=folder, env=environment(folder), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def dvc(folder, *arguments):
    return call(folder, "dvc", *arguments)


def ran(output):
    """Names of the stages that ``dvc repro`` ran."""
    return re.findall(r"Running stage '([^']+)'", output)


def write_project(folder, **changes):
    """The tiny profile in use, its pipeline and the code, without DVC's own files; ``changes``: see ``tiny.changed``."""
    write_params(folder / "params", name="tiny.yaml", **changes)
    shutil.copytree(ROOT / "repro", folder / "repro", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / ".dvcignore", folder / ".dvcignore")
    call(folder, "repro", "use", "tiny")
    return folder
