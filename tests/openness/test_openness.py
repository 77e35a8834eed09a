"""The proof of openness: a network and a modality that nothing in the package knows train, score, fuse and stand in a table."""

import contextlib
import os
from pathlib import Path

import pytest
import torch
import yaml
from tiny import PARAMS, write_params

from repro import cli
from repro.evaluation.scores import Scores
from repro.training.checkpoint import load_checkpoint


@contextlib.contextmanager
def inside(folder):
    before = os.getcwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def repro(folder, *arguments):
    with inside(folder):
        assert cli.main([str(a) for a in arguments]) == 0


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A profile whose one system is the plug-in's, trained on two datasets at once; another starts from it elsewhere."""
    torch.set_num_threads(1)
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    embedded = PARAMS["embedded"]["toy"]
    recipe = {"schedule": [[0.05, 3]], "videos_per_step": 4, "clips_per_batch_norm": 2, "frames": 3, "stride": [1, 4]}
    system = {"family": "toy", "streams": {"light": "brightness_pair"}, "recipe": recipe}
    write_params(
        tmp_path,
        plugins=["toy_plugin"],
        run={
            "embedded": ["toy", "other"],
            "prepared": ["toy", "other"],
            "datasets": ["toy", "other"],
            "splits": [1],
            "seeds": [3],
            "systems": ["bright", "moved"],
            "evaluated": ["bright", "moved"],
        },
        datasets={name: {"title": f"{name} videos of the tests", "layout": "ucf101"} for name in ("toy", "other")},
        embedded={"toy": embedded, "other": {**embedded, "seed": 6, "pairs": ["appearance", "motion"]}},
        families={"toy": {"width": 6}},
        systems={
            "bright": {**system, "also_on": ["toy", "other"]},
            "moved": {**system, "init_from": ["toy/bright"]},
        },
        fusions={"both": {"inputs": ["bright", "moved"]}},
        idt={},
        report={
            "systems": [
                {"name": "bright", "title": "Brightness"},
                {"name": "moved", "title": "Brightness, moved"},
                {"name": "both", "title": "Both"},
            ]
        },
    )
    return tmp_path


def test_a_network_and_a_modality_from_outside_run_from_videos_to_a_table(folder, capsys):
    for dataset in ("toy", "other"):
        repro(folder, "draw", "--dataset", dataset)
        repro(folder, "prepare", dataset)
        repro(folder, "extract", "--dataset", dataset)
    toy, other = ("--dataset", "toy", "--split", 1), ("--dataset", "other", "--split", 1)
    repro(folder, "train", *toy, "--system", "bright")
    repro(folder, "evaluate", *toy, "--system", "bright")
    for place in (toy, other):
        repro(folder, "train", *place, "--system", "moved")
        repro(folder, "evaluate", *place, "--system", "moved")
    repro(folder, "fuse", *toy)
    repro(folder, "report")

    models = folder / "models" / "tiny"
    saved = load_checkpoint(models / "toy" / "split1" / "seed3" / "bright" / "checkpoint.pt")
    assert {"fc.toy.weight", "fc.other.weight"} <= set(saved["model"])
    assert len(saved["model"]["fc.toy.weight"]) == 8 and len(saved["model"]["fc.other.weight"]) == 4
    header, *_ = (folder / "results/tiny/curves/toy/split1/seed3/bright.csv").read_text().splitlines()
    assert "accuracy_toy_brightness" in header and "accuracy_other_brightness" in header
    started = load_checkpoint(models / "other" / "split1" / "seed3" / "moved" / "checkpoint.pt")["meta"]["started"]
    assert "from toy/bright" in started
    scores = Scores.load(folder / "results/tiny/scores/toy/split1/seed3/bright.npz")
    assert scores.heads == ("brightness",) and scores.header["family"] == "toy"
    tables = "".join(path.read_text() for path in (folder / "results/tiny/tables").glob("*.md"))
    assert "Brightness" in tables and "Both" in tables

    params = yaml.safe_load((folder / "params.yaml").read_text())
    params["report"]["systems"] = [row for row in params["report"]["systems"] if row["name"] != "moved"]
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    assert "in no table" not in capsys.readouterr().out
    repro(folder, "report")
    assert "in no table, as `report.systems` does not name them: moved\n" in capsys.readouterr().out
