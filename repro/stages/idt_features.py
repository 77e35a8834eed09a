"""``repro idt-features``: improved trajectories with their descriptors, all or a sample, one array file per video; resumes at the
next video."""

import csv
import dataclasses

from repro.datasets.index import DatasetIndex
from repro.engine.per_video import make_files
from repro.files import atomic_path, fingerprint
from repro.idt.extract import extract_features, warm_up
from repro.idt.features import count_features, load_descriptors, load_features
from repro.provenance import code_version
from repro.workfolder import WorkFolder


def run(run):
    """Fill ``data/<dataset>/<system>`` of a Run with ``<class>/<stem>.npz`` for every intact video of the index, and
    ``counts.csv``."""
    dataset, system, settings = run.dataset, run.system, run.trajectory_settings.features
    index = DatasetIndex.load(run.index)
    videos = index.table[index.table["problems"] == ""]
    raw, target, engine = run.raw / "videos", run.trajectories, run.machine
    warm_up()  # compiled here once, inherited by the workers
    key = fingerprint([code_version(__name__), dataset, dataclasses.asdict(settings)])
    with WorkFolder(f"idt-features-{system}", key) as work:
        folder = work.path / system
        make_files(
            extract_features,
            raw,
            videos,
            folder,
            ".npz",
            (settings,),
            engine.processes,
            "trajectories",
            engine.cluster,
            load_descriptors if settings.keep == "sample" else load_features,
            engine.video_timeout,
        )
        without = _count(videos["video"], folder)
        work.publish(system, target)
    for name in without:
        print(f"{name}: no trajectories, its Fisher vector will be zero")
    print(f"{dataset} {system}: {len(videos)} trajectory files in {target}, {len(without)} of them without trajectories")


def _count(videos, folder):
    """Write ``counts.csv`` (video, trajectories) into ``folder``; returns the videos that have none."""
    counts = {name: count_features(folder / f"{name}.npz")[0] for name in videos}
    with atomic_path(folder / "counts.csv") as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([("video", "trajectories"), *counts.items()])
    return [name for name, count in counts.items() if not count]
