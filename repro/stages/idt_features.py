"""``repro idt-features``: improved trajectories with their descriptors, one array file per video; resumes at the next video."""

import csv

from repro.datasets.index import DatasetIndex
from repro.engine.per_video import make_files
from repro.errors import ReproError
from repro.files import atomic_path
from repro.idt.extract import extract_features, warm_up
from repro.idt.features import count_features, load_features
from repro.idt.settings import IdtSettings
from repro.provenance import code_version
from repro.stages.config import check_choice, machine, paths_of, work_key
from repro.workfolder import WorkFolder


def run(params, dataset, system):
    """Fill ``data/<dataset>/<system>`` with ``<class>/<stem>.npz`` for every sound video of the index, and ``counts.csv``."""
    check_choice(params, "datasets", dataset)
    check_choice(params, "idt", system)
    paths = paths_of(params)
    index = DatasetIndex.load(paths.index(dataset))
    settings = params.section(f"idt.{system}.features", IdtSettings)
    videos = index.table[index.table["problems"] == ""]
    raw, target, engine = paths.raw(dataset) / "videos", paths.trajectories(dataset, system), machine(params)
    if target in (paths.raw(dataset), paths.index(dataset), paths.store(dataset)):
        raise ReproError(
            f"an IDT system cannot be called `{system}`", path=target, why="other files lie there", fix="rename it in the params"
        )
    warm_up()  # compiled here once, inherited by the workers
    key = work_key(code_version(__name__), params.get(f"idt.{system}.features"), paths.index(dataset), raw)
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
            load_features,
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
