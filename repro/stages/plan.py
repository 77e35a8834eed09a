"""``repro plan``: before anything runs, what is there, what is left, and what that takes, from measured rates alone."""

import dataclasses
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from repro.datasets.doctor import OFFICIAL
from repro.datasets.index import DatasetIndex
from repro.errors import ReproError
from repro.evaluation.settings import EvaluationSettings
from repro.flow.settings import BACKENDS
from repro.profile.blocks import fill
from repro.profile.dvcfile import IN_USE
from repro.profile.pipeline import blocks
from repro.profile.rates import FOLDER, Rates
from repro.profile.run import Run
from repro.report.text import markdown_table

NOT_MEASURED = "not measured"
# frames of the official releases, for as long as there is no index that counted them
FRAMES = {
    "ucf101": (27 * 3600 * 25, "published: 27 hours at 25 frames per second, Soomro et al. 2012"),
    "hmdb51": (630_000, "recalled, unverified"),
    "jhmdb": (31_838, "published: annotated frames, Jhuang et al. 2013"),
}
_RESNET50 = {"blocks": (3, 4, 6, 3), "width": 64, "layout": "caffe"}  # what training and scoring were measured with


@dataclasses.dataclass(frozen=True)
class Data:
    """How much there is of a dataset; ``subsets``: split -> (training, test) videos; ``source`` of the numbers, in words."""

    videos: int
    frames: int
    aspect: float  # longer by shorter side, mean over frames
    height: float  # shorter side in pixels
    subsets: dict
    source: str


@dataclasses.dataclass(frozen=True)
class Cost:
    """Hours of one CPU core, hours of one GPU, and bytes on disk; None: not measured."""

    cpu: float | None = None
    gpu: float | None = 0.0
    disk: float | None = None

    def __add__(self, other):
        return Cost(*(None if None in pair else sum(pair) for pair in zip(dataclasses.astuple(self), dataclasses.astuple(other))))


def run(run, cores=None, gpu="none", gpus=1):
    """Print the table of stages and what it assumes; runs nothing."""
    cores = os.cpu_count() if cores is None else cores
    if cores < 1 or gpus < 1:
        raise ReproError("a plan needs at least one core, and one GPU where there is any", why=f"got {cores} and {gpus}")
    rates, state = Rates(FOLDER, gpu), Finished(run.params)
    rows, assumed = plan(run, rates, cores, gpus, state)
    print(
        f"profile {run.profile} on {cores} CPU cores and {gpus if gpu != 'none' else 'no'} GPU"
        f"{' ' + gpu if gpu != 'none' else ''}; hours and disk are for what is left\n"
    )
    print(markdown_table(("stage", "dataset", "runs", "done", "CPU core hours", "GPU hours", "wall hours", "disk GB"), rows))
    print("\n".join(["", "Assumed:", *(f"  * {line}" for line in assumed), f"  * done: {state.how}"]))
    print(f"Free on this disk: {shutil.disk_usage('.').free / 1e9:.0f} GB.")


def plan(run, rates, cores, gpus, finished):
    """(rows of text, assumptions): one row per stage, system and dataset, then the sum of what was measured."""
    data, groups = {}, {}
    for block, item, name, outs in instances(run.params):
        dataset = item.get("dataset", "")
        if dataset and dataset not in data:
            data[dataset] = data_of(dataclasses.replace(run, dataset=dataset))
        groups.setdefault((f"{block.command} {block.system}".strip(), dataset), []).append((block, item, finished(name, outs)))
    rows, total, unknown = [], [0.0] * 4, 0
    for (stage, dataset), runs in groups.items():
        left = [(block, item) for block, item, done in runs if not done]
        cost = sum((cost_of(*each, data.get(dataset), run, rates) for each in left), Cost(0.0, 0.0, 0.0))
        wall = None if None in (cost.cpu, cost.gpu) else cost.cpu / cores + cost.gpu / gpus
        values = (cost.cpu, cost.gpu, wall, None if cost.disk is None else cost.disk / 1e9)
        total = [a + (b or 0.0) for a, b in zip(total, values)]
        unknown += None in values
        rows.append((stage, dataset, len(runs), len(runs) - len(left), *(_text(v) if left else "" for v in values)))
    rows.append(("sum of what was measured", "", "", "", *map(_text, total)))
    return rows, [*_assumptions(run, data, rates), f"{unknown} rows hold what was not measured; the sum is without them"]


def _assumptions(run, data, rates):
    for name, found in data.items():
        yield f"{name}: {found.source}" if found else f"{name}: unknown size until `repro prepare` has made its index"
    yield from rates.devices()
    yield "flow, trajectories and containers: in proportion to pixels"
    yield "one stream trains and scores in half the time of two; reading clips keeps up"
    yield "CPU work spreads evenly over the cores, runs over the GPUs; one kind of work after the other"
    backend, preset = run.flow_settings.backend, run.flow_settings.preset
    spent = {name: rates.flow(name, 1, preset=preset if name.startswith("tvl1_") else "opencv") for name in BACKENDS}
    times = {name: s / spent[backend] for name, s in spent.items() if name != backend and s and spent[backend]}
    if times:
        yield f"flow by {backend}; {', '.join(f'{name} takes {t:.2f} times its core time' for name, t in times.items())}"


def data_of(run):
    """`Data` of a Run's dataset: counted by its index, else official and published; None where nobody knows."""
    folder, layout = run.index, run.dataset_settings.layout
    if (folder / "index.csv").is_file():
        index = DatasetIndex.load(folder)
        table = index.table[index.table["problems"] == ""]
        short, long = table[["width", "height"]].min(axis=1), table[["width", "height"]].max(axis=1)
        weights = table["frames"] / table["frames"].sum()
        subsets = {s: tuple(len(index.subset(s, subset)) for subset in ("train", "test")) for s in index.splits}
        frames = int(table["frames"].sum())
        return Data(
            len(table),
            frames,
            float((long / short * weights).sum()),
            float((short * weights).sum()),
            subsets,
            f"{len(table):,} videos, {frames:,} frames (its index)",
        )
    if run.dataset in (run.params.mapping.get("embedded") or {}) or layout not in FRAMES:
        return None
    official, (frames, source) = OFFICIAL[layout], FRAMES[layout]
    return Data(
        official.videos,
        frames,
        4 / 3,
        240,
        official.splits,
        f"{official.videos:,} videos (official count), {frames:,} frames ({source}), 320x240 pixels",
    )


def cost_of(block, item, data, run, rates):
    """Cost of one run of a Block."""
    if data is None:
        return Cost()
    if block.command == "extract":
        return _extraction(data, run, rates)
    if block.command == "idt-features":
        seconds = rates.trajectories(data.height**2 * data.aspect)
        return Cost(None if seconds is None else data.frames * seconds / 3600)
    if block.command not in ("train", "evaluate"):
        return Cost()
    one = Run.of(run.params, item["dataset"], item["split"], item["seed"], block.system)
    training, test = data.subsets.get(one.split, (0, 0))
    streams, side, part = len(one.streams), one.input_size, "cpu" if rates.gpu == "none" else "gpu"
    seconds = None
    if one.settings.family == "st_resnet" and all(getattr(one.model, key) == value for key, value in _RESNET50.items()):
        if block.command == "train":
            frames = one.recipe.total_steps(training) * one.recipe.videos_per_step * one.recipe.frames * len(one.datasets)
            seconds = _times(frames, rates.training(streams, side, part))
        elif str(one.evaluation) == str(EvaluationSettings()):
            seconds = _times(training if "--subset train" in block.cmd else test, rates.scoring(streams, side, part))
    hours = None if seconds is None else seconds / 3600
    return Cost(hours, 0.0) if part == "cpu" else Cost(0.0, hours)


def _extraction(data, run, rates):
    store, flow = run.store_settings, run.flow_settings
    pixels, pairs = store.short_side**2 * data.aspect, data.frames - data.videos
    part = "gpu" if rates.gpu != "none" and flow.backend == "tvl1_torch" else "cpu"
    seconds = _times(pairs, rates.flow(flow.backend, pixels, part, flow.preset))
    hours = None if seconds is None else seconds / 3600
    disk = _times(data.frames, rates.stored(store.rgb_quality, store.flow_quality, pixels))
    return Cost(hours, 0.0, disk) if part == "cpu" else Cost(0.0, hours, disk)


def _times(count, rate):
    return None if rate is None else count * rate


def instances(params):
    """Every run of every stage that the profile asks for: (Block, item of its matrix, name as DVC's, paths of its outputs)."""
    for block in blocks(params):
        for item, name in block.items() if block.command != "code" else ():  # which is always run, and takes no time
            yield block, item, name, [fill(out, item) for out in (*block.outs, *block.results, *block.metrics)]


class Finished:
    """Whether a run need not be done again: by DVC's word where it keeps this very profile, else by its outputs being there."""

    def __init__(self, params):
        self.stale, self.how = None, "the outputs of a run exist (what they were made from was not compared)"
        kept = IN_USE.is_file() and IN_USE.read_bytes() == params.path.read_bytes() and Path(".dvc").is_dir()
        if kept and importlib.util.find_spec("dvc"):
            told = subprocess.run([sys.executable, "-m", "dvc", "status", "--json"], capture_output=True, text=True)
            if told.returncode == 0:
                self.stale, self.how = set(json.loads(told.stdout)), "up to date by `dvc status`"

    def __call__(self, name, outs):
        return all(Path(out).exists() for out in outs) and not (self.stale and name in self.stale)


def _text(value):
    if value is None:
        return NOT_MEASURED
    return "0" if not value else f"{value:,.1f}" if value < 100 else f"{value:,.0f}"
