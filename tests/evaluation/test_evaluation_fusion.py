"""Fusion by hand, its invariances, and everything it must refuse."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repro.errors import ReproError
from repro.evaluation.fusion import aligned, fuse, fuse_svm, in_space
from repro.evaluation.scores import Scores

HEADER = {
    "dataset": "toy",
    "split": 1,
    "system": "s",
    "protocol": "p",
    "seed": 0,
    "device": "cpu",
    "params_hash": "x",
    "code_version": "0",
}


def make(matrix, names=None, classes=None, labels=None, **header):
    matrix = np.asarray(matrix, float)
    names = names or [f"v{i}" for i in range(len(matrix))]
    classes = classes or list("abcdefgh")[: matrix.shape[1]]
    labels = np.zeros(len(matrix), int) if labels is None else labels
    return Scores(names, labels, classes, ("h",), matrix[None], {**HEADER, **header})


def shuffled(item, seed):
    generator = np.random.default_rng(seed)
    rows, columns = generator.permutation(len(item.names)), generator.permutation(len(item.classes))
    position = np.argsort(columns)
    return Scores(
        [item.names[r] for r in rows],
        position[item.labels[rows]],
        [item.classes[c] for c in columns],
        item.heads,
        item.scores[:, rows][:, :, columns],
        item.header,
    )


def test_weighted_mean_of_logits_by_hand():
    fused = fuse([make([[4, 0]]), make([[0, 8]])], [1, 3])
    assert fused.scores.tolist() == [[[1, 6]]] and fused.heads == ("fused",)


def test_heads_are_averaged_before_anything_else():
    two = Scores(("v",), np.array([0]), ("a", "b"), ("x", "y"), np.array([[[6.0, 0]], [[0.0, 8]]]), HEADER)
    assert fuse([two], space="l2").scores.ravel() == pytest.approx([0.6, 0.8])


def test_l2_by_hand_and_a_zero_vector_stays_zero():
    fused = fuse([make([[3, 4], [0, 0]]), make([[0, -2], [0, 0]])], space="l2")
    assert fused.scores[0] == pytest.approx(np.array([[0.3, -0.1], [0, 0]]))


def test_softmax_is_scipys():
    from scipy.special import softmax

    matrix = np.random.default_rng(0).normal(size=(5, 4)) * 300
    assert in_space(matrix, "softmax") == pytest.approx(softmax(matrix, axis=1))


@settings(max_examples=60, deadline=None)
@given(
    st.integers(2, 5),
    st.integers(1, 9),
    st.integers(1, 4),
    st.integers(0, 2**32 - 1),
    st.sampled_from(["logits", "softmax", "l2"]),
)
def test_the_order_of_rows_and_classes_does_not_matter(classes, videos, systems, seed, space):
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, classes, videos)
    inputs = [make(generator.normal(size=(videos, classes)), labels=labels) for _ in range(systems)]
    weights = generator.uniform(0.1, 2, systems)
    plain = fuse(inputs, weights, space)
    mixed = fuse([inputs[0], *(shuffled(item, seed + i) for i, item in enumerate(inputs[1:]))], weights, space)
    assert np.array_equal(plain.scores, mixed.scores) and np.array_equal(plain.labels, mixed.labels)
    other = fuse([shuffled(item, seed + i) for i, item in enumerate(inputs)], weights, space)
    assert aligned([plain, other])[1] == pytest.approx(plain.mean(), abs=1e-6)
    assert np.allclose(fuse(inputs, 7 * weights, space).scores, plain.scores, atol=1e-6)  # only the ratio counts


def test_the_header_names_inputs_weights_and_space():
    inputs = [
        make([[1, 2]], system="rgb", seed=1, device="cpu"),
        make([[1, 2]], system="flow", seed=2, device="cpu"),
    ]
    header = fuse(inputs, [1, 1.5], "l2", system="both", header={"code_version": "9"}).header
    assert (header["dataset"], header["split"], header["system"], header["device"]) == (
        "toy",
        1,
        "both",
        "cpu",
    )
    assert header["seed"] == [1, 2] and header["code_version"] == "9"
    assert header["fusion"]["weights"] == [1, 1.5] and header["fusion"]["space"] == "l2"
    assert [source["system"] for source in header["fusion"]["inputs"]] == ["rgb", "flow"]
    assert header["params_hash"] != fuse(inputs, [1, 2], "l2").header["params_hash"]
    counted = fuse([make([[1, 2]], excluded=2), make([[1, 2]], excluded=2)]).header
    assert counted["excluded"] == 2 and "excluded" not in header
    again = fuse([fuse(inputs), make([[1, 2]], system="idt", seed=2)])
    assert again.header["seed"] == [1, 2]


GOOD = make([[1, 2], [3, 4]])


@pytest.mark.parametrize(
    "call, told",
    [
        (lambda: fuse([]), "nothing to fuse"),
        (lambda: fuse([GOOD, make([[1, 2], [3, 4]], split=2)]), "different splits.*1, 2"),
        (lambda: fuse([GOOD, make([[1, 2], [3, 4]], dataset="other")]), "different datasets.*other, toy"),
        (lambda: fuse([GOOD, make([[1, 2], [3, 4]], subset="train")]), "different subsets.*test, train"),
        (
            lambda: fuse([GOOD, make([[1, 2]], system="short")]),
            "different videos.*short: 1 missing, e.g. `v1`",
        ),
        (lambda: fuse([GOOD, make([[1, 2]] * 3)]), "different videos.*1 too many, e.g. `v2`"),
        (lambda: fuse([GOOD, make([[1, 2], [3, 4]], classes=["a", "c"])]), "different classes.*`b`"),
        (lambda: fuse([GOOD, make([[1, 2, 0], [3, 4, 0]])]), "different classes.*1 too many"),
        (
            lambda: fuse([GOOD, make([[1, 2], [3, 4]], labels=[0, 1])]),
            "disagree on a label.*`v1` is a in s, b in s",
        ),
        (lambda: fuse([GOOD, GOOD], [1]), "as many weights.*1 for 2"),
        (lambda: fuse([GOOD, GOOD], [1, -1]), "finite, >= 0"),
        (lambda: fuse([GOOD, GOOD], [0, 0]), "not all zero"),
        (lambda: fuse([GOOD, GOOD], [1, float("nan")]), "finite"),
        (lambda: fuse([GOOD], space="cosine"), "unknown fusion space `cosine`.*logits, softmax, l2"),
        (lambda: make([[1, np.nan]]), "NaN"),
        (lambda: make([[1, 2], [3, 4]], names=["v", "v"]), "duplicated names"),
    ],
)
def test_what_does_not_fit_together_is_refused(call, told):
    with pytest.raises(ReproError, match=told):
        call()


def svm_problem(classes=3, seed=0):
    """Two systems, each sure of another half of the videos: their stack is separable, neither alone is."""
    generator = np.random.default_rng(seed)
    sets = {}
    for subset in ("train", "test"):
        labels = np.arange(30 * classes) % classes
        names = [f"{subset}{i}" for i in range(len(labels))]
        sure = generator.random(len(labels)) < 0.5
        sets[subset] = [
            make(
                np.where(which[:, None], 6.0, 0.0) * np.eye(classes)[labels] + generator.normal(0, 0.3, (len(labels), classes)),
                names=names,
                labels=labels,
                system=name,
            )
            for name, which in (("rgb", sure), ("flow", ~sure))
        ]
    return sets["train"], sets["test"]


@pytest.mark.parametrize("classes", [2, 3])
def test_svm_on_stacked_scores_beats_both_inputs(classes):
    train, test = svm_problem(classes)
    fused = fuse_svm(train, test)
    right = [(s.mean().argmax(axis=1) == s.labels).mean() for s in (*test, fused)]
    assert right[2] > max(right[:2]) + 0.1 and right[2] > 0.95
    assert fused.header["fusion"]["method"] == "svm" and fused.scores.shape == (1, 30 * classes, classes)


def test_svm_is_scikit_learns_on_the_stack():
    from scipy.special import softmax
    from sklearn.preprocessing import normalize
    from sklearn.svm import SVC

    train, test = svm_problem(seed=4)
    stacks = [np.hstack([normalize(softmax(s.mean(), axis=1)) for s in side]) for side in (train, test)]
    for c in (0.1, 1.0):
        # the same method by another solver: squared hinge and an unpunished bias differ a little, decisions hardly
        oracle = [SVC(kernel="linear", C=c).fit(stacks[0], train[0].labels == k).decision_function(stacks[1]) for k in range(3)]
        fused = fuse_svm(train, test, c)
        assert (fused.mean().argmax(axis=1) == np.argmax(oracle, axis=0)).mean() > 0.95
        assert fused.header["fusion"]["c"] == c
    with pytest.raises(ReproError, match="different subsets"):
        marked = [Scores(s.names, s.labels, s.classes, s.heads, s.scores, {**s.header, "subset": "train"}) for s in train]
        fuse_svm([marked[0], train[1]], test)
    assert np.array_equal(fuse_svm(marked, test).scores, fuse_svm(train, test).scores)


def test_svm_does_not_mind_other_orders():
    train, test = svm_problem()
    plain = fuse_svm(train, test)
    mixed = fuse_svm([train[0], shuffled(train[1], 1)], [test[0], shuffled(test[1], 2)])
    assert np.array_equal(plain.scores, mixed.scores)
    other = fuse_svm([shuffled(s, i) for i, s in enumerate(train)], test)
    assert other.mean() == pytest.approx(plain.mean(), abs=1e-2)


def test_svm_refuses_what_leaks_or_does_not_match():
    train, test = svm_problem()
    with pytest.raises(ReproError, match="same systems"):
        fuse_svm(train[::-1], test)
    with pytest.raises(ReproError, match="in the training and in the test"):
        fuse_svm(test, test)
    with pytest.raises(ReproError, match="class without training scores.*`c`"):
        few = [Scores(s.names[:2], s.labels[:2], s.classes, s.heads, s.scores[:, :2], s.header) for s in train]
        fuse_svm(few, test)
    with pytest.raises(ReproError, match="different splits"):
        fuse_svm(
            train,
            [Scores(s.names, s.labels, s.classes, s.heads, s.scores, {**s.header, "split": 2}) for s in test],
        )
    with pytest.raises(ReproError, match="nothing to fuse"):
        fuse_svm([], [])
