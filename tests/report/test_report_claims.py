"""Claims: each rule judged every way on made-up outcomes, and never without all splits."""

import re

import numpy as np
import pytest
from toy_profile import CLASSES, MECHANISMS, layout, score_file

from repro.report.documents import DOCUMENTS
from repro.report.measured import load

NAMED = {
    "motion": ["amber", "teal"],
    "appearance": ["amber", "teal"],
    "binding": ["first", "second"],
    "order": ["first", "second"],
}
SYSTEMS = [{"name": name, "title": name} for name in ("appearance", "motion", "two_stream", "st_resnet", "st_resnet_star")]
PER_CLASS = 40  # per split; 240 distinct videos per pair: a half-width of about 6 points at chance


def judged(folder, shares, splits=(1, 2, 3)):
    """``shares``: system -> share right in (amber/teal, first/second). Returns claim -> holds."""
    for system, (upper, lower) in shares.items():
        for split in splits:
            names = [f"{name}/{split}_{i}" for name in CLASSES for i in range(PER_CLASS)]
            rights = np.concatenate([np.arange(PER_CLASS) < round(share * PER_CLASS) for share in (upper, upper, lower, lower)])
            score_file(folder, system, split, names, rights)
    mechanisms = [{"name": name, "groups": [pair]} for name, pair in NAMED.items()]
    made = layout(datasets=[{"name": "toy", "title": "Toy", "mechanisms": mechanisms}], systems=SYSTEMS, claims={})
    document = DOCUMENTS["claims"](load(folder, made))
    return {row[1]: row[3] for row in document.csv_rows[1:]}, document


ALL_HOLD = {
    "appearance": (0.5, 0.5),
    "motion": (0.475, 0.5),
    "two_stream": (1, 0.525),
    "st_resnet": (1, 0.9),
    "st_resnet_star": (1, 1),
}


def test_all_hold(tmp_path):
    found, document = judged(tmp_path, ALL_HOLD)
    assert list(found.values()) == ["holds"] * 5
    assert "ST-ResNet* is above ST-ResNet or two-stream on order classes" in found
    assert "half-width" in document.markdown() and "st_resnet 90.0 [" in document.markdown()


@pytest.mark.parametrize(
    "system, shares, broken, verdict",
    [
        ("appearance", (0.7, 0.5), "the appearance stream is at chance between motion classes", "does not hold"),
        ("motion", (0.3, 0.5), "the motion stream is at chance between appearance classes", "does not hold"),
        ("two_stream", (1, 0.7), "late fusion is at chance between binding classes", "does not hold"),
        ("st_resnet", (1, 0.525), "ST-ResNet is above late fusion on binding classes", "not shown"),
        ("st_resnet", (1, 0.2), "ST-ResNet is above late fusion on binding classes", "does not hold"),
        ("st_resnet_star", (1, 0.525), "ST-ResNet* is above ST-ResNet or two-stream on order classes", "not shown"),
        ("st_resnet_star", (1, 0.2), "ST-ResNet* is above ST-ResNet or two-stream on order classes", "does not hold"),
    ],
)
def test_each_claim_fails_alone(tmp_path, system, shares, broken, verdict):
    found, _ = judged(tmp_path, {**ALL_HOLD, system: shares})
    assert {claim: holds for claim, holds in found.items() if holds != "holds"} == {broken: verdict}


def test_star_above_two_stream_alone_is_enough(tmp_path):
    found, _ = judged(tmp_path, {**ALL_HOLD, "st_resnet": (1, 1)})
    assert set(found.values()) == {"holds"}


def test_what_was_not_run_is_not_judged(tmp_path):
    found, _ = judged(tmp_path, {name: ALL_HOLD[name] for name in ("appearance", "two_stream", "st_resnet_star")})
    assert list(found.values()) == ["holds", "not run", "holds", "not run", "holds"]
    found, _ = judged(tmp_path / "part", ALL_HOLD, splits=(1, 2))
    assert set(found.values()) == {"not run"}


def test_intervals_may_overlap_where_the_same_videos_are_won(tmp_path):
    """ST-ResNet is right wherever late fusion is, and on a few videos more: different, though the intervals overlap."""
    found, document = judged(tmp_path, {**ALL_HOLD, "st_resnet": (1, 0.625)})
    text = next(row[2] for row in document.csv_rows if row[1] == "ST-ResNet is above late fusion on binding classes")
    ours, late, *_ = [tuple(map(float, ends)) for ends in re.findall(r"\[([.\d]+), ([.\d]+)\]", text)]
    assert ours[0] < late[1] and found["ST-ResNet is above late fusion on binding classes"] == "holds"


def test_a_wide_interval_is_not_at_chance(tmp_path):
    for split in (1, 2, 3):
        score_file(tmp_path, "plain", split, [f"amber/{split}_{i}" for i in range(8)], [i < 4 for i in range(8)])
    record = DOCUMENTS["mechanisms"](
        load(tmp_path, layout(datasets=[{"name": "toy", "title": "Toy", "mechanisms": MECHANISMS[:1]}]))
    ).csv_rows[1]
    assert record[3] == "50.0000" and record[-2] == "no"
