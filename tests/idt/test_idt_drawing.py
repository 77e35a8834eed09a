"""Pictures of trajectories."""

import numpy as np
import pytest
from test_idt_files import made

from repro.idt.drawing import descriptor_cells, draw_trajectories
from repro.idt.features import Trajectories
from repro.idt.settings import descriptor_layout


def one_track():
    """One track going right by 2 px a frame from (10, 20), frames 5 to 20; without the camera's 2 px it goes down by 1."""
    path = np.array([10, 20]) + np.arange(16)[:, None] * np.array([2, 0])
    steps = np.tile([0.0, 1.0], (15, 1))
    return Trajectories(
        30,
        60,
        80,
        np.array([20], np.int32),
        np.zeros((1, 9), np.float32),
        np.zeros((1, 426), np.float32),
        path[None].astype(np.float32),
        steps[None].astype(np.float32),
    )


def green(picture):
    y, x = np.nonzero((picture[:, :, 1] > 120) & (picture[:, :, 0] < 120))
    return x, y


def test_a_track_is_drawn_up_to_the_frame():
    frame = np.zeros((60, 80, 3), np.uint8)
    x, y = green(draw_trajectories(frame, one_track(), 15))
    assert set(y) == {20} and x.min() == 10 and 26 <= x.max() <= 30
    assert not frame.any()
    picture = draw_trajectories(frame, one_track(), 15)
    assert picture[20, 30, 0] > 200 and picture[20, 30, 1] < 60  # the present point
    for at in (4, 21):
        assert not draw_trajectories(frame, one_track(), at).any()


def test_compensated_lines_end_in_the_tracked_point():
    x, y = green(draw_trajectories(np.zeros((60, 80, 3), np.uint8), one_track(), 15, compensated=True))
    assert set(x) == {30} and y.min() == 10 and 16 <= y.max() <= 20


def test_magnified():
    picture = draw_trajectories(np.zeros((60, 80, 3), np.uint8), one_track(), 15, magnify=3)
    assert picture.shape == (180, 240, 3)
    x, y = green(picture)
    assert x.min() == pytest.approx(31, abs=1) and abs(np.median(y) - 61) <= 1


def test_files_hold_no_paths():
    with pytest.raises(ValueError, match="paths"):
        draw_trajectories(np.zeros((60, 80, 3), np.uint8), made(3), 20)


def test_descriptor_cells():
    rows = made(4).descriptors
    cells = descriptor_cells(rows, "hof")
    assert cells.shape == (4, 3, 2, 2, 9)
    assert cells[1, 2, 1, 0, 4] == rows[1, descriptor_layout()["hof"].start + ((2 * 2 + 1) * 2 + 0) * 9 + 4]
    with pytest.raises(ValueError, match="trajectory"):
        descriptor_cells(rows, "trajectory")
