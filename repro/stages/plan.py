"""``repro plan``: before anything runs, what is there, what is left, and what that takes, from measured rates alone."""

import dataclasses
import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

from repro.engine.machine import Machine
from repro.engine.machine import cores as cores_here
from repro.engine.settings import EngineSettings
from repro.errors import ReproError
from repro.flow.settings import BACKENDS
from repro.profile.costs import Cost, cost_of, instances, kind_of
from repro.profile.dvcfile import IN_USE
from repro.profile.rates import FOLDER, Rates
from repro.profile.schedule import Schedule, place_of
from repro.profile.settings import Engine
from repro.profile.sizes import data_of
from repro.report.text import markdown_table

NOT_MEASURED, INCOMPLETE = "not measured", "incomplete"
_HEADING = ("stage", "dataset", "runs", "done", "CPU core hours", "GPU hours", "wall hours", "disk GB")


def run(run, cores=None, gpu="none", gpus=1):
    """Print the table of stages and what it assumes; runs nothing."""
    cores = cores_here() if cores is None else cores
    if cores < 1 or gpus < 1:
        raise ReproError("a plan needs at least one core, and one GPU where there is any", why=f"got {cores} and {gpus}")
    rates, state = Rates(FOLDER, gpu), Finished(run.params)
    rows, assumed = plan(run, rates, cores, gpus, state)
    print(
        f"profile {run.profile} on {cores} CPU cores and {gpus if gpu != 'none' else 'no'} GPU"
        f"{' ' + gpu if gpu != 'none' else ''}; hours and disk are for what is left\n"
    )
    print(markdown_table(_HEADING, rows))
    print("\n".join(["", "Assumed:", *(f"  * {line}" for line in assumed), f"  * done: {state.how}"]))
    print(f"Free on this disk: {shutil.disk_usage('.').free / 1e9:.0f} GB.")


def plan(run, rates, cores, gpus, finished):
    """(rows of text, assumptions): one row per stage, system and dataset, then their sum. A column in which something was not
    measured has no sum, and the last row's name says what."""
    schedule = schedule_of(run, cores, gpus if rates.gpu != "none" else 0)
    data, runs = costs(run, rates, finished)
    groups = {}
    for block, item, cost in runs:
        groups.setdefault((kind_of(block), item.get("dataset", "")), []).append((block, item, cost))
    rows, total, unknown = [], [0.0] * 4, {}
    for (kind, dataset), each in groups.items():
        left = [(block, item, cost) for block, item, cost in each if cost is not None]
        cost = sum((cost for _, _, cost in left), Cost(0.0, 0.0, 0.0))
        walls = [schedule.hours(block, cost) for block, _, cost in left]
        wall = None if None in walls else sum(walls) / (min(schedule.jobs, len(left) or 1) if _chained(each) else 1)
        values = (cost.cpu, cost.gpu, wall, None if cost.disk is None else cost.disk / 1e9)
        for column, value in enumerate(values):
            if value is None:
                unknown.setdefault(kind.split()[0], set()).add(column)
        total = [a + (b or 0.0) for a, b in zip(total, values)]
        rows.append((kind, dataset, len(each), len(each) - len(left), *(_text(v) if left else "" for v in values)))
    places = {place_of(item) for block, item, _ in runs if block.command == "train"}
    total[2] = schedule.total([each for each in runs if each[2] is not None], places)
    lacking = set().union(*unknown.values())
    name = f"{INCOMPLETE}: {', '.join(unknown)} not measured" if unknown else "sum"
    rows.append((name, "", "", "", *(INCOMPLETE if column in lacking else _text(v) for column, v in enumerate(total))))
    return rows, _assumptions(run, data, rates, schedule, len(places))


def _chained(group):
    return place_of(group[0][1]).count("-") >= 2


def costs(run, rates, finished):
    """({dataset: Data}, [(Block, item, Cost or None where it is done)]) of every run that the profile asks for."""
    data, runs = {}, []
    for block, item, name, outs in instances(run.params):
        dataset = item.get("dataset", "")
        if dataset and dataset not in data:
            data[dataset] = data_of(dataclasses.replace(run, dataset=dataset))
        cost = None if finished(name, outs) else cost_of(block, item, data.get(dataset), run, rates)
        runs.append((block, item, cost))
    return data, runs


def schedule_of(run, cores, gpus):
    """The `Schedule` of `make repro` on a machine."""
    engine = run.params.section("engine", Engine) if run.params.mapping.get("engine") else Engine(cores)
    threads = run.params.section("engine.training", EngineSettings).threads if engine.training else 1
    return Schedule(cores, engine.processes, Machine(cores).jobs(threads, gpus), threads)


def disk_of(run, rates, finished):
    """(bytes that what is left will write, commands of which nobody measured that)."""
    _, runs = costs(run, rates, finished)
    left = [(block.command, cost.disk) for block, _, cost in runs if cost is not None]
    return sum(disk or 0.0 for _, disk in left), list(dict.fromkeys(command for command, disk in left if disk is None))


def _assumptions(run, data, rates, schedule, chains):
    for name, found in data.items():
        yield f"{name}: {found.source}" if found else f"{name}: unknown size until `repro prepare` has made its index"
    measured = list(rates.devices(run.profile))
    yield from measured
    if any(line.startswith("families.json") for line in measured):
        yield "networks of families.json: in proportion to frames and pixels, every video of mean length"
    yield "flow, trajectories and their encoding, decoding and containers: in proportion to pixels"
    yield "one stream trains and scores in half the time of two"
    yield "data loading keeps up with a GPU; its core hours are not counted"
    yield "indices, codebooks, scores and pages take little disk"
    beside = min(schedule.jobs, chains) if chains else schedule.jobs
    side = f"{chains} chain{'s' * (chains != 1)} (dataset, split, seed), {beside} in parallel"
    processes = min(schedule.cores, schedule.processes)
    yield f"wall hours as `make repro` works: data by {processes} processes, then {side}, then the rest"
    yield "wall hours of a row are for that row alone"
    backend, preset = run.flow_settings.backend, run.flow_settings.preset
    alike = [name for name in BACKENDS if preset == "opencv" or name.startswith("tvl1_")]  # the others have no other preset
    spent = {name: rates.flow(name, 1, preset=preset) for name in alike}
    times = {name: s / spent[backend] for name, s in spent.items() if name != backend and s and spent[backend]}
    if times:
        told = ", ".join(f"{name} takes {t:.2f} times its core time" for name, t in times.items())
        yield f"flow by {backend}, preset {preset}; {told}"


class Finished:
    """Whether a run need not be done again: by DVC's word where it keeps this very profile, else by its outputs being there.

    ``ask``: False does without DVC's word, which takes it as long as the data are many.
    """

    def __init__(self, params, ask=True):
        self.stale, self.how = None, "the outputs of a run exist (what they were made from was not compared)"
        kept = IN_USE.is_file() and IN_USE.read_bytes() == params.path.read_bytes() and Path(".dvc").is_dir()
        if ask and kept and importlib.util.find_spec("dvc"):
            told = subprocess.run([sys.executable, "-m", "dvc", "status", "--json"], capture_output=True, text=True)
            if told.returncode == 0:
                self.stale, self.how = set(json.loads(told.stdout)), "up to date by `dvc status`"

    def __call__(self, name, outs):
        return all(Path(out).exists() for out in outs) and not (self.stale and name in self.stale)


def _text(value):
    if value is None:
        return NOT_MEASURED
    if not value:
        return "0"
    if value < 1:  # a stage of the embedded benchmark takes thousandths of an hour
        return "< 0.001" if value < 0.001 else f"{value:.2g}"
    return f"{value:,.1f}" if value < 100 else f"{value:,.0f}"
