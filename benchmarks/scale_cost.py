"""What data of the size of UCF101 + HMDB51 and of Kinetics-400 take on 1, 8 and 64 machines, from measured rates alone.

    python benchmarks/scale_cost.py [--cores 16] [--write docs/plan.md]

Reads results/benchmarks/*.json; what nobody measured is "not measured" here too. Prints Markdown tables; `--write` puts them
between the markers of a file. They give, for every kind of work, core hours, wall hours by the number of machines, the bytes that
all of them together read and write per second, and which of decoding, flow, disk and network is the bottleneck; and what
scale_rehearsal.py measured.
"""

import argparse
import dataclasses
import json
import sys
from pathlib import Path

from repro.datasets.doctor import OFFICIAL
from repro.profile.rates import Rates
from repro.profile.sizes import FRAMES
from repro.report.text import markdown_table

ROOT = Path(__file__).resolve().parents[1]
MACHINES = (1, 8, 64)
SPLITS, GAUSSIANS = 3, 256  # of UCF101 and HMDB51; of a codebook
ALL, SAMPLE, FISHER = "trajectories, all kept", "trajectories, a sample kept", "Fisher vectors after a sample, three splits"
LINK = 1250.0  # MB/s: what a link of 10 Gbit/s could at best carry; not measured
BEGIN, END = "<!-- made by benchmarks/scale_cost.py: {} -->", "<!-- end -->"
NOT_MEASURED = "not measured"


@dataclasses.dataclass(frozen=True)
class Size:
    """``pixels`` of a frame of the videos, ``stored`` of one in a container."""

    title: str
    frames: int
    pixels: int
    stored: int
    videos: int  # of which trajectories are wanted, on three splits


SIZES = (
    Size(
        "UCF101 + HMDB51",
        FRAMES["ucf101"][0] + FRAMES["hmdb51"][0],
        320 * 240,
        341 * 256,
        sum(OFFICIAL[name].videos for name in ("ucf101", "hmdb51")),
    ),
    Size("Kinetics-400", 240_000 * 10 * 25, 340 * 256, 341 * 256, 0),  # 240,000 clips of 10 s (Kay et al. 2017), 25 fps assumed
)


class Costs:
    """Per frame of a Size, by the rates under ``folder``: seconds of a core, and bytes."""

    def __init__(self, folder):
        self.rates, self.disk = Rates(folder), {}
        path = Path(folder) / "scale_rehearsal.json"
        if path.is_file():
            self.disk = json.loads(path.read_text()).get("disk", {})

    def seconds(self, size):
        """{work: seconds of one core per frame, None: not measured}."""
        found = {
            "decoding": self.rates.decoding(size.pixels),
            "flow, the authors' preset": self.rates.flow("tvl1_cpu", size.stored, "cpu", "authors"),
            "flow, OpenCV's defaults": self.rates.flow("tvl1_cpu", size.stored, "cpu", "opencv"),
        }
        if not size.videos:
            return found
        once, encoding = self.rates.trajectories(size.pixels), self.rates.encoding(size.pixels, GAUSSIANS)
        again = None if None in (once, encoding) else once + SPLITS * encoding
        return found | {ALL: once, SAMPLE: once, FISHER: again}

    def read(self, size):
        """Bytes of a frame of a video, in proportion to pixels."""
        if "video_bytes_per_frame" not in self.disk:
            return None
        width, height = map(int, self.disk["video_size"].split("x"))
        return self.disk["video_bytes_per_frame"] * size.pixels / (width * height)

    def written(self, size):
        """Bytes of a frame in a container."""
        return self.rates.stored(95, 95, size.stored)


def tables(costs, cores):
    """The Markdown: work, then machines."""
    work, machines = [], []
    for size in SIZES:
        spent = costs.seconds(size)
        for name, seconds in spent.items():
            hours = None if seconds is None else seconds * size.frames / 3600
            wall = [_text(None if hours is None else hours / cores / count) for count in MACHINES]
            work.append((size.title, name, _text(hours), *wall, _disk(costs, size, name)))
        machines += [_machines(costs, size, spent, cores, count) for count in MACHINES]
    heads = ("data", "work", "core hours", *(f"hours on {count} x {cores} cores" for count in MACHINES), "disk GB")
    second = ("data", "machines", "frames/s", "read MB/s", "written MB/s", "bottleneck")
    return f"{markdown_table(heads, work)}\n\n{markdown_table(second, machines)}\n"


def _disk(costs, size, name):
    if name in (ALL, SAMPLE):
        rate = costs.rates.stored_trajectories(size.pixels, "all" if name == ALL else "sample")
    elif name == FISHER:
        vector = costs.rates.vector(GAUSSIANS)
        rate = None if vector is None else SPLITS * vector * size.videos / size.frames
    elif name.startswith("flow"):
        rate = costs.written(size)
    else:
        return ""
    return _text(None if rate is None else rate * size.frames / 1e9)


def _machines(costs, size, spent, cores, count):
    """Extraction with the authors' preset: what all machines together do per second, and the bottleneck."""
    seconds = [spent["decoding"], spent["flow, the authors' preset"]]
    if None in seconds:
        return (size.title, count, *(NOT_MEASURED,) * 4)
    frames = count * cores / sum(seconds)
    read, written = (None if rate is None else frames * rate / 1e6 for rate in (costs.read(size), costs.written(size)))
    return (size.title, count, _text(frames), _text(read), _text(written), _first(costs, seconds, read, written))


def _first(costs, seconds, read, written):
    """The bottleneck: one disk and one link for all machines, as of a file server, or the cores that flow and decoding share."""
    if None in (read, written) or "write_mb_per_s" not in costs.disk:
        return NOT_MEASURED
    used = {
        "disk": written / costs.disk["write_mb_per_s"] + read / costs.disk["read_mb_per_s"],
        "network": (read + written) / LINK,
        "cores": 1.0,
    }
    name = max(used, key=used.get)
    if name == "cores":
        share = 100 * max(seconds) / sum(seconds)
        name = f"{'flow' if seconds[1] > seconds[0] else 'decoding'} ({share:.0f} % of the cores' time)"
    rest = ", ".join(f"{key} at {100 * value:.0f} %" for key, value in used.items() if key != "cores" and not name == key)
    return f"{name}; {rest}" if name not in used else f"{name}: {used[name]:.1f} times its capacity; {rest}"


def _text(value):
    if value is None:
        return NOT_MEASURED
    return f"{value:,.2f}" if value < 1 else f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


def rehearsal(folder):
    """The Markdown of what scale_rehearsal.py measured."""
    path = Path(folder) / "scale_rehearsal.json"
    found = json.loads(path.read_text()) if path.is_file() else {}
    parts = []
    if "start" in found:
        start = found["start"]
        rows = [(name, row["cpu_s"], f"{row['peak_mib']:,}") for name, row in start["stages"].items()]
        parts.append(markdown_table((f"{start['videos']:,} videos: stage", "core seconds to start", "peak MiB"), rows))
    if "dvc" in found:
        rows = list(found["dvc"]["cpu_s"].items())
        parts.append(markdown_table((f"profile of {found['dvc']['stages']} stages: command", "core seconds"), rows))
    if not parts:
        return f"{NOT_MEASURED.capitalize()}.\n"
    return "\n\n".join([*parts, f"Measured on {found['device']}, {found['cores']} cores, shared with other work."]) + "\n"


def put(path, name, text):
    """Write ``text`` between the markers of a file."""
    begin = BEGIN.format(name)
    before, found, rest = path.read_text().partition(begin)
    _, ended, after = rest.partition(END)
    if not found or not ended:
        sys.exit(f"no {begin} in {path}")
    path.write_text(f"{before}{begin}\n{text}{END}{after}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cores", type=int, default=16, help="of a machine")
    parser.add_argument("--results", type=Path, default=ROOT / "results" / "benchmarks")
    parser.add_argument("--write", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    made = {"cost": tables(Costs(arguments.results), arguments.cores), "rehearsal": rehearsal(arguments.results)}
    print("\n".join(made.values()))
    for name, text in made.items() if arguments.write else ():
        put(arguments.write, name, text)


if __name__ == "__main__":
    main()
