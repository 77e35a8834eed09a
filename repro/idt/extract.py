"""One video file to one trajectory file."""

import warnings

import numpy as np

from repro.errors import ReproError
from repro.video.decode import frames

from .features import NoTrajectories, save_features
from .trajectories import extract_trajectories


def extract_features(video_path, out_path, settings):
    """Extract a video's improved dense trajectories into an array file; returns how many there are.

    Warns (`NoTrajectories`) and writes an empty file where there are none: fewer than 16 frames, smaller than the patch, no
    texture, no motion. Raises DecodeError or ReproError for videos that cannot be read. Memory grows with the
    number of trajectories of this one video (about 2 kB each).
    """
    try:
        trajectories = extract_trajectories(frames(video_path), settings)
    except ReproError as error:
        if error.path is not None:
            raise
        raise ReproError(error.what, path=video_path, why=error.why, fix=error.fix) from error
    if not len(trajectories):
        warnings.warn(f"no trajectories in {video_path} ({trajectories.frames} frames)", NoTrajectories, stacklevel=2)
    save_features(out_path, trajectories, settings.precision)
    return len(trajectories)


def warm_up():
    """Compile the inner loops (some seconds, once per process): call it before a process pool forks."""
    noise = np.random.default_rng(0).integers(0, 256, (2, 64, 64), dtype=np.uint8)
    extract_trajectories(noise, homographies=[np.eye(3)])
