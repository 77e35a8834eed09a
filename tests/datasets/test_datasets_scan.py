"""The index: built from folders, saved, loaded, and every kind of bad folder."""

import os
import re
import signal
import subprocess
import sys
import time

import pandas
import pytest
from builders import write_video

from repro.datasets import probes
from repro.datasets.doctor import doctor_data
from repro.datasets.index import DatasetIndex
from repro.datasets.scan import build_index
from repro.errors import ReproError


def build(folders, **options):
    return build_index("UCF-like", "ucf101", *folders, **options)


def test_index_of_a_ucf101_folder(ucf101):
    index = build(ucf101)
    assert index.classes == ("HandstandPushups", "Biking") and index.splits == (1, 2, 3)
    assert len(index.table) == 16
    row = index.table.iloc[0]
    assert (row.video, row.path) == (
        "HandstandPushups/v_HandstandPushups_g01_c01",
        "HandstandPushups/v_HandStandPushups_g01_c01.avi",
    )
    assert (row.label, row.group, row.frames, row.fps, row.width, row.height) == (0, "HandstandPushups g01", 4, 25.0, 32, 24)
    assert list(index.table.label) == [0] * 8 + [1] * 8 and (index.table.problems == "").all()
    assert [len(index.subset(split, "test")) for split in (1, 2, 3)] == [4, 4, 4]
    assert set(index.subset(2, "test").group) == {"HandstandPushups g02", "Biking g02"}


def test_subsets_keep_the_order_of_the_list(ucf101):
    path = ucf101[1] / "trainlist01.txt"
    lines = path.read_text().splitlines()[::-1]
    path.write_text("\n".join(lines))
    assert list(build(ucf101).subset(1, "train").path) == [line.split()[0] for line in lines]


def test_hmdb51_order_and_spelling(tmp_path, video_bytes):
    videos, splits = tmp_path / "videos", tmp_path / "splits"
    splits.mkdir()
    names = {"climb_stairs": ("b[1]_&_x", "A_#_2"), "climb": ("z", "y")}
    for class_name, stems in names.items():
        (videos / class_name.upper()).mkdir(parents=True)
        for stem in stems:
            (videos / class_name.upper() / (stem.replace("#", "@").replace("[", "@") + ".AVI")).write_bytes(video_bytes)
        for split in (1, 2, 3):
            (splits / f"{class_name}_test_split{split}.txt").write_text("".join(f"{stem}.avi 1 \n" for stem in stems))
    index = build_index("HMDB-like", "hmdb51", videos, splits)
    assert index.classes == ("climb", "climb_stairs")
    assert list(index.subset(3, "train").video) == [
        "climb/z",
        "climb/y",
        "climb_stairs/b[1]_@_x",
        "climb_stairs/A_@_2",
    ]
    assert set(index.table.group) == {""}


def test_saving_is_deterministic_and_loading_is_its_inverse(ucf101, tmp_path):
    index = build(ucf101)
    index.save(tmp_path / "a")
    DatasetIndex.load(tmp_path / "a").save(tmp_path / "b")
    build(ucf101, workers=2).save(tmp_path / "c")
    for name in ("index.csv", "classes.txt"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "c" / name).read_bytes()
    loaded = DatasetIndex.load(tmp_path / "a")
    assert (loaded.name, loaded.classes) == (index.name, index.classes)
    pandas.testing.assert_frame_equal(loaded.table, index.table)


def test_loading_what_is_no_index(tmp_path):
    with pytest.raises(ReproError, match="no dataset index here"):
        DatasetIndex.load(tmp_path)
    (tmp_path / "classes.txt").write_text("a\n")
    (tmp_path / "SHA256SUMS").touch()
    for text in ("", "dataset,video\n", "dataset,video\nUCF101,a\n"):
        (tmp_path / "index.csv").write_text(text)
        done = subprocess.run(["sha256sum", "classes.txt", "index.csv"], cwd=tmp_path, capture_output=True, check=True)
        (tmp_path / "SHA256SUMS").write_bytes(done.stdout)
        with pytest.raises(ReproError, match="not a dataset index.*index.csv"):
            DatasetIndex.load(tmp_path)


def test_an_index_that_was_cut_or_changed_is_refused(ucf101, tmp_path):
    """Cut at a row's end it reads like another dataset, with fewer videos."""
    build(ucf101).save(tmp_path)
    whole = (tmp_path / "index.csv").read_text()
    for text in ("".join(whole.splitlines(keepends=True)[:-3]), whole.replace("test,train,train", "train,train,train", 1)):
        (tmp_path / "index.csv").write_text(text)
        with pytest.raises(ReproError, match="not a dataset index.*disagree: cut, damaged or edited"):
            DatasetIndex.load(tmp_path)


@pytest.mark.parametrize("column, value", [("path", "../../evil.avi"), ("path", "/etc/x"), ("video", "../x"), ("video", "a/b/c")])
def test_a_row_of_an_index_leads_nowhere_else(ucf101, column, value):
    table = build(ucf101).table
    table.loc[3, column] = value
    with pytest.raises(ReproError, match=f"a {column} of an index that is no <class>/<name>"):
        DatasetIndex("x", ("HandstandPushups", "Biking"), table)


def test_nothing_goes_on_without_videos(ucf101):
    """Every video gone; a whole class gone; one side of a split gone."""
    build(ucf101).check_usable()
    for path in (ucf101[0] / "Biking").iterdir():
        path.write_bytes(b"")
    with pytest.raises(ReproError, match="1 of the 2 classes of UCF-like have no video that can be used, the first is: Biking"):
        build(ucf101, exclude_bad=True).check_usable()
    for path in (ucf101[0] / "HandstandPushups").iterdir():
        path.write_bytes(b"")
    index = build(ucf101, exclude_bad=True)
    with pytest.raises(ReproError, match="none of the 16 videos of UCF-like can be used.*_g01_c01.avi .empty file"):
        index.check_usable()
    with pytest.raises(ReproError, match="split 2 of UCF-like has no train videos .12 are listed, all with problems"):
        index.subset(2, "train")


def test_damaged_videos_are_told_and_left_out_on_request(ucf101, tmp_path):
    path = ucf101[0] / "Biking/v_Biking_g01_c01.avi"
    path.write_bytes(write_video(tmp_path / "long.avi", 40).read_bytes()[:-2000])
    index = build(ucf101)
    row = index.table.set_index("video").loc["Biking/v_Biking_g01_c01"]
    assert row.doubts == "1 of 35 frames damaged, cut short by 2000 bytes, 35 of 40 announced frames" and row.problems == ""
    assert (index.table.doubts != "").sum() == 1 and len(index.subset(1, "test")) == 4
    index = build(ucf101, exclude_damaged=True)
    assert index.table.set_index("video").loc["Biking/v_Biking_g01_c01"].problems == row.doubts
    assert len(index.subset(1, "test")) == 3
    index.save(tmp_path / "index")
    found = {row.check: row for row in doctor_data(tmp_path / "index").itertuples()}["videos cut short or damaged"]
    assert (found.found, found.ok) == (1, False) and found.detail == f"Biking/v_Biking_g01_c01: {row.doubts}"


@pytest.mark.parametrize("name, told", [(b"caf\xe9.avi", "not UTF-8: '.*/caf.udce9.avi'"), (b"a\nb.avi", "line break")])
def test_names_that_lists_cannot_hold_are_told(ucf101, video_bytes, name, told):
    with open(os.fsencode(ucf101[0] / "HandstandPushups") + b"/" + name, "wb") as file:
        file.write(video_bytes)
    with pytest.raises(ReproError, match=told) as raised:
        build(ucf101, exclude_bad=True)
    str(raised.value).encode("ascii")


def test_a_pipe_among_the_videos_is_a_bad_video(ucf101):
    path = ucf101[0] / "Biking/v_Biking_g01_c01.avi"
    path.unlink()
    os.mkfifo(path)
    index = build(ucf101, exclude_bad=True)
    assert index.table.set_index("video").problems["Biking/v_Biking_g01_c01"] == "cannot open as a video (a pipe or a device)"


def test_a_journal_of_rubbish_is_thrown_away(ucf101, tmp_path):
    journal = tmp_path / "journal"
    first = build(ucf101, journal=journal)
    rows = journal.read_bytes().splitlines()
    rubbish = [b"5", b"[[], 1]", b"\xff\xfe", b"[" * 100000, rows[0].replace(b"frames", b"framse"), rows[1][:-30], b'["a"]']
    journal.write_bytes(b"\n".join(rubbish))
    pandas.testing.assert_frame_equal(build(ucf101, journal=journal).table, first.table)


def test_a_digit_that_flipped_in_a_journal_is_not_believed(ucf101, tmp_path, monkeypatch):
    """In each line another digit of what is known of the video; all are decoded again, and the next run believes that."""
    journal, decoded, real = tmp_path / "journal", [], probes.probe
    first = build(ucf101, journal=journal)
    lines = journal.read_text().splitlines()
    for number, line in enumerate(lines):
        known = range(line.index("probe"), line.rindex(","))  # behind it is the checksum
        places = [found.start() for found in re.finditer(r"\d", line) if found.start() in known]
        place = places[number % len(places)]
        lines[number] = f"{line[:place]}{9 - int(line[place])}{line[place + 1 :]}"
    journal.write_text("\n".join(lines) + "\n")
    monkeypatch.setattr(probes, "probe", lambda path: decoded.append(path.name) or real(path))
    for count in (16, 0):
        decoded.clear()
        pandas.testing.assert_frame_equal(build(ucf101, journal=journal).table, first.table)
        assert len(decoded) == count


def test_asking_for_a_split_that_is_not_there(ucf101):
    index = build(ucf101)
    with pytest.raises(ReproError, match="no split 4"):
        index.subset(4, "train")
    with pytest.raises(ReproError, match="unknown subset 'val'"):
        index.subset(1, "val")


def test_missing_folders(ucf101, tmp_path):
    with pytest.raises(ReproError, match="missing dataset folder.*nowhere"):
        build((tmp_path / "nowhere", ucf101[1]))
    with pytest.raises(ReproError, match=r"missing split file.*classInd\.txt"):
        build((ucf101[0], tmp_path / "nowhere"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ReproError, match="no videos"):
        build((tmp_path / "empty", ucf101[1]))
    with pytest.raises(ReproError, match="unknown layout 'ucf'"):
        build_index("x", "ucf", *ucf101)


BAD = {
    "absent": (lambda path: path.unlink(), r"names an absent video: .*testlist01\.txt:1 .*g01_c01"),
    "zero bytes": (lambda path: path.write_bytes(b""), r"1 of 16 videos.*g01_c01\.avi \(empty file"),
    "garbage": (lambda path: path.write_bytes(b"RIFF" + bytes(200)), r"1 of 16 videos.*g01_c01\.avi"),
    "unlisted": (lambda path: path.rename(path.with_name("v_HandStandPushups_g09_c01.avi")), "absent"),
}


@pytest.mark.parametrize("damage, message", BAD.values(), ids=BAD)
def test_bad_videos_stop_the_build_or_are_recorded(ucf101, damage, message):
    damage(ucf101[0] / "HandstandPushups/v_HandStandPushups_g01_c01.avi")
    with pytest.raises(ReproError, match=message):
        build(ucf101)
    index = build(ucf101, exclude_bad=True)
    bad = index.table[index.table.problems != ""]
    assert bad.iloc[0].video == "HandstandPushups/v_HandstandPushups_g01_c01"
    assert [len(index.subset(split, "test")) for split in (1, 2, 3)] == [3, 4, 4]
    assert [len(index.subset(split, "train")) for split in (1, 2, 3)] == [12, 11, 11]
    assert str(ucf101[0].parent) not in "".join(bad.problems), "an index must not depend on where the data lie"


def test_a_video_in_no_split(ucf101, video_bytes):
    (ucf101[0] / "Biking/v_Biking_g09_c01.avi").write_bytes(video_bytes)
    with pytest.raises(ReproError, match=r"in no split: .*v_Biking_g09_c01\.avi"):
        build(ucf101)
    index = build(ucf101, exclude_bad=True)
    assert index.table.set_index("video").problems["Biking/v_Biking_g09_c01"] == "in no split list"
    assert len(index.table) == 17 and len(index.subset(1, "train")) == 12


def test_a_group_on_both_sides(ucf101):
    path = ucf101[1] / "testlist02.txt"
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[1:]))
    with open(ucf101[1] / "trainlist02.txt", "a") as file:
        file.write(f"\n{lines[0]} 1\n")
    with pytest.raises(ReproError, match=r"group HandstandPushups g02 is in both.*testlist02\.txt:1 .*trainlist02\.txt:13"):
        build(ucf101, exclude_bad=True)


def test_foreign_folders_and_doubled_files(ucf101, video_bytes):
    other = ucf101[0] / "Surfing"
    other.mkdir()
    (other / "readme.txt").write_text("no video")
    (ucf101[0] / "Biking/._v_Biking_g01_c01.avi").write_text("left by macOS")
    assert len(build(ucf101).table) == 16
    (ucf101[0] / "Biking/V_BIKING_g01_c01.avi").write_bytes(video_bytes)
    with pytest.raises(ReproError, match="same video"):
        build(ucf101)
    (other / "v_Surfing_g01_c01.avi").write_bytes(video_bytes)
    (ucf101[0] / "Biking/V_BIKING_g01_c01.avi").unlink()
    with pytest.raises(ReproError, match="no class of the split lists.*Surfing"):
        build(ucf101)


def test_the_journal_spares_finished_videos_only(ucf101, tmp_path, monkeypatch):
    journal, decoded, real = tmp_path / "work" / "journal", [], probes.probe
    monkeypatch.setattr(probes, "probe", lambda path: decoded.append(path.name) or real(path))
    first = build(ucf101, journal=journal)
    assert len(decoded) == 16
    whole = journal.read_bytes()
    journal.write_bytes(whole[:-20])  # killed while it wrote the last line
    changed = ucf101[0] / "Biking/v_Biking_g01_c01.avi"
    os.utime(changed, (1, 1))
    decoded.clear()
    again = build(ucf101, journal=journal)
    assert len(decoded) == 2 and changed.name in decoded
    pandas.testing.assert_frame_equal(first.table, again.table)
    decoded.clear()
    build(ucf101, journal=journal)
    assert decoded == []


SCRIPT = """
import sys, time, pathlib
from repro.datasets import probes
def slow(path):
    pathlib.Path(sys.argv[2], path.name).touch()
    time.sleep(0.2)
    return real(path)
real, probes.probe = probes.probe, slow
root = pathlib.Path(sys.argv[1])
probes.probe_videos(root, sorted(str(p.relative_to(root)) for p in root.rglob("*.avi")) * 20, workers=2)
"""


def test_no_decoder_outlives_a_killed_run(ucf101, tmp_path):
    seen = tmp_path / "seen"
    seen.mkdir()
    owner = subprocess.Popen([sys.executable, "-c", SCRIPT, str(ucf101[0]), str(seen)], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 30
    while not any(seen.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.05)
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    for _ in range(12):  # the work left would take 30 s
        before = {path: path.stat().st_mtime_ns for path in seen.iterdir()}
        time.sleep(0.8)
        after = {path: path.stat().st_mtime_ns for path in seen.iterdir()}
        if before == after:
            break
    assert before == after != {}


def test_real_ucf101_clips(shared_data, ucf101_26):
    """26 clips of 13,320: the rest is recorded as absent, on request only."""
    with pytest.raises(ReproError, match="13294 of 13320 listed videos are absent"):
        build_index("UCF101", "ucf101", shared_data / "ucf101-clips", shared_data / "official-splits/ucf101_splits")
    assert len(ucf101_26.table) == 13320
    assert (ucf101_26.table.problems == "").sum() == 26
    assert [len(ucf101_26.subset(1, subset)) for subset in ("train", "test")] == [13, 13]
    assert (ucf101_26.table.frames[ucf101_26.table.problems == ""] > 28).all()


@pytest.mark.slow
def test_whole_jhmdb(shared_data):
    folder = shared_data / "jhmdb"
    start = time.monotonic()
    index = build_index("J-HMDB", "jhmdb", folder / "clips", folder / "splits", workers=2)
    assert time.monotonic() - start < 180
    manifest = pandas.read_csv(folder / "manifest.csv")
    both = index.table.merge(manifest.assign(video=manifest.file.str.removesuffix(".avi")), on="video", suffixes=("", "_there"))
    assert len(both) == len(index.table) == len(manifest) == 928
    assert (both.frames == both.frames_there).all() and index.table.frames.sum() == 31838
    for split in (1, 2, 3):
        assert (both[f"split{split}"] == both[f"split{split}_there"]).all()
    assert set(index.table.fps) == {30.0} and set(index.table.width) == {320} and set(index.table.height) == {240}


MEMORY = """
import pathlib, re, resource, sys
from repro.datasets.scan import build_index
build_index("x", "hmdb51", sys.argv[1], sys.argv[2], workers=2)
# ru_maxrss of this process would be that of the test's, from before exec
print(int(re.search(r"VmHWM:\\s*(\\d+)", pathlib.Path("/proc/self/status").read_text())[1]) / 1024)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)
"""


@pytest.mark.slow
def test_memory_is_flat_in_the_number_of_videos(tmp_path, video_bytes):
    """Peak memory (MiB) of the run and of its decoders, 928 against 13,320 videos: a few KiB of text per video."""
    peaks = {}
    (tmp_path / "a.avi").write_bytes(video_bytes)
    for count in (928, 13320):
        videos, splits = tmp_path / f"videos{count}", tmp_path / f"splits{count}"
        (videos / "run").mkdir(parents=True)
        splits.mkdir()
        names = [f"v_of_some_forty_characters_in_all_{number:05d}.avi" for number in range(count)]
        for name in names:
            os.link(tmp_path / "a.avi", videos / "run" / name)
        for split in (1, 2, 3):
            (splits / f"run_test_split{split}.txt").write_text("".join(f"{name} 1\n" for name in names))
        command = [sys.executable, "-c", MEMORY, str(videos), str(splits)]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        peaks[count] = [float(value) for value in output.split()]
    print(peaks)
    assert all(many - few < 80 for few, many in zip(peaks[928], peaks[13320], strict=True)), peaks
