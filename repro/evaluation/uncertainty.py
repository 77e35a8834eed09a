"""How sure a measured accuracy is: intervals over distinct videos, paired tests, several seeds.

The test sets of the three splits overlap in HMDB51 and J-HMDB, so a video's outcomes in different splits are
not independent: all resampling here draws distinct *videos*, each with its outcomes in every split (a cluster
bootstrap). The statistic is the one the papers print, the mean over splits of the accuracy per split.
"""

import functools
from dataclasses import dataclass

import numpy as np
from scipy import stats

DRAWS = 10_000
_CHUNK = 500  # draws at a time; the random stream does not depend on it


@dataclass(frozen=True, eq=False)
class Outcomes:
    """One truth value per distinct video (N) and split (S): ``correct`` and ``member`` (N, S) bool;
    ``correct`` is false where the video is no ``member`` of that split's test set (or of the class group in
    question)."""

    videos: tuple
    correct: np.ndarray
    member: np.ndarray


@dataclass(frozen=True)
class Interval:
    """A value with the ends of its 95 % interval, and the number of distinct videos behind it. Accuracies are
    in [0, 1]."""

    value: float
    low: float
    high: float
    videos: int

    @property
    def half_width(self):
        return (self.high - self.low) / 2


@dataclass(frozen=True)
class McNemar:
    """``only_a``: videos that only the first system gets right; ``only_b``: the second; ``p``: exact,
    two-sided."""

    only_a: int
    only_b: int
    p: float


def outcomes(splits):
    """Gather ``(names, correct, member)`` of every split, in the order of the splits, by video; videos are
    sorted by name.

    ``names``: V ids, distinct within a split; ``correct``, ``member``: (V,) bool. Videos that are member
    nowhere are left out.
    """
    videos = sorted({name for names, _, member in splits for name, inside in zip(names, member) if inside})
    if not videos:
        raise ValueError("outcomes need at least one video that is a member of a split")
    row = {name: index for index, name in enumerate(videos)}
    correct = np.zeros((len(videos), len(splits)), bool)
    member = np.zeros_like(correct)
    for column, (names, right, inside) in enumerate(splits):
        if len(set(names)) != len(names):
            raise ValueError(f"video names must be distinct within split {column + 1} of the given")
        rows = [row[name] for name, i in zip(names, inside) if i]
        correct[rows, column] = np.asarray(right)[np.asarray(inside)]
        member[rows, column] = True
    return Outcomes(tuple(videos), correct, member)


def accuracy(out):
    """Mean over splits of correct / members, in [0, 1]; a split without members does not count."""
    return float(_split_mean(out.correct.sum(axis=0), out.member.sum(axis=0)))


def bootstrap(out, draws=DRAWS, seed=0):
    """95 % percentile interval of ``accuracy`` under resampling of the distinct videos: Interval.

    Where all videos are right, or all wrong, every draw is like the other and the percentiles have no width: the Wilson interval
    over the distinct videos stands in.
    """
    value, videos = accuracy(out), len(out.videos)
    low, high = np.nanquantile(_resampled(out, draws, seed), [0.025, 0.975])
    if value in (0.0, 1.0):
        low, high = stats.binomtest(round(value * videos), videos).proportion_ci(method="wilson")
    return Interval(value, float(low), float(high), videos)


def bootstrap_difference(a, b, draws=DRAWS, seed=0):
    """The same for accuracy(a) - accuracy(b) of two systems on the same videos, drawn together: Interval in
    [-1, 1]."""
    _check_paired(a, b)
    low, high = np.nanquantile(_resampled(a, draws, seed) - _resampled(b, draws, seed), [0.025, 0.975])
    return Interval(accuracy(a) - accuracy(b), float(low), float(high), len(a.videos))


def permutation_test(a, b, draws=DRAWS, seed=0):
    """Two-sided p of accuracy(a) = accuracy(b): for each distinct video the two systems' outcomes, of all
    splits together, change places with probability 1/2. The identity counts as a draw, so p is at least 1 /
    (draws + 1)."""
    _check_paired(a, b)
    size = a.member.sum(axis=0)
    used = size > 0
    gain = ((a.correct.astype(float) - b.correct)[:, used] / size[used]).mean(axis=1)  # (N,) what each video adds
    gain = gain[gain != 0]
    observed = abs(gain.sum())
    generator = np.random.default_rng(seed)
    reached = 0
    for start in range(0, draws, _CHUNK):
        signs = generator.integers(0, 2, (min(_CHUNK, draws - start), gain.size), dtype=np.int8) * 2.0 - 1.0
        reached += int((np.abs(signs @ gain) >= observed - 1e-12).sum())
    return (1 + reached) / (1 + draws)


def mcnemar(correct_a, correct_b):
    """Exact McNemar test of two systems on one split: (V,) bool each, same videos in the same order."""
    a, b = np.asarray(correct_a, bool), np.asarray(correct_b, bool)
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(f"mcnemar needs two (V,) arrays over the same videos, got {a.shape} and {b.shape}")
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    if only_a + only_b == 0:
        return McNemar(0, 0, 1.0)
    return McNemar(only_a, only_b, float(stats.binomtest(only_a, only_a + only_b).pvalue))


def mean_sd(values):
    """Mean and sample standard deviation (n - 1) over seeds; the deviation of a single value is NaN."""
    values = np.asarray(values, dtype=float)
    return float(values.mean()), float(values.std(ddof=1)) if len(values) > 1 else float("nan")


def at_chance(interval, chance=0.5, half_width=0.10):
    """Whether an accuracy within pairs is at chance: its interval holds 0.5 *and* is narrow enough to say
    so."""
    return interval.low <= chance <= interval.high and interval.half_width <= half_width


def _resampled(out, draws, seed):
    """``accuracy`` under each draw of videos: (draws,), NaN where a draw has no member in any split."""
    table = np.concatenate([out.correct, out.member], axis=1).astype(np.float32)  # (N, 2 S)
    counts = _draw_counts(len(out.videos), draws, seed)
    parts = [counts[i : i + _CHUNK].astype(np.float32) @ table for i in range(0, draws, _CHUNK)]
    sums = np.concatenate(parts).astype(np.float64)  # whole numbers below 2^24: exact in any order of summation
    splits = out.correct.shape[1]
    return _split_mean(sums[:, :splits], sums[:, splits:])


@functools.lru_cache(maxsize=2)
def _draw_counts(videos, draws, seed):
    """How often each of N videos is drawn when N are drawn with replacement: (draws, N) uint8, the same for
    all systems."""
    generator = np.random.default_rng(seed)
    counts = np.empty((draws, videos), np.uint8)
    for start in range(0, draws, _CHUNK):
        rows = min(_CHUNK, draws - start)
        drawn = generator.integers(0, videos, (rows, videos)) + videos * np.arange(rows)[:, None]
        counts[start : start + rows] = np.bincount(drawn.ravel(), minlength=rows * videos).reshape(rows, videos)
    return counts


def _split_mean(correct, member):
    """Mean over the last axis of correct / member, over the splits that have members; NaN where none has."""
    correct, member = np.asarray(correct, float), np.asarray(member, float)
    ratio = np.divide(correct, member, out=np.zeros_like(correct), where=member > 0)
    used = (member > 0).sum(axis=-1)
    return np.divide(ratio.sum(axis=-1), used, out=np.full(used.shape, np.nan), where=used > 0)


def _check_paired(a, b):
    if a.videos != b.videos or not np.array_equal(a.member, b.member):
        raise ValueError("paired statistics need two systems scored on the same videos of the same splits")
