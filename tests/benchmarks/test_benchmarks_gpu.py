"""All GPU figures in one go: rehearsed on a CPU, and by a clock that runs as the test likes."""

import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))
import gpu_all  # noqa: E402

NAMES = [part.name for part in gpu_all.parts(Path("out"))]
HELD = ("torch", "torchvision", "pytest")  # there, with what they need
OPENCV = "opencv-contrib-python-headless"


def packed():
    """Packages that benchmarks/gpu.sh takes along beside OpenCV."""
    return re.search('^packages="(.+)"$', (ROOT / "benchmarks" / "gpu.sh").read_text(), re.M)[1].split()


def needed(names):
    """Distributions ``names`` and all that they need."""
    found, left = set(), list(names)
    while left:
        name = canonicalize_name(left.pop())
        if name in found:
            continue
        found.add(name)
        try:
            requirements = map(Requirement, importlib.metadata.requires(name) or ())
        except importlib.metadata.PackageNotFoundError:  # of another system
            continue
        left += [each.name for each in requirements if each.marker is None or each.marker.evaluate({"extra": ""})]
    return found


@pytest.fixture
def bare(tmp_path):
    """Of a process for which no packages are there but `HELD` and what benchmarks/gpu.sh packs."""
    there = needed(HELD) | {canonicalize_name(name) for name in ("repro", *packed(), OPENCV)}
    owners = importlib.metadata.packages_distributions()
    absent = [module for module, names in owners.items() if not there.intersection(map(canonicalize_name, names))]
    assert "av" in absent and "cv2" not in absent
    # a name that stands for None cannot be imported
    (tmp_path / "sitecustomize.py").write_text(f"import sys\nsys.modules.update(dict.fromkeys({absent!r}))\n")
    path = os.pathsep.join(map(str, (tmp_path, ROOT, ROOT / "benchmarks")))
    return {**os.environ, "PYTHONPATH": path, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "OMP_NUM_THREADS": "1"}


def told(takes, total=gpu_all.TOTAL, setup=0.0, fails=()):
    """({name: how it went}, seconds by the clock): every part takes ``takes`` seconds, or is ended."""
    now = [1000.0]
    commands = {part.command: part.name for part in gpu_all.parts(Path("out"))}

    def run(command, seconds):
        name = commands[command]
        now[0] += min(takes.get(name, takes[None]), seconds)
        return None if takes.get(name, takes[None]) > seconds else name not in fails

    now[0] += setup
    found = gpu_all.run_all(gpu_all.parts(Path("out")), total, run, lambda: now[0], begun=1000.0)
    return {name: each["state"] for name, each in found.items()}, now[0] - 1000.0


def test_all_parts_where_there_is_time():
    found, seconds = told({None: 30.0})
    assert list(found) == NAMES and set(found.values()) == {gpu_all.DONE} and seconds == 30.0 * len(NAMES)


def test_eight_minutes_are_kept_whatever_hangs():
    for setup in (0.0, 60.0, 200.0, 470.0):
        found, seconds = told({None: 1e9}, setup=setup)
        assert seconds <= gpu_all.TOTAL and gpu_all.DONE not in found.values()
    assert set(told({None: 1e9}, setup=470.0)[0].values()) == {gpu_all.SKIPPED}


def test_a_slow_compiler_costs_nothing_else():
    found, seconds = told({None: 50.0, "training step, compiled": 1e9})
    assert found["training step, compiled"] == gpu_all.LATE and seconds <= gpu_all.TOTAL
    assert all(found[name] == gpu_all.DONE for name in NAMES if "compiled" not in name)
    first = min(NAMES.index(name) for name in NAMES if "compiled" in name)
    for work in ("training step", "scoring", "flow"):  # eager figures are written by then
        assert NAMES.index(f"{work}, eager") < first <= NAMES.index(f"{work}, compiled")


def test_a_failed_part_does_not_stop_the_others():
    found, _ = told({None: 10.0}, fails=("tests",))
    assert found.pop("tests") == gpu_all.FAILED and set(found.values()) == {gpu_all.DONE}


def test_a_part_is_ended_with_all_that_it_started(tmp_path):
    code = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); time.sleep(60)"
    assert gpu_all.process(("-c", code), 1.0) is None
    assert gpu_all.process(("-c", "pass"), 30.0) is True and gpu_all.process(("-c", "raise SystemExit(3)"), 30.0) is False


def test_without_a_gpu_it_says_so_and_writes_nothing(tmp_path):
    command = [sys.executable, ROOT / "benchmarks" / "gpu_all.py", "--out", tmp_path / "out"]
    done = subprocess.run(command, capture_output=True, text=True, env={"PATH": "", "CUDA_VISIBLE_DEVICES": ""})
    assert done.returncode and "no CUDA device here" in done.stderr and not (tmp_path / "out").exists()


PYTHON = """#!/bin/sh
case "$*" in
    *"pip download"*)
        while [ "$1" != -d ]; do shift; done
        mkdir -p "$2"; target=$2; shift 2
        for name; do cp "{store}/$name.whl" "$target"; done ;;
    "-m zipfile"*) exec {python} "$@" ;;
    *) echo "$PYTHONPATH $*" ;;
esac
"""


def test_what_is_packed_is_there_again_pieces_put_together(tmp_path):
    """With a python3 that downloads made-up wheels."""
    (tmp_path / "benchmarks").mkdir()
    script = Path(shutil.copy(ROOT / "benchmarks" / "gpu.sh", tmp_path / "benchmarks"))
    (tmp_path / "store").mkdir()
    for name in (*packed(), OPENCV):
        with zipfile.ZipFile(tmp_path / "store" / f"{name}.whl", "w") as wheel:
            wheel.writestr(f"{name}.txt", name)
    python = tmp_path / "bin" / "python3"
    python.parent.mkdir()
    python.write_text(PYTHON.format(store=tmp_path / "store", python=sys.executable))
    python.chmod(0o755)
    environment = {**os.environ, "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}", "TMPDIR": str(tmp_path)}
    environment.pop("PYTHONPATH", None)
    subprocess.run([script, "pack"], env=environment, check=True, capture_output=True)
    (piece,) = (tmp_path / ".gpu").glob("opencv.*")
    whole = piece.read_bytes()
    piece.write_bytes(whole[:50])
    piece.with_suffix(".ab").write_bytes(whole[50:])
    told = subprocess.run([script, "--seconds", "9"], env=environment, check=True, capture_output=True, text=True).stdout.split()
    assert {path.name for path in Path(told[0]).iterdir()} == {f"{name}.txt" for name in (*packed(), OPENCV)}
    assert told[1] == "benchmarks/gpu_all.py" and told[2] == "--since" and told[4:] == ["--seconds", "9"]


def test_every_part_starts_with_what_is_packed(bare):
    (tests,) = (part.command for part in gpu_all.parts(Path("out")) if part.name == "tests")
    programs = sorted({part.command[0].stem for part in gpu_all.parts(Path("out")) if part.name != "tests"})
    assert programs == ["families", "flow_tvl1", "inference", "train_step"]
    for command in (("-c", f"import {', '.join(programs)}"), (*tests, "--collect-only")):
        done = subprocess.run([sys.executable, *command], cwd=ROOT, env=bare, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("::test_") >= 5  # of the last: those that need CUDA


@pytest.mark.slow
def test_the_rehearsal_runs_everything_and_leaves_no_gpu_figure(tmp_path, bare):
    command = [sys.executable, ROOT / "benchmarks" / "gpu_all.py", "--rehearse", "--out", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, env=bare)
    result = json.loads((tmp_path / "gpu_all.json").read_text())
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert {each["state"] for each in result["parts"].values()} == {gpu_all.DONE} and "no figure counts" in result["device"]
    assert result["script"].startswith("gpu_all.py ")
    for name in ("train_step", "inference"):
        made = json.loads((tmp_path / f"{name}.json").read_text())
        assert made["gpu"] == "not measured"
        networks = "st_resnet" if name == "train_step" else "st_resnet_star"
        wanted = {networks, "plain", f"{networks}_compiled", "plain_compiled"}
        assert wanted <= set(made["cpu"]["methods"]) and all("frames_per_s" in row for row in made["cpu"]["methods"].values())
    assert json.loads((tmp_path / "families.json").read_text())["gpu"] == "not measured"
    flow = json.loads((tmp_path / "flow_tvl1.json").read_text())
    assert (
        list(flow) == ["rehearsal"] and flow["rehearsal"]["pairs_per_s"] > 0 and flow["rehearsal"]["authors"]["pairs_per_s"] > 0
    )
