"""Scores that others published, brought to the official order of videos and classes; never from a pickle.

What goes wrong in the wild, and is met here by names, never by position: rows sorted otherwise; HMDB51
classes in three orders (``climb`` before or after ``climb_stairs``, likewise ``kick`` and ``sword``);
``HandstandPushups`` whose files say ``HandStandPushups``; ``@`` for ``#`` and ``&``; names with a folder or
an ending; the lists of another split. If a file carries labels, they must agree with the official ones, which tells a class
list in the wrong order from a right one.
"""

import csv
import hashlib
import io
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from repro.datasets.scan import VIDEO_SUFFIXES
from repro.errors import ReproError
from repro.evaluation.scores import Scores, load_arrays
from repro.files import fingerprint, regular

_ENDINGS = re.compile(rf"({'|'.join(re.escape(suffix) for suffix in (*VIDEO_SUFFIXES, '.zip', '.npz', '.npy'))})$", re.IGNORECASE)
_DELIMITERS = ",;\t"
_KINDS = {
    ".mat": "a MATLAB file; in Python: s = scipy.io.loadmat(FILE), then numpy.savez with names, classes and scores out of it",
    ".txt": "a text file; write a csv: a heading `name,<class>,<class>...`, then a line per video",
    ".npy": "a bare array, which says no names; numpy.savez with names, classes and scores beside it",
    ".pkl": "a pickle, which is never loaded: it can run code; numpy.savez with names, classes and scores out of it",
    ".pickle": "a pickle, which is never loaded: it can run code; numpy.savez with names, classes and scores out of it",
    ".h5": "an HDF5 file; in Python: h5py.File(FILE), then numpy.savez with names, classes and scores out of it",
    ".xlsx": "a spreadsheet; save it as csv",
}


@dataclass(frozen=True, eq=False)
class Official:
    """The videos a score file must hold, in official order: ids, labels (V,) into ``classes``, official class
    names.

    ``others``: ids that may be there as well and are left out (excluded videos). ``elsewhere``: other lists by name ("the test
    videos of split 2"), for a better message. ``source``: what says so, as headers name it.
    """

    names: tuple
    labels: np.ndarray
    classes: tuple
    others: tuple = ()
    elsewhere: dict | None = None
    source: str = ""


def read_scores(path, header, official=None, key="scores", classes=None):
    """Scores of an npz (array ``key``) or a csv, told by their ending; see `read_npz` and `read_csv`."""
    suffix = Path(path).suffix.lower()
    if suffix == ".csv":
        return read_csv(path, header, official)
    if suffix != ".npz":
        why = _KINDS.get(suffix, f"a file `{suffix or Path(path).name}`")
        raise ReproError("scores are read from .npz and .csv", path=path, why=why)
    return read_npz(path, key, header, official, classes)


def read_npz(path, key, header, official=None, classes=None):
    """Scores ``key`` (V, C) of an npz with ``names`` (V,), ``labels`` (V,) if any and ``classes`` (C,):
    Scores, head = key.

    ``header``: at least dataset, split and system; the file's name, its SHA-256 and what it was checked against are added as
    ``imported``. ``official``: the order and names wanted; None = the file's own, which then needs labels. ``classes``: the
    class list where the file has none; it is never guessed. Errors: pickles, missing arrays, names or classes that are
    missing, left over, ambiguous or doubled, labels that disagree, NaN.
    """
    arrays = load_arrays(path)
    for name in ("names", key):
        if name not in arrays:
            raise ReproError(f"no `{name}` in the score file", path=path, why=f"there: {', '.join(arrays)}")
    listed = arrays.get("classes", classes)
    if listed is None:
        raise ReproError("scores without a class list", path=path, fix="give the list of class names in the file's order")
    return _assemble(path, _text(arrays["names"]), arrays[key], _text(listed), arrays.get("labels"), key, header, official)


def read_csv(path, header, official=None, delimiter=None):
    """Scores of a table: a heading ``name``, ``label`` if any, then one column per class name; one row per
    video.

    ``label`` is a class name of the heading. ``delimiter``: None = the one of comma, semicolon and tab that the heading holds
    most of. A byte order mark, which spreadsheets write, is passed over. Other arguments and errors as for ``read_npz``.
    """
    try:
        text = Path(regular(path)).read_text(encoding="utf-8-sig")
        delimiter = delimiter or max(_DELIMITERS, key=text.partition("\n")[0].count)
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ReproError("not a readable csv", path=path, why=str(error), fix="save it as CSV UTF-8") from error
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
        raise ReproError("a cell that is no number", path=path, why=str(error), fix="write 0.5, not 0,5") from error
    labels = None
    if first == 2:
        unknown = [row[1] for row in body if row[1] not in classes]
        if unknown:
            raise ReproError("a label that is no class of the heading", path=path, why=f"`{unknown[0]}`")
        labels = np.array([classes.index(row[1]) for row in body])
    return _assemble(path, [row[0] for row in body], scores, classes, labels, "scores", header, official)


def read_classes(path):
    """Class names of a text file, one a line, in order; ``classInd.txt`` with its numbers is understood (they are the order)."""
    try:
        lines = [line.strip() for line in Path(regular(path)).read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise ReproError("not a readable list of class names", path=path, why=str(error)) from error
    if not lines:
        raise ReproError("not a readable list of class names", path=path, why="it is empty")
    numbered = [re.fullmatch(r"(\d+)\s+(\S.*)", line) for line in lines]
    if all(numbered):
        numbers = sorted(int(found[1]) for found in numbered)
        if numbers in (list(range(len(lines))), list(range(1, len(lines) + 1))):
            return [found[2] for found in sorted(numbered, key=lambda found: int(found[1]))]
    return lines


def imported(header):
    """What tables have to say of scores that this project did not make: a sentence; ``""`` for scores that it made."""
    found = header.get("imported")
    if not found:
        return ""
    checked = f"names checked against {found['checked']}" if found["checked"] else "names not checked against any list"
    return f"imported from {found['file']} (sha256 {found['sha256'][:12]}), {checked}"


def match_names(wanted, present, what="videos"):
    """Where each of ``wanted`` stands in ``present``: (len(wanted),) int64; both must name the same things.

    Compared, until every name has found exactly one partner: as they are; ignoring ending and case, and what comes before the
    last folder; ignoring every folder; with ``@`` for ``#`` and ``&``; with every sign but letters and digits alike. Errors:
    missing, left over or ambiguous names.
    """
    missing = []
    for level in (str, _path, _stem, _plain_signs, _bare):
        keys = [level(name) for name in present]
        position = {key: index for index, key in enumerate(keys)}
        goals = [level(name) for name in wanted]
        if len(position) == len(keys) and len(set(goals)) == len(goals):  # else this level takes different names for one
            missing = [name for name, goal in zip(wanted, goals) if goal not in position]
            if not missing:
                break
    else:
        told = [f"{len(missing)} not found, e.g. `{missing[0]}`"] if missing else []
        if len(position) < len(keys) or len(set(goals)) < len(goals):
            told.append("without folders and signs several have the same name")
        why = "; ".join(told)
        raise ReproError(f"the {what} of the scores are not the official ones", why=why)
    if len(keys) > len(goals):
        extra = next(name for name, key in zip(present, keys) if key not in set(goals))
        raise ReproError(
            f"the {what} of the scores are not the official ones",
            why=f"{len(keys) - len(goals)} too many, e.g. `{extra}`",
        )
    return np.array([position[goal] for goal in goals], dtype=np.int64)


def _path(name):
    return "/".join(_ENDINGS.sub("", name.strip().replace("\\", "/")).split("/")[-2:]).casefold()


def _stem(name):
    return _path(name).rpartition("/")[2]


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
    if not names or not classes:
        raise ReproError("scores of nothing", path=path, why=f"{len(names)} videos, {len(classes)} classes")
    if len(set(names)) != len(names):
        raise ReproError("duplicated names in scores", path=path)
    given = None if labels is None else [classes[label] for label in _inside(labels, names, classes, path)]
    if official is None:
        if given is None:
            raise ReproError("scores without labels", path=path, fix="give the official videos, labels and classes")
        official = Official(tuple(names), np.asarray(labels), tuple(classes))
    try:
        kept = _without(names, official)
        rows = kept[match_names(official.names, [names[row] for row in kept])]
        columns = match_names(official.classes, classes, "classes")
    except ReproError as error:
        raise ReproError(error.what, path=path, why=error.why, fix=_where(names, official)) from error
    if given is not None:
        for name, label, row in zip(official.names, official.labels, rows):
            if columns[label] != classes.index(given[row]):
                raise ReproError(
                    "the scores' own labels disagree with the official ones",
                    path=path,
                    why=f"`{name}` is {official.classes[label]}, the file says {given[row]}",
                    fix="the class list is probably in another order than the columns",
                )
    data = Path(path).read_bytes()
    described = {
        "protocol": "as published",
        "seed": None,
        "device": "unknown",
        "code_version": "foreign",
        "params_hash": fingerprint([Path(path).name, head]),
        "imported": {"file": Path(path).name, "sha256": hashlib.sha256(data).hexdigest(), "checked": official.source},
        **header,
    }
    return Scores(official.names, official.labels, official.classes, (head,), scores[rows][:, columns][None], described)


def _without(names, official):
    """Rows of ``names`` but those that the dataset knows and excludes."""
    others = {_bare(name) for name in official.others} - {_bare(name) for name in official.names}
    return np.array([row for row, name in enumerate(names) if _bare(name) not in others], np.int64)


def _where(names, official):
    """Advice where the names are those of another split."""
    found = {_bare(name) for name in names}
    for where, others in (official.elsewhere or {}).items():
        if found == {_bare(name) for name in others}:
            return f"they are {where}"
    return None


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
    return [
        item.decode("utf-8", "replace") if isinstance(item, bytes) else str(item) for item in np.asarray(array).ravel().tolist()
    ]
