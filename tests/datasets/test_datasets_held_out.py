"""Held-out training videos: no test video among them, no group on both sides."""

import pandas
import pytest
import yaml

from repro import cli
from repro.datasets.held_out import hold_out
from repro.datasets.index import COLUMNS, DatasetIndex
from repro.errors import ReproError


@pytest.fixture
def whole():
    """Two classes of twelve videos, three to a recording; the last recording of each is tested in split 1."""
    rows = []
    for label, name in enumerate(("jump", "walk")):
        for k in range(12):
            values = {column: kind() for column, kind in COLUMNS.items()}
            values |= {
                "video": f"{name}/rec{k // 3}_{k}",
                "class_name": name,
                "label": label,
                "frames": 9,
                "order2": -1,
                "order3": -1,
            }
            values |= {"split1": "test" if k >= 9 else "train", "order1": k}
            rows.append(values)
    return DatasetIndex("whole", ("jump", "walk"), pandas.DataFrame(rows))


def test_only_training_videos_and_no_divided_group(whole):
    held = hold_out(whole, "held", 1, fraction=0.34, group_pattern=r"^(rec\d+)_\d+$")
    tested, trained = (set(held.subset(1, subset)["video"]) for subset in ("test", "train"))
    assert tested | trained == set(whole.subset(1, "train")["video"])
    recordings = [{video.split("/")[1].split("_")[0] for video in videos} for videos in (tested, trained)]
    assert not recordings[0] & recordings[1] and len(recordings[0]) == 1  # a third of three, the same for both classes
    assert set(held.subset(1, "test")["class_name"]) == {"jump", "walk"}
    assert held.splits == (1,)


def test_the_same_seed_holds_out_the_same(whole):
    first, again, other = (hold_out(whole, "held", 1, 0.3, seed).table for seed in (0, 0, 5))
    assert first.equals(again) and not first.equals(other)


def test_a_pattern_that_matches_nothing_is_refused(whole):
    with pytest.raises(ReproError, match="matches no video"):
        hold_out(whole, "held", 1, group_pattern="^nothing(.)")


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.2, 5.0, float("nan")])
def test_a_share_that_is_none_is_refused(whole, fraction):
    with pytest.raises(ReproError, match=f"a test fraction of {fraction!r}; choose one above 0 and below 1"):
        hold_out(whole, "held", 1, fraction)


def test_videos_that_a_pattern_leaves_without_a_group_are_counted(whole, tmp_path, monkeypatch, capsys):
    """Of 18 training videos the pattern knows those of the first two of three recordings of a class."""
    monkeypatch.chdir(tmp_path)
    whole.save(tmp_path / "data/whole/index")
    held = {"layout": "folders", "held_out": {"of": "whole", "split": 1, "fraction": 0.3}, "group_pattern": "^(rec[01])_"}
    params = {
        "profile": "tiny",
        "run": {"datasets": ["held"], "splits": [1], "seeds": [0]},
        "datasets": {"whole": {"title": "Whole", "layout": "folders"}, "held": {"title": "Held", **held}},
    }
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    assert cli.main(["hold-out", "--dataset", "held"]) == 0
    said = "held: the group pattern ^(rec[01])_ does not match 6 of 18 videos, the first is jump/rec2_6"
    assert said in capsys.readouterr().out.splitlines()
