"""Worker processes of which any may fail, die or hang without harm to the others' work.

Python's own pool breaks as a whole when one of its processes dies, does not say which piece of work killed it, has no time-out
and needs semaphores in ``/dev/shm``. Here each worker has a pipe of its own, and is replaced when it is lost.
"""

import contextlib
import gc
import multiprocessing
import signal
import time
from dataclasses import dataclass
from multiprocessing.connection import wait

from repro.engine.processes import exit_with_parent
from repro.errors import ReproError
from repro.files import FULL

STALL = 600.0  # seconds without any use of the processor after which a worker is taken for hung
_TICK = 0.5


@dataclass(frozen=True)
class Failure:
    """What went wrong with one piece of work, in one line; ``code``: the system's error number at the bottom of it, 0: none."""

    why: str
    code: int = 0

    @property
    def full(self):
        """Whether it is room that lacks, rather than that something is wrong with this piece of work."""
        return self.code in FULL


def each(task, jobs, processes, timeout=None, stall=STALL):
    """Yield ``(number of the job, task(*job))`` in the order in which they end, from forked worker processes.

    In place of a result stands a `Failure` where the task raised anything, its process died, it took longer than ``timeout``
    seconds (None: no limit), or its process used no processor time for ``stall`` seconds. The other jobs go on.
    Results must be picklable, tasks and jobs need not be: workers are forked.
    """
    waiting = list(enumerate(jobs))[::-1]
    workers = [_Worker(task) for _ in range(min(processes, len(waiting)))]
    try:
        for worker in workers:
            worker.give(*waiting.pop())
        while busy := [worker for worker in workers if worker.number is not None]:
            ready = set(wait([worker.pipe for worker in busy], _TICK))
            for place, worker in enumerate(workers):
                if worker.number is None:
                    continue
                number, outcome = worker.number, worker.outcome(worker.pipe in ready, timeout, stall)
                if outcome is None:
                    continue
                if worker.lost:
                    worker = workers[place] = _Worker(task)
                worker.number = None
                if waiting:
                    worker.give(*waiting.pop())
                yield number, outcome[0]
    finally:
        for worker in workers:
            worker.end()


class _Worker:
    """A forked process that does one job after the other; ``number``: of the job it has, None where it has none."""

    def __init__(self, task):
        context = multiprocessing.get_context("fork")
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=_work, args=(task, other), daemon=True)
        gc.freeze()  # what the fork brings along is not the child's to clear away: some of it waits for threads that stay here
        try:
            self.process.start()
        finally:
            gc.unfreeze()
        other.close()
        self.number, self.lost = None, False

    def give(self, number, job):
        self.number, self.begun = number, time.monotonic()
        self.used, self.moved = -1, self.begun
        with contextlib.suppress(OSError):  # it is dead already, which `outcome` finds
            self.pipe.send(job)

    def outcome(self, ready, timeout, stall):
        """``(result or Failure,)`` of the job, None where it is still at work."""
        if ready:
            try:
                return (self.pipe.recv(),)
            except (EOFError, OSError):
                self.process.join(5)
                return (self._lose(f"its process died ({_ending(self.process.exitcode)})"),)
        now, used = time.monotonic(), _processor_time(self.process.pid)
        if used != self.used:
            self.used, self.moved = used, now
        if timeout is not None and now - self.begun > timeout:
            return (self._lose(f"no end after {timeout:g} s"),)
        if used is not None and now - self.moved > stall:
            return (self._lose(f"it hangs: no use of the processor for {stall:g} s"),)
        return None

    def _lose(self, why):
        self.lost = True
        self.end()
        return Failure(why)

    def end(self):
        self.process.kill()
        self.process.join()
        self.pipe.close()


def _work(task, pipe):
    exit_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all of them: the starting process ends its workers
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    while True:
        try:
            job = pipe.recv()
        except EOFError:
            return
        try:
            result = task(*job)
        except Exception as error:  # whatever it is, it concerns this piece of work only
            result = failure(error)
        pipe.send(result)


def failure(error):
    """`Failure` of an exception. Only text crosses to the starting process: not all exceptions survive pickling."""
    code, link = 0, error
    while link is not None and not code:
        code = link.errno or 0 if isinstance(link, OSError) else 0
        link = link.__cause__ or link.__context__
    if isinstance(error, ReproError):
        return Failure(str(error), code)
    if isinstance(error, MemoryError):
        return Failure("out of memory")
    text = " ".join(str(error).split())
    return Failure(f"{type(error).__name__}: {text}" if text else type(error).__name__, code)


def _ending(code):
    if code is None or code >= 0:
        return f"status {code}"
    name = signal.Signals(-code).name if -code in iter(signal.Signals) else f"signal {-code}"
    return f"{name}: killed, or out of memory" if name == "SIGKILL" else name


def _processor_time(pid):
    """Clock ticks that a process has used, None where the system does not say."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return int(fields[11]) + int(fields[12])  # utime and stime, of all its threads
