"""Pictures for the pages on the systems around ST-ResNet: what their inputs, samplings and crops look like on one drawn clip."""

import cv2
import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from repro.clips.kinds import ZERO
from repro.datasets.embedded import render
from repro.flow import FlowSettings, colour_wheel, make_flow, quantise
from repro.flow.derived import camera_compensated, camera_homography
from repro.report.figures import COLOURS, STYLE, bare
from repro.report.text import NOT_RUN
from repro.video.decode import gray

BOUND = 6.0  # px, of the bytes of a drawn clip's flow
_INK, _ACCENT, _OTHER = "#444444", "#D55E00", "#0072B2"
_MARKERS = "osDv^PX<>"


class DrawnClip:
    """A clip of the embedded benchmark with its planes in memory, as a modality's ``read`` takes them.

    Planes: rgb (T, S, S, 3), and flow, backward_flow, warped_flow (T - 1, S, S, 2), all uint8. Flow is computed for ``fields``, a
    range of field numbers; elsewhere there is no motion. The camera's motion is taken out as extraction does it.
    """

    flow_bound = BOUND

    def __init__(self, settings, label, fields, group=2, clip=1):
        rgb = render(settings, label, group, clip)
        self.frames, self.height, self.width = rgb.shape[:3]
        estimate, grey = make_flow(FlowSettings(backend="dis")), [gray(frame) for frame in rgb]
        self.planes = {"rgb": rgb}
        for plane in ("flow", "backward_flow", "warped_flow"):
            self.planes[plane] = np.full((self.frames - 1, self.height, self.width, 2), ZERO, np.uint8)
        cv2.setRNGSeed(0)  # RANSAC draws
        for t in fields:
            field = estimate(grey[t], grey[t + 1])
            self.planes["flow"][t] = quantise(field, BOUND)
            self.planes["backward_flow"][t] = quantise(estimate(grey[t + 1], grey[t]), BOUND)
            self.planes["warped_flow"][t] = quantise(camera_compensated(field, camera_homography(field)), BOUND)

    def __call__(self, plane, numbers):
        return self.planes[plane][numbers]


def _px(bytes_):
    return (bytes_.astype(np.float32) - ZERO) * np.float32(2 * BOUND / 255)


def stacks_figure(clip, centre, modalities):
    """The fields that each of {title: Modality} of flow stacks for frame ``centre`` of a DrawnClip, a row each: Figure.

    The longest motion of a row has the full colour.
    """
    columns = max(modality.length for modality in modalities.values())
    with rc_context(STYLE):
        figure = Figure(figsize=(1.0 * columns + 1.7, 1.02 * len(modalities) + 0.2), layout="constrained")
        panels = figure.subplots(len(modalities), columns, squeeze=False)
        for row, (title, modality) in zip(panels, modalities.items()):
            (bytes_,) = modality.read(clip, [centre])  # (H, W, 2 L)
            longest = np.hypot(_px(bytes_[..., 0::2]), _px(bytes_[..., 1::2])).max()
            for k, axes in enumerate(row):
                bare(axes)
                if k < modality.length:
                    axes.imshow(colour_wheel(_px(bytes_[..., 2 * k : 2 * k + 2]), longest))
            row[0].set_ylabel(title, rotation=0, ha="right", va="center", fontsize=8.5)
        return figure


def modalities_figure(clip, centre, modalities):
    """The first step of each of {title: Modality} at ``centre`` of a DrawnClip, side by side: Figure.

    Differences are doubled, around grey; the longest motion of a field has the full colour.
    """
    with rc_context(STYLE):
        figure = Figure(figsize=(2.1 * len(modalities), 2.5), layout="constrained")
        for axes, (title, modality) in zip(figure.subplots(1, len(modalities)), modalities.items()):
            (bytes_,) = modality.read(clip, [centre])
            if modality.modality == "rgb":
                picture = bytes_
            elif modality.colours:  # the first two frames
                before, after = bytes_[..., :3].astype(int), bytes_[..., 3:6].astype(int)
                picture = np.clip(128 + 2 * (after - before), 0, 255)
            else:
                picture = colour_wheel(_px(bytes_[..., :2]))
            axes.imshow(picture)
            bare(axes)
            axes.set_title(f"{title}\n{modality.channels} channels", fontsize=8.5)
        return figure


def timeline_figure(frames, rows, segments=()):
    """Which frames of a video each way of sampling takes, a line each: Figure.

    rows: {title: [(first frame, frames taken) ...]}; segments: borders that are drawn through all lines.
    """
    with rc_context(STYLE):
        figure = Figure(figsize=(9.5, 0.42 * len(rows) + 0.9), layout="constrained")
        axes = figure.subplots()
        for y, taken in enumerate(rows.values()):
            axes.plot([0, frames], [y, y], color="#CCCCCC", lw=1, zorder=1)
            for first, count in taken:
                axes.add_patch(Rectangle((first, y - 0.28), count, 0.56, fc=_ACCENT, ec="white", lw=0.4, zorder=2))
        for border in segments:
            axes.axvline(border, color=_OTHER, lw=0.9, ls=(0, (4, 3)), zorder=0)
        axes.set_yticks(range(len(rows)), rows)
        axes.set(xlim=(-1, frames + 1), ylim=(len(rows) - 0.5, -0.6), xlabel="frame")
        axes.tick_params(axis="y", length=0)
        axes.spines[["left"]].set_visible(False)
        return figure


def crops_figure(offsets, pairs):
    """Where a window's top left corner may stand, [(top, left)] px, and the (height, width) that windows may have: Figure."""
    sides = sorted({side for pair in pairs for side in pair}, reverse=True)
    with rc_context(STYLE):
        figure = Figure(figsize=(9.2, 3.1), layout="constrained")
        places, sizes = figure.subplots(1, 2, width_ratios=[1.5, 1])
        for number, (top, left) in enumerate(offsets, 1):
            places.plot(left, top, "o", ms=17, mfc="white", mec=_ACCENT)
            places.text(left, top, number, ha="center", va="center_baseline", fontsize=8)
        places.margins(0.12, 0.2)
        places.invert_yaxis()
        places.set(xticks=sorted({left for _, left in offsets}), yticks=sorted({top for top, _ in offsets}))
        places.set(xlabel="px from the left", ylabel="px from the top", title=f"{len(offsets)} positions of the top left corner")
        for y, height in enumerate(sides):
            for x, width in enumerate(sides):
                if (height, width) in pairs:
                    h, w = 0.9 * height / sides[0], 0.9 * width / sides[0]
                    colour = _ACCENT if height == width else _OTHER
                    sizes.add_patch(Rectangle((x - w / 2, y - h / 2), w, h, fc=colour, alpha=0.35, ec=colour))
        sizes.set(xlim=(-0.6, len(sides) - 0.4), ylim=(len(sides) - 0.4, -0.6), aspect="equal", xlabel="width", ylabel="height")
        sizes.set_xticks(range(len(sides)), sides)
        sizes.set_yticks(range(len(sides)), sides)
        sizes.set_title(f"{len(pairs)} sizes")
        return figure


def sweep_figure(costs, measured):
    """Cost of networks with n layers over time, and beside it what those that were run tell apart: Figure.

    costs: {title: [(n, G multiply-adds) ...]}; measured: {network: {mechanism: Interval}}, empty where none was run.
    """
    with rc_context(STYLE):
        figure = Figure(figsize=(11.5, 3.6), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=[1, 1.3])
        for (title, points), colour in zip(costs.items(), ("#0072B2", "#56B4E9", "#D55E00", "#E69F00")):
            left.plot(*zip(*points), "o-", ms=4, color=colour, label=title)
        left.set(xlabel="layers over time, of 11", ylabel="G multiply-adds, 64 x 224 x 224", xticks=range(0, 12))
        left.set_title("counted cost")
        left.grid(axis="y", color="#E4E4E4", lw=0.7)
        left.legend(fontsize=7.5)
        names = list(dict.fromkeys(name for intervals in measured.values() for name in intervals))
        for k, (network, intervals) in enumerate(measured.items()):
            places = [names.index(name) + 0.12 * (k - (len(measured) - 1) / 2) for name in intervals]
            values = np.array([[100 * i.value, 100 * i.low, 100 * i.high] for i in intervals.values()])
            ends = np.maximum(0, [values[:, 0] - values[:, 1], values[:, 2] - values[:, 0]])
            style = {"fmt": _MARKERS[k], "color": COLOURS[k], "mec": _INK, "ecolor": "#999999", "capsize": 2, "ms": 5.5}
            right.errorbar(places, values[:, 0], yerr=ends, label=network, **style)
        if not measured:
            right.text(0.5, 0.75, NOT_RUN, ha="center", color="#888888", style="italic", transform=right.transAxes)
        right.axhline(50, color="#B00020", lw=1, ls=(0, (5, 3)), zorder=0)
        right.set(xlim=(-0.5, max(len(names), 1) - 0.5), ylim=(0, 104), yticks=range(0, 101, 25), ylabel="within the pair, %")
        right.set_xticks(range(len(names)), names, rotation=20)
        right.set_title("measured accuracy within class pairs", pad=8)
        if measured:
            figure.legend(*right.get_legend_handles_labels(), loc="outside lower right", ncols=3, fontsize=7.5)
        return figure


def maps_figure(maps):
    """Maps {title: (H, W)} side by side on one scale from zero: Figure."""
    with rc_context({**STYLE, "text.parse_math": True}):
        figure = Figure(figsize=(1.65 * len(maps), 1.9), layout="constrained")
        highest = max(float(values.max()) for values in maps.values())
        for axes, (title, values) in zip(figure.subplots(1, len(maps)), maps.items()):
            image = axes.imshow(values, cmap="magma", vmin=0, vmax=highest)
            axes.set(xticks=[], yticks=[])
            axes.set_title(title, fontsize=9)
        figure.colorbar(image, ax=figure.axes, shrink=0.8)
        return figure
