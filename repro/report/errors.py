"""Score files -> the surest errors of a system, and a gallery of them."""

from dataclasses import dataclass

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from repro.report.figures import STYLE, bare
from repro.report.text import escaped


@dataclass(frozen=True)
class Error:
    """A test video that was taken for another class. ``margin``: how far the class ``said`` leads the true one, in scores."""

    video: str
    split: int
    truth: str
    said: str
    margin: float


def surest_errors(cell, shown=8):
    """The ``shown`` errors of a Measured with the largest margins, at most one per pair of classes: list of Error."""
    found = []
    for split, scores in cell.files.items():
        values = scores.mean()  # (V, C)
        for row in np.flatnonzero(values.argmax(1) != scores.labels):
            said, truth = int(values[row].argmax()), int(scores.labels[row])
            margin = float(values[row, said] - values[row, truth])
            found.append(Error(scores.names[row], split, scores.classes[truth], scores.classes[said], margin))
    found.sort(key=lambda error: (-error.margin, error.video, error.split))
    first = {}
    for error in found:
        first.setdefault((error.truth, error.said), error)
    return list(first.values())[:shown]


def errors_figure(errors, pictures, columns=4):
    """A gallery: Figure. ``pictures``: {video: (H, W, 3)}; a video without one is told by its name alone."""
    rows = max(1, -(-len(errors) // columns))
    with rc_context(STYLE):
        figure = Figure(figsize=(11, 3.0 * rows), layout="constrained")
        panels = figure.subplots(rows, columns, squeeze=False)
        for axes in panels.flat:
            bare(axes)
        for axes, error in zip(panels.flat, errors):
            picture = pictures.get(error.video)
            if picture is None:
                axes.text(
                    0.5, 0.5, "frames not\non this machine", ha="center", va="center", transform=axes.transAxes, color="#888888"
                )
            else:
                axes.imshow(picture)
            axes.set_title(f"true {error.truth}\npredicted {error.said}", fontsize=7.5)
            axes.set_xlabel(f"split {error.split}, lead {error.margin:.1f}", fontsize=7.5)
        return figure


def most_frequent(cell):
    """Which class a Measured takes most often for which other, over all its splits: one sentence."""
    counts, classes = cell.confusion()
    wrong = counts - np.diag(np.diag(counts))
    title = escaped(cell.system.title)
    if not wrong.any():
        return f"{title} makes no error on {cell.dataset.name}."
    truth, said = np.unravel_index(wrong.argmax(), wrong.shape)
    return (
        f"The most frequent error of {title} on {cell.dataset.name}: {classes[truth]} taken for {classes[said]}, "
        f"{wrong[truth, said]} of its {wrong.sum()} errors."
    )
