"""One ablation as a picture: each network's switches as a small diagram, accuracies within pairs as bars below."""

from matplotlib import rc_context
from matplotlib.figure import Figure

from repro.report import figures
from repro.report.text import NOT_RUN

_LANES = {"appearance": 1.0, "motion": 0.0}


def ablation_figure(results, group, switches):
    """Diagrams of reference and variants above their bars, a panel of bars per dataset with pairs: Figure.

    ``group``: AblationLayout. ``switches``: {system: (STResNetSettings, name of the loss)}."""
    titles = {system.name: system.title for system in results.layout.systems}
    names, datasets = [group.reference, *group.variants], [d for d in results.layout.datasets if d.mechanisms]
    with rc_context(figures.STYLE):
        figure = Figure(figsize=(3.3 * max(2, len(names)), 4.4), dpi=110, layout="constrained")
        upper, lower = figure.subfigures(2, 1, height_ratios=[1, 2.1])
        for axes, name in zip(upper.subplots(1, len(names), squeeze=False)[0], names):
            _diagram(axes, *switches[name])
            axes.set_title(titles[name], fontsize=8, pad=1)
        for axes, dataset in zip(lower.subplots(1, len(datasets), squeeze=False)[0], datasets):
            _bars(axes, results, dataset, names)
            axes.set_ylabel("within pair, %")
            axes.set_title(figures.wrapped(dataset.title, 80 // len(datasets)), fontsize=8)
        lower.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=min(3, len(names)))
        return figure


def _diagram(axes, spec, loss):
    """The two streams of a network, stage by stage: what crosses between them, which stages have filters over time."""
    for stream, y in _LANES.items():
        axes.plot([0, 6.5], [y, y], color=figures.STREAMS[stream], lw=1.5, zorder=0)
        axes.text(-0.1, y, stream, ha="right", va="center", fontsize=7, color=figures.STREAMS[stream])
        for stage in (1, 2, 3, 4, 5, 6):
            label, x = (f"conv{stage}", stage - 0.5) if stage < 6 else (spec.temporal_pool, stage - 0.35)
            fill = "#D5D5D5" if 1 < stage < 6 and spec.temporal != "none" else "white"
            if label != "none":
                box = {"boxstyle": "square,pad=0.3", "fc": fill, "ec": figures.STREAMS[stream]}
                axes.text(x, y, label, ha="center", va="center", fontsize=6, bbox=box)
        if loss != "mean":
            axes.text(6.6, y, "loss", va="center", fontsize=7, color=figures.STREAMS[stream])
    if loss == "mean":
        axes.text(6.6, 0.5, "loss of\nthe mean", va="center", fontsize=7)
    for stage in (2, 3, 4, 5):
        for stream in (stream for stream in _LANES if spec.receives(stream, stage)):
            _connection(axes, stage, stream, {"add": "+", "multiply": "×"}[spec.injection])
    if spec.temporal != "none":
        axes.text(0, -0.62, f"grey: 1x1x3 convolutions, {spec.temporal}", fontsize=6, color="#666666")
    axes.set(xlim=(-1.7, 8.1), ylim=(-0.7, 1.45), xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def _connection(axes, stage, stream, sign):
    """An arrow into ``stream`` behind the first block of conv{stage}_x, in the giver's colour."""
    y, into_motion = _LANES[stream], stream == "motion"
    giver = "appearance" if into_motion else "motion"
    x = stage - 0.5 + (0.08 if into_motion else -0.08)
    arrow = {"arrowstyle": "->", "lw": 1.2, "color": figures.STREAMS[giver]}
    axes.annotate("", (x, abs(y - 0.24)), (x, abs(1 - y - 0.24)), arrowprops=arrow)
    beside = 0.12 if into_motion else -0.12
    axes.text(x + beside, 0.5, sign, ha="left" if into_motion else "right", va="center", fontsize=8)


def _bars(axes, results, dataset, names):
    """Accuracy within each mechanism's pair, reference and variants side by side, 95 % intervals."""
    systems = {system.name: system for system in results.layout.systems}
    for number, name in enumerate(names):
        cell = results.get(dataset.name, name)
        for place, mechanism in enumerate(m.name for m in dataset.mechanisms):
            x = place + (number - (len(names) - 1) / 2) * 0.8 / len(names)
            if cell is None:
                axes.text(x, 2, NOT_RUN, rotation=90, ha="center", va="bottom", fontsize=6, color="#888888")
                continue
            value, ends = figures.whiskers(cell.mechanism(mechanism))
            axes.bar(
                x,
                value,
                0.72 / len(names),
                color=figures.style(results.layout, systems[name])[0],
                label=systems[name].title if place == 0 else None,
                yerr=ends,
                error_kw={"lw": 1, "capsize": 2.5, "ecolor": "#333333"},
            )
    axes.axhline(50, color="#B00020", lw=1, ls=(0, (5, 3)))
    axes.set_xticks(range(len(dataset.mechanisms)), [m.name for m in dataset.mechanisms])
    axes.set(xlim=(-0.5, len(dataset.mechanisms) - 0.5), ylim=(0, 104), yticks=range(0, 101, 25))
