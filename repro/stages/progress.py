"""``repro progress``: what `make repro` has to run, and how far it is.

Each stage that DVC runs adds a line, see `repro.profile.course.logged`.
"""

import time
from pathlib import Path

from repro.engine.machine import cores, gpus
from repro.evaluation.metrics import top_k
from repro.evaluation.scores import Scores
from repro.profile import rates
from repro.profile.blocks import versions_of
from repro.profile.costs import instances
from repro.profile.course import Course, remaining
from repro.profile.layout import layout_of
from repro.profile.lock import to_run
from repro.profile.schedule import BESIDE
from repro.report.text import percent
from repro.stages.plan import costs, schedule_of


def run(run, begin=False):
    """Print how far the latest `make repro` of the profile is. ``begin``: start one, and print what it has to run."""
    course = Course(run.profile)
    if begin:
        left = to_run(run.params, versions_of(run.params))
        total = sum(1 for _ in instances(run.params))
        print(course.begin(_hours(run, left), total - len(left)), flush=True)
        return
    state = course.state()
    if state is None:
        print(f"`make repro` has not run profile {run.profile} here")
        return
    print(f"{len(state['done'])} of {len(state['hours'])} stages have run, {remaining(state, time.time())}; log: {course.log}")


def _hours(run, left):
    """{stage: wall hours by measured rates, None: not measured} of the stages that are left."""
    if not left:
        return {}
    chips = gpus()
    schedule = schedule_of(run, cores(), len(chips))
    measured = rates.Rates(rates.FOLDER, chips[0].name if chips else "none")
    _, runs = costs(run, measured, lambda name, outs: name not in left)
    names = [name for _, _, name, _ in instances(run.params)]
    found = {name: schedule.hours(block, cost) for name, (block, _, cost) in zip(names, runs) if cost is not None}
    beside = {name for name, (block, _, _) in zip(names, runs) if block.command in BESIDE}
    return {name: hours and hours / (schedule.jobs if name in beside else 1) for name, hours in found.items()}


def accuracies(params, stage, state):
    """What the score files of a stage say; beside it the mean over the splits, a cell of a table, once all of them have run."""
    runs = {name: (block, item, outs) for block, item, name, outs in instances(params)}
    block, item, outs = runs.get(stage, (None, {}, ()))
    if block is None:
        return ""
    same = {key: item[key] for key in ("dataset", "seed")}
    splits = [name for other, name in block.items() if other.items() >= same.items()]
    ready = all(name in {stage, *state["done"]} or name not in state["hours"] for name in splits)
    titles, told = {system.name: system.title for system in layout_of(params).systems}, []
    for file in _score_files(outs):
        if file.stem in titles:
            text = f"{titles[file.stem]} on {item['dataset']} split {item['split']}: {percent(_accuracy(file))} %"
            if ready and len(splits) > 1:
                shares = [_accuracy(path) for name in splits for path in _score_files(runs[name][2]) if path.name == file.name]
                text += f", mean of {len(shares)} splits {percent(sum(shares) / len(shares))} %"
            told.append(text)
    return "; ".join(told)


def _score_files(outs):
    """Those of the test videos among the outputs of a stage, files or folders."""
    found = (path for out in map(Path, outs) for path in (sorted(out.rglob("*.npz")) if out.is_dir() else [out]))
    return [path for path in found if path.parent.name != "train"]


def _accuracy(path):
    scores = Scores.load(path)
    return top_k(scores.mean(), scores.labels)
