"""Folders of one's own, and the doctor's table."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repro import cli
from repro.datasets.doctor import doctor_data
from repro.datasets.index import DatasetIndex
from repro.datasets.local import prepare_folder
from repro.datasets.own import write_splits
from repro.datasets.scan import build_index
from repro.errors import ReproError

PATTERN = r"^(.+)_part\d+$"


@pytest.fixture
def own(tmp_path, video_bytes):
    """Two classes, five recordings of three parts and a single clip each, of different kinds of file."""
    videos = tmp_path / "my videos"
    for class_name in ("wave", "Make tea"):
        for recording in "abcde":
            for part in (1, 2, 3):
                path = videos / class_name / f"{recording} x_part{part}.{'avi' if part == 1 else 'MP4'}"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(video_bytes)
        (videos / class_name / "single.mov").write_bytes(video_bytes)
    (videos / "notes").mkdir()
    return videos


def test_own_data_from_folder_to_index(own, tmp_path):
    write_splits(own, tmp_path / "splits", seed=1, group_pattern=PATTERN)
    index = build_index("mine", "folders", own, tmp_path / "splits", group_pattern=PATTERN)
    assert index.classes == ("Make tea", "wave") and len(index.table) == 32 and index.splits == (1, 2, 3)
    assert set(index.table.group) == {"", *(f"{name} x" for name in "abcde")}
    for split in (1, 2, 3):
        train, test = index.subset(split, "train"), index.subset(split, "test")
        assert len(train) + len(test) == 32
        for label in (0, 1):
            assert 1 <= len(test[test.label == label]) <= 6, "2 of 6 groups"
    tested = [set(index.subset(split, "test").video) for split in (1, 2, 3)]
    assert set.union(*tested) == set(index.table.video) and sum(map(len, tested)) == 32
    index.save(tmp_path / "index")
    table = doctor_data(tmp_path / "index", own)
    assert table.ok.all() and set(table.expected) == {"", 0}
    assert {row.check: (row.found, row.detail) for row in table.itertuples()}["groups"] == (5, "2 videos in none")


def test_made_splits_are_a_function_of_the_seed(own, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_splits(own, tmp_path / name, seed=seed, splits=2, group_pattern=PATTERN)
    read = {name: {path.name: path.read_text() for path in (tmp_path / name).iterdir()} for name in "abc"}
    assert read["a"] == read["b"] != read["c"] and len(read["a"]) == 5


def test_own_split_lists_in_hmdb51_format(own, tmp_path):
    splits = tmp_path / "splits"
    splits.mkdir()
    for class_name in ("wave", "Make tea"):
        names = sorted(path.name for path in (own / class_name).iterdir())
        text = "".join(f"{name} {1 + (number < 4)}\n" for number, name in enumerate(names))
        (splits / f"{class_name}_test_split1.txt").write_text(text)
    index = build_index("mine", "folders", own, splits)
    assert index.splits == (1,)
    assert (len(index.subset(1, "train")), len(index.subset(1, "test"))) == (24, 8)


@settings(max_examples=40, deadline=None)
@given(
    groups=st.lists(st.integers(1, 4), min_size=2, max_size=9),
    fraction=st.floats(0.01, 0.99),
    splits=st.integers(1, 3),
    seed=st.integers(),
)
def test_no_group_is_ever_divided(tmp_path_factory, groups, fraction, splits, seed):
    root = tmp_path_factory.mktemp("own")
    (root / "videos/run").mkdir(parents=True)
    for group, size in enumerate(groups):
        for clip in range(size):
            (root / f"videos/run/x_g{group}_c{clip}.avi").touch()
    write_splits(root / "videos", root / "splits", seed, splits, fraction)
    for split in range(1, splits + 1):
        train, test = ((root / f"splits/{subset}list{split:02d}.txt").read_text().splitlines() for subset in ("train", "test"))
        sides = [{line.split("_c")[0] for line in lines} for lines in (train, test)]
        assert not sides[0] & sides[1] and all(sides)
        assert len(train) + len(test) == sum(groups)
        assert len(sides[1]) == min(len(groups) - 1, max(1, round(fraction * len(groups))))


@pytest.fixture
def persons(tmp_path, video_bytes):
    """Nine persons, each of whom shows three actions, two clips of each, but for three persons who show two."""
    for person in range(9):
        for number, action in enumerate(("clap", "jump", "wave")):
            for clip in range(2):
                path = tmp_path / "persons" / action / f"person{person}_{action}_{clip}.avi"
                path.parent.mkdir(parents=True, exist_ok=True)
                if person != number:
                    path.write_bytes(video_bytes)
    return tmp_path / "persons"


PERSON = r"^(person\d+)_"


def test_a_person_is_on_one_side_whatever_the_action(persons, tmp_path):
    assert write_splits(persons, tmp_path / "lists", group_pattern=PERSON) == ""
    tested = []
    for split in (1, 2, 3):
        sides = []
        for subset in ("train", "test"):
            lines = (tmp_path / f"lists/{subset}list{split:02d}.txt").read_text().splitlines()
            sides.append({line.split("/")[1].split("_")[0] for line in lines})
            counts = Counter(line.split("/")[0] for line in lines)
            assert set(counts) == {"clap", "jump", "wave"}
            assert subset == "train" or all(2 * 2 <= count <= 2 * 4 for count in counts.values())  # 30 % of 8 persons are 2
        assert not sides[0] & sides[1] and len(sides[0] | sides[1]) == 9
        tested.append(sides[1])
    assert len(set.union(*tested)) == sum(map(len, tested)), "no person is tested twice while others never are"
    index = build_index("mine", "folders", persons, tmp_path / "lists", group_pattern=PERSON)
    index.save(tmp_path / "index")
    assert checks(tmp_path / "index")["split 1 groups in both train and test"].ok


def test_a_person_on_both_sides_is_found_across_classes(persons, tmp_path):
    """Lists dealt class by class, as other tools make them: every class is clean, and the persons leak."""
    write_splits(persons, tmp_path / "lists", splits=1)  # by name alone: every video for itself
    with pytest.raises(ReproError, match=r"group person\d is in both train and test of split 1: .*testlist01"):
        build_index("mine", "folders", persons, tmp_path / "lists", group_pattern=PERSON)
    index = build_index("mine", "folders", persons, tmp_path / "lists")
    table = index.table.assign(group=index.table.video.str.extract(r"/(person\d)")[0])
    DatasetIndex("mine", index.classes, table).save(tmp_path / "index")
    found = checks(tmp_path / "index")["split 1 groups in both train and test"]
    assert not found.ok and found.found >= 2 and found.detail.startswith("person")


@settings(max_examples=30, deadline=None)
@given(
    videos=st.sets(st.tuples(st.integers(0, 2), st.integers(0, 7)), min_size=4),
    fraction=st.floats(0.05, 0.6),
    seed=st.integers(0, 99),
)
def test_groups_that_span_classes_are_never_divided(tmp_path_factory, videos, fraction, seed):
    root = tmp_path_factory.mktemp("own")
    for label, person in videos:
        path = root / f"videos/class{label}/p{person}_x.avi"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    try:
        write_splits(root / "videos", root / "splits", seed, 2, fraction, r"^(p\d)_")
    except ReproError as error:
        assert "single group" in str(error) or "no division" in str(error)
        return
    for split in (1, 2):
        train, test = ((root / f"splits/{subset}list{split:02d}.txt").read_text().splitlines() for subset in ("train", "test"))
        sides = [{line.split("/")[1].split(" ")[0] for line in lines} for lines in (train, test)]
        classes = [{line.split("/")[0] for line in lines} for lines in (train, test)]
        assert not sides[0] & sides[1] and len(train) + len(test) == len(videos)
        assert classes[0] == classes[1] == {f"class{label}" for label, _ in videos}


def test_what_a_pattern_misses_is_said(own, tmp_path):
    with pytest.raises(ReproError, match="a group pattern that matches no video: .*the first of 32 is Make tea/a x_part1"):
        write_splits(own, tmp_path / "a", group_pattern=r"^(take\d+)")
    said = write_splits(own, tmp_path / "b", group_pattern=PATTERN)
    assert said.endswith("does not match 2 of 32 videos, the first is Make tea/single")
    for class_name in ("Make tea", "wave"):
        for number, path in enumerate(sorted((own / class_name).iterdir())):
            path.rename(path.with_name(f"{class_name[0]}{number}.avi"))
    assert "tells all videos apart" in write_splits(own, tmp_path / "c", group_pattern="^(.+)$")


def test_own_data_that_cannot_be_split(own, tmp_path):
    (own / "Make tea/single.mov").unlink()
    with pytest.raises(ReproError, match="class Make tea has a single group"):
        write_splits(own, tmp_path / "a", group_pattern="^.*?([ i])")
    with pytest.raises(ReproError, match="4 splits"):
        write_splits(own, tmp_path / "a", splits=4)
    with pytest.raises(ReproError, match="test fraction of 1"):
        write_splits(own, tmp_path / "a", test_fraction=1)
    with pytest.raises(ReproError, match="missing dataset folder"):
        write_splits(tmp_path / "nowhere", tmp_path / "a")
    with pytest.raises(ReproError, match="no videos"):
        write_splits(own / "wave", tmp_path / "a")
    with pytest.raises(ReproError, match="not a regular expression"):
        write_splits(own, tmp_path / "a", group_pattern="(")
    with pytest.raises(ReproError, match="without parentheses"):
        write_splits(own, tmp_path / "a", group_pattern="part")
    assert not (tmp_path / "a").exists()
    write_splits(own, tmp_path / "a")
    with pytest.raises(ReproError, match="is not empty"):
        write_splits(own, tmp_path / "a")


@pytest.mark.parametrize(
    "old, new, told",
    [
        ("wave", "wave ", "a class name that begins or ends with a space: '.*/wave '"),
        ("wave", "make TEA", "the same class: .*/make TEA .it differs from Make tea in upper and lower case alone.; rename one"),
        ("wave/single.mov", "wave/sin\\gle.mov", r"a name with a backslash: .*/wave/sin\\gle.mov .in a list it stands for /"),
    ],
)
def test_names_that_lists_would_give_back_otherwise(own, tmp_path, old, new, told):
    (own / old).rename(own / new)
    if new == "make TEA":
        (own / new / "single.mov").rename(own / new / "other.mov")
        for path in (own / new).glob("* x_*"):
            path.rename(path.with_name(f"y{path.name}"))
    with pytest.raises(ReproError, match=told):
        write_splits(own, tmp_path / "lists")
    assert not (tmp_path / "lists").exists()


def test_what_is_no_video_by_its_name_is_passed_over_and_said(own, tmp_path, capsys):
    """Phones' and cameras' files are taken; a class of nothing else would be missing in silence."""
    for number, suffix in enumerate((".3gp", ".MTS", ".flv", ".M2TS")):
        (own / "old phone").mkdir(exist_ok=True)
        (own / "old phone" / f"{number}{suffix}").touch()
    (own / "pictures").mkdir()
    for name in ("a.heic", "b.jpg", "c.txt", "d"):
        (own / "pictures" / name).touch()
    assert cli.main(["splits", str(own), str(tmp_path / "lists")]) == 0
    said = "passed over, no videos by their names: pictures/a.heic, pictures/b.jpg, pictures/c.txt and 1 more\n"
    assert said in capsys.readouterr().out
    assert (tmp_path / "lists/classInd.txt").read_text() == "1 Make tea\n2 old phone\n3 wave\n"


def checks(folder, **options):
    table = doctor_data(folder, **options)
    return {row.check: row for row in table.itertuples()}


def test_the_doctor_knows_the_official_counts(ucf101_26, tmp_path):
    ucf101_26.save(tmp_path)
    found = checks(tmp_path)
    assert (found["videos"].expected, found["videos"].found, found["videos"].ok) == (13320, 26, False)
    assert (found["classes"].expected, found["classes"].ok) == (101, True)
    assert (found["absent videos"].found, found["classes without a video"].found) == (13294, 88)
    assert (found["split 3 test"].expected, found["split 2 train"].expected) == (3696, 9586)
    assert found["split 1 groups in both train and test"].ok


def test_the_doctor_passes_the_official_lists(ucf101_26, tmp_path):
    """The official lists themselves, with every video supposed to be there: every count must be met."""
    table = ucf101_26.table.assign(path=ucf101_26.table.video + ".avi", problems="")
    DatasetIndex("UCF101", ucf101_26.classes, table).save(tmp_path)
    report = doctor_data(tmp_path)
    assert report.ok.all(), report
    assert len(report) == 8 + 6 + 3


def test_the_doctor_names_what_is_wrong(ucf101, tmp_path, video_bytes):
    index = build_index("UCF-like", "ucf101", *ucf101)
    table = index.table.copy()
    table.loc[table.video == "Biking/v_Biking_g01_c01", "split1"] = "train"
    table.loc[table.video == "Biking/v_Biking_g02_c01", "problems"] = "damaged video"
    DatasetIndex("UCF-like", index.classes, table).save(tmp_path / "index")
    (ucf101[0] / "Biking/v_Biking_g03_c01.avi").write_bytes(b"")
    found = checks(tmp_path / "index", video_root=ucf101[0], workers=2)
    leak = found["split 1 groups in both train and test"]
    assert (leak.found, leak.ok, leak.detail) == (1, False, "Biking g01")
    assert found["videos with problems"].detail == "Biking/v_Biking_g02_c01: damaged video"
    assert found["videos that decode otherwise than indexed"].detail == "Biking/v_Biking_g03_c01.avi: empty file"
    assert found["videos"].ok and found["videos"].expected == ""
    with pytest.raises(ReproError, match="no dataset index"):
        doctor_data(tmp_path)


def test_the_doctor_compares_checksums(ucf101, tmp_path):
    build_index("UCF-like", "ucf101", *ucf101).save(tmp_path / "index")
    prepare_folder(ucf101[0], tmp_path / "raw", ucf101[1])
    assert checks(tmp_path / "index", prepared=tmp_path / "raw")["files that differ from the manifest"].ok
    data = bytearray((ucf101[0] / "Biking/v_Biking_g03_c01.avi").read_bytes())
    data[500] ^= 1
    (ucf101[0] / "Biking/v_Biking_g03_c01.avi").write_bytes(data)
    found = checks(tmp_path / "index", prepared=tmp_path / "raw")["files that differ from the manifest"]
    assert found.detail == "videos/Biking/v_Biking_g03_c01.avi: another checksum"
