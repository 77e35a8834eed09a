"""Late fusion: score files in, one score file out.

Videos are matched by id and classes by name, so inputs may come in any order; files of different datasets,
splits, subsets (a header's ``subset``; absent = ``test``), videos, classes or labels are refused, never
intersected.

ST-ResNet fuses its scores with improved trajectories as the mean of the L2-normalised per-video scores
(``space="l2"``); Two-Stream ConvNets (2014) averages softmax scores (``space="softmax"``) or trains a linear
SVM on them (``fuse_svm``).
"""

import numpy as np

from repro.errors import ReproError
from repro.evaluation.scores import Scores
from repro.files import fingerprint

SPACES = ("logits", "softmax", "l2")


def fuse(inputs, weights=None, space="logits", system="fused", header=None):
    """Weighted mean of score files in a common space; the result has one head, ``fused``.

    ``inputs``: Scores, any number; the order of videos and classes is the first one's. ``weights``: one per
    input, >= 0, not all zero; only their ratio matters; None = equal. ``space``: what the mean over heads of
    each input becomes before the sum: ``logits`` as it is, ``softmax`` over classes, ``l2`` unit length per
    video (a zero vector stays zero). ``system`` names the result; ``header`` adds to or overrides what is
    taken over from the inputs. The header's ``fusion`` names inputs, weights and space. Errors: ReproError
    for anything that does not fit together.
    """
    if space not in SPACES:
        raise ReproError(f"unknown fusion space `{space}`", why=f"there are {', '.join(SPACES)}")
    matrices = aligned(inputs)
    weights = _checked_weights(weights, len(inputs))
    total = sum(w * in_space(m, space) for w, m in zip(weights, matrices)) / sum(weights)
    how = {"method": "mean", "space": space, "weights": weights}
    return _result(inputs, total, system, how, header)


def fuse_svm(train, test, c=1.0, system="fused-svm", header=None):
    """Linear SVM on stacked L2-normalised softmax scores (Two-Stream ConvNets, 2014, Sec. 5).

    ``train`` and ``test``: the same systems in the same order, their scores on the training and on the test
    videos of one split; ``c``: the SVM's C. One-vs-rest decision values become the scores. That paper names
    neither the videos that the SVM is trained on nor C; a split's own training videos are the only ones that
    its protocol allows. Networks are surer of videos they were trained on than of new ones, and the SVM sees
    them surer than it will find them. Errors: systems or classes that differ, a video in both subsets, a
    class without training videos, and whatever ``fuse`` refuses.
    """
    from sklearn.svm import LinearSVC  # late: two seconds, and only this function needs it

    if [s.header["system"] for s in train] != [s.header["system"] for s in test]:
        raise ReproError("the training and test scores are not of the same systems in the same order")
    judged = np.hstack([in_space(in_space(m, "softmax"), "l2") for m in aligned(test)])
    _check_common([train[0], test[0]], ("dataset", "split"))
    shared = set(train[0].names) & set(test[0].names)
    if shared:
        raise ReproError("a video in the training and in the test scores", why=f"`{min(shared)}`")
    classes = test[0].classes
    fitted = np.hstack([in_space(in_space(m, "softmax"), "l2") for m in aligned(train, classes)])
    labels = _map(train[0].classes, classes, "class", train[0])[train[0].labels]
    absent = set(range(len(classes))) - set(labels.tolist())
    if absent:
        raise ReproError("a class without training scores", why=f"`{classes[min(absent)]}`")
    svm = LinearSVC(C=c, random_state=0, max_iter=20000).fit(fitted, labels)
    decision = svm.decision_function(judged)
    if decision.ndim == 1:  # two classes: scikit-learn gives the second one's side only
        decision = np.stack([-decision, decision], axis=1)
    return _result(test, decision, system, {"method": "svm", "space": "l2(softmax)", "c": c}, header)


def in_space(matrix, space):
    """Scores (V, C) taken to one of ``SPACES``, float64."""
    matrix = np.asarray(matrix, dtype=np.float64)
    if space == "softmax":
        powers = np.exp(matrix - matrix.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)
    if space == "l2":
        length = np.linalg.norm(matrix, axis=1, keepdims=True)
        return np.divide(matrix, length, out=np.zeros_like(matrix), where=length > 0)
    return matrix


def aligned(inputs, classes=None):
    """The inputs' means over heads, each (V, C) in the videos' order of the first input and the class order
    ``classes`` (None = the first input's)."""
    inputs = list(inputs)
    if not inputs:
        raise ReproError("nothing to fuse", why="no score files given")
    _check_common(inputs)
    first, matrices = inputs[0], []
    classes = first.classes if classes is None else classes
    truth = {name: first.classes[label] for name, label in zip(first.names, first.labels)}
    for item in inputs:
        rows = _map(first.names, item.names, "video", item)
        columns = _map(classes, item.classes, "class", item)
        for name, label in zip(item.names, item.labels):
            if item.classes[label] != truth[name]:
                raise ReproError(
                    "score files disagree on a label",
                    why=f"`{name}` is {truth[name]} in {first.header['system']}, "
                    f"{item.classes[label]} in {item.header['system']}",
                )
        matrices.append(item.mean()[rows][:, columns])
    return matrices


def _map(wanted, present, what, item):
    """Where each of ``wanted`` stands in ``present``; the two must hold the same."""
    position = {value: index for index, value in enumerate(present)}
    missing = [value for value in wanted if value not in position]
    extra = set(present) - set(wanted)
    if missing or extra:
        told = f"{len(missing)} missing, e.g. `{missing[0]}`" if missing else f"{len(extra)} too many, e.g. `{min(extra)}`"
        raise ReproError(
            f"score files of different {'videos' if what == 'video' else 'classes'}",
            why=f"{item.header['system']}: {told}",
        )
    return np.array([position[value] for value in wanted], dtype=np.int64)


def _check_common(inputs, keys=("dataset", "split", "subset")):
    for key in keys:
        values = {str(item.header.get(key, "test")) for item in inputs}
        if len(values) > 1:
            raise ReproError(f"score files of different {key}s cannot be fused", why=", ".join(sorted(values)))


def _checked_weights(weights, count):
    weights = [1.0] * count if weights is None else [float(w) for w in weights]
    if len(weights) != count:
        raise ReproError("as many weights as score files are needed", why=f"{len(weights)} for {count}")
    if not all(np.isfinite(w) and w >= 0 for w in weights) or not sum(weights) > 0:
        raise ReproError("fusion weights must be finite, >= 0 and not all zero", why=f"got {weights}")
    return weights


def _result(inputs, matrix, system, how, header):
    first = inputs[0]
    keys = ("dataset", "split", "subset", "protocol", "seed", "device", "code_version", "excluded")
    kept = {k: _common([s.header[k] for s in inputs if k in s.header]) for k in keys if k in first.header}
    sources = [{key: item.header[key] for key in ("system", "seed", "params_hash", "code_version")} for item in inputs]
    fusion = {**how, "inputs": sources}
    merged = {
        **kept,
        "system": system,
        "params_hash": fingerprint(fusion),
        "fusion": fusion,
        **(header or {}),
    }
    return Scores(first.names, first.labels, first.classes, ("fused",), matrix[None].astype(np.float32), merged)


def _common(values):
    """The one value all inputs share, or the list of the different ones in order of appearance."""
    distinct = []
    for value in values:
        for part in value if isinstance(value, list) else [value]:
            if part not in distinct:
                distinct.append(part)
    return distinct[0] if len(distinct) == 1 else distinct
