"""Files that are never seen half-written, what tells one from another, and progress in words."""

import multiprocessing
import os
import shutil
import signal
from pathlib import Path

import pytest

from repro.errors import ReproError
from repro.files import atomic_path, file_signature, fingerprint, move_into_place
from repro.progress import progress
from repro.workfolder import WorkFolder


def tree(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*"))


def test_a_file_appears_whole(tmp_path):
    target = tmp_path / "deep" / "a.txt"
    with atomic_path(target) as temporary:
        temporary.write_text("new")
        assert not target.exists() and temporary.name == target.name
    assert target.read_text() == "new" and tree(tmp_path) == ["deep", "deep/a.txt"]


def test_after_an_error_the_old_one_stays(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(RuntimeError, match="midway"), atomic_path(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError("midway")
    assert target.read_text() == "old" and tree(tmp_path) == ["a.txt"]


def test_a_folder_is_replaced_whole(tmp_path):
    target = tmp_path / "folder"
    (target / "old").mkdir(parents=True)
    with atomic_path(target) as temporary:
        temporary.mkdir()
        (temporary / "new").write_text("x")
    assert tree(tmp_path) == ["folder", "folder/new"]


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ReproError, match="cannot write"), atomic_path(tmp_path / "file" / "a.txt"):
        pass
    with pytest.raises(ReproError, match="cannot write"), WorkFolder("stage", "key", tmp_path / "file"):
        pass


def test_signatures_and_fingerprints(tmp_path):
    (tmp_path / "b").write_text("1")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "c").write_text("22")
    rows = file_signature(tmp_path)
    assert [(Path(name).name, size) for name, size, _ in rows] == [("c", 2), ("b", 1)]
    assert fingerprint([(1, 2), {"b": 1, "a": 2}]) == fingerprint([[1, 2], {"a": 2, "b": 1}]) != fingerprint([1])
    (tmp_path / "b").write_text("333")
    assert file_signature(tmp_path) != rows
    with pytest.raises(ReproError, match="missing input.*absent"):
        file_signature(tmp_path / "absent")


def test_progress_writes_plain_lines_where_there_is_no_terminal(capsys):
    assert list(progress(range(3), desc="videos", unit="video")) == [0, 1, 2]
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1].startswith("videos: 3/3 videos") and "\r" not in "".join(lines) and all(lines)


def folder_of(path, **files):
    path.mkdir(parents=True)
    for name, text in files.items():
        (path / name).write_text(text)
    return path


def test_a_folder_moves_over_an_older_one(tmp_path):
    new, old = folder_of(tmp_path / "work" / "a", b="new"), folder_of(tmp_path / "data" / "store", a="old")
    move_into_place(new, old)
    assert tree(tmp_path) == ["data", "data/store", "data/store/b", "work"]


def test_what_cannot_be_replaced_stays(tmp_path, monkeypatch):
    """The source is gone, the second renaming fails, the target is of another kind: the older folder is as it was."""
    old = folder_of(tmp_path / "data" / "store", a="old")
    with pytest.raises(ReproError, match="nothing to publish.*gone"):
        move_into_place(tmp_path / "absent", old)
    new = folder_of(tmp_path / "new", b="new")
    real = os.rename
    monkeypatch.setattr(os, "rename", lambda a, b: real(a, b) if Path(a) != new else (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(ReproError, match="cannot write.*store .full"):
        move_into_place(new, old)
    monkeypatch.undo()
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ReproError, match="a file lies where a folder belongs"):
        move_into_place(new, tmp_path / "file")
    with pytest.raises(ReproError, match="a folder lies where a file belongs"), atomic_path(old) as temporary:
        temporary.write_text("x")
    assert tree(tmp_path) == ["data", "data/store", "data/store/a", "file", "new", "new/b"]


def test_a_link_to_a_folder_stays_a_link(tmp_path):
    """A store on another disk, by a link: its content is replaced there, and the link is kept."""
    disk = folder_of(tmp_path / "disk" / "store", a="old")
    (tmp_path / "data").mkdir()
    link = tmp_path / "data" / "store"
    link.symlink_to(disk)
    move_into_place(folder_of(tmp_path / "new", b="new"), link)
    assert link.is_symlink() and tree(disk) == ["b"] and not (tmp_path / "new").exists()
    shutil.rmtree(disk)
    with pytest.raises(ReproError, match="a link to nowhere.*disk/store.; mount"):
        move_into_place(folder_of(tmp_path / "new", b="new"), link)
    assert tree(tmp_path) == ["data", "data/store", "disk", "new", "new/b"]


def test_other_file_systems_are_no_obstacle(tmp_path, other_disk):
    old = folder_of(other_disk / "store", a="old")
    new = folder_of(tmp_path / "new", b="new")
    (new / "link").symlink_to("b")
    move_into_place(new, old)
    assert tree(old) == ["b", "link"] and (old / "link").is_symlink() and tree(tmp_path) == []
    (tmp_path / "file").write_text("x")
    move_into_place(tmp_path / "file", other_disk / "file")
    assert tree(other_disk) == ["file", "store", "store/b", "store/link"] and tree(tmp_path) == []


def test_a_move_that_fails_in_part_leaves_both_as_they_were(tmp_path, other_disk):
    """A file of the source cannot be copied; the others could."""
    old, new = folder_of(other_disk / "store", a="old"), folder_of(tmp_path / "new", b="new", c="new")
    os.mkfifo(new / "pipe")
    told = r"cannot write: .*/store .*/new/pipe. is a named pipe.; check the folder and the free space"
    with pytest.raises(ReproError, match=told):
        move_into_place(new, old)
    assert tree(other_disk) == ["store", "store/a"] and tree(new) == ["b", "c", "pipe"]


def test_read_only_targets_are_replaced_and_swept(tmp_path):
    old = folder_of(tmp_path / "store" / "class", a="old")
    (old / "a").chmod(0o444), old.chmod(0o555), old.parent.chmod(0o555)
    move_into_place(folder_of(tmp_path / "new", b="new"), tmp_path / "store")
    assert tree(tmp_path) == ["store", "store/b"]


def _replace_and_die(path, at):
    real, left = os.rename, [at]

    def rename(source, target):
        real(source, target)
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)

    os.rename = rename
    with atomic_path(path) as temporary:
        folder_of(temporary, b="new")
        if not at:
            os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("at, kept", [(0, "a"), (1, "a"), (2, "b")])
def test_a_kill_at_any_moment_loses_nothing(tmp_path, at, kept):
    """Killed before, between and after the two renamings: the next writer of that name puts all in order."""
    path = folder_of(tmp_path / "store", a="old")
    writer = multiprocessing.get_context("fork").Process(target=_replace_and_die, args=(path, at))
    writer.start()
    writer.join()
    assert writer.exitcode == -signal.SIGKILL and len(list(tmp_path.glob(".store.*.part"))) == 1
    with pytest.raises(RuntimeError), atomic_path(path):
        raise RuntimeError
    assert tree(tmp_path) == ["store", f"store/{kept}"]


def test_what_a_living_writer_has_on_its_way_is_left_alone(tmp_path):
    with atomic_path(tmp_path / "a") as first:
        first.write_text("1")
        with atomic_path(tmp_path / "a") as second:
            second.write_text("2")
        assert (tmp_path / "a").read_text() == "2" and first.read_text() == "1"
    assert (tmp_path / "a").read_text() == "1" and tree(tmp_path) == ["a"]


def test_names_as_long_as_a_file_system_takes(tmp_path):
    for name in ("y" * 250 + ".npz", "ü" * 125 + ".npz"):
        with atomic_path(tmp_path / name) as temporary:
            temporary.write_text("x")
        assert (tmp_path / name).read_text() == "x"
