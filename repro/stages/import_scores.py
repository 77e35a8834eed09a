"""``repro import-scores``: class scores that others published, into a score file like any other system's."""

from pathlib import Path

import numpy as np

from repro.datasets.index import DatasetIndex
from repro.datasets.splits import read_splits
from repro.errors import ReproError
from repro.evaluation.foreign import Official, read_classes, read_scores
from repro.evaluation.metrics import top_k


def run(run, source, key="scores", classes=None, lists=None):
    """Write ``results/<profile>/scores/<dataset>/split<k>/seed<s>/<system>.npz`` of a Run from an npz (array ``key``) or a csv.

    Names, classes and the order of both are checked against the split lists in the folder ``lists``, or, without one, against
    the dataset's index, which must have been prepared then. ``classes``: text file, one class name a line, for an npz without
    them.
    """
    dataset, split, system = run.dataset, run.split, run.system
    for kind in ("systems", "idt", "fusions"):
        if system in (run.params.mapping.get(kind) or {}):
            what = f"`{system}` is a system of this profile's own"
            raise ReproError(what, path=run.params.path, why=f"under {kind}", fix="choose another name")
    header = {"dataset": dataset, "split": split, "system": system, "profile": run.profile}
    official = _of_lists(lists, split) if lists else _of_index(run.index, dataset, split)
    scores = read_scores(source, header, official, key, read_classes(classes) if classes else None)
    target = run.scores()
    scores.save(target)
    accuracy = f"{100 * top_k(scores.mean(), scores.labels):.1f} %"
    print(f"{dataset} split {split} {system}: top-1 {accuracy} of {len(scores.names)} test videos; scores in {target}")


def _of_lists(folder, split):
    """`Official` by split lists alone, of either format."""
    if not Path(folder).is_dir():
        raise ReproError("no folder of split lists", path=folder)
    lists = read_splits(folder)
    if split not in lists.splits:
        raise ReproError(f"no lists of split {split!r}", path=folder, why=f"there: {', '.join(map(str, lists.splits))}")
    tests = {number: [entry for entry in entries if entry.subset == "test"] for number, entries in lists.splits.items()}
    labels = np.array([lists.classes.index(entry.class_name) for entry in tests[split]], np.int64)
    others = {number: [entry.video for entry in entries] for number, entries in tests.items()}
    return Official(tuple(others.pop(split)), labels, lists.classes, (), _named(others), "split lists")


def _of_index(folder, dataset, split):
    if not folder.exists():
        raise ReproError(
            f"nothing says which the test videos of {dataset} are",
            path=folder,
            why="no index",
            fix=f"give its split lists with --lists FOLDER, or run `repro prepare {dataset}`",
        )
    index = DatasetIndex.load(folder)
    videos, table = index.subset(split, "test"), index.table
    tests = {number: list(table[table[f"split{number}"] == "test"]["video"]) for number in index.splits}
    excluded = set(tests.pop(split)) - set(videos["video"])
    return Official(
        tuple(videos["video"]), videos["label"].to_numpy(np.int64), index.classes, tuple(excluded), _named(tests), "the index"
    )


def _named(others):
    return {f"the test videos of split {number}": videos for number, videos in others.items()}
