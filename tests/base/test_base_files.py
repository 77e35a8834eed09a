"""Files that are never seen half-written, what tells one from another, and progress in words."""

from pathlib import Path

import pytest

from repro.errors import ReproError
from repro.files import atomic_path, file_signature, fingerprint
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
