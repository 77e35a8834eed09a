"""Pictures of what training draws: schedules, clips in time, crops in space."""

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from repro.report.figures import STYLE

_COLOURS = ("#D55E00", "#0072B2")  # told apart by colour-blind readers


def schedules_figure(recipes, phases, videos):
    """Learning rates over steps, a panel per phase: Figure.

    ``recipes``: {source: {phase: Recipe}}; ``videos``: training videos, which turn passes into steps."""
    with rc_context(STYLE):
        figure = Figure(figsize=(11, 2.4), layout="constrained")
        panels = figure.subplots(1, len(phases), sharey=True)
        for axes, phase in zip(panels, phases):
            for (source, made), colour in zip(recipes.items(), _COLOURS):
                steps = made[phase].phases(videos)
                edges = np.cumsum([0, *(count for _, count in steps)]) / 1000
                axes.stairs([rate for rate, _ in steps], edges, baseline=None, color=colour, lw=1.8, label=source)
            axes.set(yscale="log", xlabel=f"thousand steps ({videos:,} videos)", title=phase)
            axes.grid(color="#E4E4E4", lw=0.7)
        panels[0].set_ylabel("learning rate")
        panels[0].legend()
        return figure


def windows_figure(draws, test, frames, edge=5, shown=16):
    """Which frames training clips are made of, and how often each is drawn: Figure.

    ``draws``: centres per clip; ``test``: those of a test clip; ``edge``: frames at both ends that are no centre."""
    with rc_context(STYLE):
        figure = Figure(figsize=(11, 3.0), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=(3, 2))
        for line, centres in enumerate(draws[:shown]):
            left.plot(centres, [line] * len(centres), "-", color="#BBBBBB", lw=1)
            left.plot(centres, [line] * len(centres), "s", color=_COLOURS[1], ms=4)
        left.plot(test, [-2] * len(test), "s", color=_COLOURS[0], ms=4)
        left.axvspan(0, edge, color="#EEEEEE")
        left.axvspan(frames - edge, frames, color="#EEEEEE")
        left.set(xlim=(0, frames), xlabel="frame", title=f"Clips of ST-ResNet, N = {frames}")
        left.set_yticks([-2, (min(shown, len(draws)) - 1) / 2], ["test", "training\nclips"])
        left.tick_params(axis="y", length=0)
        counts = np.bincount(np.concatenate(draws), minlength=frames)
        right.bar(np.arange(frames), counts / counts.sum() * 100, width=1, color=_COLOURS[1])
        right.set(xlabel="frame", ylabel="share of draws, %", title=f"every grid starts at frame {edge}, hence the spikes")
        return figure


def crops_figure(crops, height, width, shown=14):
    """How often every pixel lies in a crop, and a few crops (orange: mirrored): Figure.

    ``crops``: {kind: list of crops with top, left, height, width and flip} of frames of height x width pixels."""
    with rc_context(STYLE):
        figure = Figure(figsize=(9, 3.2), layout="constrained")
        panels = figure.subplots(1, len(crops))
        for axes, (kind, drawn) in zip(panels, crops.items()):
            cover = np.zeros((height, width))
            for crop in drawn:
                cover[crop.top : crop.top + crop.height, crop.left : crop.left + crop.width] += 100 / len(drawn)
            image = axes.imshow(cover, cmap="Greys", vmin=0, vmax=150)
            for crop in drawn[:shown]:
                edge = _COLOURS[0] if crop.flip else _COLOURS[1]
                axes.add_patch(Rectangle((crop.left, crop.top), crop.width, crop.height, fill=False, ec=edge, lw=1))
            axes.set(title=f"{kind}: {shown} crops of a {width} x {height} frame", xticks=[], yticks=[])
        scale = {"boundaries": np.arange(0, 101, 2), "ticks": range(0, 101, 20)}
        figure.colorbar(image, ax=panels, label="% of crops that contain a pixel", shrink=0.8, **scale)
        return figure
