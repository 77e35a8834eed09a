"""How close the trajectories come to those of the authors' release.

    python benchmarks/idt_fidelity.py FOLDER [--out results/benchmarks/idt_fidelity.json]

FOLDER holds the release's output and the clips: person01_boxing_d1_uncomp.authors.idt.gz,
v_Bowling_g01_c01.first40.idt.gz, v_Bowling_g01_c01.homography.tsv and clips/*.avi.
"""

import argparse
import json
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from result import processor, save, version

from repro.idt.compare import descriptor_cosines, match_trajectories
from repro.idt.features import read_text
from repro.idt.settings import DETECTORS, IdtSettings
from repro.idt.trajectories import extract_trajectories
from repro.video.decode import frames


def compared(reference, found):
    pairs = match_trajectories(reference, found)
    return {
        "reference": len(reference),
        "found": len(found),
        "matched": pairs.shape[1],
        "mean_cosine": {name: round(value, 5) for name, value in descriptor_cosines(reference, found, pairs).items()},
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", default="results/benchmarks/idt_fidelity.json")
    arguments = parser.parse_args()
    folder = arguments.folder
    cv2.setNumThreads(1)

    boxing = read_text(folder / "person01_boxing_d1_uncomp.authors.idt.gz", frames=360, height=120, width=160)
    bowling = read_text(folder / "v_Bowling_g01_c01.first40.idt.gz", frames=40, height=240, width=320)
    table = np.loadtxt(folder / "v_Bowling_g01_c01.homography.tsv", usecols=range(1, 16))
    boxing_clip = folder / "clips" / "person01_boxing_d1_uncomp.avi"
    bowling_frames = list(islice(frames(folder / "clips" / "v_Bowling_g01_c01.avi"), 40))

    given = extract_trajectories(bowling_frames, homographies=table[:, 6:].reshape(-1, 3, 3))
    result = {"v_Bowling_g01_c01, frames 0-39, the release's homographies": compared(bowling, given)}
    for detector in DETECTORS:
        settings = IdtSettings(detector=detector)
        result[f"v_Bowling_g01_c01, frames 0-39, {detector}"] = compared(bowling, extract_trajectories(bowling_frames, settings))
        result[f"person01_boxing_d1_uncomp, authors' own file, {detector}"] = compared(
            boxing, extract_trajectories(frames(boxing_clip), settings)
        )
    save(arguments.out, {"device": processor(), "script": version(__file__), **result})
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
