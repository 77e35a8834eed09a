"""Sampling, rejection and whole extractions on made videos, and videos that have nothing to give."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_idt_flow import texture

from repro.errors import ReproError
from repro.idt.sampling import keep_tracks, sample_points
from repro.idt.settings import CodebookSettings, IdtSettings, descriptor_layout
from repro.idt.trajectories import extract_trajectories


def panning(frames, step=(2, 1), height=96, width=128):
    """A camera panning over a textured wall: grey (frames, height, width)."""
    wall = texture(height + frames * abs(step[1]), width + frames * abs(step[0]))
    return np.stack([wall[t * step[1] : t * step[1] + height, t * step[0] : t * step[0] + width] for t in range(frames)])


def with_square(video, step=3, size=36):
    """The same with a textured square crossing it against the camera."""
    square = texture(size, size, seed=5)
    video = video.copy()
    for t, frame in enumerate(video):
        left = 10 + step * t
        frame[30 : 30 + size, left : left + size] = square[:, : max(min(size, frame.shape[1] - left), 0)]
    return video


# sampling and rejection


@given(st.integers(32, 90), st.integers(32, 90), st.integers(2, 9), st.integers(0, 2**16), st.integers(0, 40))
@settings(max_examples=40, deadline=None)
def test_sampled_points_are_free_cell_centres(height, width, step, seed, live):
    grey = texture(height, width, seed)
    occupied = (np.random.default_rng(seed).random((live, 2)) * (width, height)).astype(np.float32)
    points = sample_points(grey, occupied, IdtSettings(grid_step=step))
    cells = [tuple(cell) for cell in (points // step).astype(int)]
    assert len(set(cells)) == len(cells)
    assert not set(cells) & {tuple(cell) for cell in (occupied // step).astype(int)}
    np.testing.assert_array_equal(points % step, np.full_like(points, step // 2))
    assert (points < (width, height)).all() and cells == sorted(cells, key=lambda cell: (cell[1], cell[0]))


def test_sampling_wants_texture():
    grey = np.full((50, 50), 100, np.uint8)
    none = np.empty((0, 2), np.float32)
    assert len(sample_points(grey, none, IdtSettings())) == 0
    grey[21:32, 21:32] = 200  # only corners vary in both directions; an edge alone cannot be tracked
    points = sample_points(grey, none, IdtSettings())
    assert points.tolist() == [[22, 22], [32, 22], [22, 32], [32, 32]]
    assert sample_points(grey, np.array([[34.9, 20.0]], np.float32), IdtSettings()).tolist() == [[22, 22], [22, 32], [32, 32]]


def straight(step, count=15, start=(50.0, 60.0)):
    return (np.array(start) + np.arange(count + 1)[:, None] * np.array(step)).astype(np.float32)


def test_rejections_by_hand():
    still = straight((0.05, 0.0))
    walking = straight((2.0, 1.0))
    running = straight((12.0, 0.0))  # std 55 px
    jumping = straight((0.1, 0.0))
    jumping[8:] += 30  # one step of 42 px in 44
    with_camera = walking
    paths = np.stack([still, walking, running, jumping, with_camera])
    steps = np.diff(paths, axis=1)
    steps[4] = 0.6  # compensated steps of 0.85 px
    kept, statistics = keep_tracks(paths, steps, IdtSettings())
    assert kept.tolist() == [False, True, False, False, False]
    assert keep_tracks(paths, steps, IdtSettings(compensate=False))[0].tolist() == [False, True, False, False, True]
    std = np.sqrt((16**2 - 1) / 12)  # of 0 ... 15
    np.testing.assert_allclose(statistics[1], [65, 67.5, 2 * std, std, 15 * 5**0.5], rtol=1e-5)


@pytest.mark.parametrize(
    "bad",
    [{"track_length": 16}, {"track_length": 0}, {"patch": 31}, {"grid_step": 0}, {"detector": "surf"}, {"precision": "float8"}],
)
def test_settings_name_what_is_wrong(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        IdtSettings(**bad)
    with pytest.raises(ValueError, match="gaussians"):
        CodebookSettings(gaussians=0)
    with pytest.raises(ValueError, match="pca_share"):
        CodebookSettings(pca_share=0)


# whole extractions


def test_compensation_takes_out_the_camera_and_leaves_the_motion():
    wall = panning(20)
    plain = extract_trajectories(wall, IdtSettings(compensate=False))
    steady = extract_trajectories(wall)
    assert len(plain) > 200 and len(steady) < 0.05 * len(plain)
    moving = extract_trajectories(with_square(wall))
    assert len(moving) > 40
    assert (np.abs(moving.geometry[:, 1] - 48) < 30).mean() > 0.95  # on and around the square's lane
    # wall: 15 steps of (-2, -1) px
    np.testing.assert_allclose(np.median(plain.paths[:, -1] - plain.paths[:, 0], axis=0), (-30, -15), atol=0.5)
    assert np.median(plain.geometry[:, 4]) == pytest.approx(15 * 5**0.5, rel=0.02)


def test_output_fields():
    video = with_square(panning(22))
    found = extract_trajectories(video)
    layout = descriptor_layout()
    assert (found.frames, found.height, found.width) == (22, 96, 128)
    assert [part.stop - part.start for part in layout.values()] == [30, 96, 108, 96, 96]
    assert found.descriptors.shape == (len(found), 426) and found.geometry.shape == (len(found), 9)
    assert found.paths.shape == (len(found), 16, 2) and found.steps.shape == (len(found), 15, 2)
    assert set(found.end) <= set(range(15, 22)) and (np.diff(found.end) >= 0).all()
    assert np.isfinite(found.descriptors).all() and (found.descriptors[:, 30:] >= 0).all()
    shape = found.descriptors[:, :30].reshape(-1, 15, 2)
    np.testing.assert_allclose(np.linalg.norm(shape, axis=2).sum(axis=1), 1, atol=1e-4)
    np.testing.assert_allclose(found.geometry[:, 6] * 128, found.geometry[:, 0], rtol=1e-5)
    np.testing.assert_allclose(found.geometry[:, 7] * 96, found.geometry[:, 1], rtol=1e-5)
    np.testing.assert_allclose(found.geometry[:, 8], (found.end - 7.5) / 22, rtol=1e-5)
    np.testing.assert_allclose(found.geometry[:, :2], found.paths.mean(axis=1), rtol=1e-4)
    again = extract_trajectories(iter(video))
    np.testing.assert_array_equal(found.descriptors, again.descriptors)


def test_given_homographies_replace_the_estimate():
    wall = panning(18)
    camera = np.array([[1, 0, -2], [0, 1, -1], [0, 0, 1.0]])
    assert len(extract_trajectories(wall, homographies=17 * [camera])) < 5
    assert len(extract_trajectories(wall, homographies=17 * [np.eye(3)])) > 100
    with pytest.raises(ReproError, match="too few homographies"):
        extract_trajectories(wall, homographies=16 * [camera])


def test_person_boxes_keep_people_out_of_the_camera_estimate():
    wall = np.repeat(panning(1), 17, axis=0)
    crowd = wall.copy()
    crowd[:, 8:88, 8:100] = panning(17, height=80, width=92)  # most of the picture moves
    boxes = 17 * [np.array([[4, 4, 104, 92]])]
    fooled, told = extract_trajectories(crowd), extract_trajectories(crowd, person_boxes=boxes)
    found = [((np.abs(result.geometry[:, :2] - (54, 48)) < (30, 24)).all(axis=1)).sum() for result in (fooled, told)]
    assert found[1] > 100 and found[1] > 2 * found[0]


def test_grey_and_colour_frames_agree():
    video = panning(17)
    plain = extract_trajectories(video, IdtSettings(compensate=False))
    for other in (video[..., None], np.repeat(video[..., None], 3, axis=3)):
        np.testing.assert_array_equal(extract_trajectories(other, IdtSettings(compensate=False)).descriptors, plain.descriptors)


# videos with nothing to give


@pytest.mark.parametrize(
    "video",
    [panning(15), panning(1), np.full((18, 64, 80), 77, np.uint8), np.repeat(panning(1), 18, axis=0)],
    ids=["15 frames", "one frame", "no texture", "no motion"],
)
def test_no_trajectories_is_an_empty_result(video):
    found = extract_trajectories(video)
    assert len(found) == 0 and found.descriptors.shape == (0, 426) and found.frames == len(video)
    assert found.geometry.shape == (0, 9) and found.end.dtype == np.int32


@pytest.mark.parametrize("size", [(61, 75), (33, 200), (32, 32)])
def test_odd_sizes(size):
    found = extract_trajectories(panning(17, height=size[0], width=size[1]), IdtSettings(compensate=False))
    assert len(found) > 0 and np.isfinite(found.descriptors).all()


def test_a_cut_does_not_break_anything():
    first = panning(17)
    video = np.concatenate([first, cv2.flip(first[0], -1)[None].repeat(1, axis=0), 255 - panning(17, step=(1, 2))])
    found = extract_trajectories(video)
    assert np.isfinite(found.descriptors).all() and np.isfinite(found.geometry).all()


def test_a_video_smaller_than_the_patch_has_no_trajectories():
    found = extract_trajectories(np.random.default_rng(0).integers(0, 256, (20, 16, 16), np.uint8))
    assert len(found) == 0 and found.descriptors.shape == extract_trajectories(panning(17)).descriptors[:0].shape


def test_impossible_videos_are_told():
    with pytest.raises(ReproError, match="no frames"):
        extract_trajectories([])
    with pytest.raises(ReproError, match="differ in size.*frame 1 "):
        extract_trajectories([np.zeros((40, 40), np.uint8), np.zeros((40, 42), np.uint8)])
    with pytest.raises(ReproError, match="uint8"):
        extract_trajectories([np.zeros((40, 40))])
    with pytest.raises(ReproError, match="too few person boxes"):
        extract_trajectories(panning(2), person_boxes=[[]])
