"""From videos to tables: the stages of the pipeline as boxes, their subcommands on the arrows."""

from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from repro.report.figures import STYLE

_GREY, _WARM, _COLD, _GREEN, _WHITE = "#E6E6E6", "#F3D9A4", "#A9CCE8", "#A5D8C6", "#FFFFFF"
_LINE, _COMMAND = "#555555", "#B00020"
_BOXES = (  # left edge, middle, text, colour, width, height
    (0.0, 1.0, "videos +\nsplit lists", _GREY, 1.25, 0.62),
    (2.1, 1.0, "index", _GREY, 1.25, 0.62),
    (4.2, 1.0, "frames + flow\n(one file each)", _GREY, 1.4, 0.62),
    (6.4, 1.9, "motion", _COLD, 1.25, 0.62),
    (6.4, 1.1, "appearance", _WARM, 1.25, 0.62),
    (8.3, 1.5, "ST-ResNet", _GREEN, 1.25, 0.62),
    (10.1, 1.5, "ST-ResNet*", _GREEN, 1.25, 0.62),
    (6.4, 0.1, "improved\ntrajectories", _GREY, 1.25, 0.62),
    (12.2, 0.9, "score files\n(videos x classes)", _WHITE, 1.6, 0.62),
    (14.7, 0.9, "tables\nfigures\nthese pages", _WHITE, 1.25, 0.9),
)
_ARROWS = (  # from, to, subcommand
    ((1.25, 1.0), (2.1, 1.0), "prepare"),
    ((3.35, 1.0), (4.2, 1.0), "extract"),
    ((5.6, 1.0), (6.4, 1.9), "train"),
    ((5.6, 1.0), (6.4, 1.1), ""),
    ((7.65, 1.9), (8.3, 1.5), ""),
    ((7.65, 1.1), (8.3, 1.5), ""),
    ((9.55, 1.5), (10.1, 1.5), ""),
    ((5.6, 1.0), (6.4, 0.1), "idt-features\n... idt-fisher"),
    ((11.35, 1.5), (12.2, 1.05), "evaluate"),
    ((7.65, 0.1), (12.2, 0.8), "idt-scores"),
    ((13.8, 0.9), (14.7, 0.9), "report"),
)


def pipeline_figure():
    """Boxes are files, arrows are stages with their subcommands: Figure."""
    with rc_context(STYLE):
        figure = Figure(figsize=(11, 2.5), layout="constrained")
        axes = figure.subplots()
        for x, y, text, colour, width, height in _BOXES:
            axes.add_patch(Rectangle((x, y - height / 2), width, height, fc=colour, ec=_LINE, lw=0.8))
            axes.text(x + width / 2, y, text, ha="center", va="center", fontsize=8)
        for start, end, command in _ARROWS:
            _arrow(axes, start, end)
            slope = abs(end[1] - start[1]) / (end[0] - start[0])
            x, y = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2
            if slope > 1:  # its command stands to the left, not above
                _command(axes, x - 0.35, y, command)
            else:
                _command(axes, x + 0.1 * slope, y + 0.1 + 0.35 * slope, command)
        _arrow(axes, (12.6, 1.22), (13.4, 1.22), connectionstyle="arc3,rad=-0.9")
        _command(axes, 13, 1.6, "fuse")
        axes.set(xlim=(-0.1, 16.1), ylim=(-0.4, 2.4))
        axes.set_axis_off()
        return figure


def _arrow(axes, start, end, **style):
    axes.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": _LINE, "lw": 1, **style})


def _command(axes, x, y, text):
    axes.text(x, y, text, ha="center", fontsize=7.5, color=_COMMAND, style="italic")
