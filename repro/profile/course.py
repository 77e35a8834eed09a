"""How far `make repro` is: the stages that it had to run, those that have run, and what is left. Kept under ``work/log``."""

import contextlib
import fcntl
import json
import time
from pathlib import Path

from repro.files import atomic_path
from repro.params import load

FOLDER = Path("work/log")


class Course:
    """Of a profile: ``log``, a line per stage over all runs, and the state of the latest one beside it."""

    def __init__(self, profile, folder=FOLDER):
        self.log, self._state = Path(folder) / f"{profile}.log", Path(folder) / f"{profile}.json"

    def begin(self, hours, ready):
        """Start a run, and return its line. ``hours``: {stage: wall hours that it should take, None: not measured} of those that
        may have to run; ``ready``: how many need not."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self._locked() as log:
            self._write({"begun": time.time(), "hours": hours, "done": []})
            expected = "" if not hours or None in hours.values() else f", {spoken(3600 * sum(hours.values()))} by measured rates"
            line = f"{len(hours)} of {len(hours) + ready} stages to run{expected}"
            log.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {line}\n")
        return line

    def finished(self, stage, seconds, told=""):
        """Note that a stage has run; ``told``: what came out. Returns its line, None for a stage that the run had not to run."""
        with self._locked() as log:
            state = self.state()
            if state is None or stage not in state["hours"]:
                return None
            state["done"] = list(dict.fromkeys([*state["done"], stage]))
            self._write(state)
            line = f"[{len(state['done'])} of {len(state['hours'])}] {stage}: {'; '.join(filter(None, (spoken(seconds), told)))}"
            line += f"; {remaining(state, time.time())}"
            log.write(f"{line}\n")
        return line

    def failed(self, stage, told):
        """Note that a stage ended with an error or was stopped."""
        if self._state.is_file():
            with self._locked() as log:
                log.write(f"{stage}: {told}\n")

    def state(self):
        """{begun, hours, done} of the latest run, None where there was none, or where its file is damaged."""
        try:
            found = json.loads(self._state.read_text(encoding="utf-8")) if self._state.is_file() else None
            return found if set(found["done"]) <= set(found["hours"]) and isinstance(found["begun"], float) else None
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            return None

    def _locked(self):
        """The log, open for more, and ours alone until it is closed: chains of stages run side by side."""
        log = open(self.log, "a", encoding="utf-8")
        fcntl.flock(log, fcntl.LOCK_EX)
        return log

    def _write(self, state):
        with atomic_path(self._state) as temporary:
            temporary.write_text(json.dumps(state), encoding="utf-8")


@contextlib.contextmanager
def logged(params_path, stage, told):
    """Log how ``stage``, as DVC has it, ends, and print its line. Nothing where no run was begun.

    ``told(params, stage, state)`` says what came out of it; this module knows no scores, whose imports few stages need. What is
    wrong with the log is said and fails no stage: DVC would run it again, a training of hours.
    """
    if not FOLDER.is_dir():
        yield
        return
    params, begun = load(params_path), time.monotonic()
    course, stage = Course(params.get("profile")), stage.rpartition(":")[2]
    try:
        yield
    except BaseException as error:
        with _only_said(course):
            course.failed(stage, str(error) or type(error).__name__)
        raise
    with _only_said(course):
        state = course.state()
        came = told(params, stage, state) if state else ""
        if line := course.finished(stage, time.monotonic() - begun, came):
            print(line, flush=True)


@contextlib.contextmanager
def _only_said(course):
    """Print what goes wrong within, in a line."""
    try:
        yield
    except Exception as error:
        print(f"{course.log} lacks a stage: {' '.join(str(error).split()) or type(error).__name__}", flush=True)


def remaining(state, now):
    """In words, the time that has gone and the time that is left: what is left takes as long, by its hours, as what is done took.

    A stage that nobody measured counts as the mean of those that somebody did.
    """
    known = [hours for hours in state["hours"].values() if hours]
    mean = sum(known) / len(known) if known else 1.0
    weights = {stage: hours or mean for stage, hours in state["hours"].items()}
    gone, done = now - state["begun"], sum(weights[stage] for stage in state["done"])
    left = sum(weights.values()) - done
    ahead = f"about {spoken(gone * left / done)} left" if done and len(state["done"]) < len(weights) else ""
    return ", ".join(filter(None, (f"{spoken(gone)} gone", ahead)))


def spoken(seconds):
    """``41 s``, ``12 min``, ``2 h 5 min``."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"
