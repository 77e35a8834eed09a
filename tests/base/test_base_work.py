"""Atomic files, work folders and their lock, the end of orphans, and the code version."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from repro import provenance, work
from repro.engine.processes import exit_with_parent
from repro.errors import ReproError
from repro.files import atomic_path, file_signature, fingerprint
from repro.progress import progress
from repro.workfolder import WorkFolder


def tree(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*"))


def wait_until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


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


def test_a_work_folder_is_gone_after_success(tmp_path):
    with WorkFolder("train-v1.5", "k", tmp_path) as folder:
        (folder.path / "result").write_text("x")
        folder.publish("result", tmp_path / "out" / "result")
        assert (tmp_path / "train-v1.5-k.lock").read_text() == str(os.getpid())
    assert tree(tmp_path) == ["out", "out/result"]


def test_a_work_folder_keeps_what_was_done_before_an_error(tmp_path):
    with pytest.raises(RuntimeError), WorkFolder("s", "k", tmp_path) as folder:
        (folder.path / "partial").write_text("x")
        raise RuntimeError
    with WorkFolder("s", "k", tmp_path) as folder:
        assert (folder.path / "partial").read_text() == "x"
    assert tree(tmp_path) == []


def test_an_error_before_any_work_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError), WorkFolder("s", "k", tmp_path / "work"):
        raise RuntimeError
    assert tree(tmp_path) == ["work"]


def test_another_key_is_another_folder(tmp_path):
    with pytest.raises(RuntimeError), WorkFolder("s", "k1", tmp_path) as folder:
        (folder.path / "partial").write_text("x")
        raise RuntimeError
    with WorkFolder("s", "k2", tmp_path) as folder:
        assert not list(folder.path.iterdir())


def test_publishing_replaces_files_folders_and_links(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").write_text("old")
    (tmp_path / "elsewhere").write_text("cache")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with WorkFolder("s", "k", tmp_path / "work") as folder:
        (folder.path / "a").mkdir()
        (folder.path / "a" / "new").write_text("new")
        (folder.path / "b").write_text("b")
        folder.publish("a", tmp_path / "out")
        folder.publish("b", tmp_path / "link")
    assert tree(tmp_path / "out") == ["new"]
    assert (tmp_path / "elsewhere").read_text() == "cache"  # a link into a cache is replaced, never followed
    assert not (tmp_path / "link").is_symlink() and (tmp_path / "link").read_text() == "b"


def _hold(root, ready, go):
    with WorkFolder("s", "k", root) as folder:
        (folder.path / "partial").write_text("x")
        ready.set()
        go.wait()


def test_a_second_owner_waits_or_is_told(tmp_path):
    context = multiprocessing.get_context("fork")
    ready, go = context.Event(), context.Event()
    owner = context.Process(target=_hold, args=(tmp_path, ready, go))
    owner.start()
    assert ready.wait(60)
    with pytest.raises(ReproError, match=f"another process is at work on this.*process {owner.pid}"):
        WorkFolder("s", "k", tmp_path, wait=0.3).__enter__()
    os.kill(owner.pid, signal.SIGKILL)
    owner.join()
    with WorkFolder("s", "k", tmp_path, wait=5) as folder:  # the lock falls with its owner, the work stays
        assert (folder.path / "partial").read_text() == "x"
    assert tree(tmp_path) == []


def _count(root, inside, most, rounds):
    for _ in range(rounds):
        with WorkFolder("s", "k", root):
            with inside.get_lock():
                inside.value += 1
                most.value = max(most.value, inside.value)
            time.sleep(0.002)
            with inside.get_lock():
                inside.value -= 1


def test_never_two_owners_even_while_the_lock_file_comes_and_goes(tmp_path, monkeypatch):
    monkeypatch.setattr(work.time, "sleep", lambda _, sleep=time.sleep: sleep(0.001))
    context = multiprocessing.get_context("fork")
    inside, most = context.Value("i", 0), context.Value("i", 0)
    owners = [context.Process(target=_count, args=(tmp_path, inside, most, 30)) for _ in range(4)]
    for owner in owners:
        owner.start()
    for owner in owners:
        owner.join()
    assert [owner.exitcode for owner in owners] == [0] * 4 and most.value == 1


def _pool(pids):
    with ProcessPoolExecutor(2, initializer=exit_with_parent) as pool:
        list(pool.map(_note_and_sleep, [pids] * 2))


def _note_and_sleep(pids):
    (Path(pids) / str(os.getpid())).touch()
    time.sleep(600)


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_workers_end_with_their_killed_parent(tmp_path):
    parent = multiprocessing.get_context("fork").Process(target=_pool, args=(tmp_path,))
    parent.start()
    wait_until(lambda: len(list(tmp_path.iterdir())) == 2)
    workers = [int(p.name) for p in tmp_path.iterdir()]
    assert all(map(alive, workers))
    os.kill(parent.pid, signal.SIGKILL)
    parent.join()
    wait_until(lambda: not any(map(alive, workers)))


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


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of its own, in the shape of ours, to change sources in."""
    root = tmp_path / "repro"
    for name, text in {
        "__init__.py": "",
        "base.py": "",
        "a/__init__.py": "",
        "a/x.py": "from repro.base import f\n",
        "a/y.py": "",
        "b/__init__.py": "from .z import g\n",
        "b/z.py": "def late():\n    import repro.a.x\n",
        "main.py": "from repro import b\nimport numpy\n",
        "other.py": "from repro.a import y\n",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    monkeypatch.setattr(provenance, "PACKAGE", root)
    provenance.sources.cache_clear(), provenance.code_version.cache_clear()
    yield root
    provenance.sources.cache_clear(), provenance.code_version.cache_clear()


def version(module):
    provenance.sources.cache_clear(), provenance.code_version.cache_clear()
    return provenance.code_version(module)


def test_sources_are_all_that_is_imported_directly_or_not(package):
    found = {str(file.relative_to(package)) for file in provenance.sources("repro.main")}
    assert found == {"__init__.py", "main.py", "b/__init__.py", "b/z.py", "a/__init__.py", "a/x.py", "base.py"}
    assert {str(f.relative_to(package)) for f in provenance.sources("repro.other")} == {
        "__init__.py",
        "other.py",
        "a/__init__.py",
        "a/y.py",
    }


def test_the_code_version_follows_what_is_imported_and_nothing_else(package):
    before, other = version("repro.main"), version("repro.other")
    (package / "base.py").write_text("f = 1\n")
    assert version("repro.main") != before and version("repro.other") == other
    (package / "base.py").write_text("")
    assert version("repro.main") == before


def test_help_is_quick_and_imports_nothing_heavy():
    code = (
        "import sys; from repro import cli\ntry: cli.main(['--help'])\nexcept SystemExit: pass\n"
        "assert not {'torch', 'cv2', 'pandas', 'sklearn', 'matplotlib'} & set(sys.modules), sorted(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "evaluate" in done.stdout
