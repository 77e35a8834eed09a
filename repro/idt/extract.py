"""One video file to its trajectories, and to the file of them."""

import warnings

import numpy as np

from repro.errors import ReproError
from repro.video.decode import frames

from .features import NoTrajectories, save_features, save_sample
from .trajectories import extract_trajectories


def extract_features(video_path, out_path, settings):
    """Extract a video's improved dense trajectories into an array file, all or a sample; returns how many there are.

    Warns (`NoTrajectories`) and writes an empty file where there are none: fewer than 16 frames, smaller than the patch, no
    texture, no motion. Raises DecodeError or ReproError for videos that cannot be read. Memory grows with the
    number of trajectories of this one video (about 2 kB each).
    """
    trajectories = trajectories_of(video_path, settings)
    if not len(trajectories):
        warnings.warn(f"no trajectories in {video_path} ({trajectories.frames} frames)", NoTrajectories, stacklevel=2)
    (save_sample if settings.keep == "sample" else save_features)(out_path, trajectories, settings.precision)
    return len(trajectories)


def trajectories_of(video_path, settings):
    """`Trajectories` of a video file. Raises DecodeError or ReproError, which name it."""
    try:
        return extract_trajectories(frames(video_path), settings)
    except ReproError as error:
        if error.path is not None:
            raise
        raise ReproError(error.what, path=video_path, why=error.why, fix=error.fix) from error


def warm_up():
    """Compile the inner loops (some seconds, once per process): call it before a process pool forks."""
    noise = np.random.default_rng(0).integers(0, 256, (2, 64, 64), dtype=np.uint8)
    extract_trajectories(noise, homographies=[np.eye(3)])
