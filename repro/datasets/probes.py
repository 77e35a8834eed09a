"""Decode many videos from end to end, on several cores, keeping what is known over a kill."""

import json
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from repro.errors import ReproError
from repro.video.decode import DecodeError, probe
from repro.work import exit_with_parent, progress


@dataclass(frozen=True)
class Probe:
    """What decoding one video found; ``problem`` says why it cannot be used (``""``: it can)."""

    frames: int
    fps: float
    width: int
    height: int
    problem: str


def probe_videos(root, paths, workers=1, journal=None):
    """Decode every frame of ``root / path`` for each of ``paths``: a dict of path to `Probe`.

    A video that cannot be decoded is no error here but a `Probe` with a problem. ``workers`` processes share the work (1: this one).
    ``journal`` is a file that remembers finished videos (by path, size and time of change), so that a killed run goes on where
    it was.
    """
    root = Path(root)
    known = _read_journal(journal)
    found, waiting = {}, []
    for path in paths:
        signature = _signature(root / path)
        if known.get(path, {}).get("signature") == signature:
            found[path] = Probe(**known[path]["probe"])
        else:
            waiting.append((path, signature))
    with _Journal(journal) as remember:
        bar = progress(_probe_all(root, [path for path, _ in waiting], workers), total=len(paths),
                       initial=len(found), desc="decoding", unit="video")
        for (path, signature), result in zip(waiting, bar, strict=True):
            found[path] = result
            remember(path, signature, result)
    return {path: found[path] for path in paths}


def _probe_all(root, paths, workers):
    task = partial(_probe, root)
    if workers <= 1 or len(paths) < 2:
        yield from map(task, paths)
        return
    with ProcessPoolExecutor(min(workers, len(paths)), initializer=exit_with_parent) as pool:
        try:
            yield from pool.map(task, paths, chunksize=4)
        except BrokenProcessPool as error:
            raise ReproError("a decoding process died", path=root, why="killed, or out of memory",
                             fix="run again, with fewer workers") from error
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
    return [stat.st_size, stat.st_mtime_ns]


def _read_journal(journal):
    known = {}
    if journal is None or not Path(journal).is_file():
        return known
    for line in Path(journal).read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(line)
        except ValueError:  # the line being written when the run was killed
            continue
        known[row["path"]] = row
    return known


class _Journal:
    """Append one line per finished video; does nothing without a path."""

    def __init__(self, path):
        self.path = path

    def __enter__(self):
        if self.path is None:
            self.file = None
            return self._remember
        Path(self.path).parent.mkdir(parents=True, exist_ok=True)
        self.file = open(self.path, "a", encoding="utf-8")
        if self.file.tell():
            self.file.write("\n")  # ends a line that a kill cut short
        return self._remember

    def _remember(self, path, signature, result):
        if self.file:
            self.file.write(json.dumps({"path": path, "signature": signature, "probe": asdict(result)}) + "\n")
            self.file.flush()

    def __exit__(self, *error):
        if self.file:
            self.file.close()
