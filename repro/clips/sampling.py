"""Which frames a clip is made of, and which video comes next. Imports no torch.

Frame numbers are 0-based. A video of N frames has N - 1 flow fields, field t going from frame t to t + 1. A ``margin``
(before, after) says how many frames a clip's modalities need on both sides of a centre frame: (5, 5) for the paper's stack
of ten fields c-5 .. c+4, so that the usable centres are 5 .. N - 6 (6 .. N-5 in the authors' 1-based counting). Halves are
rounded up, as MATLAB does.

Kinds of sampling, the same names in training and at test:

* ``strided`` (ST-ResNet): a window of a strided grid; at test, centres uniform over the video.
* ``segments`` (TSN): one snippet in each of as many equal segments as a clip has frames: anywhere in it, at test its middle.
* ``ticks``: TSN's test, at equal whole steps from the first frame; in training there is no such thing.
* ``dense`` (3D networks): frames at a fixed stride from a random start; at test, any number of such clips spread over the video.
* ``whole``: at test, every stride-th frame of the video as one clip (I3D).
"""

import numpy as np

TRAINING = ("strided", "segments", "dense")
TEST = ("strided", "segments", "ticks", "dense", "whole")
ORDERS = ("shuffled", "class_uniform")


def usable_centres(frames, margin=(5, 5)):
    """(first, last) usable centre frame, inclusive.

    A video too short for the margin is given its middle frame as the only centre; stacks then repeat the edge fields
    (``stacked_fields``). The authors' code fails there.
    """
    first, last = margin[0], frames - 1 - margin[1]
    return (first, last) if first <= last else ((frames - 1) // 2,) * 2


def is_short(frames, margin=(5, 5)):
    """Whether a video cannot fill the stacks of a single centre, so that edge fields are repeated."""
    return frames < sum(margin) + 1


def training_centres(kind, frames, count, stride, rng, margin=(5, 5)):
    """Centre frames of one training clip, (count,) int, and whether the video was too short for them.

    ``strided``: a random contiguous window of the strided grid that starts at the first usable centre; where the grid is
    shorter than the clip, centres spread evenly over the usable range, rounded, repeats allowed (authors' code).
    ``segments``: see ``_segments``; the stride plays no part. ``dense``: from a random start; short videos loop (I3D).
    """
    _check(kind, TRAINING)
    first, last = usable_centres(frames, margin)
    if kind == "segments":
        return _segments(frames, count, margin, rng)
    if kind == "dense":
        free = last - first - (count - 1) * stride
        return (_looped(first, last, count, stride), True) if free < 0 else (_run(first, free, count, stride, rng), False)
    grid = np.arange(first, last + 1, stride)
    if len(grid) >= count:
        start = rng.integers(len(grid) - count + 1)
        return grid[start : start + count], False
    return _spread(first, last, count), True


def test_centres(kind, frames, count=25, margin=(5, 5), stride=1, clips=1):
    """Centre frames of a video's test clips: a list of ``clips`` arrays, (count,) int each; more than one only where ``dense``.

    ``strided``: uniform over the usable range; where fewer centres exist: all of them, then the last ones again up to ``count``
    (authors' code). ``segments``: the middle snippet of each segment. ``ticks``: from the first usable centre on, in steps of
    floor((units - snippet) / (count - 1)), see ``_segments`` (TSN's code). ``dense``: the first clip at the start, the last at
    the end, a single one in the middle; short videos loop. ``whole``: all there are, whatever ``count``.
    """
    _check(kind, TEST)
    if clips != 1 and kind != "dense":
        raise ValueError(f"clips must be 1 where sampling is {kind}, got {clips}")
    first, last = usable_centres(frames, margin)
    if kind == "strided":
        return [_uniform(first, last, count)]
    if kind == "segments":
        return [_segments(frames, count, margin)[0]]
    if kind == "whole":
        return [np.arange(first, last + 1, stride)]
    if kind == "ticks":
        units, snippet = _units(frames, margin)
        step = max(units - snippet, 0) // max(count - 1, 1)
        return [first + step * np.arange(count)]
    free = last - first - (count - 1) * stride
    if free < 0:
        return [_looped(first, last, count, stride)] * clips
    starts = _spread(first, first + free, clips) if clips > 1 else [first + free // 2]
    return [start + stride * np.arange(count) for start in starts]


test_centres.__test__ = False  # not a pytest function


def _check(kind, kinds):
    if kind not in kinds:
        raise ValueError(f"sampling must be one of {', '.join(kinds)}, got {kind!r}")


def _units(frames, margin):
    """(what a video has, what a snippet takes): fields where the modalities stack any, frames where they do not."""
    stacked = sum(margin)
    return (frames - 1, stacked) if stacked else (frames, 1)


def _segments(frames, count, margin, rng=None):
    """One snippet in each of ``count`` segments of floor(units / count): where, and whether segments are too short for one.

    Its offset in the segment is uniform over 0 .. length - snippet, at test (length - snippet + 1) // 2; where a segment is
    shorter than a snippet, all snippets are the first of the video (TSN's code).
    """
    units, snippet = _units(frames, margin)
    length, first = units // count, usable_centres(frames, margin)[0]
    if length < snippet:
        return np.full(count, first), True
    offsets = (length - snippet + 1) // 2 if rng is None else rng.integers(length - snippet + 1, size=count)
    return first + length * np.arange(count) + offsets, False


def _run(first, free, count, stride, rng):
    return first + rng.integers(free + 1) + stride * np.arange(count)


def _looped(first, last, count, stride):
    return first + stride * np.arange(count) % (last - first + 1)


def _uniform(first, last, count):
    available = np.arange(first, last + 1)
    if len(available) >= count:
        return _spread(first, last, count)
    chosen = available
    while len(chosen) < count:
        chosen = np.concatenate([chosen, available[-min(count - len(chosen), len(available)) :]])
    return chosen


def _spread(first, last, count):
    return np.floor(np.linspace(first, last, count) + 0.5).astype(int)


def stacked_fields(centre, length=10, anchor="centre"):
    """Numbers of the ``length`` fields stacked for a centre frame, (length,) int: c - L//2 on (the paper), or, with ``anchor``
    ``start``, c on (2014, TSN). They may lie outside a short video."""
    first = centre - length // 2 if anchor == "centre" else centre
    return np.arange(first, first + length)


def flow_fields(centre, fields, length=10, anchor="centre"):
    """``stacked_fields`` clamped to 0 .. fields - 1: edge fields repeat."""
    return np.clip(stacked_fields(centre, length, anchor), 0, max(fields - 1, 0))


class VideoOrder:
    """The endless shuffled order of training videos, a pure function of (seed, position): nothing to save, nothing to restore.

    Every video is met once before any is met again; each pass has its own permutation.
    """

    def __init__(self, count, seed):
        if count < 1:
            raise ValueError(f"count must be at least 1, got {count}")
        self.count, self.seed = count, seed
        self._pass, self._order = None, None

    def __getitem__(self, position):
        number, place = divmod(position, self.count)
        if number != self._pass:
            self._order = np.random.default_rng([self.seed, 11, number]).permutation(self.count)
            self._pass = number
        return int(self._order[place])


class ClassUniformOrder:
    """The endless order of Simonyan and Zisserman (2014), uniform over classes: a class at random, then one of its videos.

    A function of (seed, position) like ``VideoOrder``; a small class's videos are met more often.
    """

    def __init__(self, labels, seed):
        labels = np.asarray(labels)
        if len(labels) < 1:
            raise ValueError(f"labels must be at least one, got {len(labels)}")
        self.seed = seed
        self._members = [np.flatnonzero(labels == label) for label in np.unique(labels)]

    def __getitem__(self, position):
        rng = np.random.default_rng([self.seed, 13, position])
        members = self._members[rng.integers(len(self._members))]
        return int(members[rng.integers(len(members))])


def video_order(order, labels, seed):
    """The order of training videos by its name, one of ``ORDERS``."""
    if order not in ORDERS:
        raise ValueError(f"order must be one of {', '.join(ORDERS)}, got {order!r}")
    return VideoOrder(len(labels), seed) if order == "shuffled" else ClassUniformOrder(labels, seed)
