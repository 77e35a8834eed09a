"""``repro doctor run``: what a profile needs, told in one table before anything starts."""

import dataclasses
import importlib.metadata
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml
from dvc_project import ROOT, environment
from safetensors.numpy import save_file
from tiny import changed

from repro import cli
from repro.engine.machine import Gpu, Machine
from repro.params import Params, load
from repro.profile import sources
from repro.profile.run import Run
from repro.stages import doctor_run
from repro.stages.doctor_run import MISSING, NOTE, OK

PAPER = ROOT / "params" / "paper.yaml"


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """What a clone holds, without data and weights."""
    for name in ("params", "notebooks", "results/benchmarks"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def states(capsys, *arguments):
    """({first word of a row: its state}, text, exit status)."""
    try:
        status = cli.main([*map(str, arguments), "doctor", "run"])
    except SystemExit as end:
        status = end.code
    text = capsys.readouterr().out
    found = {}
    for line in text.splitlines():
        for state in (OK, MISSING, NOTE):
            if (words := line[:34].split(f" {state} ")) and len(words) == 2:
                found[words[0].strip()] = state
    return found, text, status


def test_an_empty_clone_ends_in_the_table_within_seconds(clone, capsys):
    begin = time.process_time()
    found, text, status = states(capsys, "--params", PAPER)
    assert status == 1 and time.process_time() - begin < 10
    for row in ("ucf101 videos", "hmdb51 videos", "ucf101 split lists", "hmdb51 split lists"):
        assert found[row] == MISSING
    flat = " ".join(text.split())
    for words in (
        "UCF101.rar",
        "hmdb51_org.rar",
        "test_train_splits.rar",
        "resnet50.safetensors",
        "import-weights",
        "not recorded",
    ):
        assert words in flat
    assert "imagenet-resnet-50-dag.mat" in flat and "ulimit" not in flat.split("Nothing was started")[1]
    assert not (clone / "data").exists()  # it changes nothing


def test_no_hash_or_size_is_told_that_is_not_known():
    model = Run.of(load(PAPER), "ucf101", 1, system="appearance").model
    known = sources.weights_of(model)
    assert (known.size, known.sha256) == ("not recorded", "not recorded")
    other = sources.weights_of(dataclasses.replace(model, layout="torchvision"))
    assert (
        other.address.endswith(f"-{other.sha256.removeprefix('begins ')}.pth") and other.size == "97.781 MB"
    )  # torchvision's table
    assert sources.weights_of(dataclasses.replace(model, blocks=(2, 2, 2, 2))) is None


def write_dataset(folder, classes=("A", "B"), videos=3, splits=(1, 2, 3)):
    for name in classes:
        (folder / "videos" / name).mkdir(parents=True)
        for k in range(videos):
            (folder / "videos" / name / f"{name}_{k}.avi").write_bytes(b"x")
    write_lists(folder / "splits", classes, videos, splits)


def write_lists(folder, classes, videos, splits):
    folder.mkdir(exist_ok=True)
    for split in splits:
        for name in classes:
            lines = [f"{name}_{k}.avi {1 if k else 2} " for k in range(videos)]
            (folder / f"{name}_test_split{split}.txt").write_text("\n".join(lines))


def of(**changes):
    """A Run of a dataset of one's own in HMDB51's layout."""
    mapping = changed(run__embedded=[], datasets__toy={"title": "t", "layout": "hmdb51"}, **changes)
    return Run.of(Params(mapping, Path("params.yaml")), "toy")


def test_videos_and_lists(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    raw = tmp_path / "data" / "toy" / "raw"
    state = lambda run: [(row.state, row.found) for row in doctor_run.dataset_rows(run)]  # noqa: E731
    assert [each for each, _ in state(of())] == [MISSING, MISSING]
    raw.mkdir(parents=True)  # as `repro use` leaves it
    assert [each for each, _ in state(of())] == [MISSING, MISSING]
    (raw / ".unpacking.jsonl").write_text("")
    assert "half unpacked" in state(of())[0][1]
    (raw / ".unpacking.jsonl").unlink()
    write_dataset(raw)
    assert state(of()) == [
        (NOTE, "6 in data/toy/raw/videos; the official lists name 6,766"),
        (OK, "2 classes, splits 1, 2, 3"),
    ]
    (raw / "videos" / "A" / "A_0.avi").unlink()
    assert state(of())[0] == (MISSING, "5 of 6 that are listed, in data/toy/raw/videos")
    own = dataclasses.replace(of().dataset_settings, exclude_bad=True)
    run = of()
    run.__dict__["dataset_settings"] = own
    assert state(run)[0][0] == NOTE  # the user said that a part will do
    (raw / "splits" / "A_test_split2.txt").unlink()
    assert state(of())[-1][0] == MISSING
    write_lists(raw / "splits", ("A", "B"), 3, (1, 2, 3))
    shutil.rmtree(raw / "videos" / "A"), shutil.rmtree(raw / "videos" / "B")
    assert state(of())[0][0] == MISSING and "none in" in state(of())[0][1]


def test_weights_that_are_none(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = of(systems__appearance__weights="weights/w.safetensors")
    rows = lambda: [(row.state, row.found) for row in doctor_run.weights_rows(run)]  # noqa: E731
    assert rows()[0][0] == MISSING and "appearance starts from" in rows()[0][1]
    Path("weights").mkdir()
    Path("weights/w.safetensors").write_bytes(b"<html>not found</html>")
    assert rows() == [(MISSING, "weights/w.safetensors is not an imported weights file")]
    for layout, state in (("torchvision", MISSING), ("caffe", OK)):
        save_file({"a": np.zeros(3)}, "weights/w.safetensors", {"repro-weights": f'{{"layout": "{layout}"}}'})
        assert rows()[0][0] == state and layout in rows()[0][1]
    Path("weights/w.safetensors.sha256").write_text("0" * 64 + "  w.safetensors\n")
    assert rows()[0][0] == MISSING and "not as they were imported: weights/w.safetensors (its sha256 is " in rows()[0][1]


def test_room_on_the_disk(clone, monkeypatch):
    run = Run.of(load(PAPER))
    usage = shutil.disk_usage(".")
    for free, state in ((10**9, MISSING), (10**15, NOTE)):  # more than is measured, and something is not
        monkeypatch.setattr(doctor_run.shutil, "disk_usage", lambda path, free=free: usage._replace(free=free))
        (row,) = doctor_run.disk_rows(run)
        assert row.state in (state, OK) and "GB needed" in row.found


def test_room_for_videos_that_will_be_unpacked(clone):
    def needed(archives):
        (row,) = doctor_run.disk_rows(Run.of(load(PAPER)), archives)
        return float(row.found.split(" free, ")[1].split(" GB needed")[0]), row.found

    names = ("UCF101.rar", "UCF101TrainTestSplits-RecognitionTask.zip", "hmdb51_org.rar", "test_train_splits.rar")
    Path("downloads").mkdir()
    for name, size in zip(names, (7_000_000_000, 1, 2_000_000_000, 1)):
        Path("downloads", name).touch()
        os.truncate(Path("downloads", name), size)  # no byte of it on the disk
    without, told = needed(None)
    assert told.endswith("GB needed beside the videos")
    total, told = needed(["downloads"])
    assert total == without + 9 and told.endswith(", 9.0 of them for the videos")
    Path("data/ucf101/raw/videos").mkdir(parents=True)
    assert needed(["downloads"])[1].endswith(", 2.0 of them for the videos")


def test_limits_and_gpus_of_the_machine(clone):
    run, gpu = Run.of(load(PAPER)), Gpu("0", "NVIDIA H100", 80 << 30)
    machine = Machine(16, 256, 64 * 10**6)
    rows = {row.what: row for row in doctor_run.machine_rows(run, machine, ())}
    assert rows["processes"].state == OK and "16 of 16" in rows["processes"].found
    few = rows["loader processes"]
    assert few.state == NOTE and "0 of 12" in few.found and "256 open files, 64 MB" in few.found and "--shm-size" in few.fix
    large = {row.what: row for row in doctor_run.machine_rows(run, Machine(64, 65536, 10**12), ())}
    assert large["loader processes"].state == OK or "of 12" in large["loader processes"].found
    assert rows["GPU"].state == NOTE
    needed = doctor_run.memory_of(run)
    # 3457087192 bytes of 4 clips of 5 frames with both streams; ST-ResNet* has 4 of 11, the streams 32 of one frame
    assert needed == pytest.approx(3457087192 / 20 * 44, rel=1e-6)
    small = [row for row in doctor_run.gpu_rows(run, (gpu, Gpu("1", "old", 4 << 30)))]
    assert [row.state for row in small if row.what.startswith("GPU ")] == [OK, MISSING]


def test_the_table_fits_the_terminal(monkeypatch):
    row = doctor_run.Row("ucf101 videos", MISSING, "nothing at all " * 9, "bring them here " * 12)
    for columns, longest in ((80, 80), (100, 100), (300, 161)):
        monkeypatch.setenv("COLUMNS", str(columns))
        lines = doctor_run.table([row]).splitlines()
        assert longest - 16 < max(map(len, lines)) <= longest  # the length of a word is left
        assert " ".join(lines[2:]).split().count("bring") == 12


def test_old_and_absent_packages(monkeypatch):
    monkeypatch.setattr(
        importlib.metadata, "requires", lambda name: ["numpy>=999", "no-such-package", "pytest>=1; extra == 'test'"]
    )
    (row,) = doctor_run.version_rows()
    assert (
        row.state == MISSING and "numpy" in row.found and "no-such-package is absent" in row.found and "pytest" not in row.found
    )


def test_the_embedded_profile_needs_nothing(clone, capsys):
    found, text, status = states(capsys, "--params", ROOT / "params" / "embedded.yaml")
    assert status in (0, None) and MISSING not in found.values() and "Nothing is missing." in text


def test_bad_calls(clone, capsys):
    assert cli.main(["doctor", "data"]) == 2 and "needs --dataset" in capsys.readouterr().err
    assert cli.main(["doctor", "run", "--dataset", "ucf101"]) == 2 and "takes no --dataset" in capsys.readouterr().err


def make_repro(folder, profile, dvc):
    """`make repro` in a clone without data, where ``dvc`` is the text of a shell script."""
    for name in ("repro", "params", "notebooks", "pyproject.toml", "constraints.txt"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "results").mkdir()
    (folder / "results" / "benchmarks").symlink_to(ROOT / "results" / "benchmarks")
    shutil.copy(ROOT / "Makefile", folder)
    ready = folder / ".venv"
    (ready / "bin").mkdir(parents=True)
    (ready / "bin" / "repro").write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m repro "$@"\n')
    (ready / "bin" / "dvc").write_text(f"#!/bin/sh\n{dvc}\n")
    for tool in ("repro", "dvc"):
        (ready / "bin" / tool).chmod(0o755)
    (ready / ".ready").touch()
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    command = ["make", "repro", f"PROFILE={profile}"]
    return subprocess.run(command, cwd=folder, env=environment(folder), capture_output=True, text=True)


def test_make_begins_with_it_and_stops(tmp_path):
    """The Makefile's own recipe in a clone without data: the table, no stage, no word of DVC's."""
    done = make_repro(tmp_path, "paper", "echo DVC was started; exit 1")
    assert done.returncode and "MISSING" in done.stdout and "DVC was started" not in done.stdout + done.stderr
    assert "Errno" not in done.stdout + done.stderr and (tmp_path / "data" / "ucf101" / "raw").is_dir()


def test_make_asks_once_whether_there_is_anything_to_do(tmp_path):
    done = make_repro(tmp_path, "embedded", "echo dvc $@ >> asked")
    assert done.returncode == 0 and "nothing to do" in done.stdout, done.stderr
    assert (tmp_path / "asked").read_text() == "dvc status -q\n"


def test_make_runs_the_stages_where_something_is_not_current(tmp_path):
    done = make_repro(tmp_path, "embedded", 'echo dvc $@ >> asked; test "$1" != status')
    asked = (tmp_path / "asked").read_text().splitlines()
    assert "nothing to do" not in done.stdout and asked[0] == "dvc status -q" and asked[-1] == "dvc repro", done.stderr


@pytest.mark.slow
def test_dvc_alone_is_no_bare_error(tmp_path):
    """Without `make`: the stage that misses its videos is run, and says what it misses."""
    mapping = changed(run__embedded=[], datasets__toy={"title": "t", "layout": "hmdb51"}, report={})
    (tmp_path / "params").mkdir()
    (tmp_path / "params" / "tiny.yaml").write_text(yaml.safe_dump(mapping))
    shutil.copytree(ROOT / "repro", tmp_path / "repro", ignore=shutil.ignore_patterns("__pycache__"))
    for command in (("repro", "use", "tiny"), ("dvc", "init", "--no-scm", "-q")):
        assert subprocess.run(command, cwd=tmp_path, env=environment(tmp_path), capture_output=True).returncode == 0
    done = subprocess.run(["dvc", "repro"], cwd=tmp_path, env=environment(tmp_path), capture_output=True, text=True)
    told = done.stdout + done.stderr
    assert done.returncode and "a dataset lies at data/toy/raw/videos" in told and "Errno" not in told
