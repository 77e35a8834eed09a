"""A project of its own under the real DVC: the tiny profile, this pipeline, this code."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml
from tiny import write_params

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {
    **os.environ,
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    "OMP_NUM_THREADS": "1",
    "DVC_NO_ANALYTICS": "1",
    "DVC_TEST": "1",
    "NO_COLOR": "1",
}


def call(folder, *command):
    """Run a command in ``folder``; returns what it printed."""
    done = subprocess.run(command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def dvc(folder, *arguments):
    return call(folder, "dvc", *arguments)


def ran(output):
    """Names of the stages that ``dvc repro`` ran."""
    return re.findall(r"Running stage '([^']+)'", output)


def write_project(folder, without=()):
    """Params, pipeline (but for the stages named) and code, without DVC's own files."""
    write_params(folder)
    mapping = yaml.safe_load((folder / "params.yaml").read_text())
    real = yaml.safe_load((ROOT / "params.yaml").read_text())
    mapping["run"] |= {key: [] for key in real["run"] if key not in mapping["run"]}
    mapping |= {key: real[key] for key in real if key not in mapping}
    (folder / "params.yaml").write_text(yaml.safe_dump(mapping))
    pipeline = yaml.safe_load((ROOT / "dvc.yaml").read_text())
    for name in without:
        pipeline["stages"].pop(name)
    (folder / "dvc.yaml").write_text(yaml.safe_dump(pipeline, sort_keys=False))
    shutil.copytree(ROOT / "repro", folder / "repro", ignore=shutil.ignore_patterns("__pycache__"))
    return folder
