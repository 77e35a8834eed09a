"""The score file: the only thing a model hands on.

An npz without pickles, byte for byte a function of its content:

    names    (V,)       text     video ids, distinct
    labels   (V,)       int64    0 .. C - 1
    classes  (C,)       text     class names, distinct
    heads    (H,)       text     what the rows of ``scores`` come from, e.g. appearance and motion
    scores   (H, V, C)  float32  before softmax unless the header's protocol says otherwise
    header   ()         text     JSON: ``REQUIRED_HEADER`` and whatever else describes how the scores were
    made
"""

import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from repro.errors import ReproError
from repro.files import atomic_path, check_npz

REQUIRED_HEADER = ("dataset", "split", "system", "protocol", "seed", "device", "params_hash", "code_version")
_MEMBERS = ("names", "labels", "classes", "heads", "scores", "header")
_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)  # a fixed time stamp, or equal content would give different bytes


@dataclass(frozen=True, eq=False)
class Scores:
    """Class scores of one system on one split: ``scores`` (heads H, videos V, classes C) float32, all finite.

    ``names`` and ``classes`` are distinct, ``labels`` (V,) int64 in 0 .. C - 1; ``header`` holds at least
    ``REQUIRED_HEADER``. Anything else raises ``ReproError``. The arrays are read-only.
    """

    names: tuple
    labels: np.ndarray
    classes: tuple
    heads: tuple
    scores: np.ndarray
    header: dict

    def __post_init__(self):
        for field in ("names", "classes", "heads"):
            values = tuple(str(value) for value in getattr(self, field))
            _check_distinct(field, values)
            object.__setattr__(self, field, values)
        object.__setattr__(self, "labels", _labels(self.labels, self.names, self.classes))
        object.__setattr__(self, "scores", _finite_scores(self.scores, self.heads, self.names, self.classes))
        object.__setattr__(self, "header", _checked_header(self.header))

    def mean(self):
        """Equal mean over heads: (V, C) float64."""
        return self.scores.astype(np.float64).mean(axis=0)

    def save(self, path):
        """Write the npz atomically; equal content gives equal bytes."""
        members = {
            "names": np.array(self.names),
            "labels": self.labels,
            "classes": np.array(self.classes),
            "heads": np.array(self.heads),
            "scores": self.scores,
            "header": np.array(json.dumps(self.header, sort_keys=True, ensure_ascii=False)),
        }
        with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
            for name in _MEMBERS:
                buffer = io.BytesIO()
                np.lib.format.write_array(buffer, members[name], version=(1, 0), allow_pickle=False)
                archive.writestr(zipfile.ZipInfo(f"{name}.npy", _ZIP_EPOCH), buffer.getvalue())

    @classmethod
    def load(cls, path):
        """Read a score file. Errors: missing, no npz, pickles inside, missing members, anything ``Scores``
        refuses."""
        arrays = load_arrays(path)
        missing = [name for name in _MEMBERS if name not in arrays]
        if missing:
            raise ReproError(
                "not a score file",
                path=path,
                why=f"no `{missing[0]}` in it",
                fix="scores from elsewhere are read by repro.evaluation.foreign",
            )
        unknown = [name for name in arrays if name not in _MEMBERS]
        if unknown:
            raise ReproError("not a score file", path=path, why=f"unknown `{unknown[0]}` in it")
        try:
            header = json.loads(arrays.pop("header").item())
        except (ValueError, TypeError, RecursionError) as error:
            raise ReproError("score file with a broken header", path=path, why=str(error)) from error
        try:
            return cls(**arrays, header=header)
        except ReproError as error:
            raise ReproError(error.what, path=path, why=error.why, fix=error.fix) from error


def check_scores(scores, path, **expected):
    """Raise ReproError where the header of ``scores``, read from ``path``, names another dataset, split, system, seed or profile
    than ``expected``. The seed of imported scores is unknown, and older files name no profile: both pass."""
    for key, value in expected.items():
        found = scores.header.get(key)
        if found is not None and found != value:
            raise ReproError(
                f"score file of another {key}", path=path, why=f"it says {found!r}, expected {value!r}", fix="make it again"
            )


def load_arrays(path):
    """All arrays of an npz as a dict, pickles refused. Errors: missing file, no npz, truncated, pickles
    inside."""
    path = Path(path)
    if not path.exists():
        raise ReproError("no score file", path=path, fix="run the stage that makes it")
    try:
        check_npz(path)
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except Exception as error:  # zip, zlib and numpy have many kinds for damage
        why = (str(error) or type(error).__name__).splitlines()[0]
        if isinstance(error, ValueError) and "pickle" in why.lower():  # numpy's word for an object array or a bare pickle
            why = "it holds pickled objects, which are never loaded"
        raise ReproError("not a readable npz", path=path, why=why) from error


def _check_distinct(field, values):
    if not values:
        raise ReproError(f"scores without {field}")
    if len(set(values)) != len(values):
        seen = set()
        repeated = next(v for v in values if v in seen or seen.add(v))
        raise ReproError(f"duplicated {field} in scores", why=f"`{repeated}` stands there more than once")


def _labels(labels, names, classes):
    labels = np.array(labels)
    if labels.shape != (len(names),) or labels.dtype.kind not in "iu":
        raise ReproError(
            "labels of the wrong shape or type",
            why=f"expected ({len(names)},) integers, got {labels.shape} {labels.dtype}",
        )
    outside = np.flatnonzero((labels < 0) | (labels >= len(classes)))
    if outside.size:
        raise ReproError(
            "label outside the classes",
            why=f"{labels[outside[0]]} for `{names[outside[0]]}`, {len(classes)} classes",
        )
    return _frozen(labels.astype(np.int64))


def _finite_scores(scores, heads, names, classes):
    scores = np.array(scores)
    expected = (len(heads), len(names), len(classes))
    if scores.shape != expected or scores.dtype.kind not in "fiu":
        raise ReproError(
            "scores of the wrong shape or type",
            why=f"expected (heads, videos, classes) = {expected} numbers, got {scores.shape} {scores.dtype}",
        )
    with np.errstate(over="ignore"):  # an overflow becomes inf, and is refused below
        scores = scores.astype(np.float32)
    bad = np.argwhere(~np.isfinite(scores))
    if len(bad):
        head, video, column = bad[0]
        raise ReproError(
            "scores that are NaN or infinite",
            why=f"{len(bad)} of them, the first: head `{heads[head]}`, video `{names[video]}`, class `{classes[column]}`",
        )
    return _frozen(scores)


def _checked_header(header):
    if not isinstance(header, dict):
        raise ReproError("the header of a score file must be a mapping", why=f"got {type(header).__name__}")
    missing = [key for key in REQUIRED_HEADER if key not in header]
    if missing:
        raise ReproError("incomplete header of a score file", why=f"no `{missing[0]}`")
    try:
        return json.loads(json.dumps(header, allow_nan=False))  # a copy, in the types it will have when read back
    except (TypeError, ValueError) as error:
        raise ReproError("header of a score file that JSON cannot hold", why=str(error)) from error


def _frozen(array):
    array = np.ascontiguousarray(array)
    array.setflags(write=False)
    return array
