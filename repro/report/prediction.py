"""The picture of a prediction: frames, flow, where each stream looked, and its scores over time."""

import dataclasses

import cv2
import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from repro.flow import colour_wheel, dequantise

_SHOWN = 6  # moments of the video
_WIDTH, _EDGE, _LINE = 12.0, 0.12, 0.26  # inches: the picture, its margin, a line of text
_COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#7A7A7A")  # Okabe and Ito
_STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.titlesize": 8.5,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "text.parse_math": False,  # a $ in a name of a class or file is a $
}


@dataclasses.dataclass(frozen=True)
class Head:
    """One stream over time: ``centres`` (T',) frame numbers, ``softmax`` (T', K) of the shown classes, ``activation`` (T', h, w)
    contributions to the logit of the first of them."""

    title: str
    centres: np.ndarray
    softmax: np.ndarray
    activation: np.ndarray


def draw(path, store, name, classes, heads):
    """Write a PNG. ``store``: ClipStore of the video; ``classes``: (class, probability), best first; ``heads``: list of Head,
    empty where no network can say where it looks: then frames and flow alone.
    """
    centres = heads[0].centres if heads else np.arange(store.frames)
    moments = centres[np.linspace(0, len(centres) - 1, _SHOWN + 2).round().astype(int)[1:-1]]
    frames = store.rgb(moments)
    rows = [(f"frame {moments[0]} of {store.frames}", frames)]
    if store.fields:
        flow = dequantise(store.flow(np.minimum(moments, store.fields - 1)), store.settings.flow_bound)
        longest = np.quantile(np.hypot(flow[..., 0], flow[..., 1]), 0.99)
        rows.append((f"flow, full colour at {longest:.1f} px", [colour_wheel(field, max(longest, 0.5)) for field in flow]))
    for head in heads:
        nearest = [int(np.abs(head.centres - moment).argmin()) for moment in moments]
        rows.append((f"{head.title}: for (red) and against (blue) {classes[0][0]}", overlaid(frames, head.activation[nearest])))
    with rc_context(_STYLE):
        tile = (_WIDTH - 2 * _EDGE) / _SHOWN
        row_height, curve_height = tile * store.height / store.width + _LINE, 1.4 + 2 * _LINE
        height = 2 * _LINE + len(rows) * row_height + len(heads) * curve_height + _LINE
        figure = Figure((_WIDTH, height))
        label, probability = classes[0]
        figure.text(
            _EDGE / _WIDTH, 1 - 1.2 * _LINE / height, f"{name}: {label}, {100 * probability:.1f} %", fontsize=11, weight="bold"
        )
        for row, (title, pictures) in enumerate(rows):
            bottom = height - 2 * _LINE - (row + 1) * row_height
            for column, (moment, picture) in enumerate(zip(moments, pictures)):
                axes = figure.add_axes(
                    ((_EDGE + column * tile) / _WIDTH, bottom / height, (tile - 0.05) / _WIDTH, (row_height - _LINE) / height)
                )
                axes.imshow(picture, aspect="auto")
                axes.set_axis_off()
                axes.set_title(title if column == 0 else f"{moment}" if row == 0 else "")
        for number, head in enumerate(heads):
            bottom = _LINE + (len(heads) - 1 - number) * curve_height + _LINE
            axes = figure.add_axes((5 * _EDGE / _WIDTH, bottom / height, 0.71, 1.4 / height))
            for (label, probability), colour, line in zip(classes, _COLOURS, head.softmax.T):
                axes.plot(head.centres, line, color=colour, marker=".", lw=1.4, label=f"{label} {100 * probability:.1f} %")
            axes.set(
                ylim=(-0.03, 1.03), ylabel="softmax", xlim=(0, max(store.frames - 1, 1)), title=f"{head.title}: scores over time"
            )
            if number == 0:
                axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), title="all streams together")
        if heads:
            axes.set_xlabel("frame")
        figure.savefig(path, format="png", dpi=100, metadata={"Software": None})


def overlaid(frames, activation):
    """Frames (n, H, W, 3) uint8 with red where ``activation`` (n, h, w) is positive, blue where negative; one scale for all."""
    longest = max(np.abs(activation).max(), 1e-12)
    pictures = []
    for frame, values in zip(frames, activation):
        values = cv2.resize(values / longest, frame.shape[1::-1], interpolation=cv2.INTER_LINEAR)[..., None]
        gray = frame.mean(-1, keepdims=True)
        colour = np.where(values > 0, np.array([255.0, 40, 0]), np.array([0.0, 60, 255]))
        share = 0.75 * np.abs(values)
        pictures.append(((1 - share) * gray + share * colour).round().astype(np.uint8))
    return pictures
