"""What of a figure lies outside its canvas, or its canvas's paper, and which of its labels meet: nothing should."""

from itertools import combinations

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text


def outside(figure, slack=1.0):
    """Texts and artists (as reprs) that reach over the canvas's edge by more than ``slack`` pixels."""
    renderer = _renderer(figure)
    paper, found = figure.bbox.padded(slack), []
    for artist in dict.fromkeys(_artists(figure)):
        if not artist.get_visible() or isinstance(artist, Text) and not artist.get_text():
            continue
        box = artist.get_window_extent(renderer)
        if box.width <= 0 and box.height <= 0:
            continue
        if getattr(artist, "get_clip_on", lambda: False)() and not isinstance(artist, Text) and artist.axes is not None:
            continue  # cut at its axes, which are looked at themselves
        if box.x0 < paper.x0 or box.y0 < paper.y0 or box.x1 > paper.x1 or box.y1 > paper.y1:
            found.append(f"{artist!r} {box}")
    figure.stale = False
    return found


def touching(figure, slack=1.0):
    """Pairs of texts, drawn straight, that overlap by more than ``slack`` pixels."""
    renderer = _renderer(figure)
    texts = [artist for artist in dict.fromkeys(_artists(figure)) if isinstance(artist, Text)]
    straight = [text for text in texts if text.get_visible() and text.get_text() and text.get_rotation() % 90 == 0]
    boxes = {text: text.get_window_extent(renderer).padded(-slack) for text in straight}
    figure.stale = False
    return [(a.get_text(), b.get_text()) for a, b in combinations(boxes, 2) if boxes[a].overlaps(boxes[b])]


def _renderer(figure):
    """Of a figure whose parts have their places; finding them takes seconds, so only where something changed since.

    Asking an axis for its ticks makes a figure stale too, so whoever has looked says that it is not.
    """
    if figure.stale or not isinstance(figure.canvas, FigureCanvasAgg):
        FigureCanvasAgg(figure)
        figure.draw_without_rendering()
    return figure.canvas.get_renderer()


def _artists(figure):
    yield from figure.legends
    yield from figure.texts
    yield from (text for legend in figure.legends for text in legend.get_texts())
    for axes in figure.axes:
        yield axes
        for axis in (axes.xaxis, axes.yaxis) if axes.axison else ():
            yield axis.label
            for tick in axis.get_major_ticks():
                if _is_within(axis, tick):
                    yield from (tick.label1, tick.label2)
        yield from (axes.title, axes._left_title, axes._right_title)
        yield from axes.texts
        yield from axes.get_children()
        if axes.get_legend():
            yield axes.get_legend()


def _is_within(axis, tick):
    low, high = sorted(axis.get_view_interval())
    return low <= tick.get_loc() <= high
