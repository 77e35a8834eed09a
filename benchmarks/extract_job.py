"""Does the extraction job keep all cores busy? Rate with N processes against N times the rate with one.

    python benchmarks/extract_job.py CLIPS [--clips 24] [--processes N] [--rounds 2] [--out FILE]

CLIPS is a folder of videos. Writes results/benchmarks/extract_job.json. Both jobs run in turns on the same
clips: decoding, TV-L1 at a shorter side of 256 (the one-core kernel with OpenCV's defaults), JPEG, and the
containers written to a temporary folder. Needs about 10 s of one core per clip.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas
from result import processor, save, version

from repro.engine.per_video import make_files
from repro.flow import FlowSettings, make_flow
from repro.stages.extract_video import extract_video
from repro.video.store import ClipStore, StoreSettings

TARGET = Path(__file__).resolve().parents[1] / "results" / "benchmarks" / "extract_job.json"


def job(clips, settings, processes):
    """(flow fields per second, fields, bytes written) of one run of the job."""
    root = clips[0].parent.parent
    videos = pandas.DataFrame(
        {"video": [f"{number}" for number in range(len(clips))], "path": [clip.relative_to(root).as_posix() for clip in clips]}
    )
    with tempfile.TemporaryDirectory(dir=".") as folder:
        start = time.perf_counter()
        make_files(extract_video, root, videos, Path(folder), ".zip", settings, processes, f"{processes} processes")
        seconds = time.perf_counter() - start
        made = list(Path(folder).glob("*.zip"))
        fields = sum(ClipStore(path).fields for path in made)
        return fields / seconds, fields, sum(path.stat().st_size for path in made)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", type=Path)
    parser.add_argument("--clips", dest="count", type=int, default=24)
    parser.add_argument("--processes", type=int, default=max(2, os.cpu_count()))
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--short-side", type=int, default=256)
    parser.add_argument("--out", type=Path, default=TARGET)
    arguments = parser.parse_args()
    found = sorted(arguments.clips.glob("*/*.avi"))
    if not found:
        sys.exit(f"skipped: no clips <class>/<clip>.avi at {arguments.clips}")
    clips = [found[k * len(found) // arguments.count] for k in range(arguments.count)]
    store, flow = StoreSettings(short_side=arguments.short_side), FlowSettings(backend="tvl1_cpu")
    make_flow(flow)(*np.zeros((2, 32, 32), np.uint8))  # compiled before the workers fork
    rates = {1: [], arguments.processes: []}
    for _ in range(arguments.rounds):
        for processes, each in rates.items():
            rate, fields, size = job(clips, (store, flow), processes)
            each.append(rate)
            print(f"{processes} processes: {rate:.2f} fields/s", flush=True)
    one, many = (float(np.median(each)) for each in rates.values())
    ratios = [b / (arguments.processes * a) for a, b in zip(*rates.values())]
    result = {
        "device": processor(),
        "script": version(__file__),
        "cores": os.cpu_count(),
        "flow": flow.used(),
        "short_side": store.short_side,
        "clips": len(clips),
        "fields": fields,
        "bytes_per_field": round(size / fields),
        "rounds": arguments.rounds,
        "one_process_fields_per_s": round(one, 3),
        "processes": arguments.processes,
        "fields_per_s": round(many, 3),
        "efficiency": round(float(np.median(ratios)), 3),
        "load_average": round(os.getloadavg()[0], 1),
    }
    save(arguments.out, result)
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
