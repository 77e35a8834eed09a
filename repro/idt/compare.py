"""Two extractions of the same video, compared trajectory by trajectory."""

import numpy as np

from .features import track_length
from .settings import descriptor_layout


def match_trajectories(reference, found, within=0.5):
    """Pairs of trajectories with the same end frame and scale whose mean positions differ by at most `within` px per axis.

    Both are `Trajectories`; each is used once, reference by reference, nearest first. Returns (2, n) int indices.
    """
    pairs, used = [], set()
    for i in range(len(reference)):
        alike = np.flatnonzero((found.end == reference.end[i]) & (np.abs(found.geometry[:, 5] - reference.geometry[i, 5]) < 1e-3))
        apart = np.abs(found.geometry[alike, :2] - reference.geometry[i, :2]).max(axis=1)
        for k in np.argsort(apart, kind="stable"):
            if apart[k] <= within and alike[k] not in used:
                used.add(alike[k])
                pairs.append((i, alike[k]))
                break
    return np.array(pairs, np.int64).reshape(-1, 2).T


def descriptor_cosines(reference, found, pairs):
    """Mean cosine of every descriptor type over matched pairs (2, n): dict of name -> float, nan without pairs."""
    means = {}
    for name, part in descriptor_layout(track_length(reference.descriptors.shape[1])).items():
        a = reference.descriptors[pairs[0]][:, part].astype(np.float64)
        b = found.descriptors[pairs[1]][:, part].astype(np.float64)
        cosines = (a * b).sum(axis=1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))
        means[name] = float(cosines.mean()) if len(cosines) else float("nan")
    return means
