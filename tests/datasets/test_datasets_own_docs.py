"""docs/own-data.md, pasted as it is: from a folder of videos to a table, trajectories included."""

import os
import re
import shlex
import subprocess
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
    """The first block of the page, run in an empty project up to `make`; schedules are cut to two steps."""
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
    *lines, make = block.rstrip().splitlines()
    assert make == "make repro PROFILE=mine"
    folder = tmp_path / "project"
    (folder / "params").mkdir(parents=True)
    monkeypatch.chdir(folder)
    environment = {**os.environ, "HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT)}
    script = 'set -e\nrepro() { python -m repro "$@"; }\n' + "\n".join(lines)
    done = subprocess.run(["bash", "-c", script], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def test_the_page_up_to_training(pasted):
    folder, out = pasted
    assert "split 1: 12 training, 4 test videos" in out and "videos cut short or damaged" in out
    assert check(load("params/mine.yaml")).get("profile") == "mine"
    assert (folder / "data/mine/index/index.csv").read_text().count("\n") == 17


@pytest.mark.slow
def test_the_page_to_a_table(pasted):
    folder, _ = pasted
    run = yaml.safe_load(Path("params/mine.yaml").read_text())["run"]
    place = "--dataset mine --split 1"
    commands = ["extract --dataset mine", "idt-features --dataset mine --system idt"]
    one = f"{place} --system idt"
    commands += [f"idt-codebook {one}", "idt-fisher --dataset mine --system idt", f"idt-scores {one}"]
    commands += [f"{name} {place} --system {system}" for system in run["systems"] for name in ("train", "evaluate")]
    for command in (*commands, f"fuse {place}", "report"):
        assert cli.main(["--params", "params/mine.yaml", *shlex.split(command)]) == 0, command
    table = (folder / "results/mine/tables/table3.md").read_text(encoding="utf-8")
    assert "ST-ResNet + trajectories" in table and "My gestures" in table
