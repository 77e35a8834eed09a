"""Speed of improved trajectories on one thread, and where the time goes.

    OMP_NUM_THREADS=1 python benchmarks/idt_speed.py VIDEO [--detector sift|orb] [--out results/benchmarks/idt_speed.json]

On a machine that others use, frames per second of CPU time is the figure to read.
The C++ release, rebuilt, runs at 4.9 frames/s on UCF101's v_Bowling_g01_c01 (320 x 240, 159 frames; SURF).
"""

import argparse
import cProfile
import json
import os
import platform
import pstats
import resource
import time
from pathlib import Path

import cv2
import numba
import numpy as np
from result import processor, save, version

from repro.idt.extract import warm_up
from repro.idt.settings import IdtSettings
from repro.idt.trajectories import extract_trajectories
from repro.video.decode import frames

PARTS = {
    "decoding": "_decode",
    "pyramids and polynomial expansion": "expansion_pyramid",
    "flow": "flow_pyramid",
    "key points": "detect",
    "matching key points": "match_keypoints",
    "matches from flow": "flow_matches",
    "homography": "estimate_homography",
    "warping": "warp_back",
    "descriptors": "_describe",
    "sampling": "sample_points",
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("video")
    parser.add_argument("--detector", default="sift")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", default="results/benchmarks/idt_speed.json")
    arguments = parser.parse_args()

    cv2.setNumThreads(1)
    begin = time.perf_counter()
    warm_up()
    compilation = time.perf_counter() - begin
    settings = IdtSettings(detector=arguments.detector)
    wall, cpu = [], []
    for _ in range(arguments.repeats):
        begin, begin_cpu = time.perf_counter(), time.process_time()
        found = extract_trajectories(frames(arguments.video), settings)
        wall.append(time.perf_counter() - begin)
        cpu.append(time.process_time() - begin_cpu)
    profile = cProfile.Profile()
    profile.runcall(extract_trajectories, frames(arguments.video), settings)
    stats = pstats.Stats(profile)
    seconds = dict.fromkeys(PARTS, 0.0)
    for (_, _, function), (_, _, _, cumulative, _) in stats.stats.items():
        for part, name in PARTS.items():
            if function == name:
                seconds[part] += cumulative
    seconds["tracking and the rest"] = stats.total_tt - sum(seconds.values())
    result = {
        "video": Path(arguments.video).name,
        "frames": found.frames,
        "size": f"{found.width}x{found.height}",
        "trajectories": len(found),
        "detector": arguments.detector,
        "threads": 1,
        "frames_per_second": round(found.frames / float(np.median(wall)), 2),
        "frames_per_cpu_second": round(found.frames / float(np.median(cpu)), 2),
        "cpp_release_frames_per_second": 4.9,
        "compilation_seconds": round(compilation, 1),
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "share_of_time_percent": {part: round(100 * value / stats.total_tt, 1) for part, value in seconds.items()},
        "load_average": round(os.getloadavg()[0], 1),
        "cores": os.cpu_count(),
        "device": processor(),
        "script": version(__file__),
        "python": platform.python_version(),
        "opencv": cv2.__version__,
        "numba": numba.__version__,
        "numpy": np.__version__,
    }
    save(arguments.out, result)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
