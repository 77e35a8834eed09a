"""Pictures of clips for the pages: frames from left to right, and their optical flow in colour."""

import cv2
import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from repro.datasets.embedded import PAIRS, EmbeddedSettings, render
from repro.flow import FlowSettings, colour_wheel, make_flow
from repro.report.figures import STYLE, bare
from repro.video.decode import gray

_LONGEST = 2.0  # px of flow at full colour


def pair_figure(labels, times=(20, 26, 32, 38, 44)):
    """Clips of two classes of the embedded benchmark side by side, ``times`` of each, flow below: Figure."""
    with rc_context(STYLE):
        figure = Figure(figsize=(11, 2.35), layout="constrained")
        shown = len(times)
        panels = figure.subplots(2, 2 * shown + 1, width_ratios=[1] * shown + [0.25] + [1] * shown)
        for axes in panels.flat:
            bare(axes)
        for first, label in zip((0, shown + 1), labels):
            clip = render(EmbeddedSettings(seed=5), label, group=4, clip=1)
            for column, (frame, field) in enumerate(zip(*_frames_and_flow(clip, times)), first):
                panels[0, column].imshow(frame)
                panels[1, column].imshow(field)
            panels[0, first].set_title(label)
        return figure


def mechanisms_strips(columns=16):
    """One clip of each class of the embedded benchmark, frames over flow, the classes of a pair below each other: Figure."""
    labels = [(mechanism, label) for mechanism, pair in PAIRS.items() for label in pair]
    with rc_context(STYLE):
        figure = Figure(figsize=(11, 9.4), dpi=75, layout="constrained")
        for axes, (mechanism, label) in zip(figure.subplots(len(labels), 1), labels):
            clip = render(EmbeddedSettings(seed=11), label, group=2, clip=1)
            axes.imshow(_strip(clip, np.linspace(2, len(clip) - 3, columns).astype(int)))
            bare(axes)
            axes.set_ylabel(f"{mechanism}\n{label}", rotation=0, ha="right", va="center", fontsize=7.5)
        return figure


def flow_figure(frame, seen, fields):
    """A frame, what flow sees of it, fields {title: (H, W, 2)} in colour, and the colours' key: Figure."""
    y, x = np.mgrid[-1:1:101j, -1:1:101j]
    key = np.where((np.hypot(x, y) <= 1)[..., None], np.stack([x, y], -1), 0)
    shown = {"frame": frame, "what flow sees of it": seen}
    shown |= {title: colour_wheel(field, longest=2.5) for title, field in fields.items()}
    return _row({**shown, "key": colour_wheel(key, longest=1)}, (11, 2.3))


def fields_figure(fields, longest=2.5, pictures=()):
    """Pictures and fields {title: (H, W) or (H, W, 2)} in a row, fields in colour, full at ``longest`` px: Figure."""
    shown = dict(pictures) | {title: colour_wheel(field, longest=longest) for title, field in fields.items()}
    return _row(shown, (2.75 * max(3, len(shown)), 2.4))


def stack_figure(numbers, flow, stacked):
    """A flow stack in colour (L, H, W, 2), and as the bytes u and v (H, W, 2L) that the network gets: Figure."""
    with rc_context(STYLE):
        figure = Figure(figsize=(11, 3.7), layout="constrained")
        panels = figure.subplots(3, len(numbers))
        for k, n in enumerate(numbers):
            panels[0, k].imshow(colour_wheel(flow[k], longest=2.5))
            panels[0, k].set_title(f"{n} → {n + 1}", weight="normal", size=8, loc="center")
            for row, name in ((1, "u"), (2, "v")):
                panels[row, k].imshow(stacked[..., 2 * k + row - 1], cmap="gray", vmin=128 - 60, vmax=128 + 60)
                panels[row, k].set_title(f"{name} {k + 1}", weight="normal", size=8, loc="center", pad=2)
        for axes in panels.flat:
            bare(axes)
        title = "One flow stack: in colour, and as the twenty bytes per pixel that the network sees"
        figure.suptitle(title, size=9.5, weight="bold", x=0.01, ha="left")
        return figure


def flow_per_class(fields):
    """Fields {class: (H, W, 2)} in a grid, each in full colour at its own 99th percentile: Figure."""
    columns = 7 if len(fields) > 10 else max(1, -(-len(fields) // 2))
    rows = -(-len(fields) // columns)
    with rc_context(STYLE):
        figure = Figure(figsize=(11, 0.2 + 1.4 * rows), layout="constrained")
        panels = figure.subplots(rows, columns, squeeze=False)
        for axes in panels.flat:
            bare(axes)
        for axes, (name, field) in zip(panels.flat, fields.items()):
            axes.imshow(colour_wheel(field, longest=max(fastest(field), 1e-3)))
            axes.set_title(name, size=8)
        return figure


def fastest(field):
    """99th percentile of the speeds of a field (H, W, 2), in pixels."""
    return float(np.percentile(np.hypot(field[..., 0], field[..., 1]), 99))


def _frames_and_flow(clip, times):
    estimate = make_flow(FlowSettings(backend="dis"))
    fields = [colour_wheel(estimate(gray(clip[t]), gray(clip[t + 1])), longest=_LONGEST) for t in times]
    return [clip[t] for t in times], fields


def _strip(clip, times):
    """Frames from left to right, and under each its flow: one picture."""
    white = {"borderType": cv2.BORDER_CONSTANT, "value": (255, 255, 255)}
    rows = [[cv2.copyMakeBorder(tile, 2, 2, 2, 2, **white) for tile in row] for row in _frames_and_flow(clip, times)]
    return np.vstack([np.hstack(row) for row in rows])


def _row(pictures, size):
    """Pictures {title: array} side by side: Figure."""
    with rc_context(STYLE):
        figure = Figure(figsize=size, layout="constrained")
        for axes, (title, picture) in zip(figure.subplots(1, len(pictures), squeeze=False)[0], pictures.items()):
            axes.imshow(picture, cmap="gray", vmin=0, vmax=255)
            axes.set_title(title, size=8.5)
            bare(axes)
        return figure
