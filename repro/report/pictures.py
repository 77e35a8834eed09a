"""Two pictures for the README: the network as Table 1 and Sec. 3 of the paper have it, and one clip with its flow."""

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from repro.datasets.embedded import EmbeddedSettings, render
from repro.flow import FlowSettings, colour_wheel, make_flow
from repro.models.st_resnet.settings import STAGES, STResNetSettings
from repro.report.figures import STYLE, bare
from repro.video.decode import gray

_APPEARANCE, _MOTION, _TEMPORAL = "#E69F00", "#56B4E9", "#009E73"
_NARROW, _HEIGHT, _GAP = 0.62, 1.0, 0.16  # units of the drawing


def network_figure(settings=None):
    """The two streams from left to right, motion residuals as arrows, temporal convolutions in green: Figure.

    ``settings``: STResNetSettings with the network's switches; None = ST-ResNet*.
    """
    settings = settings or STResNetSettings(temporal="average", injection="add", temporal_pool="max")
    with rc_context(STYLE):
        figure = Figure(figsize=(11, 3.9), layout="constrained")
        axes = figure.subplots()
        axes.set_axis_off()
        rows = {"appearance": (2.3, _APPEARANCE), "motion": (0.4, _MOTION)}
        inputs = {"appearance": "RGB\nframes", "motion": "flow\nstacks\n(20 planes)"}
        for stream, (y, colour) in rows.items():
            x = _box(axes, 0, y, 1.0, inputs[stream], "white", colour)
            x = _box(axes, x, y, _NARROW, "conv1\n7x7", colour)
            x = _box(axes, x, y, _NARROW, "pool1", "#EEEEEE")
            for stage, blocks in zip(STAGES, settings.blocks):
                first = x
                x = _box(axes, x, y, _NARROW, f"res{stage}a", colour)
                after = x
                text, fill = (f"res{stage}b\n1x1x3", _TEMPORAL) if settings.temporal != "none" else (f"res{stage}b", colour)
                x = _box(axes, x, y, _NARROW, text, fill)
                rest = "" if blocks == 3 else f"..{chr(ord('a') + blocks - 1)}"
                x = _box(axes, x, y, _NARROW, f"res{stage}c{rest}", colour)
                axes.text((first + x - _GAP) / 2, y + _HEIGHT + 0.1, f"conv{stage}_x", ha="center", fontsize=7.5, color="#666666")
                if stream == "motion" and stage in settings.injected_stages and settings.injection != "none":
                    # out of the motion block, into the residual branch of the next appearance block
                    start, end = (after - _GAP - _NARROW / 2, y + _HEIGHT), (after + _NARROW / 2, rows["appearance"][0])
                    axes.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "lw": 1.6, "color": "#B00020"}, zorder=3)
                    sign = {"add": "+", "multiply": "×"}[settings.injection]
                    axes.text(end[0] + 0.07, end[1] - 0.3, sign, color="#B00020", weight="bold", fontsize=11)
            pooled = {
                "none": "pool5\n7x7",
                "max": "pool5\n7x7, then\nmax over\ntime",
                "average": "pool5\n7x7, then\nmean over\ntime",
            }
            x = _box(axes, x, y, 0.95, pooled[settings.temporal_pool], "#EEEEEE")
            x = _box(axes, x, y, _NARROW, "fc", colour, line=False)
        y = (rows["appearance"][0] + rows["motion"][0]) / 2
        for end in (start for start, _ in rows.values()):
            axes.plot([x - _GAP, x + 0.2], [end + _HEIGHT / 2, y + _HEIGHT / 2], color="#666666", lw=0.9, zorder=1)
        _box(axes, x + 0.15, y, 0.9, "mean\nof scores", "#EEEEEE", line=False)
        axes.text(0, 3.75, "appearance stream", color="#8A5F00", weight="bold")
        axes.text(0, -0.05, "motion stream", color="#1F6FA5", weight="bold", va="top")
        axes.text(2.5, -0.05, "red: motion residuals (Sec. 3.2)", color="#B00020", va="top")
        axes.text(6.2, -0.05, "green: 1x1 convolutions become 1x1x3, space x space x time (Sec. 3.3)", color="#00684C", va="top")
        axes.set(xlim=(-0.1, x + 1.3), ylim=(-0.5, 4.05))
        return figure


def clip_figure(label="RoseAcrossLimeUpright", shown=6):
    """``shown`` frames of a clip of the embedded benchmark, and the flow from each to its next under it: Figure."""
    clip = render(EmbeddedSettings(seed=11), label, group=2, clip=1)
    times = np.linspace(4, len(clip) - 8, shown).astype(int)
    estimate = make_flow(FlowSettings(backend="dis"))
    flow = [colour_wheel(estimate(gray(clip[t]), gray(clip[t + 1])), longest=2.0) for t in times]
    with rc_context(STYLE):
        figure = Figure(figsize=(11, 3.5), layout="constrained")
        panels = figure.subplots(2, shown)
        for column, t in enumerate(times):
            for axes, picture in zip(panels[:, column], (clip[t], flow[column])):
                axes.imshow(picture, interpolation="nearest")
                bare(axes)
            panels[0, column].set_title(f"frame {t}", fontweight="normal")
        panels[0, 0].set_ylabel("RGB")
        panels[1, 0].set_ylabel("flow, colour = direction")
        return figure


def _box(axes, x, y, width, text, fill, edge="#666666", line=True):
    """A box at (x, y), with a ``line`` to the next one; returns where that begins."""
    style = "round,pad=0,rounding_size=0.08"
    axes.add_patch(FancyBboxPatch((x, y), width, _HEIGHT, boxstyle=style, fc=fill, ec=edge, lw=0.9, zorder=2))
    axes.text(x + width / 2, y + _HEIGHT / 2, text, ha="center", va="center", fontsize=6.8, zorder=4)
    if line:
        axes.plot([x + width, x + width + _GAP], [y + _HEIGHT / 2] * 2, color="#666666", lw=0.9, zorder=1)
    return x + width + _GAP
