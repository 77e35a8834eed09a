"""Scores that others published, brought to the official order of videos and classes; never from a pickle.

What goes wrong in the wild, and is met here by names, never by position: rows sorted otherwise; HMDB51
classes in three orders (``climb`` before or after ``climb_stairs``, likewise ``kick`` and ``sword``);
``HandstandPushups`` whose files say ``HandStandPushups``; ``@`` for ``#`` and ``&``; names with a folder or
an ending. If a file carries labels, they must agree with the official ones, which tells a class list in the
wrong order from a right one.
"""

import csv
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from repro.errors import ReproError
from repro.evaluation.scores import Scores, load_arrays
from repro.files import fingerprint

_ENDINGS = re.compile(r"\.(avi|mp4|mkv|webm|mov|zip)$", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class Official:
    """The videos a score file must hold, in official order: ids, labels (V,) into ``classes``, official class
    names."""

    names: tuple
    labels: np.ndarray
    classes: tuple


def read_npz(path, key, header, official=None, classes=None):
    """Scores ``key`` (V, C) of an npz with ``names`` (V,), ``labels`` (V,) if any and ``classes`` (C,):
    Scores, head = key.

    ``header``: at least dataset, split and system. ``official``: the order and names wanted; None = the
    file's own, which then needs labels. ``classes``: the class list where the file has none; it is never
    guessed. Errors: pickles, missing arrays, names or classes that are missing, left over, ambiguous or
    doubled, labels that disagree, NaN.
    """
    arrays = load_arrays(path)
    for name in ("names", key):
        if name not in arrays:
            raise ReproError(f"no `{name}` in the score file", path=path, why=f"there: {', '.join(arrays)}")
    listed = arrays.get("classes", classes)
    if listed is None:
        raise ReproError("scores without a class list", path=path, fix="give the list of class names in the file's order")
    return _assemble(path, _text(arrays["names"]), arrays[key], _text(listed), arrays.get("labels"), key, header, official)


def read_csv(path, header, official=None, delimiter=","):
    """Scores of a table: a heading ``name``, ``label`` if any, then one column per class name; one row per
    video.

    ``label`` is a class name of the heading. Other arguments and errors as for ``read_npz``.
    """
    try:
        with open(path, newline="", encoding="utf-8") as handle:
            rows = [row for row in csv.reader(handle, delimiter=delimiter) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ReproError("not a readable csv", path=path, why=str(error)) from error
    if len(rows) < 2 or rows[0][0] != "name":
        raise ReproError(
            "not a table of scores",
            path=path,
            why="expected a heading `name[, label], <class>, <class> ...` and rows",
        )
    first = 2 if rows[0][1:2] == ["label"] else 1
    classes, body = rows[0][first:], rows[1:]
    for number, row in enumerate(body, start=2):
        if len(row) != len(rows[0]):
            raise ReproError(
                "a row of the wrong length",
                path=path,
                why=f"row {number}: {len(row)} cells for {len(rows[0])}",
            )
    try:
        scores = np.array([row[first:] for row in body], dtype=np.float32)
    except ValueError as error:
        raise ReproError("a cell that is no number", path=path, why=str(error)) from error
    labels = None
    if first == 2:
        unknown = [row[1] for row in body if row[1] not in classes]
        if unknown:
            raise ReproError("a label that is no class of the heading", path=path, why=f"`{unknown[0]}`")
        labels = np.array([classes.index(row[1]) for row in body])
    return _assemble(path, [row[0] for row in body], scores, classes, labels, "scores", header, official)


def match_names(wanted, present, what="videos"):
    """Where each of ``wanted`` stands in ``present``: (len(wanted),) int64; both must name the same things.

    Compared, until every name has found exactly one partner: as they are; ignoring folder, ending and case;
    with ``@`` for ``#`` and ``&``; with every sign but letters and digits alike. Errors: missing, left over
    or ambiguous names.
    """
    for level in (str, _stem, _plain_signs, _bare):
        keys = [level(name) for name in present]
        position = {key: index for index, key in enumerate(keys)}
        goals = [level(name) for name in wanted]
        if len(position) == len(keys) and len(set(goals)) == len(goals) and all(goal in position for goal in goals):
            break
    else:
        missing = [name for name, goal in zip(wanted, goals) if goal not in position]
        why = f"{len(missing)} not found, e.g. `{missing[0]}`" if missing else "several have the same name"
        raise ReproError(f"the {what} of the scores are not the official ones", why=why)
    if len(keys) > len(goals):
        extra = next(name for name, key in zip(present, keys) if key not in set(goals))
        raise ReproError(
            f"the {what} of the scores are not the official ones",
            why=f"{len(keys) - len(goals)} too many, e.g. `{extra}`",
        )
    return np.array([position[goal] for goal in goals], dtype=np.int64)


def _stem(name):
    return _ENDINGS.sub("", name.replace("\\", "/").rsplit("/", 1)[-1]).casefold()


def _plain_signs(name):
    return re.sub("[#&]", "@", _stem(name))


def _bare(name):
    return re.sub("[^a-z0-9]", "", _stem(name))


def _assemble(path, names, scores, classes, labels, head, header, official):
    scores = np.asarray(scores)
    if scores.shape != (len(names), len(classes)):
        raise ReproError(
            "scores of the wrong shape",
            path=path,
            why=f"expected (videos, classes) = ({len(names)}, {len(classes)}), got {scores.shape}",
        )
    if len(set(names)) != len(names):
        raise ReproError("duplicated names in scores", path=path)
    given = None if labels is None else [classes[label] for label in _inside(labels, names, classes, path)]
    if official is None:
        if given is None:
            raise ReproError("scores without labels", path=path, fix="give the official videos, labels and classes")
        official = Official(tuple(names), np.asarray(labels), tuple(classes))
    try:
        rows = match_names(official.names, names)
        columns = match_names(official.classes, classes, "classes")
    except ReproError as error:
        raise ReproError(error.what, path=path, why=error.why) from error
    if given is not None:
        for name, label, row in zip(official.names, official.labels, rows):
            if columns[label] != classes.index(given[row]):
                raise ReproError(
                    "the scores' own labels disagree with the official ones",
                    path=path,
                    why=f"`{name}` is {official.classes[label]}, the file says {given[row]}",
                    fix="the class list is probably in another order than the columns",
                )
    described = {
        "protocol": "as published",
        "seed": None,
        "device": "unknown",
        "code_version": "foreign",
        "params_hash": fingerprint([Path(path).name, head]),
        **header,
    }
    return Scores(official.names, official.labels, official.classes, (head,), scores[rows][:, columns][None], described)


def _inside(labels, names, classes, path):
    labels = np.asarray(labels)
    if labels.shape != (len(names),) or labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() >= len(classes):
        raise ReproError(
            "labels that do not fit the scores",
            path=path,
            why=f"{labels.shape} {labels.dtype}, {len(classes)} classes",
        )
    return labels


def _text(array):
    return [item.decode() if isinstance(item, bytes) else str(item) for item in np.asarray(array).ravel().tolist()]
