"""The one rule by which two systems are said to be different, for every table, page and claim.

Two systems are compared on the same videos by the permutation test per distinct video (`uncertainty.permutation_test`). All
comparisons of one page are tested together: their p values are adjusted so that at most 5 % of the differences that the page
reports are expected to be false (Benjamini and Hochberg, 1995). Intervals are shown beside, and never compared with each other.
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from repro.evaluation import uncertainty

LEVEL = 0.05
ABOVE, BELOW, NOT_SHOWN = "above", "below", "not shown"
HOLDS, DOES_NOT_HOLD = "holds", "does not hold"
RULE = (
    "Two systems are called different if the adjusted p value is below .05: paired permutation test over distinct videos "
    "(two-sided, {draws:,} draws, seed {seed}), adjusted for all comparisons of the page (here {count}; false-discovery rate, "
    "Benjamini-Hochberg). Intervals are shown, not compared."
)


@dataclass(frozen=True)
class Difference:
    """``points``: Interval of accuracy(a) - accuracy(b) in [-1, 1]. ``p``: of the permutation test; ``adjusted``: the same over
    all comparisons of its page."""

    points: uncertainty.Interval
    p: float
    adjusted: float

    @property
    def verdict(self):
        """Of the first system: ``above``, ``below`` or ``not shown`` to be either."""
        if self.adjusted >= LEVEL:
            return NOT_SHOWN
        return ABOVE if self.points.value > 0 else BELOW

    def turned(self):
        """The same comparison with the second system first."""
        points = uncertainty.Interval(-self.points.value, -self.points.high, -self.points.low, self.points.videos)
        return Difference(points, self.p, self.adjusted)


def differences(pairs, draws=uncertainty.DRAWS, seed=0):
    """Compare all pairs of one page: list of Difference, None where a pair is None (not run).

    ``pairs``: (Outcomes a, Outcomes b) over the same videos and splits, or None. Errors: ValueError where videos differ.
    """
    tested = [pair for pair in pairs if pair is not None]
    p = np.array([uncertainty.permutation_test(*pair, draws, seed) for pair in tested])
    adjusted = stats.false_discovery_control(p) if len(p) else p
    made = iter(
        [
            Difference(uncertainty.bootstrap_difference(*pair, draws, seed), float(alone), float(together))
            for pair, alone, together in zip(tested, p, adjusted)
        ]
    )
    return [None if pair is None else next(made) for pair in pairs]


def claimed_above(verdicts):
    """What becomes of the claim that a system is above every one of several others, by its verdicts against them."""
    if all(verdict == ABOVE for verdict in verdicts):
        return HOLDS
    return DOES_NOT_HOLD if BELOW in verdicts else NOT_SHOWN


def rule(draws, seed, count):
    """The sentence that stands under every table with differences; ``count``: comparisons on the page."""
    return RULE.format(draws=draws, seed=seed, count=count)
