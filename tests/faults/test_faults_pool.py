"""Workers that raise, die, hang or fill the disk: each is one piece of work's failure, and the others' work is done."""

import errno
import gc
import multiprocessing
import os
import signal
import time

import av
import pandas
import pytest
from small import write_clip

from repro.engine.per_video import make_files
from repro.engine.pool import Failure, each
from repro.errors import ReproError


class Strange(Exception):
    """An exception that no pickle brings across."""

    def __init__(self, one, two):
        super().__init__(one, two)


def _work(kind, folder=None):
    if kind == "raise":
        raise Strange("a\nb", 2)
    if kind == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "exit":
        os._exit(3)
    if kind == "memory":
        raise MemoryError
    if kind == "full":
        try:
            raise OSError(errno.ENOSPC, "No space left on device")
        except OSError as error:
            raise ReproError("cannot write", path="x", why=error.strerror) from None
    if kind == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    if kind == "pipe":
        os.mkfifo(folder / "fifo")
        open(folder / "fifo").read()
    if kind == "loop":
        while True:
            pass
    return kind


@pytest.mark.parametrize("processes", [1, 3])
def test_every_kind_of_end_is_one_failure(processes):
    kinds = ["a", "raise", "b", "kill", "c", "exit", "memory", "d", "full", "e"]
    found = dict(each(_work, [(kind,) for kind in kinds], processes))
    assert sorted(found) == list(range(len(kinds)))
    for number, kind in enumerate(kinds):
        told = {
            "raise": Failure("Strange: ('a\\nb', 2)"),
            "kill": Failure("its process died (SIGKILL: killed, or out of memory)"),
            "exit": Failure("its process died (status 3)"),
            "memory": Failure("out of memory"),
            "full": Failure("cannot write: x (No space left on device)", errno.ENOSPC),
        }.get(kind, kind)
        assert found[number] == told
    assert found[8].full and not found[3].full


@pytest.mark.parametrize("kind", ["stop", "pipe"])
def test_a_worker_that_hangs_is_ended(kind, tmp_path):
    begun = time.monotonic()
    found = dict(each(_work, [(name, tmp_path) for name in ("a", kind, "b")], 2, stall=1.0))
    assert (found[0], found[2]) == ("a", "b") and found[1].why == "it hangs: no use of the processor for 1 s"
    assert time.monotonic() - begun < 30


def test_a_worker_that_never_ends_is_ended_on_request():
    found = dict(each(_work, [("loop",), ("a",)], 1, timeout=1.0))
    assert found == {0: Failure("no end after 1 s"), 1: "a"}


def test_no_worker_is_left_when_the_caller_stops():
    running = each(os.getpid, [()] * 4, 2)
    pid = next(running)[1]
    del running
    with pytest.raises(ProcessLookupError):
        for _ in range(100):
            os.kill(pid, 0)
            time.sleep(0.05)


def test_shared_memory_is_not_needed(monkeypatch):
    """No semaphore, which lives in /dev/shm, is ever made."""
    import _multiprocessing

    def refuse(*arguments):
        raise OSError(errno.ENOSYS, "no /dev/shm")

    monkeypatch.setattr(_multiprocessing, "SemLock", refuse)
    assert dict(each(_work, [("a",), ("b",)], 2)) == {0: "a", 1: "b"}


def test_what_the_fork_brings_along_is_not_cleared_away(tmp_path):
    """PyAV's frames hold threads: collected in a child, where those threads are not, they wait for them for ever."""
    with av.open(str(write_clip(tmp_path / "a.avi", size=(480, 640)))) as container:
        held = [frame for frame in container.decode(video=0)]
    for frame in held:
        frame.to_ndarray(format="rgb24")
        setattr(kept := Circle(), "frame", frame), setattr(kept, "circle", kept)
    del held, frame, kept
    assert dict(each(collect, [(), ()], 2, stall=3)) == {0: "collected", 1: "collected"}


class Circle:
    pass


def collect():
    gc.collect()
    return "collected"


VIDEOS = pandas.DataFrame({"video": [f"c/{k}" for k in range(6)], "path": [f"c/{k}.avi" for k in range(6)]})


def make(source, target, kinds):
    with open(target + ".txt", "a") as file:
        file.write("made\n")
    text = _work(kinds.get(os.path.basename(source)[0], "fine"))
    with open(target, "w") as file:
        file.write(text)


def check(target):
    with open(target) as file:
        if file.read() != "fine":
            raise ValueError("damaged")


def run(folder, processes=2, videos=VIDEOS, **kinds):
    for path in VIDEOS["path"]:
        (folder / "raw" / path).parent.mkdir(parents=True, exist_ok=True)
        if not (folder / "raw" / path).exists():
            (folder / "raw" / path).write_text("video")
    kinds = {key[1:]: kind for key, kind in kinds.items()}
    make_files(make, folder / "raw", videos, folder / "out", ".x", (kinds,), processes, "files", check=check)


def test_a_run_of_all_faults_loses_the_faulty_ones_only(tmp_path, capsys):
    with pytest.raises(ReproError) as raised:
        run(tmp_path, _1="raise", _2="kill", _3="memory")
    out = capsys.readouterr().out.splitlines()
    assert "files: 3 of 6 videos failed, the first: " in str(raised.value) and "c/1.avi (Strange:" in str(raised.value)
    assert str(raised.value).endswith(
        "repair them, or move them away, set exclude_bad for the dataset and prepare it again; finished ones are kept"
    )
    assert [line.partition("raw/")[2] for line in out] == [
        "c/2.avi: its process died (SIGKILL: killed, or out of memory)",
        "c/3.avi: out of memory",
    ]
    assert sorted(path.name for path in (tmp_path / "out/c").glob("*.x")) == ["0.x", "4.x", "5.x"]
    run(tmp_path)
    assert len(list((tmp_path / "out/c").glob("*.x"))) == 6
    assert (tmp_path / "out/c/0.x.txt").read_text() == "made\n", "a finished one is not made again"


def test_what_was_made_is_kept_unless_its_own_source_changed(tmp_path):
    """One video fails, is repaired, another is replaced and a third is left out: the others are not made again."""
    with pytest.raises(ReproError, match="1 of 6 videos failed"):
        run(tmp_path, _2="raise")
    for name in ("2", "3"):
        (tmp_path / "raw/c" / f"{name}.avi").write_text("another video")
    run(tmp_path, videos=VIDEOS[VIDEOS["video"] != "c/5"])
    out = tmp_path / "out/c"
    assert [(out / f"{k}.x.txt").read_text().count("made") for k in range(6)] == [1, 1, 2, 2, 1, 1]
    assert sorted(path.name for path in out.glob("*.x")) == ["0.x", "1.x", "2.x", "3.x", "4.x"]


def test_a_full_disk_stops_the_job_and_the_advice_is_to_make_room(tmp_path):
    with pytest.raises(ReproError, match="1 of 6 videos failed.*No space left.*make room and run again; finished ones are kept"):
        run(tmp_path, 1, _2="full")
    made = {path.name for path in (tmp_path / "out/c").glob("*.x")}
    assert {"0.x", "1.x"} <= made <= {"0.x", "1.x", "3.x"}, "one may have been begun"


def test_what_a_killed_worker_left_is_cleared_and_what_is_damaged_is_made_again(tmp_path):
    """A folder where a file belongs, a cut file, strays of both kinds of writers."""
    run(tmp_path)
    out = tmp_path / "out" / "c"
    (out / "1.x").unlink(), (out / "1.x").mkdir(), (out / "1.x" / "half").touch()
    (out / "2.x").write_text("fi")
    (out / ".3.x.abcdefgh.part" / "new").mkdir(parents=True)
    (out / ".4.part").touch()
    before = (out / "5.x").stat().st_mtime_ns
    run(tmp_path)
    assert {path.read_text() for path in out.glob("*.x")} == {"fine"} and not list(out.glob(".*"))
    assert (out / "5.x").stat().st_mtime_ns == before


def test_a_worker_that_dies_before_its_first_job_is_told(monkeypatch):
    """Killed between its start and its first job: the pipe to it is broken by then."""
    real = multiprocessing.process.BaseProcess.start

    def start(process):
        real(process)
        if not begun:
            os.kill(process.pid, signal.SIGKILL)
            process.join()
        begun.append(process)

    begun = []
    monkeypatch.setattr(multiprocessing.process.BaseProcess, "start", start)
    found = dict(each(_work, [("a",), ("b",), ("c",)], 2))
    assert found[0].why == "its process died (SIGKILL: killed, or out of memory)" and (found[1], found[2]) == ("b", "c")
