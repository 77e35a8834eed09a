"""docs/own-data.md, done: a folder of one's own from its files to a table."""

import shutil

import pytest
from tiny import PARAMS, write_params

from repro.datasets.index import DatasetIndex

PATTERN = r"^(.+) part\d$"
DATASET = {"title": "Two gestures", "layout": "folders", "group_pattern": PATTERN}
REPORT = {"systems": [{"name": name, "title": name} for name in ("appearance", "two_stream")], "draws": 100}


@pytest.fixture
def clips(finished, tmp_path):
    """Two classes, three recordings of two clips each."""
    for class_name, drawn in (("wave hands", "SwingAcross"), ("nod", "SwingUpright")):
        videos = sorted((finished / "data/toy/raw/videos" / drawn).iterdir())[:6]
        for number, video in enumerate(videos):
            target = tmp_path / "clips" / class_name / f"take {number // 2} part{number % 2}.avi"
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(video, target)
    return tmp_path / "clips"


def test_own_data_from_files_to_a_table(stages, clips, tmp_path, capsys):
    folder = tmp_path / "project"
    # batch norms of two clips that are much alike: smaller steps, and statistics that are theirs after four of them
    quick = {"schedule": [[0.001, 4]], "batch_norm_momentum": 0.5}
    systems = {name: {**each, "recipe": {**each["recipe"], **quick}} for name, each in PARAMS["systems"].items()}
    write_params(folder, datasets__mine=DATASET, run__datasets=["mine"], report=REPORT, systems=systems)
    place = ("--dataset", "mine", "--split", 1)
    assert stages.repro(folder, "splits", clips, tmp_path / "lists", "--seed", 0, "--group-pattern", PATTERN) == 0
    assert capsys.readouterr().out.startswith("split 1: 8 training, 4 test videos\n")
    trained = [(name, *place, "--system", system) for name in ("train", "evaluate") for system in ("appearance", "motion")]
    for command in (
        ("prepare", "mine", "--from-local", clips, "--splits", tmp_path / "lists"),
        ("doctor", "data", "--dataset", "mine"),
        ("extract", "--dataset", "mine"),
        *trained,
        ("fuse", *place),
        ("report",),
    ):
        assert stages.repro(folder, *command) == 0, command
    index = DatasetIndex.load(folder / "data/mine/index")
    assert index.classes == ("nod", "wave hands") and index.splits == (1, 2, 3)
    for split in index.splits:
        sides = index.table.groupby(["class_name", "group"])[f"split{split}"].nunique()
        assert len(sides) == 6 and (sides == 1).all(), "a recording is never divided"
    (table,) = (folder / "results").glob("*/tables/table3.csv")
    assert {"appearance", "two_stream"} <= set(table.read_text().replace(",", "\n").splitlines())


def test_splits_that_cannot_be_made_are_told(stages, clips, tmp_path, capsys):
    write_params(tmp_path / "project")
    for more, told in (
        (("--splits", 4), "4 splits"),
        (("--group-pattern", "("), "not a regular expression"),
        (("--group-pattern", "^(take)"), "has a single group"),
        (("--test-fraction", 1.5), "test fraction of 1.5"),
    ):
        assert stages.repro(tmp_path / "project", "splits", clips, tmp_path / "lists", *more) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("repro splits: ") and told in line and not (tmp_path / "lists").exists()
