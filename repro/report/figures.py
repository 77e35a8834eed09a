"""Results -> PNG figures. Measured values are filled and carry an interval; published ones are hollow
diamonds without one.

Equal results give equal bytes: no dates, no versions, a fixed resolution and matplotlib's own font.
"""

import io
import textwrap
import zlib
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from repro import published
from repro.report.png import small
from repro.report.tables import table4_cell, table4_rows
from repro.report.text import NOT_RUN, only_splits, percent

STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#888888",
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.axisbelow": True,
    "xtick.color": "#444444",
    "ytick.color": "#222222",
    "legend.frameon": False,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "text.parse_math": False,  # a $ in a name of a class or system is a $
}
# told apart by colour-blind readers (Okabe and Ito), and by marker where points are drawn
COLOURS = (
    *("#E69F00", "#0072B2", "#7A7A7A", "#009E73", "#D55E00"),
    *("#CC79A7", "#56B4E9", "#8C6D31", "#BDBDBD", "#F0E442"),
)
STREAMS = {"appearance": COLOURS[0], "motion": COLOURS[1]}
"""Of the two streams, as of the systems that are one of them."""
_MARKERS = "osDv^PX<>d8p*hH"
_STYLES = len(COLOURS) * len(_MARKERS)
# every system of the profiles under params/, which so looks alike in all of them: the place in this list is the style, new ones
# stand at the end
_KNOWN = (
    *("appearance", "motion", "two_stream", "two_stream_softmax", "st_resnet", "st_resnet_star", "idt", "idt_uncompensated"),
    *("st_resnet_star_idt", "two_stream_idt", "no_injection", "multiply", "reverse", "both_ways", "st_resnet_start"),
    *("only_conv2", "only_conv5", "one_loss", "long", "long_no_temporal", "long_centre", "long_random"),
    *("long_average_pooling", "long_no_pooling"),
    *("appearance_one_frame", "flow_single", "flow", "flow_mean", "flow_warped", "cnn_m_spatial", "cnn_m_temporal", "tsn_rgb"),
    *("tsn_flow", "tsn_difference", "tsn", "fusion_none", "fusion_sum", "fusion_conv3d", "st_mulnet", "i2d", "i3d"),
    *("i3d_one_window", "s3d", "s3d_g", "s3d_top_heavy", "s3d_bottom_heavy", "spatial_2014", "temporal_2014", "two_stream_2014"),
    *("two_stream_2014_svm", "tsn_warped", "tsn_2", "tsn_3", "fusion_2016", "resnet_2", "i3d_rgb", "i3d_flow"),
    *("two_stream_joint", "injection_alone", "filters_alone", "st_resnet_short", "appearance_fast", "st_resnet_slow"),
    *("flow_trajectory", "flow_both_ways", "two_stream_mean", "multi_task_2014", "c3d", "conv_lstm"),
)
# hollow, so that a published number cannot be taken for a measured one
_PUBLISHED = {"ls": "", "marker": "D", "mfc": "white", "mec": "#222222", "mew": 1.3, "ms": 6.5}
_POINT = {"ms": 6.5, "mec": "#222222", "mew": 0.6}
_INTERVAL = {"ecolor": "#555555", "elinewidth": 1.2, "capsize": 2.5}
_DPI = 160
_STARRED = Line2D([], [], ls="", label="* not all splits run")
_LABELLED_CLASSES = 60  # beyond this many a confusion matrix is drawn without class names


def save(figure, path, full_colour=False):
    """Write a PNG whose bytes depend on nothing but what is drawn; ``full_colour``: for photographs, else with a palette."""
    written = io.BytesIO()
    with rc_context(STYLE):
        figure.savefig(written, format="png", dpi=_DPI, metadata={"Software": None})
    Path(path).write_bytes(written.getvalue() if full_colour else small(written.getvalue()))


def table3_figure(results):
    """Accuracies of Table 3 as bars with intervals, one panel per dataset: Figure, or None for trajectories alone."""
    if not results.layout.compared:
        return None
    with rc_context(STYLE):
        layout = results.layout
        systems = [s for s in layout.systems if s.in_table3]
        figure = Figure(figsize=(5.4 * len(layout.compared), 1.7 + 0.42 * len(systems)), layout="constrained")
        panels = figure.subplots(1, len(layout.compared), sharey=True, squeeze=False)[0]
        for axes, dataset in zip(panels, layout.compared):
            for row, system in enumerate(systems):
                paper = published.find(dataset.stands_beside, system.table3, "Table 3")
                aside = 0.1 if paper else 0.0
                _bar(axes, row, results.get(dataset.name, system.name), style(layout, system)[0], aside)
                if paper:
                    axes.plot(paper.value, row + 0.17, **_PUBLISHED, zorder=4)
            axes.set(
                xlim=(0, 118),
                xticks=range(0, 101, 20),
                yticks=range(len(systems)),
                xlabel="top-1 accuracy, %",
                yticklabels=[wrapped(s.title, 34) for s in systems],
                ylim=(len(systems) - 0.4, -0.6),
            )
            axes.set_title(wrapped(dataset.title, 44), pad=8)
            axes.grid(axis="x", color="#E4E4E4", lw=0.7)
            axes.tick_params(axis="y", length=0)
        handles = [Line2D([], [], color="#7A7A7A", lw=7, label="measured here, mean over the splits, 95 % interval")]
        beside = sorted({d.stands_beside for d in layout.compared if published.prints(d.stands_beside, "Table 3")})
        if beside:
            handles.append(Line2D([], [], **_PUBLISHED, label=f"published for {' / '.join(beside)}"))
        if not all(cell.complete for cell in results.cells.values()):
            handles.append(_STARRED)
        figure.legend(handles=handles, loc="outside lower center", ncols=3 if len(panels) > 1 else 1)
        return figure


def _bar(axes, row, cell, colour, aside):
    """A bar with its interval, drawn ``aside`` above its middle."""
    if cell is None:
        axes.text(1.5, row, NOT_RUN, va="center", color="#888888", style="italic")
        return
    value, ends = whiskers(cell.interval)
    axes.barh(row, value, height=0.62, color=colour, zorder=2)
    axes.errorbar(value, row - aside, xerr=ends, color="#222222", lw=1.1, capsize=3, zorder=3)
    star = "" if cell.complete else "*"
    axes.text(117, row, percent(cell.interval.value) + star, va="center", ha="right", weight="bold")


def table4_figure(results):
    """Accuracies of Table 4, one panel per dataset: ours as points with intervals, those of others hollow, no row without either:
    Figure."""
    with rc_context(STYLE):
        rows, ours = table4_rows(results.layout)
        datasets = results.layout.compared
        some = {key for key, cell in results.cells.items() if not cell.complete}
        starred = {name for name, system in ours.items() if any((d.name, system.name) in some for d in datasets)}
        names = [wrapped(name + ("*" if name in starred else ""), 34) for name in rows]
        height = 0.1 + 0.14 * max((name.count("\n") + 1 for name in names), default=1)  # of a row, in inches
        figure = Figure(figsize=(1.6 + 4.6 * len(datasets), 1.9 + height * len(rows)), layout="constrained")
        for axes, dataset in zip(figure.subplots(1, len(datasets), sharey=True, squeeze=False)[0], datasets):
            for row, name in enumerate(rows):
                paper = table4_cell(dataset, name)
                if paper and paper.value is not None:
                    axes.plot(paper.value, row, **_PUBLISHED)
                if name not in ours:
                    continue
                if cell := results.get(dataset.name, ours[name].name):
                    value, ends = whiskers(cell.interval)
                    colour, marker = style(results.layout, ours[name])
                    axes.errorbar(value, row, xerr=ends, fmt=marker, color=colour, **_INTERVAL, **_POINT)
                else:
                    axes.text(1.5, row, NOT_RUN, color="#888888", style="italic", va="center")
            axes.set(xlim=(0, 103), xticks=range(0, 101, 20), xlabel="top-1 accuracy, %", ylim=(len(rows) - 0.4, -0.6))
            axes.set_yticks(range(len(rows)), names)
            axes.set_title(wrapped(dataset.title, 44), pad=8)
            axes.grid(axis="x", color="#E4E4E4", lw=0.7)
        handles = [Line2D([], [], ls="", marker="o", color="#7A7A7A", label="measured here, mean over the splits, 95 % interval")]
        if beside := sorted({d.stands_beside for d in datasets} - {""}):
            handles.append(Line2D([], [], **_PUBLISHED, label=f"published for {' / '.join(beside)}"))
        figure.legend(handles=[*handles, *([_STARRED] if starred else [])], loc="outside lower center", ncols=1)
        return figure


def mechanisms_figure(results):
    """Accuracy within the class pairs of each mechanism: points with intervals per system, chance as a line:
    Figure or None."""
    layout = results.layout
    datasets = [d for d in layout.datasets if d.mechanisms]
    drawn = [s for s in layout.systems if any(results.get(d.name, s.name) for d in datasets)]
    if not drawn:
        return None
    with rc_context(STYLE):
        width = max(9.2, 0.085 * max(len(drawn) * len(d.mechanisms) for d in datasets))
        columns = max(1, int(width / (0.5 + 0.075 * max(len(s.title) for s in drawn))))  # inches of the longest entry
        height = 0.5 + 2.9 * len(datasets) + 0.2 * -(-len(drawn) // columns)
        figure = Figure(figsize=(width, height), layout="constrained")
        panels = figure.subplots(len(datasets), 1, squeeze=False)[:, 0]
        some = {name for (d, name), cell in results.cells.items() if not cell.complete and d in [each.name for each in datasets]}
        for axes, dataset in zip(panels, datasets):
            cells = [cell for system in drawn if (cell := results.get(dataset.name, system.name))]
            count = len(dataset.mechanisms)
            step = min(0.8 / max(len(cells), 1), 0.035 * count)
            for place, mechanism in enumerate(dataset.mechanisms):
                for number, cell in enumerate(cells):
                    colour, marker = style(layout, cell.system)
                    value, ends = whiskers(cell.mechanism(mechanism.name))
                    x = place + (number - (len(cells) - 1) / 2) * step
                    axes.errorbar(x, value, yerr=ends, fmt=marker, color=colour, **_INTERVAL, **_POINT)
            axes.axhline(50, color="#B00020", lw=1, ls=(0, (5, 3)), zorder=1)
            beside = axes.get_yaxis_transform()  # at the right edge, whatever the number of mechanisms
            axes.text(1.005, 50, "chance", color="#B00020", va="center", ha="left", fontsize=8, transform=beside)
            for edge in range(1, count):
                axes.axvline(edge - 0.5, color="#DDDDDD", lw=0.8, zorder=0)
            axes.set(
                ylim=(-3, 104),
                yticks=range(0, 101, 25),
                xlim=(-0.5, count - 0.5),
                xticks=range(count),
                xticklabels=[m.name for m in dataset.mechanisms],
                ylabel="within class pairs, %",
            )
            axes.set_title(dataset.title, pad=8)
            axes.grid(axis="y", color="#EEEEEE", lw=0.7)
            axes.tick_params(axis="x", length=0)
        handles = [
            Line2D([], [], ls="", marker=marker, color=colour, label=s.title + ("*" if s.name in some else ""), **_POINT)
            for s in drawn
            for colour, marker in [style(layout, s)]
        ]
        handles += [_STARRED] if some else []
        figure.legend(handles=handles, loc="outside lower center", ncols=columns, columnspacing=1.4, handletextpad=0.3)
        return figure


def confusion_figure(cell):
    """Confusion matrix of one Measured, summed over its splits, rows in percent of their class: Figure."""
    with rc_context(STYLE):
        counts, classes = _in_pairs(*cell.confusion(), cell.dataset)
        share = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        side = 2.6 + (0.34 if len(classes) <= 25 else 0.17 if len(classes) <= _LABELLED_CLASSES else 0.07) * len(classes)
        figure = Figure(figsize=(side + 0.8, side), layout="constrained")
        axes = figure.subplots()
        image = axes.imshow(share, cmap="Blues", vmin=0, vmax=100)
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)
        if len(classes) <= _LABELLED_CLASSES:
            size = 8 if len(classes) <= 25 else 6
            axes.set_xticks(range(len(classes)), classes, rotation=90, fontsize=size)
            axes.set_yticks(range(len(classes)), classes, fontsize=size)
        if len(classes) <= 25:
            for (row, column), value in np.ndenumerate(share):
                if value >= 0.5:
                    text = {"ha": "center", "va": "center", "fontsize": 7, "color": ink_on(image, value)}
                    axes.text(column, row, f"{value:.0f}", **text)
        axes.set(xlabel="recognised as", ylabel="class")
        title = f"{cell.system.title}, {percent(cell.interval.value)} %{only_splits(cell)}"
        title = "\n".join(wrapped(line, int(10 * side)) for line in (title, cell.dataset.title))
        figure.suptitle(title, x=0.02, ha="left", fontsize=9.5, weight="bold")
        bar = figure.colorbar(image, ax=axes, shrink=0.6, label="% of the class's test videos")
        bar.outline.set_visible(False)
        return figure


def _in_pairs(counts, classes, dataset):
    """The classes that a mechanism tells apart stand side by side."""
    listed = [name for mechanism in dataset.mechanisms for group in mechanism.groups for name in group]
    order = [classes.index(name) for name in dict.fromkeys([*listed, *classes])]
    return counts[np.ix_(order, order)], [classes[index] for index in order]


def ink_on(image, value):
    """White or nearly black: what is read better on the colour that an image (as of ``imshow``) has for ``value``."""
    light = np.dot(np.power(image.cmap(image.norm(value))[:3], 2.2), (0.2126, 0.7152, 0.0722))  # relative luminance
    return "white" if light < 0.21 else "#222222"


def whiskers(interval):
    """(value, ((below,), (above,))) of an Interval in percent, as ``errorbar`` takes them."""
    value, low, high = (100 * v for v in (interval.value, interval.low, interval.high))
    return value, ((max(0.0, value - low),), (max(0.0, high - value),))


def bare(axes):
    """Take everything from around a picture."""
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def style(layout, system):
    """Colour and marker of a SystemLayout, no two alike in a ReportLayout. Systems that `_KNOWN` lacks have those of their names,
    the same everywhere but for rare clashes."""
    taken = {}
    for name in (s.name for s in layout.systems):
        place = _KNOWN.index(name) if name in _KNOWN else len(_KNOWN) + zlib.crc32(name.encode()) % (_STYLES - len(_KNOWN))
        while place in taken.values():
            place = (place + 1) % _STYLES
        taken[name] = place
    place = taken[system.name]
    row = place // len(COLOURS)  # another row of markers where colours begin again
    return COLOURS[place % len(COLOURS)], _MARKERS[(place + row) % len(_MARKERS)]


def wrapped(title, width):
    """In as few lines of at most ``width`` letters as it takes, and these of nearly one length."""
    lines = textwrap.wrap(title, width) or [""]
    for narrower in range(width, 0, -1):
        tried = textwrap.wrap(title, narrower, break_long_words=False, break_on_hyphens=False)
        if len(tried) > len(lines) or max(map(len, tried), default=0) > narrower:
            break
        lines = tried
    return "\n".join(lines)
