"""The matrix of systems and mechanisms: every state and verdict on made-up outcomes, and never a verdict without all splits."""

import csv
import io
import itertools

import numpy as np
import pytest
from canvas import outside
from toy_profile import CLASSES, layout, score_file

from repro import published
from repro.errors import ReproError
from repro.evaluation.uncertainty import Interval
from repro.report.documents import DOCUMENTS, write_tables
from repro.report.matrix import matrix, state, verdict
from repro.report.matrix_figure import matrix_figure
from repro.report.measured import load
from repro.report.readme import readme_block

PER_CLASS = 40  # per split: a half-width of about 6 points at chance
PAPERS = [
    {"systems": ["plain"], "claim": "colour alone", "source": "two_stream", "sees": ["appearance"], "blind": ["order"]},
    {"systems": ["better", "absent"], "claim": "filters over time", "source": "st_resnet", "sees": ["order"]},
]


def profile(folder, shares, splits=(1, 2, 3), per_class=PER_CLASS):
    """``shares``: system -> share right in (appearance, order)."""
    for system, (upper, lower) in shares.items():
        for split in splits:
            names = [f"{name}/{split}_{i}" for name in CLASSES for i in range(per_class)]
            rights = np.concatenate([np.arange(per_class) < round(share * per_class) for share in (upper, upper, lower, lower)])
            score_file(folder, system, split, names, rights)
    return load(folder, layout(papers=PAPERS))


def found(results):
    """{(system, mechanism): (state, what the paper says, verdict)} from the CSV."""
    heading, *rows = list(csv.reader(io.StringIO(matrix(results).csv())))
    places = [heading.index(name) for name in ("state", "paper_says", "verdict")]
    return {(row[1], row[2]): tuple(row[place] for place in places) for row in rows}


def test_what_is_said_and_seen(tmp_path):
    cells = found(profile(tmp_path, {"plain": (1, 0.5), "better": (0.9, 0.9)}))
    assert cells == {
        ("plain", "appearance"): ("above chance", "sees", "holds"),
        ("plain", "order"): ("at chance", "blind", "holds"),
        ("better", "appearance"): ("above chance", "", ""),
        ("better", "order"): ("above chance", "sees", "holds"),
        ("absent", "appearance"): ("not run", "", ""),
        ("absent", "order"): ("not run", "sees", ""),
    }


def test_the_block_of_a_page_begins_with_what_does_not_hold(tmp_path):
    results = profile(tmp_path, {"plain": (0.525, 0.7), "better": (0.9, 0.9)})
    block = readme_block(tmp_path, results.layout, "figures")
    first, *lines = block.split("\n\n")[:2]
    assert "does not hold" in first
    assert [line.split(",")[0] for line in lines[0].splitlines()] == ["* Plain on appearance", "* Plain on order"]
    assert "70.0 [" in lines[0] and '"colour alone"' in lines[0] and "](figures/matrix.png)" in block
    for system in ("plain", "better"):
        for path in tmp_path.rglob(f"{system}.npz"):
            path.unlink()
    block = readme_block(tmp_path, profile(tmp_path, {"plain": (1, 0.5)}).layout, "figures")
    assert block.startswith("None of the papers' statements that could be judged failed.")


def test_what_is_said_and_not_seen(tmp_path):
    cells = found(profile(tmp_path, {"plain": (0.525, 0.7), "better": (0.9, 0.2)}))
    assert cells["plain", "appearance"] == ("at chance", "sees", "does not hold")
    assert cells["plain", "order"] == ("above chance", "blind", "does not hold")
    assert cells["better", "order"] == ("below chance", "sees", "does not hold")


def test_nothing_is_judged_by_some_splits_or_few_videos(tmp_path):
    cells = found(profile(tmp_path / "part", {"plain": (1, 0.5)}, splits=(1, 2)))
    assert cells["plain", "appearance"] == ("above chance", "sees", "")
    cells = found(profile(tmp_path / "few", {"plain": (0.5, 0.5)}, per_class=6))
    assert cells["plain", "appearance"] == ("not shown", "sees", "not shown") and cells["plain", "order"] == (
        "not shown",
        "blind",
        "not shown",
    )


@pytest.mark.parametrize(
    "low, high, expected",
    [
        (0.51, 0.6, "above chance"),
        (0.5, 0.6, "at chance"),
        (0.41, 0.6, "at chance"),
        (0.39, 0.6, "not shown"),
        (0.4, 0.49, "below chance"),
    ],
)
def test_states(low, high, expected):
    assert state(Interval((low + high) / 2, low, high, 100)) == expected


def test_verdicts():
    states = ("above chance", "at chance", "below chance", "not shown")
    table = {(s, says): verdict(s, says) for s, says in itertools.product(states, ("sees", "blind"))}
    assert [key for key, value in table.items() if value == "holds"] == [("above chance", "sees"), ("at chance", "blind")]
    assert {key[0] for key, value in table.items() if value == "not shown"} == {"not shown"}


def test_the_page(tmp_path):
    results = profile(tmp_path, {"plain": (1, 0.5), "better": (0.9, 0.2)})
    text = DOCUMENTS["matrix"](results).markdown()
    rows = {cells[1].strip(): [c.strip() for c in cells] for line in text.splitlines() if len(cells := line.split("|")) > 4}
    assert rows["Plain"][2] == "100.0 [98.4, 100.0] ✓"  # Wilson: 240 / (240 + 1.96²)
    assert rows["Plain"][3].endswith("† ✓")
    assert rows["Better"][2].endswith("]") and rows["Better"][3].endswith("▼ ✗")
    assert rows["Absent"][2:4] == ["not run", "not run"]
    assert rows["Plain"][4:6] == ["colour alone", published.TWO_STREAM] and rows["Better"][5] == published.ST_RESNET
    assert rows["system"][2] == "appearance (n = 240)"
    assert not {str(number.value) for number in published.PUBLISHED if number.value} & set(text.split())  # words, no numbers


def test_the_picture_holds_the_numbers(tmp_path):
    results = profile(tmp_path, {"plain": (1, 0.5), "better": (0.9, 0.2)})
    figure = matrix_figure(results)
    (axes, _) = figure.axes
    assert outside(figure) == []
    texts = [text.get_text() for text in axes.texts]
    assert texts == ["100 ✓", "50 † ✓", "90", "20 ▼ ✗", "not run", "not run"]
    assert [patch.get_linestyle() for patch in axes.patches].count("solid") in (2, 3) and len(axes.patches) == 4
    assert [label.get_text() for label in axes.get_yticklabels()] == ["Plain", "Better", "Absent"]


def test_it_is_written_where_papers_are_named(tmp_path):
    results = profile(tmp_path / "p", {"plain": (1, 0.5)})
    names = [path.name for path in write_tables(tmp_path / "p", results.layout, tmp_path / "with")]
    assert {"matrix.md", "matrix.csv", "matrix.png"} <= set(names)
    names = [path.name for path in write_tables(tmp_path / "p", layout(), tmp_path / "without")]
    assert not [name for name in names if name.startswith("matrix")] and matrix_figure(load(tmp_path / "p", layout())) is None


@pytest.mark.parametrize(
    "change, told",
    [
        ({"systems": ["plian"]}, "papers name an unknown system, got 'plian'"),
        ({"sees": ["ordre"]}, "papers name an unknown mechanism, got 'ordre'"),
        ({"blind": ["appearance", "order"]}, "must not share a mechanism, got 'appearance'"),
        ({"source": "st_resnt"}, "did you mean `st_resnet`"),
    ],
)
def test_bad_layouts(change, told):
    with pytest.raises(ReproError, match=told):
        layout(papers=[{**PAPERS[0], **change}])
