"""Linear SVM, one-vs-rest, hinge loss: LIBSVM's on a precomputed Gram matrix, since vectors are long and videos few."""

from dataclasses import dataclass

import numpy as np

from repro.errors import ReproError


@dataclass(frozen=True)
class LinearSvm:
    """weights: (classes, D) float32; bias: (classes,) float64."""

    weights: np.ndarray
    bias: np.ndarray


def train_svm(vectors, labels, classes, C=100.0):
    """One SVM per class against the rest (Wang & Schmid, ICCV 2013: C = 100).

    vectors: (n, D) float32; labels: (n,) int in 0 ... classes - 1, every class present. Memory: the vectors, n x n and
    classes x D.
    Raises ReproError: not finite, a class without or with only its own videos, labels out of range.
    """
    from sklearn.svm import SVC

    vectors, labels = np.asarray(vectors, np.float32), np.asarray(labels)
    if vectors.ndim != 2 or labels.shape != vectors.shape[:1]:
        raise ReproError("vectors and labels do not fit together", why=f"shapes {vectors.shape} and {labels.shape}")
    _require_finite(vectors)
    if classes < 2 or labels.min(initial=0) < 0 or labels.max(initial=0) >= classes:
        raise ReproError("labels out of range", why=f"found {np.unique(labels).tolist()}, expected 0 ... {classes - 1}")
    missing = sorted(set(range(classes)) - set(labels.tolist()))
    if missing:
        raise ReproError("classes without training videos", why=f"labels {missing}")
    gram = (vectors @ vectors.T).astype(np.float64)
    coefficients, bias = np.zeros((classes, len(vectors)), np.float32), np.empty(classes)
    for label in range(classes):
        machine = SVC(C=C, kernel="precomputed").fit(gram, labels == label)
        coefficients[label, machine.support_] = machine.dual_coef_[0]
        bias[label] = machine.intercept_[0]
    return LinearSvm(coefficients @ vectors, bias)  # once for all classes: nearly every vector supports one of them


def decision_function(svm, vectors):
    """Scores (n, classes) float32, positive on the class's side; vectors (n, D) of the length trained on, finite."""
    vectors = np.asarray(vectors, np.float32)
    if vectors.ndim != 2 or vectors.shape[1] != svm.weights.shape[1]:
        raise ReproError(
            "vectors of another length than the SVM's",
            why=f"shape {vectors.shape}, trained on {svm.weights.shape[1]}",
            fix="encode with the same codebook",
        )
    _require_finite(vectors)
    return (vectors @ svm.weights.T + svm.bias).astype(np.float32)


def _require_finite(vectors):
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(bad):
        raise ReproError("vectors that are not finite", why=f"{len(bad)} of {len(vectors)}, the first is row {bad[0]}")
