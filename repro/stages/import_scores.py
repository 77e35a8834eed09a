"""``repro import-scores``: class scores that others published, into a score file like any other system's."""

from pathlib import Path

import numpy as np

from repro.datasets.index import DatasetIndex
from repro.errors import ReproError
from repro.evaluation.foreign import Official, read_csv, read_npz
from repro.evaluation.metrics import top_k


def run(run, source, key="scores", classes=None):
    """Write ``results/<profile>/scores/<dataset>/split<k>/seed<s>/<system>.npz`` of a Run from an npz (array ``key``) or a csv.

    Videos and classes come in the order of the dataset's index where it has been prepared, whose test videos the file must then
    hold; else as they are, and the file needs labels. ``classes``: text file, one class name a line, for an npz without them.
    """
    dataset, split, system = run.dataset, run.split, run.system
    header = {"dataset": dataset, "split": split, "system": system, "profile": run.profile}
    official = _official(run.index, split)
    if Path(source).suffix == ".csv":
        scores = read_csv(source, header, official)
    else:
        scores = read_npz(source, key, header, official, _lines(classes) if classes else None)
    target = run.scores()
    scores.save(target)
    accuracy = f"{100 * top_k(scores.mean(), scores.labels):.1f} %"
    print(f"{dataset} split {split} {system}: top-1 {accuracy} of {len(scores.names)} test videos; scores in {target}")


def _official(folder, split):
    if not folder.exists():
        return None
    index = DatasetIndex.load(folder)
    videos = index.subset(split, "test")
    return Official(tuple(videos["video"]), videos["label"].to_numpy(np.int64), index.classes)


def _lines(path):
    try:
        return np.array(Path(path).read_text(encoding="utf-8").splitlines())
    except (OSError, UnicodeDecodeError) as error:
        raise ReproError("not a readable list of class names", path=path, why=str(error)) from error
