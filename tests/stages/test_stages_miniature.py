"""UCF101 and HMDB51 in miniature, archives in the official names and nesting: from those to Table 4 by one command."""

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml
from dvc_project import ROOT, environment

from repro.datasets.embedded import EmbeddedSettings, write_benchmark
from repro.evaluation.scores import Scores
from repro.models.registry import Inputs, family
from repro.models.st_resnet.settings import STResNetSettings
from repro.models.weights import FROM_SCRATCH, Weights, save_weights

sys.path.insert(0, str(ROOT / "tests" / "datasets"))
import rar4  # noqa: E402
from builders import files_under, rar_of  # noqa: E402

NETWORK = {"layout": "caffe", "blocks": [2, 2, 2, 2], "width": 4}
DRAWN = {"groups": 6, "clips_per_group": 1, "size": 64, "frames": (40, 44), "pause": (6, 6), "edge": (3, 4)}


def write_archives(folder, work):
    """The four official archives, from drawn clips; RARs are stored."""
    folder.mkdir()
    for layout, seed in (("ucf101", 1), ("hmdb51", 2)):
        write_benchmark(EmbeddedSettings(layout=layout, seed=seed, pairs=("motion",), **DRAWN), work / layout)
    rar_of(folder / "UCF101.rar", files_under(work / "ucf101" / "videos", "UCF-101/"))
    with zipfile.ZipFile(folder / "UCF101TrainTestSplits-RecognitionTask.zip", "w") as archive:
        for name, data in files_under(work / "ucf101" / "splits", "ucfTrainTestlist/"):
            archive.writestr(name, data)
    classes = sorted((work / "hmdb51" / "videos").iterdir())
    inner = [(f"{each.name}.rar", rar4.archive(*files_under(each, f"{each.name}/"))) for each in classes]
    rar_of(folder / "hmdb51_org.rar", inner)
    rar_of(folder / "test_train_splits.rar", files_under(work / "hmdb51" / "splits", "testTrainMulti_7030_splits/"))


def write_weights(path):
    """Stand-in start weights: a network of the right shape that never learnt anything."""
    path.parent.mkdir(parents=True)
    net = family("st_resnet").build(STResNetSettings(**NETWORK | {"blocks": (2, 2, 2, 2)}), Inputs({"rgb": 3}, {"any": 2}, 64))
    state = {name.removeprefix("rgb."): tensor for name, tensor in net.state_dict().items() if name.startswith("rgb.")}
    save_weights(Weights(state, "caffe", FROM_SCRATCH), path)


def miniature():
    """params/paper.yaml with all its systems, recipes and tables; smaller networks, inputs and schedules, one split."""
    params = yaml.safe_load((ROOT / "params" / "paper.yaml").read_text())
    params |= {"profile": "mini", "input_size": 64, "families": {"st_resnet": NETWORK}}
    params["run"] |= {"splits": [1], "notebooks": []}
    for system in params["systems"].values():
        shorter = {"schedule": [[0.001, 2]], "unit": "steps", "videos_per_step": 4, "clips_per_batch_norm": 2}
        system["recipe"] |= shorter | (
            {"frames": 5, "stride": [1, 3]} if system["recipe"]["preset"].startswith("code/st_") else {}
        )
        system.pop("recipe_for", None)
    params["idt"]["idt"]["codebook"] = {"gaussians": 4, "samples": 1000}
    params["engine"] = {"processes": 2, "training": {"device": "cpu", "threads": 1, "workers": 2, "checkpoint_steps": 1}}
    return params


@pytest.fixture
def clone(tmp_path):
    """What a clone holds, with an environment that is ready, and the miniature as a profile."""
    folder = tmp_path / "clone"
    for name in ("repro", "notebooks"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Makefile", ".dvcignore", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, folder)
    (folder / "params").mkdir()
    (folder / "params" / "mini.yaml").write_text(yaml.safe_dump(miniature(), sort_keys=False))
    tools = folder / ".venv" / "bin"
    tools.mkdir(parents=True)
    for name, command in (("repro", "-m repro"), ("dvc", "-m dvc")):
        (tools / name).write_text(f'#!/bin/sh\nexec {sys.executable} {command} "$@"\n')
        (tools / name).chmod(0o755)
    (folder / ".venv" / ".ready").touch()
    assert subprocess.run([tools / "dvc", "init", "--no-scm", "-q"], cwd=folder, env=environment(folder)).returncode == 0
    return folder


def make(folder, *arguments):
    command = ["make", "repro", "PROFILE=mini", *arguments]
    return subprocess.run(command, cwd=folder, env=environment(folder), capture_output=True, text=True)


@pytest.mark.slow
def test_from_archives_to_table_4_by_one_command(clone, tmp_path):
    pytest.importorskip("dvc")
    archives = tmp_path / "downloads"
    write_archives(archives, tmp_path / "drawn")
    first = make(clone, f"FROM={archives}")
    assert first.returncode and "weights/resnet50.safetensors" in first.stdout and not (clone / "work").exists()
    write_weights(clone / "weights" / "resnet50.safetensors")
    done = make(clone, f"FROM={archives}")
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    results = clone / "results" / "mini"
    for dataset in ("ucf101", "hmdb51"):
        for name in ("appearance", "motion", "st_resnet", "st_resnet_star", "idt"):
            found = Scores.load(results / "scores" / dataset / "split1" / "seed0" / f"{name}.npz")
            assert len(found.names) == 4 and len(found.classes) == 2  # two groups of each class are held out
        assert (results / "fused" / dataset / "split1" / "seed0" / "st_resnet_star_idt.npz").is_file()
    table = (results / "tables" / "table4.md").read_text()
    for system in ("ST-ResNet\\*", "IDT", "ST-ResNet\\* + IDT"):
        (row,) = (line for line in table.splitlines() if line.startswith(f"| **{system}** "))
        assert len(re.findall(r"\d+\.\d \[\d+\.\d, \d+\.\d\]", row)) == 2  # measured on both
    again = make(clone, f"FROM={archives}")
    assert again.returncode == 0 and "Running stage" not in again.stdout.replace("Running stage 'code'", "")


def test_the_archives_are_looked_for_before_anything_is_unpacked(clone, tmp_path):
    done = make(clone, f"FROM={tmp_path}")
    flat = " ".join(done.stdout.split())
    assert done.returncode and "ucf101 archives MISSING missing archive" in flat and "UCF101.rar" in flat
    assert not list((clone / "data").rglob("videos"))


def test_prepare_without_a_dataset_needs_archives(clone, capsys, monkeypatch):
    from repro import cli

    monkeypatch.chdir(clone)
    place = ["--params", str(Path("params/mini.yaml"))]
    assert cli.main([*place, "prepare"]) == 2 and "which dataset?" in capsys.readouterr().err
    assert cli.main([*place, "prepare", "--from-local", "x"]) == 2 and "which dataset?" in capsys.readouterr().err
