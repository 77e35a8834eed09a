"""The matrix of systems and mechanisms as a picture: the numbers in their cells, coloured by how far they lie from chance."""

import textwrap

from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from repro.evaluation.different import HOLDS, NOT_SHOWN
from repro.report.figures import STYLE, ink_on
from repro.report.matrix import MARKS, cell
from repro.report.text import NOT_RUN, percent

_EDGES = {"sees": "solid", "blind": (0, (2, 1.5))}
_KEY = (
    "frame: its paper says that it can (solid) or cannot (dashed); ✓ holds, ✗ does not hold; "
    "† at chance, ? not shown, ▼ below chance; * not all splits run"
)


def matrix_figure(results):
    """A heat map per dataset with mechanisms, white at chance: Figure, or None where the layout has no ``papers``."""
    datasets = [d for d in results.layout.datasets if d.mechanisms]
    if not datasets or not results.layout.papers:
        return None
    with rc_context(STYLE):
        rows = [len(results.layout.systems_of(dataset)) for dataset in datasets]
        width = 2.6 + 1.02 * max(len(dataset.mechanisms) for dataset in datasets)
        figure = Figure(figsize=(width, 1.5 * len(datasets) + 0.33 * sum(rows)), layout="constrained")
        panels = figure.subplots(len(datasets), 1, squeeze=False, height_ratios=rows)[:, 0]
        for axes, dataset in zip(panels, datasets):
            image = _panel(axes, results, dataset)
        bar = figure.colorbar(image, ax=list(panels), shrink=0.5, aspect=30, label="within the pair, % (50: chance)")
        bar.outline.set_visible(False)
        figure.supxlabel("\n".join(textwrap.wrap(_KEY, int(12 * width))), fontsize=7.5, color="#444444")
        return figure


def _panel(axes, results, dataset):
    systems, names = results.layout.systems_of(dataset), [mechanism.name for mechanism in dataset.mechanisms]
    cells = [[cell(results, dataset.name, system.name, name) for name in names] for system in systems]
    values = [[50.0 if c[1] is None else 100 * c[1].value for c in row] for row in cells]
    image = axes.imshow(values, cmap="RdBu", vmin=0, vmax=100, aspect="auto")
    for y, row in enumerate(cells):
        for x, (measured, interval, found, said, holds) in enumerate(row):
            text = NOT_RUN
            if interval is not None:
                star = "" if measured.complete else "*"
                text = percent(interval.value, 0) + MARKS[found] + (MARKS[holds] if holds not in ("", NOT_SHOWN) else "") + star
            ink = "#999999" if interval is None else ink_on(image, values[y][x])
            weight = "bold" if holds and holds not in (HOLDS, NOT_SHOWN) else "normal"
            axes.text(x, y, text, ha="center", va="center", fontsize=8, weight=weight, color=ink)
            if said:
                axes.add_patch(Rectangle((x - 0.44, y - 0.4), 0.88, 0.8, fill=False, ls=_EDGES[said], lw=1.0, ec=ink))
    axes.set_xticks(range(len(names)), names)
    axes.set_yticks(range(len(systems)), [system.title for system in systems])
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title("\n".join(textwrap.wrap(dataset.title, 70)), pad=10)
    return image
