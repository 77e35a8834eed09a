"""Decode many videos from end to end, on several cores, keeping what is known over a kill."""

from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import cv2

from repro.engine.journal import Journal
from repro.engine.pool import Failure, each, failure
from repro.progress import progress
from repro.provenance import code_version
from repro.video.decode import DecodeError, probe


@dataclass(frozen=True)
class Probe:
    """What decoding one video found; ``problem`` says why it cannot be used (``""``: it can).

    ``doubts``: what says that it is not whole although it can be decoded.
    """

    frames: int
    fps: float
    width: int
    height: int
    problem: str
    doubts: str = ""


def probe_videos(root, paths, workers=1, journal=None, known=None, timeout=None):
    """Decode every frame of ``root / path`` for each of ``paths``: a dict of path to `Probe`.

    A video that cannot be decoded, whatever goes wrong, is no error here but a `Probe` with a problem. ``workers`` processes
    share the work (1: this one). ``journal`` is a file that remembers those that can be decoded (by path, size, time of change
    and the code that decodes), so that a killed run goes on where it was; ``known`` is that of an earlier run, to begin with.
    ``timeout``: seconds that one video may take (None: no limit).
    """
    root = Path(root)
    found, waiting = {}, []
    with Journal(journal, known) as done:
        for path in paths:
            signature = _signature(root / path)
            before = _remembered(done.rows.get(path), signature)
            if before:
                found[path] = before
            else:
                waiting.append((path, signature))
        signatures = dict(waiting)
        bar = progress(
            _probe_all(root, [path for path, _ in waiting], workers, timeout),
            total=len(paths),
            initial=len(found),
            desc="decoding",
            unit="video",
        )
        for path, result in bar:
            found[path] = result
            if result.problem:  # perhaps of this run alone: no memory, no permission, a time-out
                continue
            done.add(path, {"signature": signatures[path], "probe": asdict(result)})
    return {path: found[path] for path in paths}


def _probe_all(root, paths, workers, timeout):
    """``(path, Probe)`` of each of ``paths``, as they come."""
    if workers <= 1 and timeout is None or len(paths) < 2:
        yield from ((path, _probe(root, path)) for path in paths)
        return
    cv2.setNumThreads(1)  # before the fork: a worker cannot shut threads that OpenCV opened in this process, and hangs
    for number, result in each(partial(_probe, root), [(path,) for path in paths], workers, timeout):
        failed = isinstance(result, Failure)
        yield paths[number], Probe(0, 0.0, 0, 0, result.why) if failed else result


def _probe(root, path):
    try:
        info = probe(root / path)
    except DecodeError as error:
        return Probe(0, 0.0, 0, 0, f"{error.what} ({error.why})" if error.why else error.what)
    except Exception as error:  # whatever it is, it is this video's
        return Probe(0, 0.0, 0, 0, failure(error).why)
    return Probe(info.frames, info.fps, info.width, info.height, "", info.doubts)


def _remembered(row, signature):
    """The `Probe` in a row of a journal, None where there is none of that signature, it is of a problem, or damaged."""
    try:
        before = Probe(**row["probe"]) if row["signature"] == signature else None
    except (KeyError, TypeError):
        return None
    return before if before and not before.problem else None


def _signature(path):
    try:
        stat = path.stat()
    except OSError:  # a link to nothing, or no permission: decoding says so
        return []
    return [stat.st_size, stat.st_mtime_ns, code_version(__name__)]
