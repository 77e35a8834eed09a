"""The camera that swings as objects do, and benchmarks of some pairs only."""

import cv2
import numpy as np
import pytest

from repro.datasets.embedded import EmbeddedSettings, render, write_benchmark

SWAYING = EmbeddedSettings(
    layout="hmdb51", seed=3, frames=(40, 40), noise=0.0, sway=7.0, radius=(1.0, 1.0), groups=6, clips_per_group=1
)  # an object too small to matter


def camera_steps(label, group):
    """Motion of the picture from frame to frame by phase correlation, (T - 1, 2) px."""
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.float32) for frame in render(SWAYING, label, group, 1)]
    window = cv2.createHanningWindow(grey[0].shape[::-1], cv2.CV_32F)
    return np.array([cv2.phaseCorrelate(a, b, window)[0] for a, b in zip(grey, grey[1:])])


def test_the_camera_swings_along_one_axis_whatever_the_class():
    axes = {}
    for label in ("SwingAcross", "SwingUpright"):
        axes[label] = []
        for group in range(1, 9):
            moved = np.median(np.abs(camera_steps(label, group)), axis=0)
            axis = int(moved.argmax())
            assert SWAYING.speed[0] - 0.3 < moved[axis] < SWAYING.speed[1] + 0.3 and moved[1 - axis] < 0.4 * moved[axis]
            axes[label].append(axis)
    assert all(set(found) == {0, 1} for found in axes.values())  # both classes with both cameras


def test_a_camera_at_rest_is_what_it_was():
    still = EmbeddedSettings(seed=3, frames=(40, 40), groups=6, clips_per_group=1)
    moved = EmbeddedSettings(seed=3, frames=(40, 40), groups=6, clips_per_group=1, sway=1e-9)
    assert np.array_equal(render(still, "SwingAcross", 1, 1), render(moved, "SwingAcross", 1, 1))


def test_some_pairs_only(tmp_path):
    settings = EmbeddedSettings(layout="hmdb51", frames=(20, 20), groups=6, clips_per_group=1, size=48, pairs=("motion",))
    write_benchmark(settings, tmp_path)
    assert {path.name for path in (tmp_path / "videos").iterdir()} == {"SwingAcross", "SwingUpright"}
    assert len(list((tmp_path / "splits").iterdir())) == 6
    with pytest.raises(ValueError, match="pairs must be among appearance, motion, .*, got moton"):
        EmbeddedSettings(pairs=("moton",))
