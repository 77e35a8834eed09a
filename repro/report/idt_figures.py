"""Pictures of improved trajectories: tracks on frames, histograms as roses, Fisher vectors."""

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from repro.idt.drawing import descriptor_cells, draw_trajectories
from repro.report.figures import STYLE

_BLUE = "#0072B2"


def tracks_figure(clip, tracks, moments):
    """Tracks alive at ``moments``, a row per entry of ``tracks``: {title: (Trajectories, whether compensated)}: Figure."""
    with rc_context(STYLE):
        figure = Figure(figsize=(11, 2.8 * len(tracks)), layout="constrained")
        for row, (title, (found, compensated)) in zip(figure.subplots(len(tracks), len(moments), squeeze=False), tracks.items()):
            for axes, t in zip(row, moments):
                axes.imshow(draw_trajectories(clip[t], found, t, compensated=compensated, magnify=4))
                axes.set_title(f"{title}, frame {t}", size=8.5)
                axes.set_axis_off()
        figure.suptitle("Tracks alive in a frame; red marks their current position", size=9.5, weight="bold", x=0.01, ha="left")
        return figure


def roses_figure(clips, names=("hog", "hof", "mbhx", "mbhy")):
    """Mean histograms over tracks, times and cells as roses of eight directions: Figure. ``clips``: {motion: Trajectories}."""
    with rc_context(STYLE):
        figure = Figure(figsize=(9, 2.2 * len(clips)), layout="constrained")
        panels = figure.subplots(len(clips), len(names), subplot_kw={"projection": "polar"}, squeeze=False)
        for row, (motion, tracks) in zip(panels, clips.items()):
            for axes, name in zip(row, names):
                histogram = descriptor_cells(tracks.descriptors, name).mean(axis=(0, 1, 2, 3))
                _rose(axes, histogram, f"{name.upper()}, swings {motion}")
        title = "Mean histograms over all tracks, times and cells; directions as in the image"
        figure.suptitle(title, size=9.5, weight="bold", x=0.01, ha="left")
        return figure


def fisher_figure(vectors, widths):
    """Fisher vectors {title: (D,)}; ``widths``: {descriptor: how many numbers of them are its own}, in order: Figure."""
    with rc_context(STYLE):
        figure = Figure(figsize=(9, 1.8 * len(vectors)), layout="constrained")
        for axes, (title, vector) in zip(figure.subplots(len(vectors), 1, sharex=True, squeeze=False)[:, 0], vectors.items()):
            axes.plot(vector, lw=0.5, color=_BLUE)
            axes.set(ylim=(-0.45, 0.45), title=title)
            begin = 0
            for name, width in widths.items():
                axes.axvline(begin, color="#888888", lw=0.8)
                axes.text(begin + 5, 0.34, name, size=7)
                begin += width
        return figure


def _rose(axes, histogram, title):
    """Eight directions of a histogram (8 or more bins, the first eight are directions) as a polygon; y points down."""
    angles, closed = np.arange(9) * np.pi / 4, histogram[np.r_[0:8, 0]]
    axes.fill(angles, closed, alpha=0.45, color=_BLUE)
    axes.plot(angles, closed, lw=1.2, color=_BLUE)
    axes.set(theta_direction=-1, xticklabels=[], yticklabels=[], ylim=(0, 0.32))
    axes.set_title(title, size=8)
