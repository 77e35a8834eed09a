"""What a folder of containers holds, and what is wrong with it."""

import hashlib
import json
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from repro.engine.processes import exit_with_parent
from repro.errors import ReproError
from repro.progress import progress
from repro.video.store import ClipStore

_SAMPLED = 8  # fields per video that enter the histogram


@dataclass(frozen=True)
class Survey:
    """Findings over one folder of containers.

    fields: of each plane that holds any. settings: how many containers were written with each combination of store
    settings, flow method, device and library versions (as JSON); more than one is a mixture. histogram: (2, 256) counts
    of the bytes of u and v in fields sampled from every video. still: videos in whose sampled fields nothing moves or
    everything moves alike. problems: video -> one line. leftovers: names of temporary files of killed writers.
    """

    containers: int
    frames: int
    fields: int
    size_bytes: int
    settings: dict
    histogram: np.ndarray
    still: tuple
    problems: dict
    leftovers: tuple

    @property
    def sound(self) -> bool:
        """No problem, and all containers made alike."""
        return not self.problems and len(self.settings) == 1

    @property
    def clipped(self) -> float:
        """Share of sampled values at the bound."""
        return float(self.histogram[:, [0, 255]].sum() / max(self.histogram.sum(), 1))

    @property
    def zero(self) -> float:
        """Share of sampled values that stand for no motion."""
        return float(self.histogram[:, 127:129].sum() / max(self.histogram.sum(), 1))

    def lines(self) -> list[str]:
        """The report as text."""
        lines = [
            f"{self.containers} containers, {self.frames} frames, {self.fields} flow fields, {self.size_bytes / 1e6:.1f} MB",
            f"flow bytes: {100 * self.zero:.1f} % zero, {100 * self.clipped:.3f} % at the bound",
        ]
        lines += [f"{count} containers made with {made}" for made, count in self.settings.items()]
        lines += [f"no motion at all: {video}" for video in self.still]
        lines += [f"problem: {video}: {line}" for video, line in self.problems.items()]
        return lines + [f"left by a killed writer: {name}" for name in self.leftovers]


def survey(folder, expected: dict | None = None, processes: int = 1) -> Survey:
    """Read every container below a folder; every byte is checked.

    A video's name is its container's path below the folder without ".zip". expected: video -> number of
    frames; a container that is missing, unasked for or of another length becomes a problem.
    """
    paths = _containers(folder)
    made, problems, still = Counter(), {}, []
    histogram = np.zeros((2, 256), np.int64)
    frames = fields = size = 0
    cv2.setNumThreads(1)  # before the fork: a worker cannot shut threads that OpenCV opened in this process, and hangs
    with ProcessPoolExecutor(processes, initializer=exit_with_parent) as pool:
        found = pool.map(_examine, paths.values(), chunksize=8)
        for (video, path), one in zip(paths.items(), progress(found, total=len(paths), desc="survey", unit="container")):
            if isinstance(one, str):
                problems[video] = one
                continue
            count, found_fields, wanted_fields, description, counts, flat = one
            frames, fields, size = frames + count, fields + found_fields, size + path.stat().st_size
            made[description] += 1
            histogram += counts
            if flat:
                still.append(video)
            if expected is not None and count != expected.get(video, count):
                problems[video] = f"{count} frames, expected {expected[video]}"
            elif found_fields != wanted_fields:
                problems[video] = f"{found_fields} flow fields for {count} frames"
    if expected is not None:
        problems |= {video: "no container" for video in expected if video not in paths}
        problems |= {video: "a container nobody asked for" for video in paths if video not in expected}
    leftovers = tuple(sorted(path.relative_to(folder).as_posix() for path in Path(folder).rglob(".*.part")))
    return Survey(len(paths), frames, fields, size, dict(made), histogram, tuple(still), problems, leftovers)


def store_digest(folder) -> str:
    """Hash over the name, size and recorded checksum of every container below a folder: which content a survey looked at."""
    digest = hashlib.sha256()
    for video, path in _containers(folder).items():
        digest.update(f"{video}\0{path.stat().st_size}\0{ClipStore(path).sha256}\n".encode())
    return digest.hexdigest()


def require_report(path, folder, fix: str):
    """Raise ReproError unless ``repro doctor flow`` reports at ``path`` that the containers now below ``folder`` passed."""
    try:
        report = json.loads(Path(path).read_text())
        passed, digest = report["passed"], report["store"]
    except FileNotFoundError:
        raise ReproError("no report on the flow", path=path, why="engine.require_doctor asks for one", fix=fix) from None
    except (ValueError, KeyError, TypeError) as error:
        raise ReproError("unreadable report on the flow", path=path, why=str(error), fix=fix) from None
    if not passed:
        raise ReproError("the flow did not pass its checks", path=path, why="engine.require_doctor asks for it", fix=fix)
    if digest != store_digest(folder):
        raise ReproError("the report is of other flow", path=path, why=f"{folder} has changed since", fix=fix)


def _containers(folder):
    """Video -> path, in the order of paths."""
    folder = Path(folder)
    return {path.relative_to(folder).with_suffix("").as_posix(): path for path in sorted(folder.rglob("*.zip"))}


def _examine(path):
    """(frames, fields, fields it should have, how it was made, histogram of flow, whether nothing moves) of one container, or
    what is wrong in one line."""
    try:
        store = ClipStore(path)
        store.verify()
        flow = _sampled(store)
    except (ReproError, OSError) as error:
        return str(error)
    made = {"store": store.settings.saved(), **{key: store.meta.get(key) for key in ("flow", "device", "versions")}}
    histogram = np.stack([np.bincount(flow[..., channel].ravel(), minlength=256) for channel in (0, 1)])
    flat = len(flow) > 0 and bool((np.ptp(flow.reshape(len(flow), -1, 2), axis=1) <= 1).all())  # 127 and 128 are both zero
    wanted = store.frames - 1 if store.settings.fields else 0
    return store.frames, store.fields, wanted, json.dumps(made, sort_keys=True), histogram, flat


def _sampled(store):
    if "flow" not in store.planes or not store.fields:
        return np.empty((0, store.height, store.width, 2), np.uint8)
    return store.flow(np.unique(np.linspace(0, store.fields - 1, _SAMPLED).round().astype(int)))


def mean_difference(path, golden) -> tuple[float, float]:
    """Mean absolute difference of all RGB bytes and of all bytes of fields of two containers; raises ReproError
    for other sizes or planes."""
    first, second = ClipStore(path), ClipStore(golden)
    shapes = [(s.frames, s.fields, s.height, s.width, *s.settings.fields) for s in (first, second)]
    if shapes[0] != shapes[1]:
        raise ReproError("not comparable with the golden container", path=path, why=f"{shapes[0]} against {shapes[1]}")
    rgb = [_distance(first.rgb([t]), second.rgb([t])) for t in range(first.frames)]
    flow = [_distance(first.flow([t], p), second.flow([t], p)) for p in first.settings.fields for t in range(first.fields)]
    return sum(rgb) / len(rgb), sum(flow) / max(len(flow), 1)


def _distance(a, b):
    return float(np.abs(a.astype(int) - b).mean())
