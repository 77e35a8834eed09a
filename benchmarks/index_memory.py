"""Peak memory of indexing a dataset, by its number of videos: does it stay flat?

    python benchmarks/index_memory.py [--jhmdb FOLDER] [--workers 2]

Indexes a synthetic dataset in UCF101's layout at J-HMDB's size (928 videos) and at UCF101's (13,320), and, given the folder of
its clips/ and splits/, J-HMDB itself; each in a process of its own. The synthetic videos are real files of 8 small frames,
decoded one by one: what is measured is what indexing keeps per video, not the size of a frame. Writes
results/benchmarks/index_memory.json.
"""

import argparse
import multiprocessing
import os
import platform
import resource
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import cv2
import numpy as np
from result import processor, save, version

from repro.datasets.scan import build_index

TARGET = Path(__file__).resolve().parents[1] / "results" / "benchmarks" / "index_memory.json"
CLASSES, GROUPS, TESTED = 101, 25, 7  # UCF101's, groups 1 to 7 tested


def synthetic(folder, videos):
    """``videos`` names in UCF101's layout, all of one file, and their three split lists: (video root, split folder)."""
    root, splits = Path(folder) / "videos", Path(folder) / "splits"
    splits.mkdir()
    names = [f"Class{k:03d}" for k in range(CLASSES)]
    original = Path(folder) / "original.avi"
    writer = cv2.VideoWriter(str(original), cv2.VideoWriter_fourcc(*"XVID"), 25, (64, 48))
    for frame in np.random.default_rng(0).integers(0, 255, (8, 48, 64, 3), np.uint8):
        writer.write(frame)
    writer.release()
    lists = {"train": [], "test": []}
    for number in range(videos):
        label, clip = number % CLASSES, number // CLASSES
        group = 1 + clip % GROUPS
        path = f"{names[label]}/v_{names[label]}_g{group:02d}_c{1 + clip // GROUPS:02d}.avi"
        (root / names[label]).mkdir(parents=True, exist_ok=True)
        os.link(original, root / path)
        lists["test" if group <= TESTED else "train"].append(path)
    (splits / "classInd.txt").write_text("".join(f"{k} {name}\n" for k, name in enumerate(names, 1)))
    for split in (1, 2, 3):
        for subset, paths in lists.items():
            (splits / f"{subset}list{split:02d}.txt").write_text("".join(f"{path}\n" for path in paths))
    return root, splits


def measure(layout, root, splits, workers):
    """Index one dataset in this process: its numbers of videos and frames, and peaks of resident memory in MiB."""
    before = peak(resource.RUSAGE_SELF)
    index = build_index("dataset", layout, root, splits, workers)
    return {
        "videos": len(index.table),
        "frames": int(index.table["frames"].sum()),
        "workers": workers,
        "mib_before": before,
        "mib_peak": peak(resource.RUSAGE_SELF),
        "mib_peak_of_a_worker": peak(resource.RUSAGE_CHILDREN),
    }


def peak(who):
    return round(resource.getrusage(who).ru_maxrss / 1024, 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jhmdb", type=Path, help="folder with J-HMDB's clips/ and splits/")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--videos", type=int, nargs="+", default=[928, 13320])
    parser.add_argument("--out", type=Path, default=TARGET)
    arguments = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        jobs = []
        for videos in arguments.videos:
            place = Path(folder) / str(videos)
            place.mkdir()
            jobs.append((f"synthetic, {videos} videos", "ucf101", *synthetic(place, videos)))
        if arguments.jhmdb:
            jobs.append(("J-HMDB", "jhmdb", arguments.jhmdb / "clips", arguments.jhmdb / "splits"))
        for name, *job in jobs:
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
                rows.append({"data": name, **process.submit(measure, *job, arguments.workers).result()})
            print(rows[-1])
    first, last = rows[0], rows[len(arguments.videos) - 1]
    result = {"rows": rows, "python": platform.python_version(), "device": processor(), "script": version(__file__)}
    if last is not first:
        growth = (last["mib_peak"] - first["mib_peak"]) * 1024 / (last["videos"] - first["videos"])
        result["kib_per_further_video"] = round(growth, 2)
    save(arguments.out, result)


if __name__ == "__main__":
    main()
