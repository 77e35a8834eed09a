"""Decode many videos from end to end, on several cores, keeping what is known over a kill."""

from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import cv2

from repro.datasets.journal import Journal
from repro.engine.processes import exit_with_parent
from repro.errors import ReproError
from repro.progress import progress
from repro.provenance import code_version
from repro.video.decode import DecodeError, probe


@dataclass(frozen=True)
class Probe:
    """What decoding one video found; ``problem`` says why it cannot be used (``""``: it can)."""

    frames: int
    fps: float
    width: int
    height: int
    problem: str


def probe_videos(root, paths, workers=1, journal=None, known=None):
    """Decode every frame of ``root / path`` for each of ``paths``: a dict of path to `Probe`.

    A video that cannot be decoded is no error here but a `Probe` with a problem. ``workers`` processes share
    the work (1: this one). ``journal`` is a file that remembers finished videos (by path, size, time of
    change and the code that decodes), so that a killed run goes on where it was; ``known`` is
    the journal of an earlier run to begin with.
    """
    root = Path(root)
    found, waiting = {}, []
    with Journal(journal, known) as done:
        for path in paths:
            signature = _signature(root / path)
            before = done.rows.get(path)
            if before and before["signature"] == signature:
                found[path] = Probe(**before["probe"])
            else:
                waiting.append((path, signature))
        bar = progress(
            _probe_all(root, [path for path, _ in waiting], workers),
            total=len(paths),
            initial=len(found),
            desc="decoding",
            unit="video",
        )
        for (path, signature), result in zip(waiting, bar, strict=True):
            found[path] = result
            done.add(path, {"signature": signature, "probe": asdict(result)})
    return {path: found[path] for path in paths}


def _probe_all(root, paths, workers):
    task = partial(_probe, root)
    if workers <= 1 or len(paths) < 2:
        yield from map(task, paths)
        return
    cv2.setNumThreads(1)  # before the fork: a worker cannot shut threads that OpenCV opened in this process, and hangs
    with ProcessPoolExecutor(min(workers, len(paths)), initializer=exit_with_parent) as pool:
        try:
            yield from pool.map(task, paths, chunksize=4)
        except BrokenProcessPool as error:
            raise ReproError(
                "a decoding process died",
                path=root,
                why="killed, or out of memory",
                fix="run again, with fewer workers",
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


def _probe(root, path):
    try:
        info = probe(root / path)
    except DecodeError as error:
        return Probe(0, 0.0, 0, 0, f"{error.what} ({error.why})" if error.why else error.what)
    return Probe(info.frames, info.fps, info.width, info.height, "")


def _signature(path):
    try:
        stat = path.stat()
    except OSError:  # a link to nothing, or no permission: decoding says so
        return []
    return [stat.st_size, stat.st_mtime_ns, code_version(__name__)]
