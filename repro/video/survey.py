"""What a folder of containers holds, and what is wrong with it."""

import json
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from repro.errors import ReproError
from repro.video.store import ClipStore

_SAMPLED = 8  # fields per video that enter the histogram


@dataclass(frozen=True)
class Survey:
    """Findings over one folder of containers.

    settings: how many containers were written with each combination of store settings, flow method and
    library versions (as JSON); more than one is a mixture. histogram: (2, 256) counts of the bytes of u and
    v. still: videos whose sampled flow is zero everywhere. problems: video -> one line. leftovers: names of
    temporary files of killed writers.
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

    def lines(self) -> list[str]:
        """The report as text."""
        total = max(self.histogram.sum(), 1)
        clipped = self.histogram[:, [0, 255]].sum() / total
        zero = self.histogram[:, 127:129].sum() / total
        lines = [f"{self.containers} containers, {self.frames} frames, {self.fields} flow fields, {self.size_bytes / 1e6:.1f} MB",
                 f"flow bytes: {100 * zero:.1f} % zero, {100 * clipped:.3f} % at the bound"]
        lines += [f"{count} containers made with {made}" for made, count in self.settings.items()]
        lines += [f"no motion at all: {video}" for video in self.still]
        lines += [f"problem: {video}: {line}" for video, line in self.problems.items()]
        return lines + [f"left by a killed writer: {name}" for name in self.leftovers]


def survey(folder, expected: dict | None = None) -> Survey:
    """Read every container below a folder; every byte is checked.

    A video's name is its container's path below the folder without ".zip". expected: video -> number of
    frames; a container that is missing, unasked for or of another length becomes a problem.
    """
    folder = Path(folder)
    paths = {path.relative_to(folder).with_suffix("").as_posix(): path for path in sorted(folder.rglob("*.zip"))}
    made, problems, still = Counter(), {}, []
    histogram = np.zeros((2, 256), np.int64)
    frames = fields = size = 0
    for video, path in paths.items():
        try:
            store = ClipStore(path)
            store.verify()
        except (ReproError, OSError) as error:
            problems[video] = str(error)
            continue
        frames, fields, size = frames + store.frames, fields + store.fields, size + path.stat().st_size
        described = {"store": asdict(store.settings), "flow": store.meta.get("flow"), "versions": store.meta.get("versions")}
        made[json.dumps(described, sort_keys=True)] += 1
        counts = _histogram(store)
        histogram += counts
        if store.fields and counts[:, 127:129].sum() == counts.sum():
            still.append(video)
        if expected is not None and store.frames != expected.get(video, store.frames):
            problems[video] = f"{store.frames} frames, expected {expected[video]}"
    if expected is not None:
        problems |= {video: "no container" for video in expected if video not in paths}
        problems |= {video: "a container nobody asked for" for video in paths if video not in expected}
    leftovers = tuple(sorted(path.relative_to(folder).as_posix() for path in folder.rglob(".*.part")))
    return Survey(len(paths), frames, fields, size, dict(made), histogram, tuple(still), problems, leftovers)


def _histogram(store):
    if not store.fields:
        return np.zeros((2, 256), np.int64)
    flow = store.flow(np.unique(np.linspace(0, store.fields - 1, _SAMPLED).round().astype(int)))
    return np.stack([np.bincount(flow[..., channel].ravel(), minlength=256) for channel in (0, 1)])


def mean_difference(path, golden) -> tuple[float, float]:
    """Mean absolute difference of all RGB bytes and of all flow bytes of two containers; raises ReproError
    for other sizes."""
    first, second = ClipStore(path), ClipStore(golden)
    shapes = [(s.frames, s.fields, s.height, s.width) for s in (first, second)]
    if shapes[0] != shapes[1]:
        raise ReproError("not comparable with the golden container", path=path, why=f"{shapes[0]} against {shapes[1]}")
    totals = [sum(float(np.abs(read(first, t).astype(int) - read(second, t)).mean()) for t in range(count)) / max(count, 1)
              for read, count in ((lambda s, t: s.rgb([t]), first.frames), (lambda s, t: s.flow([t]), first.fields))]
    return totals[0], totals[1]
