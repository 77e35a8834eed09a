"""Sentences and pictures on the systems around ST-ResNet: verdicts by hand, published numbers in columns of their own."""

import re
from dataclasses import replace

import numpy as np
import pytest
from canvas import outside

from repro.clips.kinds import ZERO
from repro.clips.modality import Modality
from repro.datasets.embedded import EmbeddedSettings, render
from repro.evaluation.scores import Scores
from repro.evaluation.uncertainty import Interval
from repro.published import TSN, Published
from repro.report import lineage_pictures as pictures
from repro.report import lineage_published
from repro.report.layout import DatasetLayout, MechanismLayout, ReportLayout, SystemLayout
from repro.report.lineage_lessons import Lesson, beside, learned, part_of_matrix, results_of
from repro.report.measured import Results

PAIR = ("A", "B")
LAYOUT = ReportLayout(
    (DatasetLayout("drawn", "Drawn", mechanisms=(MechanismLayout("motion", (PAIR,)),), splits=(1,)),),
    tuple(SystemLayout(name, name.title()) for name in ("knows", "guesses", "idle")),
)


def write(folder, system, shares, dataset="drawn"):
    """A score file in which a share of each class's 60 videos is right."""
    labels = np.repeat([0, 1], 60)
    right = np.concatenate([np.arange(60) < share * 60 for share in shares])
    scores = np.zeros((1, 120, 2), np.float32)
    scores[0, np.arange(120), np.where(right, labels, 1 - labels)] = 1
    header = {"dataset": dataset, "split": 1, "system": system, "seed": 0, "device": "cpu", "protocol": "p", "params_hash": "0"}
    names = tuple(f"v{i}" for i in range(120))
    path = folder / "scores" / dataset / "split1" / "seed0" / f"{system}.npz"
    Scores(names, labels, PAIR, ("h",), scores, header | {"code_version": "0"}).save(path)


@pytest.fixture
def results(tmp_path):
    write(tmp_path, "knows", (0.9, 1.0))
    write(tmp_path, "guesses", (0.5, 0.5))
    return results_of(tmp_path, LAYOUT)


def verdicts(text):
    return re.findall(r"^\* \*\*(.*?)\*\*", text, re.M)


def test_lessons_are_judged_by_what_they_rest_on(results):
    text = learned(
        results,
        [
            Lesson("it knows", sees=[("knows", "motion")]),
            Lesson("it does not", blind=[("knows", "motion")]),
            Lesson("the other guesses", blind=[("guesses", "motion")], above=[("knows", "guesses", "motion")]),
            Lesson("turned", above=[("guesses", "knows", "motion")]),
            Lesson("to itself", above=[("knows", "knows", "motion")]),
            Lesson("one never ran", sees=[("knows", "motion"), ("idle", "motion")]),
            Lesson("one failed and one never ran", sees=[("guesses", "motion"), ("idle", "motion")]),
            Lesson("unknown system and pair", sees=[("nobody", "motion")], above=[("knows", "guesses", "order")]),
        ],
    )
    assert verdicts(text) == [
        "holds",
        "does not hold",
        "holds",
        "does not hold",
        "not shown",
        "not run",
        "does not hold",
        "not run",
    ]
    assert "“Knows” on the motion pair: 95.0 [" in text and "“Knows” − “Guesses” on the motion pair: 45.0 [" in text
    assert (
        "`nobody` on the motion pair: not run" in text
        and "comparisons of the page (here 3;" in text
        and text.startswith("**Drawn**")
    )


def test_runs_of_some_splits_decide_nothing(tmp_path):
    write(tmp_path, "knows", (1.0, 1.0))
    layout = replace(LAYOUT, datasets=(replace(LAYOUT.datasets[0], splits=(1, 2)),))
    text = learned(results_of(tmp_path, layout), [Lesson("it knows", sees=[("knows", "motion")])])
    assert verdicts(text) == ["not run"] and "(only split 1)" in text


def test_without_any_score_file_or_mechanism_nothing_was_run(tmp_path):
    empty = results_of(tmp_path / "none", LAYOUT)
    plain = Results(replace(LAYOUT, datasets=(DatasetLayout("drawn", "Drawn"),)), {}, {})
    for found in (empty, plain):
        assert verdicts(learned(found, [Lesson("it knows", sees=[("knows", "motion")])])) == ["not run"]
    assert "| Knows  | not run |" in part_of_matrix(empty, ("knows",), ("motion",))
    assert part_of_matrix(plain, ("knows",), ("motion",)) == "no dataset with mechanisms in this profile"


def test_the_part_of_the_matrix_marks_chance(results):
    text = part_of_matrix(results, ("knows", "guesses", "nobody"), ("motion", "order"))
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| ")][2:]
    assert [row[0] for row in rows] == ["Knows", "Guesses", "`nobody`"] and {row[2] for row in rows} == {"not run"}
    assert rows[0][1].startswith("95.0 [") and rows[1][1].startswith("50.0 [") and rows[1][1].endswith("†")


def test_a_published_number_stands_beside_its_own_dataset_alone(tmp_path):
    number = Published(81.0, "UCF101", "flow", "t", TSN, "read", "split 1")
    rows = {"flow": (number, None)}
    write(tmp_path, "knows", (0.9, 1.0))
    drawn = results_of(tmp_path, LAYOUT)
    assert beside(rows, ("a", "b"), drawn, {"flow": "knows"}).splitlines()[-1].split("|")[2:-1] == [
        cell.ljust(width) for cell, width in zip((" 81.0", " ", " not run", " "), (14, 14, 18, 18))
    ]
    ucf101 = replace(LAYOUT, datasets=(replace(LAYOUT.datasets[0], stands_beside="UCF101"),))
    same = beside(rows, ("a", "b"), results_of(tmp_path, ucf101), {"flow": ("knows", "knows")}).splitlines()[-1]
    told = [cell.strip() for cell in same.split("|")[1:-1]]
    assert (told[:3], told[3][:6], told[4]) == (["flow", "81.0", ""], "95.0 [", "")


def test_printed_numbers_are_those_of_the_transcription(shared_data):
    """Every number of a table that the notes have stands in them."""
    text = "".join((shared_data.parent / "paper" / name).read_text() for name in ("baselines.md", "other-systems.md"))
    said = set(re.findall(r"\d+\.\d+", text))
    tables = [table for name, table in vars(lineage_published).items() if name.isupper() and isinstance(table, dict)]
    numbers = [n for table in tables for row in table.values() if isinstance(row, tuple) for n in row if n is not None]
    assert len(numbers) > 60 and [n for n in numbers if not {f"{n.value:.1f}", f"{n.value:.2f}"} & said] == []
    sizes = [v for size in lineage_published.SIZES.values() for v in (size.parameters, size.multiply_adds) if v is not None]
    assert [v for v in sizes if f"{v:.2f}" not in said] == []


def test_a_drawn_clip_gives_planes_as_a_container_does():
    settings = EmbeddedSettings(pairs=("camera",), size=48, radius=(4, 5))
    clip = pictures.DrawnClip(settings, "PannedAcross", range(20, 23))
    assert np.array_equal(clip("rgb", [5])[0], render(settings, "PannedAcross", 2, 1)[5])
    stack = Modality("flow", 3, anchor="start").read(clip, [20])
    assert stack.shape == (1, 48, 48, 6) and (clip("flow", [0]) == ZERO).all() and (clip("flow", [21]) != ZERO).any()
    there, back = (clip(plane, [21])[0].astype(int) - ZERO for plane in ("flow", "backward_flow"))
    assert np.abs(np.median(there + back, (0, 1))).max() <= 3  # back the way it came
    assert np.median(np.abs(clip("warped_flow", [21])[0].astype(int) - ZERO)) < np.median(np.abs(there)) / 3


def test_pictures_hold_what_they_are_given():
    clip = pictures.DrawnClip(EmbeddedSettings(size=40, radius=(4, 5)), "SwingAcross", range(5, 9))
    variants = {"one field": Modality("flow", 1, anchor="start"), "three, along the tracks": Modality("flow", 3, anchor="start")}
    stacks = pictures.stacks_figure(clip, 5, variants)
    assert outside(stacks) == [] and [len(axes.images) for axes in stacks.axes] == [1, 0, 0, 1, 1, 1]
    inputs = {"rgb": Modality(), "RGB difference": Modality("rgb_difference", 2, anchor="start")}
    modalities = pictures.modalities_figure(clip, 6, inputs)
    rgb, difference = modalities.axes
    assert outside(modalities) == [] and np.array_equal(rgb.images[0].get_array(), clip("rgb", [6])[0])
    expected = 128 + 2 * (clip("rgb", [7])[0].astype(int) - clip("rgb", [6])[0])
    assert np.array_equal(difference.images[0].get_array(), expected.clip(0, 255))
    timeline = pictures.timeline_figure(30, {"three random snippets": [(2, 5), (20, 1)], "b": []}, [0, 10, 20])
    (line,) = timeline.axes
    assert outside(timeline) == [] and [(p.get_x(), p.get_width()) for p in line.patches] == [(2, 5), (20, 1)]
    crops = pictures.crops_figure([(0, 0), (0, 8), (4, 4)], {(8, 8), (8, 6)})
    places, sizes = crops.axes
    assert outside(crops) == [] and len(places.lines) == 3 and len(sizes.patches) == 2
    maps = pictures.maps_figure({"a": np.zeros((2, 2)), "b": np.ones((2, 2))})
    assert outside(maps) == [] and len(maps.axes) == 3


def test_costs_and_accuracies_never_share_an_axis():
    costs = {"top": [(0, 1.0), (1, 2.0)], "bottom": [(0, 1.0), (1, 3.0)]}
    found = {"I3D": {"motion": Interval(0.9, 0.8, 1.0, 20), "order": Interval(0.5, 0.4, 0.6, 20)}}
    sweep = pictures.sweep_figure(costs, found)
    cost, accuracy = sweep.axes
    assert outside(sweep) == []
    assert [list(line.get_ydata()) for line in cost.lines] == [[1.0, 2.0], [1.0, 3.0]]
    assert [90.0, 50.0] in [list(line.get_ydata()) for line in accuracy.lines] and not accuracy.texts
    assert [label.get_text() for label in accuracy.get_xticklabels()] == ["motion", "order"]
    sweep = pictures.sweep_figure(costs, {})
    _, empty = sweep.axes
    assert outside(sweep) == []
    assert [text.get_text() for text in empty.texts] == ["not run"]
