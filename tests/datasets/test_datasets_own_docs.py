"""docs/own-data.md, pasted as it is: from a folder of videos to tables and pages, trajectories included."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import yaml
from builders import write_video

from repro import cli
from repro.params import load
from repro.profile.check import check

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def pasted(tmp_path, monkeypatch):
    """The first block of the page, run in an empty project up to `make`; cut to one split and schedules of two steps."""
    for class_name in ("wave hands", "nod"):
        for take in range(4):
            for part in (1, 2):
                path = tmp_path / "home" / "clips" / class_name / f"take {take} part{part}.avi"
                path.parent.mkdir(parents=True, exist_ok=True)
                plain = write_video(tmp_path / "plain.avi", 24, (64, 48), 100 * take + 10 * part + len(class_name))
                plain.rename(path)
    page = (ROOT / "docs" / "own-data.md").read_text(encoding="utf-8")
    block = textwrap.dedent(re.search(r"(?:^    .*\n)+", page, re.M).group(0))
    block = re.sub(r"schedule: \[\[.*?\]\]", "schedule: [[0.01, 2]]", block)
    assert "splits: [1, 2, 3]" in block
    block = block.replace("splits: [1, 2, 3]", "splits: [1]")
    *lines, make = block.rstrip().splitlines()
    assert make == "make repro PROFILE=mine"
    folder = tmp_path / "project"
    (folder / "params").mkdir(parents=True)
    monkeypatch.chdir(folder)
    environment = {**os.environ, "HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT)}
    script = f'set -e\nrepro() {{ {shlex.quote(sys.executable)} -m repro "$@"; }}\n' + "\n".join(lines)
    done = subprocess.run(["bash", "-c", script], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def test_the_page_up_to_training(pasted):
    folder, out = pasted
    assert "split 1: 12 training, 4 test videos" in out and "videos cut short or damaged" in out
    assert check(load("params/mine.yaml")).get("profile") == "mine"
    assert (folder / "data/mine/index/index.csv").read_text().count("\n") == 17


@pytest.mark.slow
def test_the_page_to_tables_and_pages(pasted):
    """What `make` does then, stage by stage. Nothing that is shown speaks of data or systems that this profile does not have."""
    folder, _ = pasted
    run = yaml.safe_load(Path("params/mine.yaml").read_text())["run"]
    place = "--dataset mine --split 1"
    commands = ["extract --dataset mine", "idt-features --dataset mine --system idt"]
    one = f"{place} --system idt"
    commands += [f"idt-codebook {one}", "idt-fisher --dataset mine --system idt", f"idt-scores {one}"]
    commands += [f"{name} {place} --system {system}" for system in run["systems"] for name in ("train", "evaluate")]
    shutil.copytree(ROOT / "notebooks", folder / "notebooks")
    for command in (*commands, f"fuse {place}", "report", *(f"notebook --name {name}" for name in run["notebooks"])):
        assert cli.main(["--params", "params/mine.yaml", *shlex.split(command)]) == 0, command
    results = folder / "results" / "mine"
    tables = {path.stem: path.read_text(encoding="utf-8") for path in results.glob("tables/*.md")}
    assert {"table3", "per_split", "paired_tests", "training"} <= set(tables) and "table4" not in tables
    for title in ("My gestures", "Appearance stream", "Two-stream", "ST-ResNet + trajectories"):
        assert title in tables["table3"]
    pages = [path.read_text(encoding="utf-8") for path in results.glob("notebooks/*.ipynb")]
    assert len(pages) == len(run["notebooks"]) > 1 and "My gestures" in "".join(pages)
    for text in tables.values():
        assert not re.search("J-HMDB|UCF101|HMDB51|[Dd]iagnostic|not run|[Pp]ublished", text), text
    for text in pages:
        assert not re.search("J-HMDB|[Dd]iagnostic|not run \\|", text)
