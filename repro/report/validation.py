"""Curves of `repro rehearse` -> how schedules were chosen: accuracy on held-out training videos along each training."""

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from repro.report.curves import VALIDATION, curve_tables
from repro.report.figures import COLOURS, STYLE, wrapped
from repro.report.text import Document, Section, percent, signed

_LAST = 0.25  # a training should bring nothing more in this share of its passes
_COLUMNS = ("dataset", "split", "seed", "system", "peak_rate", "passes", "best_percent", "last_percent", "last_quarter_points")


def rehearsed(profile_folder, layout):
    """{(DatasetLayout, split, seed, SystemLayout): structured array of the curve} of what was rehearsed, system by system.

    Errors: ReproError for a file that holds no such curve."""
    return {
        (dataset, split, seed, system): table
        for dataset in layout.datasets
        for system in layout.systems
        for (split, seed), table in curve_tables(profile_folder, dataset, layout.seeds, system.name, VALIDATION).items()
    }


def last_quarter(table):
    """What the last quarter of the passes brings: mean accuracy in it less the mean in the quarter before, in [-1, 1]; nan where
    that holds no point of the curve."""
    end = table["passes"][-1]
    late = table["passes"] > (1 - _LAST) * end
    before = (table["passes"] > (1 - 2 * _LAST) * end) & ~late
    return float(table["accuracy"][late].mean() - table["accuracy"][before].mean()) if before.any() else float("nan")


def validation(curves, rates):
    """The Document: per rehearsed system its rate, its passes, its best and last accuracy, and what the last quarter brought.

    ``curves``: of `rehearsed`; ``rates``: {system name: highest learning rate}."""
    sections, rows = [], []
    for dataset in dict.fromkeys(dataset for dataset, *_ in curves):
        lines = []
        for (there, split, seed, system), table in curves.items():
            if there is not dataset:
                continue
            best, last, brought = table["accuracy"].max(), table["accuracy"][-1], last_quarter(table)
            told = "" if np.isnan(brought) else signed(brought)
            rate, passes = np.format_float_positional(rates[system.name], trim="-"), f"{table['passes'][-1]:.0f}"
            lines.append((system.title, rate, passes, percent(best), percent(last), told))
            rows.append((dataset.name, split, seed, system.name, rate, passes, percent(best, 4), percent(last, 4), told))
        heading = ("system", "highest rate", "passes", "best, %", "at the end, %", "last quarter, points")
        note = (
            "Accuracy on training videos that were held out: for choosing a schedule, not for a results table. Last quarter: "
            "mean accuracy in the last quarter of the passes minus the mean in the quarter before. Near zero means that the "
            "curve is flat and that more passes would not help."
        )
        sections.append(Section(dataset.title, heading, tuple(lines), (note,)))
    return Document("validation", "How the schedules were chosen", tuple(sections), (_COLUMNS, *rows))


def validation_figure(curves):
    """Accuracy on held-out videos over passes, a panel per dataset and a line per system: Figure."""
    datasets = list(dict.fromkeys(dataset for dataset, *_ in curves))
    with rc_context(STYLE):
        figure = Figure(figsize=(max(7, 5 * len(datasets)), 3.4), layout="constrained")
        for axes, dataset in zip(figure.subplots(1, len(datasets), squeeze=False)[0], datasets):
            lines = [(system, table) for (there, _, _, system), table in curves.items() if there is dataset]
            for place, (system, table) in enumerate(lines):
                colour = COLOURS[place % len(COLOURS)]
                axes.plot(table["passes"], 100 * table["accuracy"], marker="o", ms=3, lw=1.3, color=colour, label=system.title)
            axes.set(xlabel="passes over the training videos", ylabel="held-out accuracy, %", xlim=(0, None), ylim=(0, None))
            axes.set_title(wrapped(dataset.title, 50), fontsize=8.5)
            axes.grid(axis="y", color="#E4E4E4", lw=0.7)
            axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.01, 0.5))
        return figure
