"""Score files of anybody, brought side by side: the same videos, classes and labels, in one order."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from repro.errors import ReproError
from repro.evaluation import foreign, fusion, uncertainty
from repro.evaluation.scores import Scores, load_arrays


@dataclass(frozen=True, eq=False)
class Split:
    """What a system takes the test videos of one split for: ``names`` (V,), ``labels`` and ``best`` (V,) class indices.

    ``number``: of the split, as its file says; where none does, its place among the files.
    """

    number: int
    names: tuple
    labels: np.ndarray
    best: np.ndarray

    @property
    def correct(self):
        """Right or wrong: (V,) bool."""
        return self.best == self.labels


@dataclass(frozen=True, eq=False)
class System:
    """One system on one or more splits; videos and ``classes`` stand in the same order in all systems that are compared.

    ``believed``: the file of others on whose word alone names and labels are taken, ``""`` where they were checked.
    """

    title: str
    classes: tuple
    splits: tuple
    believed: str = ""

    @cached_property
    def outcomes(self):
        """Right or wrong per distinct video and split: Outcomes."""
        return uncertainty.outcomes([(s.names, s.correct, np.ones(len(s.names), bool)) for s in self.splits])

    @cached_property
    def class_accuracy(self):
        """Accuracy per class over the test videos of all splits: (C,) in [0, 1], NaN where a class has none."""
        return _per_class(self, len(self.classes))

    @property
    def mean_class_accuracy(self):
        """Mean over the classes that a split tests, then over the splits: in [0, 1]."""
        return float(np.mean([np.nanmean(_per_class(split, len(self.classes))) for split in self.splits]))

    @cached_property
    def labels(self):
        """Labels of all splits one after the other."""
        return np.concatenate([split.labels for split in self.splits])

    @cached_property
    def correct(self):
        """Right or wrong, all splits one after the other."""
        return np.concatenate([split.correct for split in self.splits])


def _per_class(tested, count):
    """Accuracy per class of a Split, or of a System's splits together: (count,) in [0, 1], NaN where a class has no video."""
    with np.errstate(invalid="ignore"):
        return np.bincount(tested.labels, tested.correct, count) / np.bincount(tested.labels, None, count)


def read_systems(places, key="scores", classes=None):
    """Read two or more systems: list of System.

    ``places``: for each a score file of this project, an npz or a csv of others (see `repro.evaluation.foreign`), or a pattern
    with ``*`` that stands for its files of several splits. ``key``, ``classes``: of foreign npz files. Files without labels take
    those of the first file of this project, else of the first one. Errors: ReproError for a file that cannot be read, or that
    is not of the same dataset, split, videos, classes or labels as the others.
    """
    if len(places) < 2:
        raise ReproError("nothing to compare", why=f"{len(places)} score file given", fix="give two or more")
    found = [_files(place) for place in places]
    for place, files in zip(places, found):
        if len(files) != len(found[0]):
            raise ReproError("different splits", path=place, why=f"{len(files)} files, {len(found[0])} of {places[0]}")
    listed, systems, seen, believed = None, [[] for _ in places], {}, ""
    for position, paths in enumerate(zip(*found), start=1):
        reference, matrices, named = _aligned(paths, key, classes)
        number = reference.header["split"]
        if number is not None and number in seen:
            raise ReproError(
                f"split {number} twice", path=paths[0], why=f"also {seen[number]}", fix="one file per split and system"
            )
        seen[number] = paths[0]
        listed = listed or reference.classes
        imported = reference.header.get("imported")
        if imported and not imported["checked"]:
            believed = believed or imported["file"]
        if reference.classes != listed:
            raise ReproError("score files of different classes", path=paths[0], why=f"not those of {found[0][0]}")
        number = position if number is None else number
        for splits, matrix in zip(systems, matrices):
            splits.append(Split(number, reference.names, reference.labels, matrix.argmax(axis=1)))
    titles = named if len(set(named)) == len(named) else list(map(str, places))
    ordered = [tuple(sorted(splits, key=lambda split: split.number)) for splits in systems]  # by name, 10 comes before 2
    return [System(title, listed, splits, believed) for title, splits in zip(titles, ordered)]


def _files(place):
    """The file, or the files that a pattern stands for."""
    path = Path(place)
    if "*" not in str(place):
        return [path]
    top = Path(path.anchor)
    found = sorted(file for file in top.glob(str(path.relative_to(top))) if file.is_file())
    if not found:
        raise ReproError("no file of this pattern", path=place)
    return found


def _aligned(paths, key, classes):
    """One split: the Scores that give the order, each system's (V, C) in that order, what each is called."""
    own = [Scores.load(path) if _is_own(path) else None for path in paths]
    at = next((index for index, scores in enumerate(own) if scores), 0)
    reference = own[at] or foreign.read_scores(paths[at], _header(paths[at]), None, key, classes)
    wanted = foreign.Official(reference.names, reference.labels, reference.classes, source=paths[at].name)
    matrices, named = [], []
    for path, scores in zip(paths, own):
        try:
            scores = scores or foreign.read_scores(path, _header(path, reference), wanted, key, classes)
            matrices.append(fusion.aligned([reference, scores])[1])
        except ReproError as error:
            what = error.what.replace("the official ones", f"those of {paths[at]}").removesuffix(" cannot be fused")
            raise ReproError(what, path=path, why=error.why, fix=error.fix) from error
        named.append(scores.header["system"])
    return reference, matrices, named


def _header(path, like=None):
    """The least that is known of a foreign file; what it does not tell is as in ``like``."""
    told = like.header if like else {"dataset": None, "split": None}
    return {**{name: told[name] for name in ("dataset", "split", "subset") if name in told}, "system": path.stem}


def _is_own(path):
    """Whether a file is a score file of this project."""
    return path.suffix.lower() == ".npz" and "header" in load_arrays(path)
