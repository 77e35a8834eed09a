"""Disk that improved trajectories take per frame, and the time of their Fisher vectors.

    OMP_NUM_THREADS=1 python benchmarks/idt_storage.py ucf101=FOLDER [jhmdb=FOLDER ...] [--videos 8]
        [--out results/benchmarks/idt_storage.json]

Videos are taken evenly from each folder. Files are those of the stages: all trajectories, a sample (`keep: sample`), and Fisher
vectors under one codebook of 256 Gaussians, which is fitted on the samples of these very videos: good enough for time and size.
"""

import argparse
import json
import os
import platform
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
from result import processor, save, version

from repro.idt.codebook import fit_codebook
from repro.idt.extract import warm_up
from repro.idt.features import save_features, save_sample
from repro.idt.settings import CodebookSettings, IdtSettings
from repro.idt.trajectories import extract_trajectories
from repro.idt.vectors import digest, encode_video
from repro.video.decode import frames as read

CODEBOOK = CodebookSettings(samples=20_000, iterations=1)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", metavar="NAME=FOLDER")
    parser.add_argument("--videos", type=int, default=8, help="of each folder")
    parser.add_argument("--out", default="results/benchmarks/idt_storage.json")
    arguments = parser.parse_args()

    cv2.setNumThreads(1)
    warm_up()
    result = {"device": processor(), "script": version(__file__), "cores": os.cpu_count(), "threads": 1}
    result["gaussians"] = CODEBOOK.gaussians
    for name, folder in (text.split("=", 1) for text in arguments.folders):
        found = sorted(Path(folder).rglob("*.avi"))
        chosen = [found[i] for i in np.unique(np.linspace(0, len(found) - 1, arguments.videos).astype(int))]
        with tempfile.TemporaryDirectory() as place:
            result[name] = measured(chosen, Path(place))
        print(json.dumps({name: result[name]}, indent=2), flush=True)
    result |= {"python": platform.python_version(), "opencv": cv2.__version__, "numpy": np.__version__}
    save(arguments.out, result)


def measured(videos, place):
    """Means over the frames of ``videos``; files go to ``place``."""
    settings, frames, trajectories, pixels, extraction = IdtSettings(), 0, 0, 0, 0.0
    places = {kind: [place / f"{number}.{kind}" for number in range(len(videos))] for kind in ("all", "sample", "vectors")}
    for video, whole, sample in zip(videos, places["all"], places["sample"]):
        begin = time.process_time()
        found = extract_trajectories(read(video), settings)
        extraction += time.process_time() - begin
        frames, trajectories = frames + found.frames, trajectories + len(found)
        pixels += found.width * found.height * found.frames
        save_features(whole, found)
        save_sample(sample, [found.descriptors], found.descriptors.shape[1])
    fit_codebook(places["sample"], CODEBOOK).save(place / "codebook")
    codebooks = (("one", str(place / "codebook"), digest(place / "codebook")),)
    encode_video(places["all"][0], places["vectors"][0], codebooks, settings)  # BLAS and the codebook are there from now on
    begin = time.process_time()
    for whole, vectors in zip(places["all"], places["vectors"]):
        encode_video(whole, vectors, codebooks, settings)
    encoding = time.process_time() - begin
    size = {kind: sum(path.stat().st_size for path in paths) for kind, paths in places.items()}
    return {
        "videos": len(videos),
        "frames": frames,
        "pixels_per_frame": round(pixels / frames),
        "trajectories_per_frame": round(trajectories / frames, 1),
        "bytes_per_frame": {kind: round(size[kind] / frames) for kind in ("all", "sample")},
        "bytes_per_video_and_codebook": round(size["vectors"] / len(videos)),
        "extraction_cpu_ms_per_frame": round(1000 * extraction / frames, 1),
        "encoding_cpu_ms_per_frame_and_codebook": round(1000 * encoding / frames, 1),
    }


if __name__ == "__main__":
    main()
