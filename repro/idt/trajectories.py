"""Improved dense trajectories (Wang & Schmid, ICCV 2013): from frames to tracks with descriptors."""

from dataclasses import dataclass

import cv2
import numpy as np

from repro.errors import ReproError

from .camera import estimate_homography, flow_matches, make_detector, match_keypoints, warp_back
from .farneback import expansion_pyramid, flow_pyramid, grey_pyramid, pyramid_sizes
from .features import Trajectories
from .kernels import add_patch_descriptors, integral_histogram
from .sampling import keep_tracks, sample_points
from .settings import DEFAULT_SETTINGS, DESCRIPTOR_BINS, SPATIAL_CELLS, TEMPORAL_CELLS, descriptor_layout

HOF_ZERO_BELOW = 0.4  # px; slower pixels vote for the zero bin
FRAME_COLUMNS = {name: SPATIAL_CELLS**2 * bins for name, bins in DESCRIPTOR_BINS.items()}


@dataclass
class _Tracks:
    """Live tracks of one scale, oldest first, in pixels of that scale."""

    age: np.ndarray  # (N,) steps taken
    points: np.ndarray  # (N, L + 1, 2)
    steps: np.ndarray  # (N, L, 2)
    sums: np.ndarray  # (N, 3, 132) descriptors, summed over the frames of a temporal cell

    @staticmethod
    def at(points, length):
        count = len(points)
        tracks = _Tracks(
            np.zeros(count, np.int64),
            np.zeros((count, length + 1, 2), np.float32),
            np.zeros((count, length, 2), np.float32),
            np.zeros((count, TEMPORAL_CELLS, sum(FRAME_COLUMNS.values())), np.float32),
        )
        tracks.points[:, 0] = points
        return tracks

    def __len__(self):
        return len(self.age)

    def __getitem__(self, chosen):
        return _Tracks(self.age[chosen], self.points[chosen], self.steps[chosen], self.sums[chosen])

    def joined(self, other):
        return _Tracks(*(np.concatenate(pair) for pair in zip(vars(self).values(), vars(other).values())))

    def positions(self):
        return self.points[np.arange(len(self)), self.age]


def extract_trajectories(frames, settings=DEFAULT_SETTINGS, *, homographies=None, person_boxes=None):
    """Improved dense trajectories of a video.

    frames: iterable of uint8 frames, RGB (H, W, 3) or grey (H, W), one size. homographies: optional sequence of N - 1 3x3
    arrays, frame t to t + 1, used instead of estimating them. person_boxes: optional sequence of N arrays (n, 4) of
    x1, y1, x2, y2 px; matches inside them do not vote for the camera's motion.
    Returns `Trajectories`, empty for videos of fewer than 16 frames, smaller than the patch, or without texture or motion.
    Raises ReproError for no frames, a size that changes or too few homographies or boxes.
    """
    extractor, count = None, 0
    for count, frame in enumerate(frames, start=1):
        grey = _grey(frame)
        if extractor is None:
            extractor = _Extractor(grey.shape, settings)
        boxes = _item(person_boxes, count - 1, "person boxes")
        homography = _item(homographies, count - 2, "homographies") if count > 1 else None
        extractor.add(grey, homography, boxes)
    if extractor is None:
        raise ReproError("the video has no frames")
    return extractor.result(count)


def descriptor_batches(frames, settings=DEFAULT_SETTINGS):
    """Yield the descriptors of `extract_trajectories` as their tracks end, (n, 426) float32, in the same order, and forget them.

    Memory does not grow with the length of the video. Raises ReproError as that does.
    """
    extractor = None
    for frame in frames:
        grey = _grey(frame)
        if extractor is None:
            extractor = _Extractor(grey.shape, settings)
        extractor.add(grey, None, None)
        found, extractor.found = extractor.found, []
        yield from (descriptors for _, _, descriptors, _, _ in found)
    if extractor is None:
        raise ReproError("the video has no frames")


class _Extractor:
    """State between two frames."""

    def __init__(self, shape, settings):
        self.shape, self.settings = shape, settings
        self.factors, self.sizes = pyramid_sizes(*shape, settings.scales, settings.patch)
        self.detect = make_detector(settings.detector)
        self.index = -1
        self.found = []
        self.tracks = None

    def add(self, grey, homography, boxes):
        if grey.shape != self.shape:
            raise ReproError(
                "the frames of a video differ in size",
                why=f"frame {self.index + 1} is {grey.shape[1]} x {grey.shape[0]} px, the first one "
                f"{self.shape[1]} x {self.shape[0]}",
            )
        self.index += 1
        if not self.sizes:  # smaller than the patch at every scale
            return
        greys = grey_pyramid(grey, self.sizes)
        expansion = expansion_pyramid(grey, self.factors, self.sizes)
        mask = _outside(self.shape, boxes)
        needs_keypoints = self.settings.compensate and homography is None
        keypoints = self.detect(grey, mask) if needs_keypoints else None
        if self.index:
            flow = flow_pyramid(self.expansion, expansion)
            warped = self._compensated(grey, flow, keypoints, homography)
            for k in range(len(self.sizes)):
                self._advance(k, flow[k], warped[k])
        else:
            empty = np.empty((0, 2), np.float32)
            self.tracks = [_Tracks.at(empty, self.settings.track_length) for _ in self.sizes]
        for k, level in enumerate(greys):
            points = sample_points(level, self.tracks[k].positions(), self.settings)
            self.tracks[k] = self.tracks[k].joined(_Tracks.at(points, self.settings.track_length))
        self.greys, self.expansion, self.keypoints, self.mask = greys, expansion, keypoints, mask

    def _compensated(self, grey, flow, keypoints, homography):
        """Flow pyramid to the second frame warped back by the camera's motion."""
        if not self.settings.compensate:
            return flow
        if homography is None:
            by_flow = flow_matches(self.greys[0], flow[0], self.mask)
            by_keypoints = match_keypoints(self.keypoints, keypoints)
            homography = estimate_homography(*(np.concatenate(pair) for pair in zip(by_flow, by_keypoints)))
        steady = warp_back(self.greys[0], grey, np.asarray(homography, np.float64))
        return flow_pyramid(self.expansion, expansion_pyramid(steady, self.factors, self.sizes))

    def _advance(self, k, flow, warped):
        """Move the tracks of scale k by one frame, describe them where they were, and collect the finished ones."""
        tracks = self.tracks[k]
        if not len(tracks):
            return
        height, width = self.sizes[k]
        rows = np.arange(len(tracks))
        old = tracks.positions()
        nearest = np.clip(np.rint(old).astype(np.int64), 0, (width - 1, height - 1))
        new = old + flow[nearest[:, 1], nearest[:, 0]]
        inside = ((new > 0) & (new < (width, height))).all(axis=1)
        tracks.steps[rows, tracks.age] = warped[nearest[:, 1], nearest[:, 0]]
        tracks.points[rows, tracks.age + 1] = new
        tracks, old = tracks[inside], old[inside]
        self._describe(tracks, old, self.greys[k], warped)
        tracks.age += 1
        done = tracks.age == self.settings.track_length
        if done.any():
            self._collect(tracks[done], self.factors[k])
        self.tracks[k] = tracks[~done]

    def _describe(self, tracks, points, grey, warped):
        patch = self.settings.patch
        limit = (grey.shape[1] - patch, grey.shape[0] - patch)
        corners = np.clip(np.rint(points).astype(np.int64) - patch // 2, 0, limit)
        cell = tracks.age // (self.settings.track_length // TEMPORAL_CELLS)
        frame = np.zeros((len(tracks), tracks.sums.shape[2]), np.float32)
        begin = 0
        u, v = cv2.split(warped)
        for name, (dx, dy) in {"hog": _gradient(grey), "hof": (u, v), "mbhx": _gradient(u), "mbhy": _gradient(v)}.items():
            magnitude, angle = cv2.cartToPolar(dx, dy, angleInDegrees=True)
            zero_below = HOF_ZERO_BELOW if name == "hof" else -1.0
            histogram = integral_histogram(magnitude, angle, 8, np.float32(zero_below))
            add_patch_descriptors(histogram, corners, patch, frame, begin)
            begin += FRAME_COLUMNS[name]
        tracks.sums[np.arange(len(tracks)), cell] += frame

    def _collect(self, tracks, factor):
        """Keep what the rejections leave of finished tracks, in pixels of the full-resolution frame."""
        paths, steps = tracks.points * np.float32(factor), tracks.steps * np.float32(factor)
        kept, statistics = keep_tracks(paths, steps, self.settings)
        if not kept.any():
            return
        paths, steps, sums, statistics = paths[kept], steps[kept], tracks.sums[kept], statistics[kept]
        geometry = np.zeros((len(paths), 9), np.float32)
        geometry[:, :5] = statistics
        geometry[:, 5] = factor
        self.found.append(
            (np.full(len(paths), self.index, np.int32), geometry, descriptor_rows(steps, sums, self.settings), paths, steps)
        )

    def result(self, count):
        height, width = self.shape
        length = self.settings.track_length
        columns = descriptor_layout(length)["mbhy"].stop
        empty = (
            np.zeros(0, np.int32),
            np.zeros((0, 9), np.float32),
            np.zeros((0, columns), np.float32),
            np.zeros((0, length + 1, 2), np.float32),
            np.zeros((0, length, 2), np.float32),
        )
        end, geometry, descriptors, paths, steps = (np.concatenate(parts) for parts in zip(empty, *self.found))
        middle = end - np.float32(length / 2)
        for column, value in zip((6, 7, 8), (geometry[:, 0] / width, geometry[:, 1] / height, middle / count)):
            geometry[:, column] = np.clip(value, 0, 0.999)
        return Trajectories(count, height, width, end, geometry, descriptors, paths, steps)


def descriptor_rows(steps, sums, settings):
    """Rows (N, 426) float32 from compensated steps (N, L, 2) and summed frame descriptors (N, 3, 132).

    The trajectory is divided by its whole compensated length (a motionless one stays zero).
    """
    length = np.linalg.norm(steps, axis=2).sum(axis=1)
    shape = steps / np.where(length > 0, length, 1)[:, None, None]
    means = sums / np.float32(settings.track_length // TEMPORAL_CELLS)
    parts, begin = [shape.reshape(len(steps), -1)], 0
    for columns in FRAME_COLUMNS.values():
        parts.append(means[:, :, begin : begin + columns].reshape(len(steps), -1))
        begin += columns
    return np.concatenate(parts, axis=1)


def _gradient(image):
    """Central differences along x and y, float32, not halved (the release's one-dimensional Sobel kernel)."""
    return cv2.Sobel(image, cv2.CV_32F, 1, 0, ksize=1), cv2.Sobel(image, cv2.CV_32F, 0, 1, ksize=1)


def _grey(frame):
    frame = np.asarray(frame)
    if frame.dtype != np.uint8 or frame.ndim not in (2, 3) or (frame.ndim == 3 and frame.shape[2] not in (1, 3)):
        raise ReproError("frames must be uint8, RGB or grey", why=f"got {frame.dtype} of shape {frame.shape}")
    if frame.ndim == 2:
        return frame
    return frame[:, :, 0] if frame.shape[2] == 1 else cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)


def _outside(shape, boxes):
    """uint8 mask (H, W), 0 inside the boxes; None without boxes."""
    if boxes is None:
        return None
    mask = np.full(shape, 255, np.uint8)
    for x1, y1, x2, y2 in np.rint(boxes).astype(int):
        mask[max(y1, 0) : max(y2 + 1, 0), max(x1, 0) : max(x2 + 1, 0)] = 0
    return mask


def _item(sequence, index, name):
    if sequence is None:
        return None
    if index >= len(sequence):
        raise ReproError(f"too few {name} for the video", why=f"{len(sequence)} given, number {index + 1} is needed")
    return sequence[index]
