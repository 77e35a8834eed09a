"""The per-video job on a dask cluster of separate processes, and without dask."""

import os
import shutil
import signal
import sys
import threading
import time
from collections import Counter

import pandas
import pytest
from tiny import write_params

from repro.engine.per_video import LOCAL_CLUSTER, make_files
from repro.errors import ReproError

VIDEOS = pandas.DataFrame({"video": [f"c/v{k} #&;" for k in range(12)], "path": [f"c/v{k} #&;.avi" for k in range(12)]})


def note(source, target, journal):
    """A task that writes down when it begins and ends, and with which process."""
    _write_line(journal, f"begin {os.path.basename(source)} {os.getpid()}")
    if "v3" in source and not os.path.exists(journal + ".no-v3"):
        os.kill(os.getpid(), signal.SIGKILL)
    if "v4" in source:
        raise ReproError("damaged video", path=source)
    time.sleep(0.4)
    with open(target + ".part", "w") as file:
        file.write(source)
    os.replace(target + ".part", target)
    _write_line(journal, f"end {os.path.basename(source)} {os.getpid()}")


def _write_line(journal, line):
    handle = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(handle, (line + "\n").encode())
    os.close(handle)


def lines(journal, kind):
    """(video, process) of every line of one kind."""
    text = journal.read_text() if journal.exists() else ""
    return [tuple(line.removeprefix(kind + " ").rsplit(" ", 1)) for line in text.splitlines() if line.startswith(kind)]


@pytest.fixture(scope="module")
def cluster():
    distributed, dask = pytest.importorskip("distributed"), pytest.importorskip("dask")
    with (
        dask.config.set(LOCAL_CLUSTER),
        distributed.LocalCluster(2, threads_per_worker=1, memory_limit=0, dashboard_address=None, silence_logs=50) as cluster,
    ):
        yield cluster.scheduler_address


@pytest.mark.slow
def test_a_worker_killed_in_the_middle_loses_nothing_and_nothing_is_done_twice(cluster, tmp_path):
    journal, videos = tmp_path / "journal", VIDEOS.drop([4])
    (tmp_path / "journal.no-v3").touch()
    killed = []

    def kill():
        while len(begun := lines(journal, "begin")) < 5:
            time.sleep(0.01)
        killed.append(begun[-1])
        os.kill(int(begun[-1][1]), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    make_files(note, tmp_path / "raw", videos, tmp_path / "out", ".txt", (str(journal),), 2, "files", cluster)
    killer.join()
    expected = {os.path.basename(path) for path in videos["path"]}
    assert {path.name for path in tmp_path.rglob("*.txt")} == {name.replace(".avi", ".txt") for name in expected}
    assert Counter(video for video, _ in lines(journal, "end")) == dict.fromkeys(expected, 1)  # done once, all of them
    again = Counter(video for video, _ in lines(journal, "begin"))
    assert again.pop(killed[0][0]) == 2 and set(again.values()) == {1}  # begun twice: the one that the worker died over
    before = journal.read_text()
    make_files(note, tmp_path / "raw", videos, tmp_path / "out", ".txt", (str(journal),), 2, "files", cluster)
    assert journal.read_text() == before  # a second run finds everything there


@pytest.mark.slow
def test_a_video_that_kills_its_workers_is_told_and_the_others_are_done(cluster, tmp_path, capsys):
    with pytest.raises(ReproError, match="2 of 12 videos failed.*v3.*every worker that took it died"):
        make_files(note, tmp_path / "raw", VIDEOS, tmp_path / "out", ".txt", (str(tmp_path / "journal"),), 2, "files", cluster)
    assert "damaged video" in capsys.readouterr().out
    assert len(list(tmp_path.rglob("*.txt"))) == 10


@pytest.mark.slow
def test_extraction_on_a_cluster_gives_the_bytes_of_the_pool(finished, stages, tmp_path):
    pytest.importorskip("distributed")
    write_params(tmp_path, engine__cluster="local")
    for part in ("raw", "index"):
        shutil.copytree(finished / "data" / "toy" / part, tmp_path / "data" / "toy" / part)
    assert stages.repro(tmp_path, "extract", "--dataset", "toy") == 0
    assert stages.tree(tmp_path / "data" / "toy" / "store") == stages.tree(finished / "data" / "toy" / "store")


def test_without_dask_one_line_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ReproError, match=r"engine.cluster is local, but dask is not installed; pip install -e '.\[cluster\]'"):
        make_files(note, tmp_path, VIDEOS, tmp_path / "out", ".txt", (str(tmp_path / "journal"),), 2, "files", "local")


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nonsense://x"])
@pytest.mark.slow
def test_a_scheduler_that_is_not_there_is_told(tmp_path, address):
    pytest.importorskip("distributed")
    with pytest.raises(ReproError, match=f"no cluster at {address}"):
        make_files(note, tmp_path, VIDEOS, tmp_path / "out", ".txt", (str(tmp_path / "journal"),), 2, "files", address)


def test_a_cluster_that_is_no_address_is_told(finished, stages, tmp_path, capfd):
    write_params(tmp_path, engine__cluster="my-cluster")
    shutil.copytree(finished / "data" / "toy" / "index", tmp_path / "data" / "toy" / "index")
    assert stages.repro(tmp_path, "extract", "--dataset", "toy") == 2
    assert "engine.cluster must be null, local or an address" in capfd.readouterr().err
