"""Pure functions of scores (videos V, classes C), higher is better, and labels (V,) integer. Accuracies are
in [0, 1].

The ``*_correct`` functions give one truth value per video, which is what intervals and paired tests are made
from. Ties go to the lower class index, as ``argmax`` has it.
"""

import numpy as np


def top_k_correct(scores, labels, k=1):
    """Whether each video's label is among its ``k`` best classes: (V,) bool."""
    scores, labels = _checked(scores, labels)
    if not 1 <= k <= scores.shape[1]:
        raise ValueError(f"k must be in 1 .. {scores.shape[1]}, got {k}")
    own = scores[np.arange(len(labels)), labels][:, None]
    earlier = np.arange(scores.shape[1]) < labels[:, None]
    ahead = (scores > own) | ((scores == own) & earlier)
    return ahead.sum(axis=1) < k


def top_k(scores, labels, k=1):
    """Share of the videos whose label is among the ``k`` best classes; the papers' accuracy is k = 1."""
    return float(top_k_correct(scores, labels, k).mean())


def confusion(scores, labels):
    """Counts (C, C) int64: row = label, column = best class."""
    scores, labels = _checked(scores, labels)
    classes = scores.shape[1]
    pairs = labels * classes + scores.argmax(axis=1)
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def class_accuracy(scores, labels):
    """Accuracy per class: (C,), NaN where a class has no video."""
    counts = confusion(scores, labels)
    with np.errstate(invalid="ignore"):
        return np.diag(counts) / counts.sum(axis=1)


def mean_class_accuracy(scores, labels):
    """Mean over the classes that have videos of their accuracies (the metric of the TSN code)."""
    return float(np.nanmean(class_accuracy(scores, labels)))


def within_group_correct(scores, labels, groups):
    """Accuracy when only the classes of a video's own group compete: does a system tell *these* apart?

    ``groups``: sequence of sequences of class indices (pairs, as a rule), no class in two of them. Returns
    ``(correct, member)``, each (V,) bool: ``member`` marks the videos whose label is in some group,
    ``correct`` is false elsewhere.
    """
    scores, labels = _checked(scores, labels)
    listed = [c for group in groups for c in group]
    if len(set(listed)) != len(listed):
        raise ValueError(f"groups must not share a class, got {groups}")
    if listed and not (0 <= min(listed) and max(listed) < scores.shape[1]):
        raise ValueError(f"groups must name classes in 0 .. {scores.shape[1] - 1}, got {groups}")
    correct = np.zeros(len(labels), bool)
    member = np.zeros(len(labels), bool)
    for group in groups:
        group = np.sort(np.asarray(group, dtype=np.int64))
        rows = np.isin(labels, group)
        correct[rows] = group[scores[rows][:, group].argmax(axis=1)] == labels[rows]
        member |= rows
    return correct, member


def within_group_accuracy(scores, labels, groups):
    """Share of the videos of ``groups`` told apart from the other classes of their group; NaN without such
    videos."""
    correct, member = within_group_correct(scores, labels, groups)
    return float(correct[member].mean()) if member.any() else float("nan")


def _checked(scores, labels):
    scores, labels = np.asarray(scores), np.asarray(labels)
    if scores.ndim != 2:
        raise ValueError(f"scores must be (videos, classes), got shape {scores.shape}")
    if labels.shape != scores.shape[:1] or labels.dtype.kind not in "iu":
        raise ValueError(f"labels must be ({len(scores)},) integers, got {labels.shape} {labels.dtype}")
    if np.isnan(scores).any():
        raise ValueError("scores must not hold NaN")
    if len(labels) == 0 or labels.min() < 0 or labels.max() >= scores.shape[1]:
        raise ValueError(f"labels must lie in 0 .. {scores.shape[1] - 1} and be there, got {labels}")
    return scores, labels
