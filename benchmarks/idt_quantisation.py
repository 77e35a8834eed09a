"""What storing descriptors in fewer bits would save and cost: bytes per trajectory, and how far Fisher vectors move.

    OMP_NUM_THREADS=1 python benchmarks/idt_quantisation.py VIDEO ... [--out results/benchmarks/idt_quantisation.json]

Descriptors get equally spaced levels per descriptor type, 0 to the video's maximum, the trajectory's -0.5 to 0.5, and are
compressed column by column. The codebook, of 64 Gaussians, is fitted on 4,000 unquantised descriptors of each video.
"""

import argparse
import lzma
import platform
import zlib
from pathlib import Path

import cv2
import numpy as np
from result import processor, save, version

from repro.idt.codebook import fit_mixtures
from repro.idt.extract import Video, descriptors_of, warm_up
from repro.idt.fisher import encode_batches
from repro.idt.settings import CodebookSettings, IdtSettings, descriptor_layout

LEVELS = (256, 64, 32, 16, 8)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("videos", nargs="+")
    parser.add_argument("--out", default="results/benchmarks/idt_quantisation.json")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    warm_up()
    found = [np.concatenate(list(descriptors_of(Video(video), IdtSettings()))) for video in arguments.videos]
    rng = np.random.default_rng(0)
    rows = [each[rng.choice(len(each), min(4000, len(each)), replace=False)] for each in found]
    codebook = fit_mixtures(np.concatenate(rows), CodebookSettings(gaussians=64, iterations=10), 0)
    vectors = [encode_batches([each], [codebook])[0] for each in found]
    types = len(codebook.mixtures)  # each of unit length
    table = {}
    for levels in LEVELS:
        packed, cosines = [], []
        for each, vector in zip(found, vectors):
            numbers, back = quantised(each, levels)
            columns = np.ascontiguousarray(numbers.T).tobytes()
            packed.append([len(compress(columns)) / len(each) for compress in (zlib.compress, lzma.compress)])
            cosines.append(float(encode_batches([back], [codebook])[0] @ vector) / types)
        table[levels] = {
            "zlib_bytes_per_trajectory": round(float(np.mean(packed, axis=0)[0])),
            "lzma_bytes_per_trajectory": round(float(np.mean(packed, axis=0)[1])),
            "cosine_least": round(min(cosines), 4),
            "cosine_most": round(max(cosines), 4),
        }
        print(levels, table[levels], flush=True)
    result = {
        "videos": [Path(video).name for video in arguments.videos],
        "trajectories": sum(map(len, found)),
        "levels": table,
        "device": processor(),
        "script": version(__file__),
        "python": platform.python_version(),
        "numpy": np.__version__,
    }
    save(arguments.out, result)


def quantised(descriptors, levels):
    """Numbers of the levels (N, 426) uint8, and the float32 descriptors that they stand for."""
    numbers, back = np.empty(descriptors.shape, np.uint8), np.empty_like(descriptors)
    for name, part in descriptor_layout().items():
        low, high = (-0.5, 0.5) if name == "trajectory" else (0.0, float(descriptors[:, part].max()))
        step = (high - low) / (levels - 1)
        numbers[:, part] = np.rint((np.clip(descriptors[:, part], low, high) - low) / step)
        back[:, part] = numbers[:, part] * step + low
    return numbers, back


if __name__ == "__main__":
    main()
