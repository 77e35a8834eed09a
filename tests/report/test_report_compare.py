"""``repro compare`` on made-up score files, by hand: accuracies, differences, classes, videos, and what it refuses."""

import csv
import re

import numpy as np
import pytest
from canvas import outside
from toy_profile import CLASSES, layout, score_file

from repro import cli
from repro.errors import ReproError
from repro.evaluation.comparison import read_systems
from repro.report import comparison
from repro.report.measured import load

NAMES = [f"{name}/{i}" for name in CLASSES for i in range(4)]
RIGHT = {"a": [True] * 8 + [False] * 8, "b": [True] * 14 + [False] * 2}  # of amber, teal, first, second four each


@pytest.fixture
def files(tmp_path):
    for system, rights in RIGHT.items():
        score_file(tmp_path, system, 1, NAMES, rights)
    folder = tmp_path / "scores" / "toy" / "split1" / "seed3"
    return folder / "a.npz", folder / "b.npz"


def table(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write_csv(path, rows, heading=("name", "label", *CLASSES), delimiter=","):
    path.write_text("\n".join(delimiter.join(map(str, row)) for row in (heading, *rows)) + "\n")
    return path


def theirs(path, rights=RIGHT["b"], names=NAMES, labels=True):
    rows = []
    for name, right in zip(names, rights):
        label = name.split("/")[0]
        partner = CLASSES[CLASSES.index(label) ^ 1]
        rows.append((name, *([label] if labels else []), *(int(c == (label if right else partner)) for c in CLASSES)))
    return write_csv(path, rows, ("name", *(["label"] if labels else []), *CLASSES))


def test_what_it_writes_by_hand(files, tmp_path, capsys):
    assert cli.main(["compare", *map(str, files), "--out", str(tmp_path / "out")]) == 0
    shown = capsys.readouterr().out
    a, b = table(tmp_path / "out" / "accuracy.csv")
    assert (a["system"], a["percent"], b["percent"]) == ("a", "50.0000", "87.5000")  # 8 and 14 of 16
    assert float(a["low_95"]) < 50 < float(a["high_95"]) and a["videos_distinct"] == "16"
    (found,) = table(tmp_path / "out" / "differences.csv")
    assert (found["first"], found["second"], found["difference_points"]) == ("b", "a", "37.5000")
    # six videos change, all one way: 2 of 2^6 swaps reach it, and McNemar's p is the same here
    assert float(found["p_permutation"]) == pytest.approx(2 / 64, abs=0.01) and found["p_adjusted"] == found["p_permutation"]
    assert (found["mcnemar_only_first"], found["mcnemar_only_second"], found["mcnemar_p"]) == ("6", "0", "0.031250")
    assert found["verdict"] == "above"
    assert (found["classes_won"], found["classes_lost"], found["classes_equal"]) == ("2", "0", "2")
    assert [(r["class"], r["a"], r["b"]) for r in table(tmp_path / "out" / "classes.csv")] == [
        ("amber", "100.0000", "100.0000"),
        ("teal", "100.0000", "100.0000"),
        ("first", "0.0000", "100.0000"),
        ("second", "0.0000", "50.0000"),
    ]
    videos = table(tmp_path / "out" / "videos.csv")
    assert [row["video"] for row in videos] == [*(f"first/{i}" for i in range(4)), "second/0", "second/1"]
    assert videos[0] == {"split": "1", "video": "first/0", "class": "first", "a": "second", "b": "first"}
    assert "first +100.0, second +50.0" in shown and "| b − a " in shown
    page = (tmp_path / "out" / "compare.md").read_text(encoding="utf-8")
    assert page in shown and (tmp_path / "out" / "compare.png").read_bytes().startswith(b"\x89PNG")
    assert shown.splitlines()[-1] == f"5 tables and a picture in {tmp_path / 'out'}"


def test_others_files_are_matched_by_name_and_labels_may_be_missing(files, tmp_path):
    shuffled = [NAMES[i] for i in np.random.default_rng(0).permutation(16)]
    rights = [RIGHT["b"][NAMES.index(name)] for name in shuffled]
    foreign = theirs(tmp_path / "c.csv", rights, shuffled, labels=False)
    foreign.write_text(
        "\n".join(line.replace(",", ".avi,", 1) if "/" in line else line for line in foreign.read_text().splitlines())
    )
    np.savez(tmp_path / "d.npz", names=np.array(NAMES), classes=np.array(CLASSES), other=np.eye(4)[np.repeat(range(4), 4)])
    systems = read_systems([foreign, files[0], tmp_path / "d.npz"], key="other")
    assert [system.title for system in systems] == ["c", "a", "d"]
    assert [system.correct.sum() for system in systems] == [14, 8, 16]
    assert systems[0].correct.tolist() == RIGHT["b"]  # in the order of the file of this project


def test_files_of_others_alone_need_labels_in_the_first(tmp_path):
    first, second = theirs(tmp_path / "x.csv"), theirs(tmp_path / "y.csv", RIGHT["a"], labels=False)
    assert [system.correct.sum() for system in read_systems([first, second])] == [14, 8]
    with pytest.raises(ReproError, match="scores without labels.*y.csv"):
        read_systems([second, first])


def test_files_of_others_alone_are_not_shown_as_if_they_had_been_checked(files, tmp_path, capsys):
    first, second = theirs(tmp_path / "x.csv"), theirs(tmp_path / "y.csv", RIGHT["a"])
    for places, told in (((first, second), True), ((first, files[0]), False)):
        assert cli.main(["compare", *map(str, places)]) == 0
        found = "Not checked against any list: names and labels of the videos are as x.csv has them." in capsys.readouterr().out
        assert found is told


def test_splits_are_called_and_ordered_as_their_files_say(tmp_path):
    for split, rights in ((10, [True, False, True]), (2, [True, True, False])):
        for system, right in (("a", rights), ("b", [False, False, False])):
            score_file(tmp_path, system, split, ["amber/1", "amber/2", "teal/3"], right)
    systems = read_systems([tmp_path / f"scores/toy/split*/seed3/{name}.npz" for name in "ab"])
    found = comparison.documents(systems, comparison.compared(systems))
    assert found["accuracy"].sections[0].heading[2:4] == ("split 2", "split 10")
    assert found["accuracy"].sections[0].rows[0][2:4] == ("66.7", "66.7")
    assert [row[0] for row in found["videos"].csv_rows[1:]] == [2, 2, 10, 10]
    # classes of split 2: 2 of 2 and 0 of 1; of split 10: 1 of 2 and 1 of 1
    assert systems[0].mean_class_accuracy == pytest.approx((0.5 + 0.75) / 2)


def test_a_pattern_is_one_system_on_its_splits(tmp_path):
    for split, rights in ((1, [True, False]), (2, [True, True])):
        names = [f"amber/{split}", "teal/shared"]
        score_file(tmp_path, "a", split, names, rights)
        score_file(tmp_path, "b", split, names, [False, False])
    a, b = read_systems([tmp_path / f"scores/toy/split*/seed3/{name}.npz" for name in "ab"])
    assert len(a.splits) == 2 and len(a.outcomes.videos) == 3
    assert a.outcomes.correct.sum(axis=0).tolist() == [1, 2] and not b.correct.any()
    (pair,) = comparison.compared([b, a])
    assert pair[2].points.value == pytest.approx(0.75)  # 1 of 2 and 2 of 2
    for system in "ab":
        score_file(tmp_path, system, 1, ["amber/1", "teal/shared"], [True, True], seed=4)
    with pytest.raises(ReproError, match="split 1 twice: .*seed4/a.npz .also .*seed3/a.npz"):
        read_systems([tmp_path / f"scores/toy/split1/seed*/{name}.npz" for name in "ab"])
    with pytest.raises(ReproError, match="different splits.*1 files, 2 of"):
        read_systems([tmp_path / "scores/toy/split*/seed3/a.npz", tmp_path / "scores/toy/split1/seed3/b.npz"])


@pytest.mark.parametrize("count", [2, 3, 12])
def test_nothing_of_the_picture_is_cut_off(tmp_path, count):
    classes = [f"a_rather_long_name_of_class_{i}" for i in range(60)]
    names = [f"{name}/{i}" for name in classes for i in range(2)]
    generator, paths = np.random.default_rng(0), []
    for number in range(count):
        path = tmp_path / f"a_system_of_quite_a_long_name_{number}.npz"
        scores = np.eye(60)[np.repeat(range(60), 2)] + generator.random((120, 60)) * 1.6
        np.savez(path, names=names, classes=classes, labels=np.repeat(range(60), 2), scores=scores)
        paths.append(path)
    systems = read_systems(paths)
    figure = comparison.comparison_figure(systems, comparison.compared(systems, draws=100), draws=100)
    assert outside(figure) == []
    assert "the 40 of 60 that change most" in figure.axes[2].get_title(loc="left")


@pytest.mark.parametrize(
    "other, told",
    [
        (lambda t: score_file(t, "b", 2, NAMES, RIGHT["b"]), "score files of different splits: .*split2.*b.npz .1, 2"),
        (lambda t: score_file(t, "b", 2, NAMES, RIGHT["b"], dataset="zoo"), "score files of different datasets: .*toy, zoo"),
        (lambda t: score_file(t, "b", 1, NAMES[:-1], RIGHT["b"][:-1], place=4), "score files of different videos: .*b.npz"),
        (
            lambda t: theirs(t / "b.csv", names=NAMES[:-1]),
            "the videos of the scores are not those of .*a.npz: .*b.csv .1 not found",
        ),
        (
            lambda t: write_csv(t / "b.csv", [("x", 1, 2)], ("name", "p", "q")),
            "the videos of the scores are not those of .*b.csv",
        ),
        (
            lambda t: write_csv(t / "b.csv", [(n, 1, 2) for n in NAMES], ("name", "p", "q")),
            "the classes of the scores are not those of .*a.npz: .*b.csv",
        ),
        (lambda t: (t / "b.txt").write_text("1 2 3"), "scores are read from .npz and .csv: .*b.txt"),
        (lambda t: (t / "b.npz").write_bytes(b"junk"), "not a readable npz: .*b.npz"),
        (lambda t: None, "no score file: .*absent.npz"),
        (lambda t: None, "no file of this pattern: .*absent"),
    ],
)
def test_what_does_not_fit_is_one_line(files, tmp_path, capsys, other, told):
    there = set(tmp_path.rglob("*"))
    other(tmp_path)
    new = [path for path in tmp_path.rglob("*") if path.is_file() and path not in there]
    absent = tmp_path / ("absent*.npz" if "pattern" in told else "absent.npz")
    assert cli.main(["compare", str(files[0]), str(new[0] if new else absent), "--out", str(tmp_path / "out")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("repro compare: ") and re.search(told, line), line
    assert not (tmp_path / "out").exists()


def test_one_file_is_nothing_to_compare_and_a_file_is_no_folder(files, tmp_path, capsys):
    assert cli.main(["compare", str(files[0])]) == 2
    assert "nothing to compare" in capsys.readouterr().err
    (tmp_path / "taken").write_text("mine")
    assert cli.main(["compare", *map(str, files), "--out", str(tmp_path / "taken")]) == 2
    assert "not a folder" in capsys.readouterr().err and (tmp_path / "taken").read_text() == "mine"


def test_other_files_in_the_folder_stay(files, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine")
    assert cli.main(["compare", *map(str, files), "--out", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "notes.txt").read_text() == "mine"


def test_the_same_numbers_as_the_report(profile):
    """One system of this project, by both ways."""
    systems = read_systems([profile / "scores/toy/split*/seed3/plain.npz", profile / "fused/toy/split*/seed3/better.npz"])
    results = load(profile, layout())
    for system in systems:
        expected = results.get("toy", system.title).outcomes
        assert system.outcomes.videos == expected.videos and np.array_equal(system.outcomes.correct, expected.correct)
