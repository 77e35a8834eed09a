"""The one rule for "different": against enumeration of all swaps, Benjamini and Hochberg's steps by hand, simulated pages."""

import itertools

import numpy as np
import pytest
from scipy import stats

from repro.evaluation import different as d
from repro.evaluation.uncertainty import outcomes, permutation_test


def one_split(correct):
    return outcomes([([f"v{i}" for i in range(len(correct))], np.asarray(correct, bool), np.ones(len(correct), bool))])


def two_splits(first, second):
    """Videos 0 .. n - 1 in split 1; the last of them and as many new ones again in split 2."""
    n = len(first)
    names = [f"v{i}" for i in range(n)], [f"v{n - 1 + i}" for i in range(n)]
    return outcomes([(where, np.asarray(right, bool), np.ones(n, bool)) for where, right in zip(names, (first, second))])


def swapped(a, b):
    """p of accuracy(a) = accuracy(b) by enumeration: every video's outcomes change places or not, in all splits together."""
    size = a.member.sum(axis=0)
    differences = []
    for swap in itertools.product([False, True], repeat=len(a.videos)):
        swap = np.array(swap)[:, None]
        x, y = np.where(swap, b.correct, a.correct), np.where(swap, a.correct, b.correct)
        differences.append((x.sum(axis=0) / size - y.sum(axis=0) / size).mean())
    return np.mean(np.abs(differences) >= abs(differences[0]) - 1e-12)


@pytest.mark.parametrize(
    "a, b",
    [
        (([1, 1, 1, 0, 1], [1, 1, 0, 1, 1]), ([0, 0, 1, 0, 0], [0, 1, 0, 0, 0])),
        (([1, 1, 0, 0, 1], [1, 0, 0, 1, 1]), ([1, 0, 1, 0, 0], [1, 1, 0, 0, 1])),
    ],
)
def test_p_is_that_of_all_swaps_of_distinct_videos(a, b):
    a, b = two_splits(*a), two_splits(*b)
    (found,) = d.differences([(a, b)])
    assert found.p == pytest.approx(swapped(a, b), abs=0.015) and found.adjusted == found.p


def test_p_of_one_split_is_that_of_scipys_paired_permutation_test():
    generator = np.random.default_rng(0)
    a, b = generator.random(11) < 0.8, generator.random(11) < 0.4
    expected = stats.permutation_test(
        (a.astype(float), b.astype(float)), lambda x, y: (x - y).mean(), permutation_type="samples", n_resamples=np.inf
    ).pvalue
    assert d.differences([(one_split(a), one_split(b))])[0].p == pytest.approx(expected, abs=0.015)


def test_p_is_adjusted_over_the_page_as_benjamini_and_hochberg_do():
    generator = np.random.default_rng(1)
    base = generator.random(60) < 0.5
    better = [np.where(np.arange(60) < gain, True, base) for gain in (0, 5, 12, 20, 40)]
    pairs = [(one_split(a), one_split(base)) for a in better]
    found = d.differences([pairs[0], None, *pairs[1:]])
    assert found[1] is None
    found = [each for each in found if each]
    p = [permutation_test(*pair) for pair in pairs]
    assert [each.p for each in found] == p
    expected, smallest = {}, 1.0
    for rank, index in reversed(list(enumerate(sorted(range(5), key=lambda i: p[i]), start=1))):
        smallest = min(smallest, p[index] * 5 / rank)
        expected[index] = smallest
    assert [each.adjusted for each in found] == pytest.approx([expected[i] for i in range(5)])


def test_a_verdict_needs_the_adjusted_p_and_has_a_direction():
    many, base = np.arange(40) < 30, np.arange(40) < 10
    up, down, even = d.differences([(one_split(x), one_split(y)) for x, y in ((many, base), (base, many), (base, base))])
    assert (up.verdict, down.verdict, even.verdict) == (d.ABOVE, d.BELOW, d.NOT_SHOWN)
    # six of six videos won: p = 2 / 64 alone, and not enough beside nine comparisons without any difference
    six, none = one_split(np.arange(12) < 6), one_split(np.zeros(12))
    (alone,), (among, *_) = d.differences([(six, none)]), d.differences([(six, none)] + [(none, none)] * 9)
    assert alone.p == among.p == pytest.approx(2 / 64, abs=0.01)
    assert (alone.verdict, among.verdict) == (d.ABOVE, d.NOT_SHOWN)


def test_pages_without_any_effect_seldom_report_one():
    generator = np.random.default_rng(2)
    pages = 0
    for _ in range(60):
        pairs = [(one_split(generator.random(60) < 0.6), one_split(generator.random(60) < 0.6)) for _ in range(8)]
        pages += any(found.verdict != d.NOT_SHOWN for found in d.differences(pairs, draws=400))
    assert pages / 60 <= 0.12  # 5 % is meant; without adjusting it would be a third


@pytest.mark.parametrize(
    "verdicts, expected",
    [
        ([d.ABOVE], d.HOLDS),
        ([d.ABOVE, d.ABOVE], d.HOLDS),
        ([d.ABOVE, d.NOT_SHOWN], d.NOT_SHOWN),
        ([d.ABOVE, d.BELOW], d.DOES_NOT_HOLD),
        ([d.BELOW, d.NOT_SHOWN], d.DOES_NOT_HOLD),
    ],
)
def test_a_claim_against_several_needs_all_of_them(verdicts, expected):
    assert d.claimed_above(verdicts) == expected


def test_no_comparison_is_no_error():
    assert d.differences([]) == [] and d.differences([None]) == [None]
