"""Pictures class by class: accuracies of systems, what one adds to another, what simple probes tell apart."""

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from repro.report.figures import STYLE, ink_on, whiskers, wrapped
from repro.report.text import escaped, only_splits

_GAIN, _LOSS, _CHANCE = "#0072B2", "#D55E00", "#B00020"


def class_accuracies(cell):
    """Accuracy per class of a Measured, over the test videos of all its splits: {class: percent}, without classes
    that no split tests."""
    counts, classes = cell.confusion()
    tested = counts.sum(axis=1)
    return {name: 100 * float(counts[i, i] / tested[i]) for i, name in enumerate(classes) if tested[i]}


def class_gains(cell, other):
    """Points that ``cell`` is above ``other``, per class: {class: points}."""
    ours, theirs = class_accuracies(cell), class_accuracies(other)
    return {name: value - theirs[name] + 0.0 for name, value in ours.items() if name in theirs}


def gains_figure(panels, xlabel):
    """Gains per class as bars, losses in orange, a panel per title, the largest gain on top: Figure.

    ``panels``: {title: {class: points}}."""
    most = max(len(gains) for gains in panels.values())
    with rc_context(STYLE):
        figure = Figure(figsize=(max(6.5, 5.5 * len(panels)), 1.1 + 0.2 * max(6, most)), layout="constrained")
        for axes, (title, gains) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items()):
            names = sorted(gains, key=gains.get)
            values = [gains[name] for name in names]
            axes.barh(range(len(names)), values, color=[_GAIN if value >= 0 else _LOSS for value in values])
            axes.set_yticks(range(len(names)), names, fontsize=6.5 if len(names) > 25 else 8.5)
            axes.set(xlabel=xlabel, ylim=(-0.7, len(names) - 0.3))
            axes.set_title(wrapped(title, 50), fontsize=8.5)
            axes.axvline(0, color="#444444", lw=0.8)
            axes.margins(x=0.05)
        return figure


def classes_figure(cells):
    """Accuracy per class of every Measured in ``cells``, of one dataset, as numbers on blue: Figure."""
    rows = [class_accuracies(cell) for cell in cells]
    names = dict.fromkeys(name for row in rows for name in row)
    order = sorted(names, key=lambda name: -sum(row.get(name, 0) for row in rows))
    table = np.array([[row.get(name, np.nan) for name in order] for row in rows])  # (systems, classes)
    with rc_context(STYLE):
        figure = Figure(figsize=(11, 1.6 + 0.3 * len(cells)), layout="constrained")
        axes = figure.subplots()
        image = axes.imshow(table, cmap="Blues", vmin=0, vmax=100, aspect="auto")
        for row, column in np.argwhere(~np.isnan(table)):
            value = table[row, column]
            axes.text(column, row, f"{value:.0f}", ha="center", va="center", size=7, color=ink_on(image, value))
        axes.set_yticks(range(len(cells)), [cell.system.title + only_splits(cell) for cell in cells])
        axes.set_xticks(range(len(order)), order, rotation=45, ha="right", size=8)
        axes.set_title(f"{cells[0].dataset.title}: accuracy per class, %")
        return figure


def probes_figure(probed, titles):
    """Accuracy within pairs of simple probes, with intervals, and chance: Figure.

    ``probed``: {dataset: {(mechanism, input, classifier): Interval}}, inputs and classifiers the same everywhere."""
    with rc_context(STYLE):
        figure = Figure(figsize=(5.5 * len(probed), 3.1), layout="constrained")
        panels = figure.subplots(1, len(probed), sharey=True, squeeze=False)[0]
        for axes, (dataset, found) in zip(panels, probed.items()):
            mechanisms, inputs, classifiers = (list(dict.fromkeys(key[i] for key in found)) for i in range(3))
            kinds = [(name, classifier) for name in inputs for classifier in classifiers]
            for (mechanism, name, classifier), interval in found.items():
                value, ends = whiskers(interval)
                x = mechanisms.index(mechanism) + (kinds.index((name, classifier)) - (len(kinds) - 1) / 2) * 0.19
                axes.errorbar(
                    x,
                    value,
                    yerr=ends,
                    fmt="os^D"[classifiers.index(classifier)],
                    color=("#E69F00", "#0072B2")[inputs.index(name)],
                    ecolor="#777777",
                    mec="#222222",
                    mew=0.6,
                    ms=6,
                    capsize=2.5,
                    label=f"{name}, {classifier}" if mechanism == mechanisms[0] else None,
                )
            axes.axhline(50, color=_CHANCE, lw=1, ls=(0, (5, 3)), zorder=0)
            axes.set_xticks(range(len(mechanisms)), [f"{name} pair" for name in mechanisms])
            axes.set(ylim=(-3, 104), yticks=range(0, 101, 25))
            axes.set_title(wrapped(titles[dataset], 56), fontsize=8.5)
            axes.grid(axis="y", color="#EEEEEE", lw=0.7)
        panels[0].set_ylabel("probe, within pair, %")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8)
        return figure


def gains_told(cell, other):
    """How many classes ``cell`` loses and gains against ``other``: one sentence, losses first; no test per class."""
    gains = class_gains(cell, other)
    worst, best = min(gains, key=gains.get), max(gains, key=gains.get)
    lost, won = sum(gain < 0 for gain in gains.values()), sum(gain > 0 for gain in gains.values())
    first, second = (escaped(each.system.title) for each in (cell, other))
    losses = f"loses on {lost} (most on {worst}, {gains[worst]:+.1f} points)" if lost else "loses on none"
    wins = f"gains on {won} (most on {best}, {gains[best]:+.1f})" if won else "gains on none"
    told = f"On {cell.dataset.name}, of {len(gains)} classes, {first} {losses} and {wins} against {second}"
    return f"{told}; classes are not tested one by one."
