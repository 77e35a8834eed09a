"""Trajectories of one video, and the two files they live in: the release's text and a compact array file."""

import gzip
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from repro.errors import ReproError
from repro.work import atomic_path

from .settings import descriptor_layout

@dataclass(frozen=True)
class Trajectories:
    """N trajectories of one video of `frames` frames, `height` x `width` px, with L steps each.

    end: (N,) int32, 0-based frame of the last point. geometry: (N, 9) float32, the release's columns mean x, mean y,
    std x, std y, length, scale (px, factor) and x, y, t position (0 ... 0.999). descriptors: (N, 426 for L = 15) float,
    columns as in `descriptor_layout`. paths: (N, L + 1, 2) float32 px, the tracked points, and steps: (N, L, 2) float32 px,
    the compensated displacements; both None where the features came from a file, which does not hold them.
    """

    frames: int
    height: int
    width: int
    end: np.ndarray
    geometry: np.ndarray
    descriptors: np.ndarray
    paths: np.ndarray | None = None
    steps: np.ndarray | None = None

    def __len__(self):
        return len(self.end)


