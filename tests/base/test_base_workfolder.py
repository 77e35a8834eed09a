"""Work folders, their lock, what they publish, and the end of orphans."""

import multiprocessing
import os
import signal
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
from processes import lives, wait_until

from repro import workfolder
from repro.engine.processes import exit_with_parent
from repro.errors import ReproError
from repro.workfolder import WorkFolder


def tree(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*"))


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
    monkeypatch.setattr(workfolder.time, "sleep", lambda _, sleep=time.sleep: sleep(0.001))
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


def test_workers_end_with_their_killed_parent(tmp_path):
    parent = multiprocessing.get_context("fork").Process(target=_pool, args=(tmp_path,))
    parent.start()
    wait_until(lambda: len(list(tmp_path.iterdir())) == 2)
    workers = [int(p.name) for p in tmp_path.iterdir()]
    assert all(map(lives, workers))
    os.kill(parent.pid, signal.SIGKILL)
    parent.join()
    wait_until(lambda: not any(map(lives, workers)))
