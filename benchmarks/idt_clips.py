"""Time and disk of improved trajectories over several clips: what `repro plan` reckons with.

    OMP_NUM_THREADS=1 python benchmarks/idt_clips.py CLIPS [--clips 8] [--out results/benchmarks/idt_clips.json]

CLIPS is a folder of videos of one size; some of them, spread over the folder, go through what `repro idt-features` does with a
video, file included. Clips differ much in what moves, so the rates are means over all frames, with the least and the greatest.
Seconds are of one core.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

import cv2
from result import processor, save, version

from repro.idt.extract import extract_features, warm_up
from repro.idt.settings import IdtSettings
from repro.video.decode import frames


def measured(path, folder):
    """One clip's row."""
    target = Path(folder) / f"{path.stem}.npz"
    begin = time.process_time()
    found = extract_features(path, target, IdtSettings())
    seconds = time.process_time() - begin
    count, height, width = 0, 0, 0
    for frame in frames(path):
        count, height, width = count + 1, *frame.shape[:2]
    row = {"clip": path.name, "frames": count, "size": f"{width}x{height}", "trajectories": found}
    return row | {"cpu_s": round(seconds, 2), "bytes": target.stat().st_size}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", type=Path)
    parser.add_argument("--clips", dest="count", type=int, default=8)
    parser.add_argument("--out", default="results/benchmarks/idt_clips.json")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    warm_up()
    there = sorted(arguments.clips.rglob("*.avi"))
    chosen = [there[number * len(there) // arguments.count] for number in range(min(arguments.count, len(there)))]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for path in chosen:
            rows.append(measured(path, folder))
            print(rows[-1], flush=True)
    size = rows[0]["size"]
    rows = [row for row in rows if row["size"] == size]
    total = {key: sum(row[key] for row in rows) for key in ("frames", "trajectories", "cpu_s", "bytes")}
    result = {
        "device": processor(),
        "script": version(__file__),
        "threads": 1,
        "size": size,
        "clips": len(rows),
        "frames": total["frames"],
        "frames_per_cpu_second": round(total["frames"] / total["cpu_s"], 2),
        "bytes_per_frame": round(total["bytes"] / total["frames"]),
        "trajectories_per_frame": round(total["trajectories"] / total["frames"], 1),
        "bytes_per_frame_least": round(min(row["bytes"] / row["frames"] for row in rows)),
        "bytes_per_frame_greatest": round(max(row["bytes"] / row["frames"] for row in rows)),
        "load_average": round(os.getloadavg()[0], 1),
        "rows": rows,
    }
    save(arguments.out, result)


if __name__ == "__main__":
    main()
