"""One video file to its trajectories, and to the file of them."""

import contextlib
import warnings
from pathlib import Path

import numpy as np

from repro.errors import ReproError
from repro.video.decode import frames

from .features import NoTrajectories, save_features, save_sample
from .settings import descriptor_layout
from .trajectories import descriptor_batches, extract_trajectories


def extract_features(video_path, out_path, settings):
    """Extract a video's improved dense trajectories into an array file, all or a sample; returns how many there are.

    Warns (`NoTrajectories`) and writes an empty file where there are none: fewer than 16 frames, smaller than the patch, no
    texture, no motion. Raises DecodeError or ReproError for videos that cannot be read. Memory grows with the
    number of trajectories of this one video (about 2 kB each); for a sample with what is stored.
    """
    if settings.keep == "sample":
        columns = descriptor_layout(settings.track_length)["mbhy"].stop
        video = Video(video_path)
        count = save_sample(
            out_path, descriptors_of(video, settings), columns, settings.precision, video, settings=settings.digest
        )
    else:
        with _named(video_path):
            trajectories = extract_trajectories(frames(video_path), settings)
        save_features(out_path, trajectories, settings.precision, source=source_of(video_path), settings=settings.digest)
        count = len(trajectories)
    if not count:
        warnings.warn(f"no trajectories in {video_path}", NoTrajectories, stacklevel=2)
    return count


class Video:
    """The frames of a video file, once. ``source``: see `source_of`; ``frames``: how many came so far."""

    def __init__(self, path):
        self.path, self.source, self.frames = path, source_of(path), 0

    def __iter__(self):
        for frame in frames(self.path):
            self.frames += 1
            yield frame


def source_of(video_path):
    """What files made of a video call it: ``<class>/<file>``, as an index does."""
    return "/".join(Path(video_path).parts[-2:])


def descriptors_of(video, settings):
    """Yield a `Video`'s descriptor rows (n, 426) float32 as its tracks end. Raises DecodeError or ReproError that name it."""
    with _named(video.path):
        yield from descriptor_batches(video, settings)


@contextlib.contextmanager
def _named(video_path):
    try:
        yield
    except ReproError as error:
        if error.path is not None:
            raise
        raise ReproError(error.what, path=video_path, why=error.why, fix=error.fix) from error


def warm_up():
    """Compile the inner loops (some seconds, once per process): call it before a process pool forks."""
    noise = np.random.default_rng(0).integers(0, 256, (2, 64, 64), dtype=np.uint8)
    extract_trajectories(noise, homographies=[np.eye(3)])
