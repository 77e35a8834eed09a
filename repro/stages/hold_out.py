"""``repro hold-out``: a dataset made of another one's training videos, for choices that must not see test videos."""

import os

from repro.datasets.held_out import hold_out
from repro.datasets.index import DatasetIndex
from repro.datasets.scan import check_pattern
from repro.errors import ReproError


def run(run):
    """Write the index of a Run's dataset, and link its containers to those of the dataset that it is a part of."""
    settings = run.dataset_settings.held_out
    if settings is None:
        raise ReproError(
            f"{run.dataset} is not held out of another dataset",
            path=run.params.path,
            fix=f"datasets.{run.dataset}.held_out: {{of: DATASET, split: 1, fraction: 0.2}}",
        )
    whole = DatasetIndex.load(run.paths.index(settings.of))
    pattern = run.dataset_settings.group_pattern
    index = hold_out(whole, run.dataset, settings.split, settings.fraction, settings.seed, pattern)
    if pattern and (said := check_pattern(pattern, list(index.table["video"]))):
        print(f"{run.dataset}: {said}")
    run.index.mkdir(parents=True, exist_ok=True)
    index.save(run.index)
    source = run.paths.store(settings.of)
    if not run.store.is_symlink() and not run.store.exists():
        run.store.symlink_to(os.path.relpath(source, run.store.parent), target_is_directory=True)
    counts = index.table["split1"].value_counts()
    print(
        f"{run.dataset}: {counts['train']} training videos of {settings.of}'s split {settings.split}, {counts['test']} held out"
    )
    print(f"index in {run.index}, containers of {source}")
