"""Readers of the official split lists: official counts, round trips, and every way a list can be wrong."""

import string
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repro.datasets.names import match_key, ucf101_group, video_id
from repro.datasets.splits import read_hmdb51_splits, read_splits, read_ucf101_splits
from repro.errors import ReproError

UCF101_SIZES = {1: (9537, 3783), 2: (9586, 3734), 3: (9624, 3696)}
HMDB51_SIZES = {1: (3570, 1530), 2: (3570, 1530), 3: (3570, 1530)}
JHMDB_SIZES = {1: (660, 268), 2: (658, 270), 3: (663, 265)}


def sizes(lists):
    counts = {split: Counter(entry.subset for entry in entries) for split, entries in lists.splits.items()}
    return {split: (count["train"], count["test"]) for split, count in counts.items()}


@pytest.mark.parametrize(
    "read, folder, classes, videos, expected",
    [
        (read_ucf101_splits, "official-splits/ucf101_splits", 101, 13320, UCF101_SIZES),
        (read_hmdb51_splits, "official-splits/hmdb51_splits", 51, 6766, HMDB51_SIZES),
        (read_hmdb51_splits, "jhmdb/splits", 21, 928, JHMDB_SIZES),
    ],
)
def test_official_counts(shared_data, read, folder, classes, videos, expected):
    lists = read(shared_data / folder)
    assert len(lists.classes) == classes
    assert sizes(lists) == expected
    listed = {entry.video for entries in lists.splits.values() for entry in entries}
    assert len(listed) == len({match_key(video) for video in listed}) == videos


def test_class_orders(shared_data, tmp_path):
    folder = shared_data / "official-splits/ucf101_splits"
    (tmp_path / "classInd.txt").write_bytes((folder / "classInd.txt").read_bytes())
    (tmp_path / "trainlist01.txt").write_text("YoYo/v_YoYo_g08_c01.avi 101\n")
    (tmp_path / "testlist01.txt").write_text("YoYo/v_YoYo_g01_c01.avi\n")
    ucf101 = read_ucf101_splits(tmp_path, [1]).classes
    assert (ucf101[0], ucf101[36], ucf101[100]) == ("ApplyEyeMakeup", "HandstandPushups", "YoYo")
    hmdb51 = read_hmdb51_splits(shared_data / "official-splits/hmdb51_splits", [1]).classes
    for first, second in (("climb", "climb_stairs"), ("kick", "kick_ball"), ("sword", "sword_exercise")):
        assert hmdb51.index(second) == hmdb51.index(first) + 1


def test_names_of_every_spelling_meet():
    original = video_id("HandstandPushups", "v_HandStandPushups_g01_c02.avi")
    assert original == video_id("HandstandPushups", "v_HandstandPushups_g01_c02.avi")
    assert original == "HandstandPushups/v_HandstandPushups_g01_c02"
    assert video_id("catch", "Day_#_2_&_3.avi") == video_id("catch", "Day_@_2_@_3.avi") == "catch/Day_@_2_@_3"
    assert match_key("hair/A__[_NEW_]_x") == match_key("hair/a__@_NEW_@_X")
    assert ucf101_group("Biking/v_Biking_g07_c03") == "Biking g07"
    assert ucf101_group("catch/Day_g07") == ""


names = st.text(string.ascii_letters + string.digits + "_-[]();!# .", min_size=1, max_size=20).map(
    lambda text: "x" + text.strip() + "x"
)
subsets = st.sampled_from(["train", "test", ""])


@settings(max_examples=40, deadline=None)
@given(
    st.dictionaries(names, subsets, min_size=1).filter(
        lambda table: len({match_key(video_id("run", name)) for name in table}) == len(table)
    ),
    st.sampled_from(["\n", "\r\n", " \n"]),
)
def test_hmdb51_lists_round_trip(tmp_path_factory, table, line_end):
    folder = tmp_path_factory.mktemp("lists")
    number = {"": 0, "train": 1, "test": 2}
    text = "".join(f"{name}.avi {number[subset]}{line_end}" for name, subset in table.items())
    (folder / "run_test_split1.txt").write_bytes(text.encode())
    entries = read_hmdb51_splits(folder, [1]).splits[1]
    assert [entry.video for entry in entries] == [video_id("run", f"{name}.avi") for name in table]
    assert [entry.subset for entry in entries] == list(table.values())


@settings(max_examples=40, deadline=None)
@given(
    st.dictionaries(st.tuples(st.sampled_from(["Run", "WalkSlowly"]), names), st.booleans(), min_size=2).filter(
        lambda table: {False, True} == set(table.values()) and len({match_key(video_id(*video)) for video in table}) == len(table)
    )
)
def test_ucf101_lists_round_trip(tmp_path_factory, table):
    folder = tmp_path_factory.mktemp("lists")
    (folder / "classInd.txt").write_text("1 WalkSlowly\n2 Run\n")
    label = {"WalkSlowly": 1, "Run": 2}
    for subset, chosen in (("train", True), ("test", False)):
        lines = [f"{cls}/{name}.avi" + f" {label[cls]}" * chosen for (cls, name), train in table.items() if train is chosen]
        (folder / f"{subset}list01.txt").write_text("\n".join(lines))
    lists = read_splits(folder)
    assert lists.classes == ("WalkSlowly", "Run")
    assert list(lists.splits) == [1]
    expected = [video for video, train in table.items() if train] + [video for video, train in table.items() if not train]
    assert [entry.video for entry in lists.splits[1]] == [video_id(cls, f"{name}.avi") for cls, name in expected]


def ucf101_folder(folder, train="Run/a.avi 1\n", test="Run/b.avi\n", classes="1 Run\n2 Walk\n"):
    for name, text in (("classInd", classes), ("trainlist01", train), ("testlist01", test)):
        (folder / f"{name}.txt").write_text(text)
    return folder


@pytest.mark.parametrize(
    "lists, message",
    [
        ({"train": "Run/a.avi 2\n"}, r"label differs.*trainlist01\.txt:1.*Run is 1"),
        ({"train": "Jump/a.avi 1\n"}, r"unknown class.*trainlist01\.txt:1.*Jump"),
        ({"train": "\nRun-a.avi 1\n"}, r"not a line.*trainlist01\.txt:2"),
        ({"test": "Run/A.avi\n"}, r"both train and test.*testlist01\.txt:1.*trainlist01\.txt:1"),
        ({"test": "Run/b.avi\nRun/b.avi\n"}, r"listed twice.*testlist01\.txt:2"),
        ({"test": "\n\n"}, r"is empty.*testlist01\.txt"),
        ({"classes": "1 Run\n3 Walk\n"}, r"class index.*classInd\.txt:2.*expected `2 "),
        ({"classes": "1 Run\n2 run\n"}, r"stands twice"),
    ],
)
def test_wrong_ucf101_lists(tmp_path, lists, message):
    with pytest.raises(ReproError, match=message):
        read_ucf101_splits(ucf101_folder(tmp_path, **lists), [1])


def test_missing_lists(tmp_path):
    with pytest.raises(ReproError, match=r"missing split file.*trainlist02\.txt"):
        read_ucf101_splits(ucf101_folder(tmp_path))
    for folder in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(ReproError, match="missing split files"):
            read_hmdb51_splits(folder)
    (tmp_path / "run_test_split1.txt").write_text("a.avi 1\n")
    with pytest.raises(ReproError, match=r"missing split file.*run_test_split2\.txt"):
        read_hmdb51_splits(tmp_path)


@pytest.mark.parametrize("text", ["a.avi 3\n", "a.avi\n", "1\n", "b/a.avi 1\n"])
def test_wrong_hmdb51_line(tmp_path, text):
    (tmp_path / "run_test_split1.txt").write_text(text)
    with pytest.raises(ReproError, match=r"not a line.*run_test_split1\.txt:1"):
        read_hmdb51_splits(tmp_path, [1])


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_in_one_line(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("lists")
    (folder / "run_test_split1.txt").write_bytes(data)
    try:
        read_hmdb51_splits(folder, [1])
    except ReproError as error:
        assert "\n" not in str(error)
