"""Score files of all profiles -> one page that is looked through in a browser: data computed here, a script that shows them.

The page holds measured numbers alone, one dataset at a time, so that no published number stands beside synthetic data.
"""

import base64
import hashlib
import itertools
import json
import math
from pathlib import Path

import numpy as np

from repro.evaluation import uncertainty
from repro.evaluation.different import differences, rule
from repro.report.details import mechanisms
from repro.report.notes import how_measured, how_to_read
from repro.report.text import NOT_RUN, interval_text, only_splits, p_text, percent

_TEMPLATE = Path(__file__).with_name("explore.html")
_SCRIPT = Path(__file__).with_name("explore.js")
_PAGE = (
    "Here the page is all pairs of systems on this dataset of this profile. The profile's tables compare other pairs, so an "
    "adjusted p can differ there."
)


def page(views):
    """The whole page as HTML, from what `view` makes. It loads nothing, and runs no script but its own."""
    script = _SCRIPT.read_text(encoding="utf-8")
    allowed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    text = _TEMPLATE.read_text(encoding="utf-8").replace("{{allowed}}", allowed).replace("{{script}}", script)
    return text.replace("{{data}}", _json(views))


def view(profile, results, dataset):
    """What the page shows of a dataset (DatasetLayout) of a profile's Results: plain lists and dicts.

    Accuracies and points are in percent, as text with their 95 % interval (``text``) and as places on an axis (``at``: value,
    low, high; ``axes``: view box and label). Classes, systems and videos are named by their index. ``taken``: the class that a
    system takes each of ``videos`` for, None where that split was not run. ``differences[i][j]``: system i - system j, None where
    no split was run on both; all pairs of the dataset are tested together.
    """
    listed = results.layout.systems_of(dataset)
    cells = [results.get(dataset.name, system.name) for system in listed]
    there = [cell for cell in cells if cell is not None]
    classes = next(iter(there[0].files.values())).classes
    videos = _videos(there, classes)
    found, count = _differences(results, dataset.name, [system.name for system in listed])
    parts = results.layout.claims
    return {
        "profile": profile,
        "name": dataset.name,
        "title": dataset.title,
        "splits": dataset.splits,
        "classes": classes,
        "videos": videos,
        "systems": [
            {
                "name": system.name,
                "title": system.title,
                **(_not_run(dataset) if cell is None else _system(cell, videos, classes)),
            }
            for system, cell in zip(listed, cells)
        ],
        "differences": found,
        "axes": {"accuracy": ["0 0 100 10", "0 to 100"], "difference": _axis(found)},
        "start": [_place(listed, cells, parts.st_resnet), _place(listed, cells, parts.late_fusion)],
        "pairs": _pairs(results, dataset),
        "notes": [
            *how_to_read(results, beside=False),
            f"{rule(results.layout.draws, results.layout.seed, count)} {_PAGE}",
            *_lines(how_measured(results, dataset, listed)),
        ],
    }


def _json(value):
    """JSON that can stand in a page: ASCII, and nothing in it that ends or begins a tag."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _videos(cells, classes):
    """[(split, name, class)] of all splits that any system was run on, split by split."""
    files = {split: scores for cell in cells for split, scores in cell.files.items()}
    return [
        (split, name, classes.index(scores.classes[label]))
        for split, scores in sorted(files.items())
        for name, label in zip(scores.names, scores.labels)
    ]


def _system(cell, videos, classes):
    taken = _taken(cell, classes)
    counts, own = cell.confusion()
    order = [own.index(name) for name in classes]
    counts = counts[np.ix_(order, order)]
    return {
        "accuracy": _interval(cell.interval, only_splits(cell)),
        "per_split": [percent(cell.accuracy(s)) if s in cell.files else NOT_RUN for s in cell.dataset.splits],
        "classes": _class_accuracies(cell, videos, counts),
        "confusions": _confusions(counts),
        "taken": [taken.get((split, name)) for split, name, _ in videos],
    }


def _not_run(dataset):
    return {"accuracy": None, "per_split": [NOT_RUN] * len(dataset.splits), "classes": None, "confusions": [], "taken": None}


def _taken(cell, classes):
    """{(split, name): class that scores highest}"""
    return {
        (split, name): classes.index(scores.classes[best])
        for split, scores in cell.files.items()
        for name, best in zip(scores.names, scores.mean().argmax(axis=1))
    }


def _class_accuracies(cell, videos, counts):
    """Per class the mean over splits, as of all videos, and how many of the splits' test videos are right; None without any."""
    label = {name: index for _, name, index in videos}
    of = np.array([label[name] for name in cell.outcomes.videos])
    made = []
    for index, (right, tested) in enumerate(zip(np.diag(counts), counts.sum(axis=1))):
        rows = of == index
        if not tested:
            made.append(None)
            continue
        names = tuple(itertools.compress(cell.outcomes.videos, rows))
        own = uncertainty.Outcomes(names, cell.outcomes.correct[rows], cell.outcomes.member[rows])
        made.append({**_interval(uncertainty.bootstrap(own, cell.draws, cell.seed)), "right": f"{right} of {tested}"})
    return made


def _confusions(counts):
    """[(class, taken for, videos, "share of the class in percent")], what is right included; the most frequent first."""
    tested = counts.sum(axis=1)
    found = [(int(i), int(j), int(counts[i, j]), percent(counts[i, j] / tested[i])) for i, j in np.argwhere(counts)]
    return sorted(found, key=lambda entry: (-entry[2], entry))


def _differences(results, dataset, names):
    """A square table of all systems against each other, and how many comparisons it holds."""
    both = {(i, j): results.shared(dataset, names[i], names[j]) for i, j in itertools.combinations(range(len(names)), 2)}
    pairs = {place: cells for place, cells in both.items() if cells}
    outcomes = [(first.outcomes, second.outcomes) for first, second in pairs.values()]
    tested = differences(outcomes, results.layout.draws, results.layout.seed)
    table = [[None] * len(names) for _ in names]
    for ((i, j), (first, _)), found in zip(pairs.items(), tested):
        splits = only_splits(first)
        table[i][j], table[j][i] = _difference(found, splits), _difference(found.turned(), splits)
    return table, len(pairs)


def _difference(found, splits):
    shown = {"p": p_text(found.p), "adjusted": p_text(found.adjusted), "verdict": found.verdict}
    return {**_interval(found.points, splits), **shown}


def _axis(table):
    """The view box of differences, symmetric about zero, and what stands above it."""
    ends = [abs(end) for row in table for cell in row if cell for end in cell["at"]]
    span = 10 * math.ceil(max(ends, default=1) / 10) or 10
    return [f"{-span} 0 {2 * span} 10", f"{-span} to {span}"]


def _interval(interval, splits=""):
    at = [float(percent(end, 2)) for end in (interval.value, interval.low, interval.high)]
    return {"text": interval_text(interval) + splits, "at": at}


def _place(systems, cells, name):
    """Index of a system that was run: the one of that name, else the first."""
    run = [index for index, cell in enumerate(cells) if cell]
    return next((index for index in run if systems[index].name == name), run[0])


def _pairs(results, dataset):
    """The table of accuracies within the class pairs of each mechanism, None where the dataset has none."""
    with_pairs = [each.name for each in results.layout.datasets if each.mechanisms]
    if dataset.name not in with_pairs:
        return None
    section = mechanisms(results).sections[with_pairs.index(dataset.name)]
    told_above = how_to_read(results, beside=False)
    notes = [note for note in section.notes if note not in told_above]
    return {"heading": section.heading, "rows": section.rows, "notes": _lines(notes)}


def _lines(notes):
    """Notes of Markdown, one line each."""
    return [line for note in notes for line in note.split("  \n")]
