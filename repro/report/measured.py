"""Score files of a profile, read once, and everything that tables and figures derive from them."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from repro.errors import ReproError
from repro.evaluation import metrics, uncertainty
from repro.evaluation.foreign import imported
from repro.evaluation.scores import Scores, check_scores
from repro.report.layout import DatasetLayout, ReportLayout, SystemLayout

NOTHING = "no score files to report"


@dataclass(frozen=True, eq=False)
class Measured:
    """One system on one dataset from one seed of training: its score files by split (those that exist), and
    what follows from them. ``draws`` and ``seed`` are those of the intervals."""

    dataset: DatasetLayout
    system: SystemLayout
    files: dict
    draws: int
    seed: int

    @property
    def complete(self):
        """Whether every split has been run."""
        return len(self.files) == len(self.dataset.splits)

    def on(self, splits):
        """The same runs, those of ``splits`` alone."""
        return self if self.files.keys() <= splits else replace(self, files={k: v for k, v in self.files.items() if k in splits})

    @cached_property
    def outcomes(self):
        """Top-1 right or wrong per distinct video and split that has been run: Outcomes."""
        parts = []
        for scores in self.files.values():
            right = metrics.top_k_correct(scores.mean(), scores.labels)
            parts.append((scores.names, right, np.ones(len(right), bool)))
        return uncertainty.outcomes(parts)

    @cached_property
    def interval(self):
        """Mean over splits of the accuracy, with its 95 % interval: Interval in [0, 1]."""
        return uncertainty.bootstrap(self.outcomes, self.draws, self.seed)

    def mechanism(self, name):
        """Accuracy within the class groups of a mechanism of the dataset, mean over splits: Interval in [0,
        1]. Several tables and figures ask for it: drawn once."""
        if name not in self._within:
            self._within[name] = uncertainty.bootstrap(self.mechanism_outcomes(name), self.draws, self.seed)
        return self._within[name]

    @cached_property
    def _within(self):
        return {}

    def mechanism_outcomes(self, name):
        """Right or wrong within the class groups of a mechanism, per distinct video and split: Outcomes."""
        groups = next(m.groups for m in self.dataset.mechanisms if m.name == name)
        parts = []
        for scores in self.files.values():
            indices = [[_class_index(scores, c, self.dataset) for c in group] for group in groups]
            parts.append((scores.names, *metrics.within_group_correct(scores.mean(), scores.labels, indices)))
        if not any(member.any() for _, _, member in parts):
            raise ReproError(f"no test video for the mechanism `{name}` of {self.dataset.name}")
        return uncertainty.outcomes(parts)

    def accuracy(self, split):
        """Top-1 accuracy of one split in [0, 1]."""
        return metrics.top_k(self.files[split].mean(), self.files[split].labels)

    def mean_class_accuracy(self, split):
        return metrics.mean_class_accuracy(self.files[split].mean(), self.files[split].labels)

    def confusion(self):
        """Counts (C, C) summed over the splits, and the class names, in the class order of the first file."""
        files = list(self.files.values())
        classes = files[0].classes
        total = np.zeros((len(classes), len(classes)), dtype=np.int64)
        for scores in files:
            order = [scores.classes.index(name) for name in classes]
            total += metrics.confusion(scores.mean(), scores.labels)[np.ix_(order, order)]
        return total, classes

    @property
    def imported(self):
        """What is to be said of scores that others made: different sentences over the splits, none for this project's own."""
        return list(dict.fromkeys(told for scores in self.files.values() if (told := imported(scores.header))))

    def described(self, key):
        """The different values of a header entry over the splits, in order, as text."""
        return list(dict.fromkeys(v for scores in self.files.values() for v in header_values(scores, key)))


@dataclass(frozen=True, eq=False)
class Results:
    """All that was measured, by (dataset name, system name); what is not there has not been run. ``cells``:
    from the first seed; ``runs``: {seed: Measured}. Titles of systems whose scores others made say so, here and in ``layout``."""

    layout: ReportLayout
    cells: dict
    runs: dict

    def get(self, dataset, system):
        """Measured, or None where no split has been run."""
        return self.cells.get((dataset, system))

    def seeds(self, dataset, *systems):
        """{seed: a Measured of each of ``systems``} of the seeds that all of them were run from, on every split; {} where there
        are no two such seeds."""
        runs = [self.runs.get((dataset, system), {}) for system in systems]
        found = {seed: [by_seed[seed] for by_seed in runs] for seed in self.layout.seeds if all(seed in r for r in runs)}
        complete = {seed: cells for seed, cells in found.items() if all(cell.complete for cell in cells)}
        return complete if len(complete) >= 2 else {}

    def complete(self, dataset, system):
        """Measured, or None where any split has not been run."""
        cell = self.get(dataset, system)
        return cell if cell is not None and cell.complete else None

    def shared(self, dataset, first, second):
        """The Measured of two systems on the splits that both have been run on, or None where there is no such split."""
        cells = self.get(dataset, first), self.get(dataset, second)
        splits = set() if None in cells else cells[0].files.keys() & cells[1].files.keys()
        return tuple(cell.on(splits) for cell in cells) if splits else None


def load(profile_folder, layout):
    """Read ``scores/<dataset>/split<k>/seed<s>/<system>.npz`` and ``fused/...`` under ``profile_folder``: Results.

    Errors: no score file at all, a system in both folders, a file whose header names another dataset, split, seed, system or
    profile, systems of one split on different videos, labels or classes.
    """
    profile_folder = Path(profile_folder)
    cells, runs = {}, {}
    for dataset in layout.datasets:
        for system in layout.systems:
            found = {seed: _measured(profile_folder, dataset, system, seed, layout) for seed in layout.seeds}
            runs[dataset.name, system.name] = found = {seed: run for seed, run in found.items() if run}
            if layout.seeds[0] in found:
                cells[dataset.name, system.name] = found[layout.seeds[0]]
        _check_same_videos([run for (name, _), found in runs.items() if name == dataset.name for run in found.values()])
    if not cells:
        raise ReproError(
            NOTHING,
            path=profile_folder,
            why="none of a dataset under `run.datasets` and a system under `report.systems`",
            fix="run `repro evaluate` first, or `dvc repro`; name the system there if its scores exist",
        )
    titled = {cell.system.name: cell.system for cell in cells.values() if cell.imported}
    layout = replace(layout, systems=tuple(titled.get(system.name, system) for system in layout.systems))
    return Results(layout, cells, runs)


def _measured(folder, dataset, system, seed, layout):
    found = {split: _read(folder, dataset, system, split, seed) for split in dataset.splits}
    files = {split: scores for split, scores in found.items() if scores is not None}
    if any(imported(scores.header) for scores in files.values()):
        system = replace(system, title=f"{system.title} (imported)")
    return Measured(dataset, system, files, layout.draws, layout.seed) if files else None


def header_values(scores, key):
    """A header entry as a list of texts: a fused file lists the different values of its inputs; absent =
    empty."""
    entry = scores.header.get(key, [])
    return ["none" if v is None else str(v) for v in (entry if isinstance(entry, list) else [entry])]


def _read(folder, dataset, system, split, seed):
    place = Path(dataset.name, f"split{split}", f"seed{seed}", f"{system.name}.npz")
    paths = [folder / kind / place for kind in ("scores", "fused")]
    present = [path for path in paths if path.is_file()]
    if not present:
        return None
    if len(present) == 2:
        raise ReproError("the same system twice", path=present[1], why=f"also in {present[0]}", fix="rename the fusion")
    scores = Scores.load(present[0])
    check_scores(scores, present[0], dataset=dataset.name, split=split, system=system.name, profile=folder.absolute().name)
    if set(header_values(scores, "seed")) - {str(seed), "none"}:  # scores of others may not tell their seed
        raise ReproError(
            "score file of another seed",
            path=present[0],
            why=f"its header says {scores.header['seed']!r}, its place {seed!r}",
        )
    return scores


def _check_same_videos(cells):
    """Numbers that stand side by side must be over the same videos."""
    reference = {}
    for cell in cells:
        for split, scores in cell.files.items():
            truth = {name: scores.classes[label] for name, label in zip(scores.names, scores.labels)}
            seen, owner = reference.setdefault(split, ((truth, set(scores.classes)), cell.system.name))
            if seen != (truth, set(scores.classes)):
                raise ReproError(
                    "systems scored on different videos, labels or classes",
                    why=f"{cell.dataset.name} split {split}: {owner} and {cell.system.name}",
                    fix="evaluate them again from the same index",
                )


def _class_index(scores, name, dataset):
    if name not in scores.classes:
        raise ReproError(
            f"unknown class `{name}` among the mechanisms of {dataset.name}",
            why=f"the score files have {', '.join(scores.classes[:8])} ...",
        )
    return scores.classes.index(name)
