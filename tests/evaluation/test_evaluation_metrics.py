"""Metrics against scikit-learn and against cases worked out by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from repro.evaluation import metrics


@st.composite
def problems(draw):
    classes, videos = draw(st.integers(2, 7)), draw(st.integers(1, 40))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return generator.permutation(videos * classes).reshape(videos, classes).astype(float), generator.integers(0, classes, videos)


@settings(max_examples=60, deadline=None)
@given(problems(), st.integers(1, 7))
def test_equal_to_scikit_learn(problem, k):
    scores, labels = problem
    classes = scores.shape[1]
    best = scores.argmax(axis=1)
    assert metrics.top_k(scores, labels) == pytest.approx(sk.accuracy_score(labels, best))
    if classes > 2 and k < classes:
        assert metrics.top_k(scores, labels, k) == pytest.approx(
            sk.top_k_accuracy_score(labels, scores, k=k, labels=np.arange(classes))
        )
    assert metrics.top_k(scores, labels, classes) == 1
    matrix = sk.confusion_matrix(labels, best, labels=np.arange(classes))
    assert np.array_equal(metrics.confusion(scores, labels), matrix)
    present = np.unique(labels)
    recall = sk.recall_score(labels, best, labels=present, average=None, zero_division=0)
    assert metrics.class_accuracy(scores, labels)[present] == pytest.approx(recall)
    assert metrics.mean_class_accuracy(scores, labels) == pytest.approx(recall.mean())


SCORES = np.array([[9, 1, 0, 0], [0, 1, 9, 0], [0, 1, 9, 8], [0, 0, 1, 9], [9, 3, 2, 0]], float)
LABELS = np.array([0, 0, 3, 3, 1])


def test_within_pairs_by_hand():
    # video 1 (class 0) prefers class 2 over all, and 1 over 0: wrong in its pair. Video 2 (class 3): 2 before
    # 3, wrong. Video 4 (class 1): class 0 wins its pair. Videos 0 and 3 are right.
    correct, member = metrics.within_group_correct(SCORES, LABELS, [(0, 1), (3, 2)])
    assert correct.tolist() == [True, False, False, True, False] and member.all()
    assert metrics.within_group_accuracy(SCORES, LABELS, [(0, 1), (3, 2)]) == 0.4


def test_within_pairs_forgives_what_lies_outside_the_pair():
    assert metrics.top_k(SCORES[1:2], LABELS[1:2]) == 0
    assert metrics.within_group_accuracy(SCORES[1:2], LABELS[1:2], [(0, 3)]) == 1.0  # a tie: the lower class


def test_videos_of_no_group_do_not_count():
    correct, member = metrics.within_group_correct(SCORES, LABELS, [(2, 3)])
    assert member.tolist() == [False, False, True, True, False]
    assert metrics.within_group_accuracy(SCORES, LABELS, [(2, 3)]) == 0.5
    assert np.isnan(metrics.within_group_accuracy(SCORES[:2], LABELS[:2], [(2, 3)]))


@settings(max_examples=30, deadline=None)
@given(problems())
def test_one_group_of_all_classes_is_plain_accuracy(problem):
    scores, labels = problem
    assert metrics.within_group_accuracy(scores, labels, [range(scores.shape[1])]) == metrics.top_k(scores, labels)


def test_ties_go_to_the_lower_class_as_argmax_has_it():
    scores = np.zeros((3, 3))
    assert metrics.top_k_correct(scores, np.array([0, 1, 2])).tolist() == [True, False, False]
    assert metrics.top_k_correct(scores, np.array([0, 1, 2]), 2).tolist() == [True, True, False]


def test_confusion_counts_rows_by_label():
    counts = metrics.confusion(SCORES, LABELS)
    assert counts.tolist() == [[1, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 1, 1]]
    assert np.isnan(metrics.class_accuracy(SCORES, LABELS)[2])
    assert metrics.mean_class_accuracy(SCORES, LABELS) == pytest.approx((0.5 + 0 + 0.5) / 3)


@pytest.mark.parametrize(
    "call, told",
    [
        (lambda: metrics.top_k(np.zeros(3), np.zeros(3, int)), r"scores must be \(videos, classes\)"),
        (lambda: metrics.top_k(SCORES, LABELS[:2]), "labels must be"),
        (lambda: metrics.top_k(SCORES, LABELS.astype(float)), "labels must be"),
        (lambda: metrics.top_k(SCORES, LABELS + 3), "labels must lie in"),
        (lambda: metrics.top_k(SCORES[:0], LABELS[:0]), "labels must lie in"),
        (lambda: metrics.top_k(SCORES * np.nan, LABELS), "NaN"),
        (lambda: metrics.top_k(SCORES, LABELS, 5), "k must be in 1 .. 4, got 5"),
        (lambda: metrics.top_k(SCORES, LABELS, 0), "k must be in"),
        (lambda: metrics.within_group_correct(SCORES, LABELS, [(0, 1), (1, 2)]), "must not share a class"),
        (lambda: metrics.within_group_correct(SCORES, LABELS, [(0, 4)]), "must name classes in"),
    ],
)
def test_bad_arguments_are_named(call, told):
    with pytest.raises(ValueError, match=told):
        call()
