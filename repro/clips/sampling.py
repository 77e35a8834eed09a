"""Which frames a clip is made of.

Frame numbers are 0-based. A video of N frames has N - 1 flow fields, field t going from frame t to t + 1; the stack of a
centre frame c holds fields c - L/2 .. c + L/2 - 1 (the authors' code: t-5 .. t+4 for L = 10), so the usable centres are
L/2 .. N - 1 - L/2 (6 .. N-5 in the authors' 1-based counting). Halves are rounded up, as MATLAB does.
"""

import numpy as np


def usable_centres(frames, flow_length=10):
    """(first, last) usable centre frame, inclusive.

    A video too short for a whole stack (fewer than L + 1 frames) is given its middle frame as the only centre; its
    stack then repeats the edge fields (``flow_fields``). The authors' code fails there.
    """
    first = flow_length // 2
    last = frames - 1 - (flow_length - first)
    return (first, last) if first <= last else ((frames - 1) // 2,) * 2


def is_short(frames, flow_length=10):
    """Whether a video cannot fill one flow stack, so that edge fields are repeated."""
    return frames < flow_length + 1


def training_centres(frames, clip_length, stride, rng, flow_length=10):
    """Centre frames of one training clip, (clip_length,) int, and whether the even-spread fallback was taken.

    A random contiguous window of the strided grid that starts at the first usable centre; where the grid is shorter
    than the clip, centres spread evenly over the usable range, rounded, repeats allowed (authors' code).
    """
    first, last = usable_centres(frames, flow_length)
    grid = np.arange(first, last + 1, stride)
    if len(grid) >= clip_length:
        start = rng.integers(len(grid) - clip_length + 1)
        return grid[start : start + clip_length], False
    return _spread(first, last, clip_length), True


def test_centres(frames, count=25, flow_length=10):
    """Centre frames of the one test clip, (count,) int: uniform over the usable range.

    Where fewer centres exist: all of them, then the last ones again up to ``count`` (authors' code).
    """
    first, last = usable_centres(frames, flow_length)
    available = np.arange(first, last + 1)
    if len(available) >= count:
        return _spread(first, last, count)
    chosen = available
    while len(chosen) < count:
        chosen = np.concatenate([chosen, available[-min(count - len(chosen), len(available)) :]])
    return chosen


def _spread(first, last, count):
    return np.floor(np.linspace(first, last, count) + 0.5).astype(int)


def flow_fields(centre, fields, flow_length=10):
    """Numbers of the L fields stacked around ``centre``, (L,) int, clamped to 0 .. fields - 1 (edge fields repeat)."""
    wanted = np.arange(centre - flow_length // 2, centre - flow_length // 2 + flow_length)
    return np.clip(wanted, 0, max(fields - 1, 0))


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
