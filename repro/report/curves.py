"""Loss and accuracy of training over its steps, from the curve files beside the score files."""

import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from repro.errors import ReproError
from repro.report.figures import COLOURS, STREAMS, STYLE

_LOSS, _ACCURACY = "#444444", "accuracy_"
_WINDOWS = 40  # a curve is averaged over a fortieth of its steps


def curves_figure(profile_folder, dataset, layout):
    """One row per trained system of ``dataset`` (a DatasetLayout): loss per video and training accuracy over steps: Figure, or
    None where nothing was trained.

    A line per split, seed and head; dashed where a constant learning rate drops. Errors: ReproError for a file that
    holds no curves.
    """
    runs = {system.title: curve_tables(profile_folder, dataset, layout.seeds, system.name) for system in layout.systems}
    runs = {title: list(found.values()) for title, found in runs.items() if found}
    if not runs:
        return None
    columns = dict.fromkeys(name for found in runs.values() for table in found for name in table.dtype.names)
    colours = _colours(name.removeprefix(_ACCURACY) for name in columns if name.startswith(_ACCURACY))
    with rc_context(STYLE):
        figure = Figure(figsize=(9.5, 0.8 + 2.0 * len(runs)), layout="constrained")
        panels = figure.subplots(len(runs), 2, squeeze=False)
        for (loss, accuracy), (title, found) in zip(panels, runs.items()):
            for table in found:
                _line(loss, table["step"], table["loss"], _LOSS)
                for head, colour in colours.items():
                    if _ACCURACY + head in table.dtype.names:
                        _line(accuracy, table["step"], 100 * table[_ACCURACY + head], colour)
            for axes in (loss, accuracy):
                _mark_drops(axes, found[0], tell=axes is loss)
                axes.set(xlim=(0, max(2, *(table["step"][-1] for table in found))), ylim=(0, None))
                axes.xaxis.get_major_locator().set_params(integer=True)
            loss.set(ylabel="loss per video")
            loss.set_title(title)
            accuracy.set(ylabel="training accuracy, %", ylim=(0, 102))
        for axes in panels[-1]:
            axes.set_xlabel("SGD step")
        handles = [Line2D([], [], color=_LOSS, label="loss, summed over streams and frames")]
        handles += [Line2D([], [], color=colour, label=f"{head} head") for head, colour in colours.items()]
        handles += [Line2D([], [], color="#888888", ls="--", lw=0.8, label="learning rate drops")]
        figure.legend(handles=handles, loc="outside lower center", ncols=min(4, len(handles)))
        title = f"{dataset.title}: training, one line per run, averaged over 1/{_WINDOWS} of its steps"
        figure.suptitle(title, x=0.01, ha="left", fontsize=9.5)
    return figure


def _colours(heads):
    """{head: colour}: streams by their own, all else by the next colour that is free."""
    free = itertools.cycle([colour for colour in COLOURS if colour not in STREAMS.values()])
    return {head: STREAMS[head] if head in STREAMS else next(free) for head in heads}


@dataclass(frozen=True)
class CurveFiles:
    """A kind of curves: its folder in a profile's results, what a file is, and the columns that it must have."""

    folder: str
    what: str
    columns: tuple[str, ...]


TRAINING = CurveFiles("curves", "a file of training curves", ("step", "learning_rate", "loss", "fallback_share"))
VALIDATION = CurveFiles("validation", "a validation curve", ("step", "passes", "accuracy"))


def curve_tables(profile_folder, dataset, seeds, system, kind=TRAINING):
    """The curve files of ``system`` on ``dataset`` (a DatasetLayout) as structured arrays of (steps,), by (split, seed); those
    that are there. Errors: ReproError for a file that holds no such curves."""
    tables = {}
    for split in dataset.splits:
        for seed in seeds:
            path = Path(profile_folder) / kind.folder / dataset.name / f"split{split}" / f"seed{seed}" / f"{system}.csv"
            if path.exists():
                tables[split, seed] = _table(path, kind)
    return tables


def _table(path, kind):
    lines = path.read_text(encoding="utf-8").splitlines()
    if len(lines) < 2 or not set(kind.columns) <= set(lines[0].split(",")):
        raise ReproError(f"not {kind.what}", path=path, why=f"it has no rows of {', '.join(kind.columns)}")
    try:
        return np.atleast_1d(np.genfromtxt(lines, delimiter=",", names=True))
    except ValueError as error:  # rows of other lengths
        raise ReproError(f"not {kind.what}", path=path, why=str(error).splitlines()[0]) from error


def _line(axes, steps, values, colour):
    """A running mean, drawn at the last step of each window; windows overlap by half, and one ends with the last step."""
    window = max(1, len(values) // _WINDOWS)
    mean = np.convolve(values, np.full(window, 1 / window), mode="valid")
    drawn = slice((len(mean) - 1) % max(1, window // 2), None, max(1, window // 2))
    steps, mean = steps[window - 1 :][drawn], mean[drawn]
    axes.plot(steps, mean, color=colour, lw=1.1, alpha=0.7, marker="o" if len(mean) == 1 else "", ms=4)


def _mark_drops(axes, table, tell):
    """A dashed line before the first step after a drop; ``tell``: with the new rate beside it. A cosine or a warm-up is none."""
    rates = table["learning_rate"]
    constant = np.append(False, rates[1:] == rates[:-1])[:-1]  # a step that had the rate of the one before
    for place in np.flatnonzero(constant & (rates[1:] < 0.9 * rates[:-1])) + 1:
        axes.axvline(table["step"][place] - 0.5, color="#888888", ls="--", lw=0.8)
        if tell:
            axes.annotate(
                f"{rates[place]:g}",
                (table["step"][place], 0.98),
                xycoords=("data", "axes fraction"),
                xytext=(3, 0),
                textcoords="offset points",
                va="top",
                fontsize=7,
                color="#666666",
            )
