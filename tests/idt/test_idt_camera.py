"""Camera motion: known homographies, unsupported ones, and the compensated frame."""

import cv2
import numpy as np
import pytest
from test_idt_flow import texture

from repro.idt.camera import estimate_homography, flow_matches, make_detector, match_keypoints, warp_back

HOMOGRAPHY = np.array([[1.01, 0.01, 3.0], [-0.008, 0.99, -2.0], [1e-5, 2e-5, 1.0]])


def moved(image, homography):
    """The frame after the camera's motion: out(H x) = image(x)."""
    return cv2.warpPerspective(image, homography, image.shape[::-1], flags=cv2.INTER_LINEAR)


def project(points, homography):
    lifted = np.c_[points, np.ones(len(points))] @ homography.T
    return lifted[:, :2] / lifted[:, 2:]


@pytest.mark.parametrize("name", ["sift", "orb"])
def test_homography_from_key_points(name):
    first = texture(181, 242)
    second = moved(first, HOMOGRAPHY)
    detect = make_detector(name)
    homography = estimate_homography(*match_keypoints(detect(first), detect(second)))
    corners = np.array([[20, 20], [220, 20], [20, 160], [220, 160]])
    error = np.linalg.norm(project(corners, homography) - project(corners, HOMOGRAPHY), axis=1)
    assert error.max() < (0.5 if name == "sift" else 2.0)


def test_matches_stay_within_the_window():
    points = np.array([[10, 10], [60, 10]], np.float32)
    descriptors = np.array([[1, 0], [0, 1]], np.float32)
    swapped = descriptors[::-1].copy()
    first, second = match_keypoints((points, descriptors), (points, swapped))
    np.testing.assert_array_equal(first, second)  # the better descriptor lies 50 px away
    assert len(match_keypoints((points[:1], descriptors[:1]), (points[1:], swapped[1:]))[0]) == 0


def test_detector_masks_and_finds_nothing_on_blank_frames():
    detect = make_detector("sift")
    assert len(detect(np.zeros((60, 80), np.uint8))[0]) == 0
    mask = np.full((120, 160), 255, np.uint8)
    mask[:, 80:] = 0
    points, _ = detect(texture(120, 160), mask)
    assert len(points) > 5 and (points[:, 0] < 84).all()
    assert len(match_keypoints(detect(np.zeros((60, 80), np.uint8)), detect(texture(60, 80)))[0]) == 0


def test_flow_matches_follow_the_flow():
    image = texture(60, 80)
    flow = np.full((60, 80, 2), (1.5, -0.5), np.float32)
    first, second = flow_matches(image, flow)
    assert len(first) > 20
    np.testing.assert_allclose(second - first, np.broadcast_to((1.5, -0.5), first.shape), atol=1e-5)
    assert len(flow_matches(np.zeros((60, 80), np.uint8), flow)[0]) == 0


def test_unsupported_homographies_are_the_identity():
    rng = np.random.default_rng(0)
    few = (rng.random((50, 2)) * 100).astype(np.float32)
    np.testing.assert_array_equal(estimate_homography(few, few + 3), np.eye(3))  # needs more than 50
    scattered = (rng.random((80, 2)) * 1000).astype(np.float32)
    anywhere = (rng.random((80, 2)) * 1000).astype(np.float32)
    np.testing.assert_array_equal(estimate_homography(scattered, anywhere), np.eye(3))
    same = np.ones((80, 2), np.float32)
    assert np.isfinite(estimate_homography(same, same)).all()


def test_warp_back_undoes_the_camera():
    first = texture(120, 160)
    second = moved(first, HOMOGRAPHY)
    steady = warp_back(first, second, HOMOGRAPHY)
    oracle = cv2.warpPerspective(second, HOMOGRAPHY, (160, 120), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    inner = slice(12, -12)
    assert np.abs(steady[inner, inner].astype(int) - oracle[inner, inner]).max() <= 3
    assert np.abs(steady[inner, inner].astype(int) - first[inner, inner]).mean() < 2


def test_warp_back_shows_the_first_frame_where_the_second_has_none():
    first, second = np.full((40, 50), 10, np.uint8), np.full((40, 50), 200, np.uint8)
    steady = warp_back(first, second, np.eye(3))
    expected = np.full((40, 50), 10)
    expected[6:34, 6:44] = 200
    np.testing.assert_array_equal(steady, expected)
    far = warp_back(first, second, np.array([[1, 0, 1e9], [0, 1, 0], [0, 0, 1.0]]))
    np.testing.assert_array_equal(far, first)
    flat = warp_back(first, second, np.array([[1, 0, 0], [0, 1, 0], [1.0, 0, -20]]))  # a column at infinity
    assert flat.shape == first.shape
