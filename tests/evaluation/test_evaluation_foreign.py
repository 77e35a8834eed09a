"""Scores from elsewhere, with every trap seen in published files."""

import csv
import dataclasses
import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repro import cli
from repro.datasets.splits import read_splits
from repro.errors import ReproError
from repro.evaluation.foreign import Official, imported, match_names, read_classes, read_csv, read_npz, read_scores
from repro.evaluation.metrics import top_k
from repro.evaluation.scores import Scores

HEADER = {"dataset": "hmdb51", "split": 1, "system": "rgb"}
CLASSES = ("climb", "climb_stairs", "kick", "kick_ball", "sword", "sword_exercise")
# the three orders found in published score sets: sorted names, and underscored names first
ORDERS = [
    CLASSES,
    ("climb_stairs", "climb", "kick_ball", "kick", "sword_exercise", "sword"),
    ("climb", "climb_stairs", "kick_ball", "kick", "sword_exercise", "sword"),
]
NAMES = (
    "climb/A#1_climb_u_0",
    "climb_stairs/b&c(2)_1",
    "kick/x;y_[2]",
    "kick_ball/kb_3",
    "sword/s_4",
    "sword_exercise/se_5",
)
OFFICIAL = Official(NAMES, np.arange(6), CLASSES)


def foreign_file(path, order, names=NAMES, **extra):
    """Each video scores 1 for its own class, in the given class order, rows sorted backwards."""
    own = [order.index(name.split("/")[0]) for name in NAMES]
    rows = list(range(6))[::-1]
    arrays = {
        "names": np.array([names[r] for r in rows]),
        "rgb": np.eye(6, dtype=np.float32)[[own[r] for r in rows]],
        "classes": np.array(order),
        "labels": np.array([own[r] for r in rows]),
        **extra,
    }
    np.savez(path, **{key: value for key, value in arrays.items() if value is not None})
    return path


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(
    "change",
    [
        lambda name: name,
        lambda name: name.split("/")[1],
        lambda name: name + ".avi",
        lambda name: "data/hmdb/" + name + ".AVI",
        lambda name: name.replace("#", "@").replace("&", "@"),
        lambda name: name.split("/")[1].upper(),
        lambda name: (
            name.replace("#", "@").replace("(", "_").replace("[", "").replace("]", "").replace(";", "-").replace("&", "_")
        ),
    ],
)
def test_every_order_and_spelling_comes_out_official(tmp_path, order, change):
    path = foreign_file(tmp_path / "f.npz", order, [change(name) for name in NAMES])
    scores = read_npz(path, "rgb", HEADER, OFFICIAL)
    assert scores.names == NAMES and scores.classes == CLASSES and scores.heads == ("rgb",)
    assert np.array_equal(scores.scores[0], np.eye(6))
    assert scores.header["protocol"] == "as published" and scores.header["seed"] is None


def test_handstand_pushups_in_both_spellings(tmp_path):
    names = ["v_HandStandPushups_g01_c01", "v_HandstandWalking_g01_c01"]
    np.savez(tmp_path / "f.npz", names=names, rgb=np.eye(2), classes=["HandStandPushups", "HandstandWalking"])
    official = Official(
        ("HandstandPushups/v_HandstandPushups_g01_c01", "HandstandWalking/v_HandstandWalking_g01_c01"),
        np.array([0, 1]),
        ("HandstandPushups", "HandstandWalking"),
    )
    scores = read_npz(tmp_path / "f.npz", "rgb", HEADER, official)
    assert top_k(scores.mean(), scores.labels) == 1 and scores.names == official.names


def test_a_class_list_in_the_wrong_order_is_found_by_the_labels(tmp_path):
    path = foreign_file(tmp_path / "f.npz", CLASSES, classes=np.array(ORDERS[1]))
    with pytest.raises(ReproError, match="labels disagree.*is climb, the file says climb_stairs.*another order"):
        read_npz(path, "rgb", HEADER, OFFICIAL)


def test_a_class_list_is_never_guessed(tmp_path):
    path = foreign_file(tmp_path / "f.npz", ORDERS[1], classes=None)
    with pytest.raises(ReproError, match="without a class list"):
        read_npz(path, "rgb", HEADER, OFFICIAL)
    assert np.array_equal(read_npz(path, "rgb", HEADER, OFFICIAL, classes=ORDERS[1]).scores[0], np.eye(6))


def test_without_official_order_the_file_keeps_its_own(tmp_path):
    scores = read_npz(foreign_file(tmp_path / "f.npz", ORDERS[2]), "rgb", HEADER)
    assert scores.names == NAMES[::-1] and scores.classes == ORDERS[2] and top_k(scores.mean(), scores.labels) == 1
    with pytest.raises(ReproError, match="without labels"):
        read_npz(foreign_file(tmp_path / "g.npz", CLASSES, labels=None), "rgb", HEADER)


def test_bytes_as_names(tmp_path):
    path = foreign_file(tmp_path / "f.npz", CLASSES, classes=np.array(CLASSES).astype("S"))
    assert read_npz(path, "rgb", HEADER, OFFICIAL).classes == CLASSES


def npz(**changes):
    return lambda folder: read_npz(foreign_file(folder / "f.npz", CLASSES, **changes), "rgb", HEADER, OFFICIAL)


@pytest.mark.parametrize(
    "call, told",
    [
        (npz(names=[*NAMES[:5], "other"]), "not the official ones.*1 not found, e.g. `sword_exercise/se_5`"),
        (npz(names=[*NAMES[:5], NAMES[0]]), "duplicated names"),
        (npz(rgb=np.zeros((6, 5))), r"wrong shape.*\(6, 6\), got \(6, 5\)"),
        (npz(rgb=np.full((6, 6), np.nan)), "NaN"),
        (
            npz(classes=np.array([*CLASSES[:5], "juggle"]), labels=None),
            "classes of the scores.*`sword_exercise`",
        ),
        (npz(labels=np.arange(6) + 3), "labels that do not fit"),
        (npz(labels=np.arange(5)), "labels that do not fit"),
        (npz(names=np.array([{"a": 1}] * 6, dtype=object)), "pickled objects"),
        (
            lambda folder: read_npz(foreign_file(folder / "f.npz", CLASSES), "flow", HEADER, OFFICIAL),
            "no `flow`.*there: names, rgb",
        ),
        (lambda folder: read_npz(folder / "absent.npz", "rgb", HEADER, OFFICIAL), "no score file"),
    ],
)
def test_broken_files_are_refused(tmp_path, call, told):
    with pytest.raises(ReproError, match=told):
        call(tmp_path)


def test_too_many_and_ambiguous_names():
    with pytest.raises(ReproError, match="1 too many, e.g. `c`"):
        match_names(["a", "b"], ["b", "c", "a"])
    with pytest.raises(ReproError, match="same name"):
        match_names(["a/1", "b/1"], ["1.avi", "x/1"])
    assert match_names(["a/1", "b/1"], ["b/1", "a/1"]).tolist() == [1, 0]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.text("abcXY#&@_()[];. ", min_size=1, max_size=8), min_size=1, max_size=8, unique=True),
    st.randoms(),
)
def test_matching_undoes_any_order(names, random):
    mixed = list(names)
    random.shuffle(mixed)
    assert [mixed[i] for i in match_names(names, mixed)] == names


def table(folder, rows, delimiter=","):
    with open(folder / "f.csv", "w", newline="") as handle:
        csv.writer(handle, delimiter=delimiter).writerows(rows)
    return folder / "f.csv"


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_with_odd_names_and_another_order(tmp_path, delimiter):
    order = ORDERS[1]
    rows = [[name, name.split("/")[0], *np.eye(6)[order.index(name.split("/")[0])]] for name in NAMES[::-1]]
    path = table(tmp_path, [["name", "label", *order], *rows], delimiter)
    scores = read_csv(path, HEADER, OFFICIAL, delimiter)
    assert np.array_equal(scores.scores[0], np.eye(6)) and scores.names == NAMES
    unlabelled = table(tmp_path, [["name", *order], *([row[0], *row[2:]] for row in rows)], delimiter)
    assert np.array_equal(read_csv(unlabelled, HEADER, OFFICIAL, delimiter).scores, scores.scores)


@pytest.mark.parametrize(
    "rows, told",
    [
        ([["name", "a", "b"]], "not a table of scores"),
        ([["video", "a", "b"], ["v", 1, 2]], "not a table of scores"),
        ([["name", "a", "b"], ["v", 1]], "row 2: 2 cells for 3"),
        ([["name", "a", "b"], ["v", 1, "much"]], "no number"),
        ([["name", "label", "a", "b"], ["v", "c", 1, 2]], "no class of the heading.*`c`"),
        ([["name", "label", "a", "b"], ["v", "a", 1, "nan"]], "NaN"),
        ([["name", "label", "a", "a"], ["v", "a", 1, 2]], "several have the same name"),
    ],
)
def test_broken_tables_are_refused(tmp_path, rows, told):
    with pytest.raises(ReproError, match=told):
        read_csv(table(tmp_path, rows), HEADER)
    with pytest.raises(ReproError, match="not a readable csv"):
        read_csv(tmp_path / "absent.csv", HEADER)


def test_the_published_hmdb51_scores_survive_shuffling(shared_data, tmp_path):
    source = shared_data / "scores" / "hmdb51_split1.npz"
    plain = read_npz(source, "rgb", HEADER)
    with np.load(source) as arrays:
        rows = np.argsort(arrays["names"])[::-1]
        columns = np.argsort([name.replace("_", "~") for name in arrays["classes"]])[::-1]
        np.savez(
            tmp_path / "mixed.npz",
            names=np.char.replace(arrays["names"][rows], "#", "@"),
            classes=arrays["classes"][columns],
            rgb=arrays["rgb"][rows][:, columns],
        )
    official = Official(plain.names, plain.labels, plain.classes)
    again = read_npz(tmp_path / "mixed.npz", "rgb", HEADER, official)
    assert np.array_equal(again.scores, plain.scores)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_spreadsheets_csv_is_read(tmp_path, delimiter):
    """A byte order mark, carriage returns, another delimiter, an ending in capitals."""
    rows = [["name", *CLASSES]] + [[name, *np.eye(6, dtype=int)[k].astype(str)] for k, name in enumerate(NAMES)]
    path = tmp_path / "theirs.CSV"
    with open(path, "w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows(rows)
    assert np.array_equal(read_scores(path, HEADER, OFFICIAL).scores[0], np.eye(6))


@pytest.mark.parametrize(
    "name, told",
    [
        ("a.mat", "a MATLAB file"),
        ("a.txt", "a text file; write a csv"),
        ("a.pkl", "a pickle, which is"),
        ("a.bin", "`.bin`"),
    ],
)
def test_other_kinds_of_file_get_a_true_word(tmp_path, name, told):
    with pytest.raises(ReproError, match=f"scores are read from .npz and .csv: .*{name} .*{told}"):
        read_scores(tmp_path / name, HEADER, OFFICIAL)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("a\nb\n\nc d\n", ["a", "b", "c d"]),
        ("\ufeff1 Apply\n2 Band March\n", ["Apply", "Band March"]),
        ("2 b\n1 a\n", ["a", "b"]),
        ("0 a\n1 b\n", ["a", "b"]),
        ("3 sisters\n2 brothers\n", ["3 sisters", "2 brothers"]),
    ],
)
def test_class_lists_of_both_kinds_are_understood(tmp_path, text, expected):
    (tmp_path / "list.txt").write_text(text, encoding="utf-8")
    assert read_classes(tmp_path / "list.txt") == expected


def test_the_header_says_where_scores_come_from(tmp_path):
    path = foreign_file(tmp_path / "theirs.npz", CLASSES)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    scores = read_npz(path, "rgb", HEADER, dataclasses.replace(OFFICIAL, source="split lists"))
    assert scores.header["imported"] == {"file": "theirs.npz", "sha256": digest, "checked": "split lists"}
    assert imported(scores.header) == f"imported from theirs.npz (sha256 {digest[:12]}), names checked against split lists"
    assert "names not checked against any list" in imported(read_npz(path, "rgb", HEADER, None).header)
    assert imported({"system": "ours"}) == ""


def test_scores_of_another_split_are_told_as_such(tmp_path):
    path = foreign_file(tmp_path / "f.npz", CLASSES)
    other = Official(tuple(f"{name}x" for name in NAMES), np.arange(6), CLASSES, (), {"the test videos of split 2": NAMES})
    with pytest.raises(ReproError, match="not the official ones.*6 not found.*; they are the test videos of split 2"):
        read_npz(path, "rgb", HEADER, other)


def test_excluded_videos_may_be_there(tmp_path):
    path = foreign_file(tmp_path / "f.npz", CLASSES)
    fewer = Official(NAMES[1:], np.arange(1, 6), CLASSES, NAMES[:1])
    assert read_npz(path, "rgb", HEADER, fewer).names == NAMES[1:]
    with pytest.raises(ReproError, match="1 too many"):
        read_npz(path, "rgb", HEADER, Official(NAMES[1:], np.arange(1, 6), CLASSES))


def test_one_file_name_in_two_classes_is_told_apart_by_its_folder():
    wanted = ["wave/take 1", "nod/take 1"]
    assert match_names(wanted, ["my clips/NOD/take 1.MP4", "my clips/WAVE/take 1.MP4"]).tolist() == [1, 0]


def test_the_official_lists_alone_bring_order(shared_data, tmp_path, monkeypatch, capsys):
    """UCF101's published lists: scores in any order, of a renamed copy, become those of the list; other splits are refused."""
    folder = shared_data / "official-splits" / "ucf101_splits"
    lists = read_splits(folder)
    test = [entry for entry in lists.splits[1] if entry.subset == "test"]
    truth = np.array([lists.classes.index(entry.class_name) for entry in test])
    order = np.random.default_rng(0).permutation(len(test))
    names = [f"UCF-101/{entry.video}.AVI".replace("HandstandPushups_", "HandStandPushups_") for entry in test]
    matrix = np.random.default_rng(1).normal(size=(len(test), 101)).astype(np.float32)
    np.savez(tmp_path / "theirs.npz", names=np.array(names)[order], scores=matrix[order])
    (tmp_path / "params.yaml").write_text(
        "{profile: toy, run: {datasets: [ucf101], splits: [1], seeds: [0]}, datasets: {ucf101: {title: U, layout: ucf101}}}"
    )
    monkeypatch.chdir(tmp_path)
    command = ["import-scores", "theirs.npz", "--dataset", "ucf101", "--system", "theirs", "--lists", str(folder)]
    command += ["--classes", str(folder / "classInd.txt")]
    assert cli.main([*command, "--split", "1"]) == 0
    found = Scores.load("results/toy/scores/ucf101/split1/seed0/theirs.npz")
    assert len(found.names) == 3783 and np.array_equal(found.labels, truth) and np.array_equal(found.scores[0], matrix)
    assert cli.main([*command, "--split", "2"]) == 2
    assert "they are the test videos of split 1" in capsys.readouterr().err
