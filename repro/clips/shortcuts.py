"""Can a class pair of the diagnostic benchmark be told apart by less than it is meant to need? Simple probes that should fail.

A probe sees what one stream sees at one moment: one RGB frame, or one stack of flow fields, at a random time of the video or of a
part of it. Stacks are seen less the camera's motion or as they are, as amounts of motion, as paces or as directions. It is
trained and tested like a system, on the official splits. A probe must also succeed where its cue lies, or its failures
elsewhere prove nothing.
"""

import dataclasses
from pathlib import Path

import cv2
import numpy as np

from repro.clips.kinds import ZERO
from repro.clips.modality import Modality
from repro.clips.sampling import flow_fields, usable_centres
from repro.datasets.embedded import clip_name, subset_of
from repro.flow import make_flow, quantise
from repro.flow.derived import stack
from repro.video.decode import frames, gray, resize_short_side

CLASSIFIERS = ("linear", "nearest neighbour")
_FASTEST = (0.5, 0.8, 0.9, 0.94, 0.96, 0.97, 0.98, 0.99, 0.995)  # an object covers three percent of a frame
_DECILES = np.linspace(0.1, 0.9, 9)


@dataclasses.dataclass(frozen=True)
class Glimpses:
    """One moment of each video: ``frames`` (N, S, S, 3) uint8, ``stacks`` (N, S, S, 2 L) uint8, ``names`` (N,) classes, ``split``
    (N,) the one split that tests the video."""

    frames: np.ndarray
    stacks: np.ndarray
    names: np.ndarray
    split: np.ndarray


def glimpses(folder, settings, flow_settings, flow_bound, short_side, seed=0, flow_length=10, within=(0.0, 1.0)):
    """Look once, at a random usable centre, at every video that ``write_benchmark(settings, folder)`` wrote: Glimpses.

    ``within``: the part of the usable centres that it is drawn from, as fractions. Videos are decoded and resized, and flow is
    computed and quantised, as extraction does it; JPEG alone is left out.
    """
    rng, estimate = np.random.default_rng([seed, 21]), make_flow(flow_settings)
    pictures, stacks, names, splits = [], [], [], []
    for path in sorted(Path(folder, "videos").rglob("*.avi")):
        video = list(frames(path))
        first, last = usable_centres(len(video), Modality("flow", flow_length).margin)
        low, high = (first + round(share * (last - first)) for share in within)
        centre = int(rng.integers(low, high + 1))
        needed = flow_fields(centre, len(video) - 1, flow_length)
        resized = {t: resize_short_side(video[t], short_side) for t in {centre, *needed, *(needed + 1)}}
        grey = {t: gray(frame) for t, frame in resized.items()}
        pictures.append(resized[centre])
        stacks.append(stack(np.stack([quantise(estimate(grey[t], grey[t + 1]), flow_bound) for t in needed])))
        names.append(path.parent.name)
        splits.append(_test_split(settings, path))
    return Glimpses(np.stack(pictures), np.stack(stacks), np.array(names), np.array(splits))


def _test_split(settings, path):
    """The split that tests a video; its group is the only one whose name it can bear."""
    group = next(
        g
        for g in range(1, settings.groups + 1)
        for c in range(1, settings.clips_per_group + 1)
        if clip_name(settings, path.parent.name, g, c) == path.name
    )
    return next((s for s in range(1, settings.splits + 1) if subset_of(settings, s, group) == "test"), 0)


def frame_features(pictures):
    """(N, S, S, 3) uint8 -> (N, F) float32: 8 x 8 coarse picture and a histogram of hue weighted by saturation."""
    coarse = [cv2.resize(p, (8, 8), interpolation=cv2.INTER_AREA).ravel() for p in pictures]
    hues = []
    for picture in pictures:
        hsv = cv2.cvtColor(picture, cv2.COLOR_RGB2HSV).reshape(-1, 3).astype(np.float32)
        hues.append(np.bincount((hsv[:, 0] // 10).astype(int), np.maximum(hsv[:, 1] - 90, 0), 18))  # backgrounds are pale
    return _blocks(coarse, hues)


def stack_features(stacks, camera_removed=True):
    """(N, S, S, 2L) uint8 -> (N, F) float32: 8 x 8 coarse pictures of mean |u| and |v|, and how fast the fastest pixels are.

    Each field is taken less its median, so that a moving camera hides nothing from the probe, unless ``camera_removed`` is false.
    The order of the fields and the sign of the motion play no part.
    """
    coarse, speeds = [], []
    for field in stacks.astype(np.float32):
        moved = np.abs(field - (np.median(field, axis=(0, 1)) if camera_removed else ZERO))  # (S, S, 2L)
        sides = [moved[..., k::2].mean(-1) for k in (0, 1)]
        coarse.append(np.concatenate([cv2.resize(side, (8, 8), interpolation=cv2.INTER_AREA).ravel() for side in sides]))
        speeds.append(np.concatenate([np.quantile(side, _FASTEST) for side in sides]))
    return _blocks(coarse, speeds)


def pace_features(stacks):
    """(N, S, S, 2L) uint8 -> (N, 9) float32: deciles of the fastest motion over the fields."""
    paces = []
    for moved in _less_camera(stacks):
        pace = np.quantile(np.abs(moved).reshape(-1, moved.shape[-1]), 0.99, axis=0).reshape(-1, 2).max(1)  # (L,)
        paces.append(np.quantile(pace, _DECILES))
    return _blocks(paces)


def direction_features(stacks):
    """(N, S, S, 2L) uint8 -> (N, 4) float32: the mean u and v of what moves left or right, up or down, fastest."""
    ways = []
    for moved in _less_camera(stacks):
        sides = [moved[..., k::2].mean(-1) for k in (0, 1)]  # u, v: (S, S)
        ways.append([np.quantile(side, share) for side in sides for share in (0.01, 0.99)])
    return _blocks(ways)


def _less_camera(stacks):
    """Each stack (S, S, 2L) less the median of every field, float32."""
    return (field - np.median(field, axis=(0, 1)) for field in stacks.astype(np.float32))


def _blocks(*blocks):
    """Blocks of features side by side, each centred and of total variance 1, so that no block drowns another."""
    scaled = [np.asarray(block, np.float32) - np.mean(block, axis=0, dtype=np.float32) for block in blocks]
    return np.hstack([block / np.sqrt(block.var(axis=0).sum() + 1e-12) for block in scaled])


def probe(features, glimpses, pair, classifier):
    """Train on every split's training videos of ``pair`` (two class names), test on its test videos.

    Returns ``(rows, correct)``, both (n,): which glimpses were tested, and whether rightly. ``classifier``: one of
    ``CLASSIFIERS``.
    """
    from sklearn.linear_model import LogisticRegression  # late: a second, and only this function needs it
    from sklearn.neighbors import KNeighborsClassifier

    if classifier not in CLASSIFIERS:
        raise ValueError(f"classifier must be one of {CLASSIFIERS}, got {classifier!r}")
    members = np.isin(glimpses.names, pair)
    rows, correct = [], []
    for split in sorted(set(glimpses.split[members]) - {0}):
        train, test = members & (glimpses.split != split), np.flatnonzero(members & (glimpses.split == split))
        model = LogisticRegression(C=10.0, max_iter=1000) if classifier == "linear" else KNeighborsClassifier(1)
        model.fit(features[train], glimpses.names[train])
        rows.append(test)
        correct.append(model.predict(features[test]) == glimpses.names[test])
    return np.concatenate(rows), np.concatenate(correct)
