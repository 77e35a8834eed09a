"""Inside a network: first kernels, kernels over time, where its heads look, how much of a video a position sees."""

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from repro.flow import colour_wheel
from repro.report.figures import COLOURS, STYLE, bare
from repro.report.prediction import overlaid

_BEFORE, _AFTER = "#BBBBBB", "#0072B2"
_COLUMNS = 16  # kernels side by side, at most


def kernel_tiles(weight):
    """Pictures (N, h, w, 3) uint8 of the first kernels (N, C, h, w) of a stream.

    Three channels are shown as colours, each kernel from its least to its largest weight; fields of flow (C even) as the mean of
    their u and v in the colours of flow, all kernels on one scale."""
    if weight.shape[1] == 3:
        low, high = weight.min((1, 2, 3), keepdims=True), weight.max((1, 2, 3), keepdims=True)
        return (255 * (weight - low) / np.maximum(high - low, 1e-12)).round().astype(np.uint8).transpose(0, 2, 3, 1)
    fields = np.stack([weight[:, 0::2].mean(1), weight[:, 1::2].mean(1)], axis=-1)  # (N, h, w, 2)
    longest = max(float(np.quantile(np.hypot(fields[..., 0], fields[..., 1]), 0.99)), 1e-12)
    return np.stack([colour_wheel(field, longest=longest) for field in fields])


def kernels_figure(before, after):
    """First kernels of every stream before and after training: Figure. Both: {stream: (N, C, h, w)}."""
    rows = [(f"{stream}, {when}", made[stream]) for stream in before for when, made in (("before", before), ("after", after))]
    columns = min(_COLUMNS, *(len(weight) for _, weight in rows))
    heights = [-(-len(weight) // columns) for _, weight in rows]
    with rc_context(STYLE):
        figure = Figure(figsize=(8, 0.35 * len(rows) + 8 / columns * sum(heights)), layout="constrained")
        for axes, (title, weight) in zip(figure.subplots(len(rows), 1, height_ratios=heights, squeeze=False)[:, 0], rows):
            axes.imshow(_montage(kernel_tiles(weight), columns), interpolation="nearest")
            axes.set_title(title)
            bare(axes)
        return figure


def taps(weight):
    """Root of the mean square of each tap of a temporal kernel (Cout, Cin, 3, 1, 1) or (Cout, Cin, 3): (3,)."""
    return np.sqrt(np.square(weight.reshape(*weight.shape[:2], -1)).mean((0, 1)))


def taps_figure(before, after):
    """The taps t - 1, t, t + 1 of every temporal convolution before and after training: Figure.

    Both: {stream: {layer: weight}}; what is drawn is each tap's size (`taps`)."""
    streams, layers = list(before), list(next(iter(before.values())))
    with rc_context(STYLE):
        figure = Figure(figsize=(11, 0.5 + 1.7 * len(streams)), layout="constrained")
        panels = figure.subplots(len(streams), len(layers), squeeze=False, sharey="row")
        for row, stream in zip(panels, streams):
            for axes, layer in zip(row, layers):
                for shift, made, colour in ((-0.2, before, _BEFORE), (0.2, after, _AFTER)):
                    axes.bar(np.arange(3) + shift, taps(made[stream][layer]), width=0.38, color=colour)
                axes.set_xticks(range(3), ["t-1", "t", "t+1"], fontsize=7)
                axes.set_title(layer, fontsize=7.5)
            row[0].set_ylabel(stream)
        handles = [Rectangle((0, 0), 1, 1, color=colour) for colour in (_BEFORE, _AFTER)]
        figure.legend(handles, ["before training", "after training"], loc="outside lower center", ncols=2)
        return figure


def activations_figure(centres, frames, maps, label):
    """Frames, and where each head finds evidence for (red) and against (blue) ``label``, over time: Figure.

    ``frames`` (T, H, W, 3) uint8 at ``centres``; ``maps``: {title: (T, h, w)}, see `repro.evaluation.cam`."""
    rows = {"frame": frames} | {title: overlaid(frames, found) for title, found in maps.items()}
    with rc_context(STYLE):
        figure = Figure(figsize=(11, 1.75 * len(rows)), layout="constrained")
        panels = figure.subplots(len(rows), len(frames), squeeze=False)
        for line, (row, (title, pictures)) in enumerate(zip(panels, rows.items())):
            for column, (axes, picture) in enumerate(zip(row, pictures)):
                axes.imshow(picture)
                bare(axes)
                if line == 0:
                    axes.set_title(f"frame {centres[column]}", weight="normal", size=8)
            row[0].set_ylabel(title, size=8)
        figure.suptitle(f"evidence for and against {label}", x=0.01, ha="left", size=9.5, weight="bold")
        return figure


def receptive_figure(frame, fields, stride):
    """What one position of each layer sees, around the middle of ``frame`` and over time: Figure.

    ``fields``: {layer: (height, width, frames)} in input pixels and frames of the clip; ``stride`` between those, in frames."""
    height, width = frame.shape[:2]
    with rc_context(STYLE):
        figure = Figure(figsize=(11, 4.2), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=(1, 1.3))
        left.imshow(frame, extent=(-width / 2, width / 2, height / 2, -height / 2))
        for (layer, (high, wide, _)), colour in zip(fields.items(), COLOURS):
            left.add_patch(Rectangle((-wide / 2, -high / 2), wide, high, fill=False, ec=colour, lw=1.8, label=f"{layer}: {wide}"))
        reach = max(max(height, width), *(max(field[:2]) for field in fields.values())) / 2 * 1.05
        left.set(xlim=(-reach, reach), ylim=(reach, -reach), xlabel="px from the middle", title="in space: one frame")
        left.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=8, title="px wide")
        for row, ((_, (_, _, frames)), colour) in enumerate(zip(fields.items(), COLOURS)):
            half = (frames - 1) / 2 * stride
            right.barh(row, 2 * half + 1, left=-half - 0.5, color=colour, height=0.6)
            right.text(half + 1.5, row, str(frames), va="center", fontsize=8)
        right.set_yticks(range(len(fields)), list(fields))
        right.set(
            ylim=(len(fields) - 0.5, -0.5), xlabel="frames from the middle", title=f"in time: frames of the clip, {stride} apart"
        )
        right.use_sticky_edges = False
        right.margins(x=0.08)
        return figure


def _montage(tiles, columns, edge=1):
    """Tiles (N, h, w, 3) in rows of ``columns``, white between them: one picture."""
    padded = np.pad(tiles, ((0, -len(tiles) % columns), (0, 0), (0, 0), (0, 0)), constant_values=255)
    padded = np.pad(padded, ((0, 0), (edge, edge), (edge, edge), (0, 0)), constant_values=255)
    count, height, width, _ = padded.shape
    rows = padded.reshape(count // columns, columns, height, width, 3)
    return rows.transpose(0, 2, 1, 3, 4).reshape(-1, columns * width, 3)
