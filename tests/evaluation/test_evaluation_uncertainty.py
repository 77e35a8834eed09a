"""Intervals and tests against closed forms, SciPy, brute force and simulated coverage."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from repro.evaluation import uncertainty as u


def one_split(correct, names=None):
    correct = np.asarray(correct, bool)
    names = names or [f"v{i:04d}" for i in range(len(correct))]
    return u.outcomes([(names, correct, np.ones(len(correct), bool))])


def test_outcomes_gather_videos_over_splits_by_hand():
    true, false = True, False
    out = u.outcomes(
        [
            (["b", "a"], [true, false], [true, true]),
            (["c", "b", "d"], [true, false, true], [true, true, false]),
        ]
    )
    assert out.videos == ("a", "b", "c")
    assert out.member.tolist() == [[true, false], [true, true], [false, true]]
    assert out.correct.tolist() == [[false, false], [true, false], [false, true]]
    assert u.accuracy(out) == 0.5  # 1 of 2 and 1 of 2


def test_accuracy_is_the_mean_over_splits_not_over_rows():
    ones = np.ones(3, bool)
    out = u.outcomes([(["a"], [True], [True]), (["b", "c", "d"], [False, False, True], ones)])
    assert u.accuracy(out) == pytest.approx((1 + 1 / 3) / 2)


def test_interval_of_one_split_is_the_binomial_quantile():
    # with one split and all videos in it, the number right in a draw is Binomial(n, accuracy)
    n, right = 200, 140
    interval = u.bootstrap(one_split(np.arange(n) < right), seed=3)
    low, high = stats.binom.ppf([0.025, 0.975], n, right / n) / n
    assert interval.value == 0.7 and interval.videos == n
    assert interval.low == pytest.approx(low, abs=1.01 / n) and interval.high == pytest.approx(high, abs=1.01 / n)


def test_a_video_repeated_in_three_splits_is_no_new_evidence():
    generator = np.random.default_rng(0)
    correct = generator.random(300) < 0.6
    names = [f"v{i}" for i in range(300)]
    once = u.bootstrap(one_split(correct, names))
    thrice = u.bootstrap(u.outcomes([(names, correct, np.ones(300, bool))] * 3))
    assert (thrice.low, thrice.high, thrice.videos) == (once.low, once.high, 300)
    apart = u.bootstrap(u.outcomes([([f"{s}{n}" for n in names], correct, np.ones(300, bool)) for s in "abc"]))
    assert apart.videos == 900
    assert apart.half_width == pytest.approx(once.half_width / math.sqrt(3), rel=0.1)


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    generator = np.random.default_rng(1)
    covered, trials, truth = 0, 300, 0.7
    for _ in range(trials):
        # 150 videos with their own difficulty; each stands in about two of three overlapping splits
        difficulty = generator.beta(7, 3, 150)
        splits = []
        for _ in range(3):
            inside = np.flatnonzero(generator.random(150) < 0.67)
            splits.append(
                (
                    [f"v{i:03d}" for i in inside],
                    generator.random(len(inside)) < difficulty[inside],
                    np.ones(len(inside), bool),
                )
            )
        interval = u.bootstrap(u.outcomes(splits), draws=1000)
        covered += interval.low <= truth <= interval.high
    assert 0.91 <= covered / trials <= 0.985


@pytest.mark.parametrize("right", [0, 50])
def test_a_bootstrap_without_width_becomes_the_wilson_interval(right):
    interval = u.bootstrap(one_split(np.arange(50) < right))
    z = stats.norm.ppf(0.975)
    bound = z**2 / (50 + z**2)  # Wilson (1927) at 0 of n; at n of n its mirror image
    assert (interval.low, interval.high) == pytest.approx((0, bound) if right == 0 else (1 - bound, 1))
    assert interval.value == right / 50
    names = [f"v{i}" for i in range(50)]  # three times the same videos: no narrower
    thrice = u.bootstrap(u.outcomes([(names, np.arange(50) < right, np.ones(50, bool))] * 3))
    assert (thrice.low, thrice.high) == (interval.low, interval.high)


def test_equal_input_gives_equal_intervals_and_the_seed_matters():
    a, b = one_split(np.arange(101) < 60), one_split(np.arange(101) % 3 < 1)
    assert u.bootstrap(a) == u.bootstrap(a)
    assert u.bootstrap_difference(a, b) == u.bootstrap_difference(a, b)
    assert u.permutation_test(a, b) == u.permutation_test(a, b)
    assert not np.array_equal(u._draw_counts(101, 100, 0), u._draw_counts(101, 100, 1))


def test_draws_do_not_depend_on_the_chunk(monkeypatch):
    whole = u._draw_counts(17, 1000, 5)
    monkeypatch.setattr(u, "_CHUNK", 7)
    u._draw_counts.cache_clear()
    assert np.array_equal(u._draw_counts(17, 1000, 5), whole)
    assert (whole.sum(axis=1) == 17).all()
    u._draw_counts.cache_clear()


def test_a_split_without_members_does_not_count():
    out = u.outcomes([(["a", "b"], [True, False], [True, True]), (["c"], [True], [False])])
    assert u.accuracy(out) == 0.5
    assert math.isfinite(u.bootstrap(out).low)


def test_difference_is_paired():
    generator = np.random.default_rng(2)
    a = generator.random(400) < 0.5
    b = a.copy()
    b[:8] = ~b[:8] & False  # the first eight only lose
    difference = u.bootstrap_difference(one_split(a), one_split(b))
    alone = u.bootstrap(one_split(a))
    assert difference.value == pytest.approx(a[:8].sum() / 400)
    assert difference.half_width < alone.half_width / 4


def test_permutation_test_equals_enumeration():
    a = np.array([1, 1, 1, 1, 1, 1, 0, 1, 0, 1], bool)
    b = np.array([0, 0, 1, 0, 0, 0, 1, 1, 0, 0], bool)
    gain = a.astype(int) - b
    observed = abs(gain.sum())
    signs = np.array(list(itertools.product([-1, 1], repeat=len(gain))))
    exact = (np.abs(signs @ gain) >= observed).mean()
    assert u.permutation_test(one_split(a), one_split(b)) == pytest.approx(exact, abs=0.02)
    assert u.permutation_test(one_split(a), one_split(b)) == u.permutation_test(one_split(b), one_split(a))


def test_permutation_p_of_equal_systems_is_one_and_of_opposite_ones_small():
    out = one_split(np.arange(50) < 25)
    assert u.permutation_test(out, out) == 1
    assert u.permutation_test(one_split(np.ones(50)), one_split(np.zeros(50))) == pytest.approx(1 / 10001)


def test_permutation_p_is_uniform_without_an_effect():
    generator = np.random.default_rng(4)
    values = [
        u.permutation_test(one_split(generator.random(80) < 0.6), one_split(generator.random(80) < 0.6), draws=500)
        for _ in range(200)
    ]
    assert np.mean(np.array(values) <= 0.05) <= 0.10
    assert 0.4 <= np.mean(values) <= 0.65


@pytest.mark.parametrize("only_a, only_b", [(0, 0), (1, 0), (5, 5), (12, 3), (0, 9), (40, 61)])
def test_mcnemar_is_the_exact_binomial_test(only_a, only_b):
    a = np.r_[np.ones(only_a), np.zeros(only_b), np.ones(7), np.zeros(4)]
    b = np.r_[np.zeros(only_a), np.ones(only_b), np.ones(7), np.zeros(4)]
    n, fewer = only_a + only_b, min(only_a, only_b)
    expected = min(1, sum(math.comb(n, k) for k in range(fewer + 1)) / 2 ** (n - 1)) if n else 1  # both tails of n fair coins
    assert u.mcnemar(a, b) == u.McNemar(only_a, only_b, pytest.approx(expected))


def test_mcnemar_is_that_of_statsmodels():
    tests = pytest.importorskip("statsmodels.stats.contingency_tables", reason="statsmodels is not installed")
    a, b = np.r_[np.ones(12), np.zeros(3), np.ones(7)], np.r_[np.zeros(12), np.ones(10)]
    assert u.mcnemar(a, b).p == pytest.approx(tests.mcnemar([[7, 12], [3, 0]]).pvalue)


def test_mean_and_deviation_over_seeds():
    assert u.mean_sd([70.0, 72.0, 74.0]) == (72.0, 2.0)
    mean, deviation = u.mean_sd([70.0])
    assert mean == 70 and math.isnan(deviation)


@pytest.mark.parametrize(
    "low, high, expected",
    [
        (0.45, 0.55, True),
        (0.4, 0.6, True),
        (0.39, 0.61, False),
        (0.51, 0.6, False),
        (0.40, 0.49, False),
        (0.5, 0.5, True),
    ],
)
def test_at_chance_needs_one_half_inside_and_a_narrow_interval(low, high, expected):
    assert u.at_chance(u.Interval((low + high) / 2, low, high, 100)) is expected


@pytest.mark.parametrize(
    "call, told",
    [
        (lambda: u.outcomes([(["a"], [True], [False])]), "at least one video"),
        (lambda: u.outcomes([(["a", "a"], [True, True], [True, True])]), "distinct within split 1"),
        (lambda: u.permutation_test(one_split([1, 0]), one_split([1, 0, 0])), "same videos"),
        (
            lambda: u.bootstrap_difference(one_split([1, 0], ["a", "b"]), one_split([1, 0], ["a", "c"])),
            "same videos",
        ),
        (lambda: u.mcnemar([1, 0], [1]), "same videos"),
    ],
)
def test_bad_arguments_are_named(call, told):
    with pytest.raises(ValueError, match=told):
        call()
