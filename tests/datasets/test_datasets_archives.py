"""Unpacking: the official nesting, and every archive that is bad, unsafe, or interrupted."""

import gzip
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import zipfile

import pytest
import rar4
from builders import MAKERS, files_under, rar_of, tar_of, zip_of
from hypothesis import given, settings
from hypothesis import strategies as st

from repro.datasets import prepare
from repro.datasets.archives import open_archive, safe_name
from repro.datasets.local import prepare_folder
from repro.datasets.manifest import Manifest, content_of
from repro.datasets.prepare import find_archives, prepare_archives
from repro.datasets.scan import build_index
from repro.errors import ReproError


def test_hmdb51_a_rar_of_rars(tmp_path, hmdb51, hmdb51_archives):
    ready = prepare_archives(hmdb51_archives, tmp_path / "out")
    videos, lists = hmdb51
    assert files_under(ready.videos) == sorted(videos) and files_under(ready.splits) == sorted(lists)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["manifest.json", "splits", "videos"]
    index = build_index("HMDB-like", "hmdb51", ready.videos, ready.splits)
    assert [len(index.subset(split, subset)) for split in (1, 2, 3) for subset in ("train", "test")] == [4, 2] * 3
    assert ready.manifest.archives == {path.name: content_of(path) for path in hmdb51_archives}
    assert ready.manifest.ignored == ("test_train_splits.rar:._junk",)
    assert ready.manifest == Manifest.load(tmp_path / "out")
    assert ready.manifest.damaged(tmp_path / "out", checksums=True) == {}
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*") if path.is_file()}
    (tmp_path / "out" / prepare.JOURNAL).touch()  # killed just before its removal
    assert prepare_archives(hmdb51_archives, tmp_path / "out").manifest == ready.manifest
    after = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert after == before, "done twice"


def test_inner_archives_without_folders(tmp_path):
    """The class is the inner archive's name; other files of it are listed as ignored."""
    inner = rar4.archive(("b.avi", b"video"), ("readme.txt", b"x"))
    path = rar_of(tmp_path / "a.rar", [("climb_stairs.rar", inner), ("climb_stairs_test_split1.txt", b"b.avi 1")])
    ready = prepare_archives([path], tmp_path / "out")
    assert set(ready.manifest.files) == {"videos/climb_stairs/b.avi", "splits/climb_stairs_test_split1.txt"}
    assert ready.manifest.ignored == ("a.rar:climb_stairs.rar:readme.txt",)


@pytest.mark.parametrize("kind", MAKERS)
def test_ucf101_archives(tmp_path, ucf101, kind):
    videos = MAKERS[kind](tmp_path / f"UCF101.{kind}", files_under(ucf101[0], "UCF-101/"))
    lists = zip_of(tmp_path / "UCF101TrainTestSplits-RecognitionTask.zip", files_under(ucf101[1], "ucfTrainTestlist/"))
    ready = prepare_archives([videos, lists], tmp_path / "out", {videos.name: content_of(videos).sha256.upper()})
    assert files_under(ready.videos) == files_under(ucf101[0]) and files_under(ready.splits) == files_under(ucf101[1])
    assert len(build_index("UCF-like", "ucf101", ready.videos, ready.splits).table) == 16


def test_jhmdb_tarballs(tmp_path, hmdb51):
    videos, lists = hmdb51
    archives = [
        tar_of(tmp_path / "JHMDB_video.tar.gz", [(f"ReCompress_Videos/{name}", data) for name, data in videos]),
        tar_of(tmp_path / "splits.tgz", [(f"splits/{name}", data) for name, data in lists]),
    ]
    ready = prepare_archives(archives, tmp_path / "out")
    assert len(build_index("J", "jhmdb", ready.videos, ready.splits).table) == 6


def test_official_archives_are_found_among_others(tmp_path):
    ucf101 = ("UCF101TrainTestSplits-RecognitionTask.zip", "UCF101TrainTestSplits-DetectionTask.zip")
    for name in (
        *ucf101,
        "UCF101.zip",
        "UCF101.txt",
        "jhmdb_video.tar.gz",
        "splits.zip",
        "sub_splits.zip",
        "hmdb51_org.rar",
        "my.rar",
    ):
        (tmp_path / name).touch()
    assert [path.name for path in find_archives([tmp_path], "ucf101")] == [
        "UCF101.zip",
        "UCF101TrainTestSplits-RecognitionTask.zip",
    ]
    assert [path.name for path in find_archives([tmp_path], "jhmdb")] == ["jhmdb_video.tar.gz", "splits.zip"]
    assert find_archives([tmp_path / "a.rar", tmp_path / "my.rar"], "folders") == [tmp_path / "a.rar", tmp_path / "my.rar"]
    with pytest.raises(ReproError, match=r"missing archive: .*/test_train_splits\.rar"):
        find_archives([tmp_path], "hmdb51")
    (tmp_path / "UCF101.rar").touch()
    with pytest.raises(ReproError, match=r"two archives of one name: .*UCF101\.rar, UCF101\.zip"):
        find_archives([tmp_path], "ucf101")
    with pytest.raises(ReproError, match="which archives of this folder"):
        find_archives([tmp_path], "folders")


def test_a_folder_unpacked_by_hand(tmp_path, ucf101):
    videos, splits = ucf101
    (videos / "Biking" / "notes.txt").touch()
    ready = prepare_folder(tmp_path, tmp_path.parent / f"{tmp_path.name} out")
    assert len(ready.manifest.files) == 16 + 7
    assert files_under(ready.videos) == [row for row in files_under(videos) if row[0].endswith(".avi")]
    assert files_under(ready.splits) == files_under(splits)
    name = "Biking/v_Biking_g01_c01.avi"
    assert ready.manifest.files[f"videos/{name}"] == content_of(videos / name)
    assert os.path.samefile(ready.videos / name, videos / name) and not (ready.videos / "Biking").is_symlink()


def test_a_local_folder_is_taken_once_and_again(tmp_path, ucf101, monkeypatch):
    videos, splits = ucf101
    prepare_folder(videos, tmp_path / "out", splits)
    monkeypatch.setattr("repro.datasets.local.content_of", None)  # nothing is read again
    assert len(prepare_folder(tmp_path / "videos", tmp_path / "out", splits).manifest.files) == 23
    (videos / "Biking/v_Biking_g01_c01.avi").write_bytes(b"cut")
    with pytest.raises(ReproError, match=r"1 files changed .*v_Biking_g01_c01\.avi \(3 bytes"):
        prepare_folder(videos, tmp_path / "out", splits)
    (videos / "Biking/v_Biking_g01_c01.avi").unlink()
    with pytest.raises(ReproError, match="prepared from other files"):
        prepare_folder(videos, tmp_path / "out", splits)


def test_local_folders_that_cannot_be_taken(tmp_path, ucf101):
    videos, splits = ucf101
    with pytest.raises(ReproError, match="missing dataset folder"):
        prepare_folder(tmp_path / "nowhere", tmp_path / "out")
    with pytest.raises(ReproError, match="no split lists below.*--splits"):
        prepare_folder(videos, tmp_path / "out")
    with pytest.raises(ReproError, match="no videos below"):
        prepare_folder(splits, tmp_path / "out")
    shutil.copytree(splits, videos / "old splits")
    with pytest.raises(ReproError, match=r"two files would be one: .*classInd\.txt.*--splits"):
        prepare_folder(tmp_path, tmp_path / "out")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken/thesis.txt").touch()
    with pytest.raises(ReproError, match="not empty.*thesis.txt"):
        prepare_folder(videos, tmp_path / "taken", splits)
    (videos / "Biking" / prepare.JOURNAL).touch()
    with pytest.raises(ReproError, match="half-unpacked folder"):
        prepare_folder(videos, tmp_path / "out", splits)
    assert not (tmp_path / "out").exists()


UNSAFE = ("../out.avi", "/etc/out.avi", "Run/../../out.avi", "..\\out.avi", "C:\\out.avi", "C:/out.avi")


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("name", UNSAFE)
def test_members_that_leave_the_target(tmp_path, kind, name):
    path = MAKERS[kind](tmp_path / f"a.{kind}", [("Run/a.avi", b"fine"), (name, b"evil")])
    with pytest.raises(ReproError, match=rf"outside the target: .*a\.{kind}"):
        prepare_archives([path], tmp_path / "deep" / "out")
    assert [p.name for p in tmp_path.iterdir()] == [path.name], "nothing may be left behind"


def special_tar(path, kind, target="/etc/passwd"):
    with tarfile.open(path, "w") as archive:
        info = tarfile.TarInfo("Run/a.avi")
        info.type, info.linkname = kind, target
        archive.addfile(info)


def special_zip(path):
    info = zipfile.ZipInfo("Run/a.avi")
    info.create_system, info.external_attr = 3, 0o120777 << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(info, "/etc/passwd")


SPECIAL = {
    "symbolic link in tar": lambda path: special_tar(path, tarfile.SYMTYPE),
    "hard link in tar": lambda path: special_tar(path, tarfile.LNKTYPE),
    "device in tar": lambda path: special_tar(path, tarfile.CHRTYPE),
    "pipe in tar": lambda path: special_tar(path, tarfile.FIFOTYPE),
    "symbolic link in zip": special_zip,
    "symbolic link in rar": lambda path: path.write_bytes(rar4.archive(rar4.member("Run/a.avi", b"/etc/passwd", 0o120777))),
}


@pytest.mark.parametrize("make", SPECIAL.values(), ids=SPECIAL)
def test_links_and_devices(tmp_path, make):
    make(tmp_path / "a")
    with pytest.raises(ReproError, match="link or a device: .*Run/a.avi"):
        prepare_archives([tmp_path / "a"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_unsafe_archive_within_an_archive(tmp_path):
    inner = rar4.archive(("../../../evil.avi", b"evil"))
    path = rar_of(tmp_path / "a.rar", [("inner.rar", inner)])
    with pytest.raises(ReproError, match=r"outside the target: .*inner\.rar"):
        prepare_archives([path], tmp_path / "out")
    assert not list(tmp_path.rglob("evil.avi"))


@settings(max_examples=40, deadline=None)
@given(st.text("ab./\\:\0\u00e9", min_size=1))
def test_a_safe_name_stays_inside(name):
    try:
        safe = safe_name(name, "a.zip")
    except ReproError:
        return
    inside = os.path.normpath(os.path.join("/target", safe))
    assert inside.startswith("/target/") or safe == ""


@pytest.mark.parametrize("kind", MAKERS)
def test_truncated_at_every_place(tmp_path, kind):
    """A cut archive is refused, or (RAR alone: no end mark is promised) gives whole members only."""
    data = bytes(range(256)) * 8
    rows = [("Run/a.avi", data), ("Run/b.avi", data[::-1])]
    whole = MAKERS[kind](tmp_path / f"a.{kind}", rows).read_bytes()
    end = len(whole.rstrip(b"\0")) if kind == "tar" else len(whole)
    for size in {0, 1, 7, 8, 20, end // 3, end // 2, end * 3 // 4, end - 1, *range(30, end, max(1, end // 40))}:
        path = tmp_path / f"cut.{kind}"
        path.write_bytes(whole[:size])
        try:
            with open_archive(path) as members:
                found = [(member.name, member.open().read()) for member in members]
        except ReproError as error:
            assert "\n" not in str(error) and f"cut.{kind}" in str(error)
        else:
            assert kind == "rar" and found == rows[: len(found)] and len(found) < 3


@pytest.mark.parametrize("kind", ["zip", "rar", "tar.gz"])
def test_a_flipped_byte(tmp_path, kind):
    path = MAKERS[kind](tmp_path / f"a.{kind}", [("Run/a.avi", random.Random(0).randbytes(5000)), ("classInd.txt", b"1 Run")])
    data = bytearray(path.read_bytes())
    data[2500] ^= 1
    path.write_bytes(data)
    with pytest.raises(ReproError, match=rf"damaged or truncated archive: .*a\.{kind}"):
        prepare_archives([path], tmp_path / "out")
    assert not list((tmp_path / "out").rglob("*.avi*"))


def test_names_as_long_as_a_file_system_takes(tmp_path):
    """255 bytes, of a video, of an archive in an archive and of its video; one byte more is told."""
    inner = zip_of(tmp_path / "inner.zip", [("Walk/" + "w" * 251 + ".avi", b"w")]).read_bytes()
    rows = [("Run/" + "y" * 251 + ".avi", b"y"), ("Run/" + "ü" * 125 + "y.avi", b"u"), ("z" * 251 + ".zip", inner)]
    path = zip_of(tmp_path / "a.zip", [*rows, ("classInd.txt", b"1 Run")])
    ready = prepare_archives([path], tmp_path / "out")
    found = dict(files_under(ready.videos))
    assert found == {rows[0][0]: b"y", rows[1][0]: b"u", "Walk/" + "w" * 251 + ".avi": b"w"}
    zip_of(path, [("Run/" + "y" * 252 + ".avi", b"y"), ("classInd.txt", b"1 Run")])
    with pytest.raises(ReproError, match=r"cannot write: .*y\.avi \(File name too long\); see to that and run again"):
        prepare_archives([path], tmp_path / "longer")


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "tar.bz2", "tar.xz", "zip"])
def test_damage_to_the_first_block_is_called_damage(tmp_path, kind):
    """A bit of each of its bytes, but those that alone say what kind of file it is."""
    rows = [("Run/a.avi", random.Random(0).randbytes(900)), ("Run/b.avi", b"video" * 200)]
    path = tmp_path / f"a.{kind}"
    zip_of(path, rows) if kind == "zip" else tar_of(path, rows, "w:" + kind[4:])
    data, dice, refused = path.read_bytes(), random.Random(1), 0
    magic = {"tar": range(257, 262), "tar.gz": range(2), "tar.bz2": range(3), "tar.xz": range(6), "zip": ()}[kind]
    for place in set(range(min(512, len(data)))) - set(magic):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1 << dice.randrange(8)]) + data[place + 1 :])
        try:
            with open_archive(path) as members:
                found = [(member.name, member.open().read()) for member in members]
        except ReproError as error:
            assert str(error).startswith(f"damaged or truncated archive: {path} ("), place
            refused += 1
        else:
            assert found == rows, place
    assert refused > 200
    path.write_bytes(gzip.compress(b"<html>" * 1000))
    with pytest.raises(ReproError, match="not an archive: .* .neither zip, tar nor RAR.; fetch it again"), open_archive(path):
        pass


def test_missing_foreign_locked_and_wrong_archives(tmp_path, ucf101):
    with pytest.raises(ReproError, match="missing archive"):
        prepare_archives([tmp_path / "UCF101.rar"], tmp_path / "out")
    (tmp_path / "UCF101.rar").write_text("<html>Not found</html>")
    with pytest.raises(ReproError, match="not an archive: .*UCF101.rar"):
        prepare_archives([tmp_path / "UCF101.rar"], tmp_path / "out")
    with pytest.raises(ReproError, match="wrong checksum of an archive: .*UCF101.rar"):
        prepare_archives([tmp_path / "UCF101.rar"], tmp_path / "out", {"UCF101.rar": "0" * 64})
    locked = rar_of(tmp_path / "locked.rar", [rar4.member("Run/a.avi", b"x", flags=rar4.LOCKED)])
    with pytest.raises(ReproError, match="locked by a password"):
        prepare_archives([locked], tmp_path / "out")
    assert not (tmp_path / "out").exists()
    only = zip_of(tmp_path / "v.zip", files_under(ucf101[0]))
    with pytest.raises(ReproError, match="no split lists in the archives"):
        prepare_archives([only], tmp_path / "out")
    assert not (tmp_path / "out").exists(), "told before hours of unpacking"
    bare = zip_of(tmp_path / "bare.zip", [("a.avi", b"x")])
    with pytest.raises(ReproError, match="no class folder"):
        prepare_archives([bare], tmp_path / "bare")
    same = tar_of(tmp_path / "same.tar", [("Run/a.avi", b"x"), ("Run/a.avi", b"y"), ("classInd.txt", b"1 Run")], "w")
    with pytest.raises(ReproError, match=r"one file: videos/Run/a\.avi \(again same\.tar"):
        prepare_archives([same], tmp_path / "same")
    twice = zip_of(tmp_path / "twice.zip", [("x/Run/a.avi", b"x"), ("y/Run/a.avi", b"y"), ("classInd.txt", b"1 Run")])
    with pytest.raises(ReproError, match=r"one file: videos/Run/a\.avi"):
        prepare_archives([twice], tmp_path / "twice")


def test_a_target_that_is_something_else(tmp_path, hmdb51_archives):
    target = tmp_path / "out"
    target.mkdir()
    (target / "thesis.txt").touch()
    with pytest.raises(ReproError, match="not empty"):
        prepare_archives(hmdb51_archives, target)
    (target / "thesis.txt").unlink()
    prepare_archives(hmdb51_archives, target)
    with pytest.raises(ReproError, match="prepared from other archives"):
        prepare_archives(hmdb51_archives[:1], target)
    (target / "videos/climb/b.avi").write_bytes(b"cut")
    with pytest.raises(ReproError, match=r"1 files .* damaged.*videos/climb/b\.avi \(3 bytes"):
        prepare_archives(hmdb51_archives, target)
    (target / "manifest.json").write_text("[]")
    with pytest.raises(ReproError, match="not a manifest"):
        prepare_archives(hmdb51_archives, target)


def test_rar_without_a_reader(tmp_path, hmdb51_archives, monkeypatch):
    monkeypatch.setitem(sys.modules, "rarfile", None)
    with pytest.raises(ReproError, match="pip install rarfile"):
        prepare_archives(hmdb51_archives, tmp_path / "out")


def test_compressed_rar_without_a_tool(tmp_path, monkeypatch):
    import rarfile

    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(rarfile, "CURRENT_SETUP", None)
    stored = rar4.member("Run/a.avi", b"data")
    at = 7 + 18
    squeezed = bytearray(stored)
    squeezed[at] = 0x33  # the method: normal compression
    head = squeezed[2 : 32 + len("Run/a.avi")]
    squeezed[:2] = (rar4.zlib.crc32(bytes(head)) & 0xFFFF).to_bytes(2, "little")
    path = tmp_path / "a.rar"
    path.write_bytes(rar4.archive(bytes(squeezed)))
    with pytest.raises(ReproError, match="install unrar"):
        prepare_archives([path], tmp_path / "out")


def test_disk_full_before_and_during(tmp_path, hmdb51_archives, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(100, 100, 0))
        with pytest.raises(ReproError, match="not enough disk space"):
            prepare_archives(hmdb51_archives, tmp_path / "out")
    big = zip_of(tmp_path / "big.zip", [("Run/a.avi", bytes(10)), ("Run/b.avi", bytes(300_000)), ("classInd.txt", b"1 Run")])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    try:
        with pytest.raises(ReproError, match=r"cannot write: .*b\.avi \(disk full\)"):
            prepare_archives([big], tmp_path / "small")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path.name for path in (tmp_path / "small/videos/Run").iterdir()] == ["a.avi"]
    assert len(prepare_archives([big], tmp_path / "small").manifest.files) == 3


SLOW = """
import sys, time
from pathlib import Path
from repro.datasets import prepare
real = prepare._Unpacking._write
def slow(self, member, destination, remember=True):
    done = real(self, member, destination, remember)
    time.sleep(0.3)
    return done
prepare._Unpacking._write = slow
prepare.prepare_archives([Path(path) for path in sys.argv[2:]], Path(sys.argv[1]))
"""


def test_killed_and_resumed(tmp_path, hmdb51_archives):
    expected = prepare_archives(hmdb51_archives, tmp_path / "whole")
    target = tmp_path / "out"
    process = subprocess.Popen([sys.executable, "-c", SLOW, str(target), *map(str, hmdb51_archives)], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 30
    while len(list(target.rglob("*.avi"))) < 4 and time.monotonic() < deadline:
        time.sleep(0.02)
    with pytest.raises(ReproError, match="another process"):
        prepare_archives(hmdb51_archives, target)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = {path: path.stat().st_mtime_ns for path in target.rglob("climb/*.avi")}
    assert done and not (target / "manifest.json").exists()
    with pytest.raises(ReproError, match="half-unpacked"):
        prepare_folder(target / "videos", tmp_path / "links", target / "splits")
    other = [zip_of(tmp_path / "other.zip", [("Run/a.avi", b"x"), ("classInd.txt", b"1 Run")])]
    with pytest.raises(ReproError, match="half-unpacked folder of other archives"):
        prepare_archives(other, target)
    assert prepare_archives(hmdb51_archives, target).manifest == expected.manifest
    assert done == {path: path.stat().st_mtime_ns for path in done}, "finished files are not written again"
    assert files_under(target) == files_under(tmp_path / "whole")
