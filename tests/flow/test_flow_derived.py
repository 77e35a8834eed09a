"""Flow-derived inputs against direct transcriptions of their definitions, on motion that is known in closed
form."""

import cv2
import numpy as np
import pytest

from repro.flow import derived

H, W, L = 24, 32, 6


def affine_fields(count=L, seed=0):
    """Fields which change over time and space, each affine in (x, y), so that bilinear interpolation is
    exact."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:H, :W].astype(float)
    coefficients = rng.uniform(-1, 1, (count, 2, 3)) * (0.6, 0.03, 0.03)
    fields = np.stack([np.stack([c[0] + c[1] * x + c[2] * y for c in pair], -1) for pair in coefficients])
    return fields, coefficients


def test_stack():
    fields, _ = affine_fields()
    out = derived.stack(fields)
    assert out.shape == (H, W, 2 * L)
    for k in range(1, L + 1):  # I(u, v, 2k - 1) = d^x_(t + k - 1)(u, v), I(u, v, 2k) = d^y_(t + k - 1)(u, v)
        assert np.array_equal(out[..., 2 * k - 2], fields[k - 1, ..., 0])
        assert np.array_equal(out[..., 2 * k - 1], fields[k - 1, ..., 1])


def test_trajectory_stack():
    fields, coefficients = affine_fields()
    out = derived.trajectory_stack(fields)
    inside = 0
    for row in range(0, H, 3):
        for column in range(0, W, 3):
            p = np.array([column, row], float)  # p_1
            for k in range(L):
                if not (0 <= p[0] <= W - 1 and 0 <= p[1] <= H - 1):
                    break
                d = np.array([c @ (1, *p) for c in coefficients[k]])
                assert np.allclose(out[row, column, 2 * k : 2 * k + 2], d, atol=1e-4)
                p = p + d  # p_(k+1) = p_k + d_k(p_k)
                inside += 1
    assert inside > 300


def test_trajectory_that_leaves_reads_the_border():
    fields = np.zeros((2, H, W, 2))
    fields[0, ..., 0] = 1000
    fields[1, ..., 0] = np.arange(W)
    assert np.all(derived.trajectory_stack(fields)[..., 2] == W - 1)


def test_trajectory_of_a_uniform_motion_is_the_plain_stack():
    fields = np.full((L, H, W, 2), (2.5, -1.25))
    assert np.array_equal(derived.trajectory_stack(fields), derived.stack(fields))


def test_bidirectional_stack():
    forward, backward = (affine_fields(9, seed)[0] for seed in (1, 2))
    out = derived.bidirectional_stack(forward[4:7], backward[1:4])  # around frame 4
    steps = [(4, 5), (5, 6), (6, 7), (4, 3), (3, 2), (2, 1)]
    for k, (start, end) in enumerate(steps):
        field = forward[start] if end > start else backward[end]
        assert np.array_equal(out[..., 2 * k : 2 * k + 2], field)
    with pytest.raises(ValueError, match="backward must be of shape"):
        derived.bidirectional_stack(forward[4:7], backward[2:4])


def test_subtract_mean():
    fields, _ = affine_fields()
    out = derived.subtract_mean(fields)
    for field, found in zip(fields, out):
        for channel in (0, 1):
            mean = sum(field[y, x, channel] for y in range(H) for x in range(W)) / (H * W)
            assert np.allclose(found[..., channel], field[..., channel] - mean)
    assert np.allclose(derived.subtract_mean(fields[0]), out[0])


HOMOGRAPHY = np.array([[1.02, -0.03, 2.0], [0.02, 0.99, -1.5], [1e-4, -2e-4, 1.0]])


def homography_flow(homography, height, width):
    """Flow (H, W, 2) of a camera that maps pixel x of one frame to homography * x in the next."""
    points = np.array([[[x, y]] for y in range(height) for x in range(width)], np.float64)
    return (cv2.perspectiveTransform(points, homography) - points).reshape(height, width, 2).astype(np.float32)


def test_camera_motion_is_removed_and_the_actor_stays():
    height, width = 96, 128
    flow = homography_flow(HOMOGRAPHY, height, width)
    actor = np.zeros((height, width), bool)
    actor[30:60, 40:80] = True
    moved = np.array([5.0, 3.0])  # the actor moves by this in the still camera's frame
    y, x = np.mgrid[:height, :width].astype(float)
    target = cv2.perspectiveTransform(np.stack([x + moved[0], y + moved[1]], -1).reshape(-1, 1, 2), HOMOGRAPHY)
    flow[actor] = (target.reshape(height, width, 2) - np.stack([x, y], -1))[actor]
    found = derived.camera_homography(flow)
    assert np.allclose(found / found[2, 2], HOMOGRAPHY, atol=1e-3)
    still = derived.camera_compensated(flow, HOMOGRAPHY)
    assert np.allclose(still[~actor], 0, atol=1e-3) and np.allclose(still[actor], moved, atol=1e-3)
    assert np.allclose(derived.camera_compensated(flow, found), still, atol=0.02)


def test_compensation_is_flow_to_the_warped_frame():
    """The paper's own route: warp the second frame by H, then compute flow again."""
    rng = np.random.default_rng(0)
    wide = cv2.GaussianBlur(rng.uniform(0, 255, (160, 200)), (0, 0), 2)
    first = cv2.normalize(wide, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
    camera = np.array([[1.01, 0.01, 3.0], [-0.01, 1.01, -2.0], [0, 0, 1.0]])
    second = cv2.warpPerspective(first, camera, first.shape[::-1], flags=cv2.INTER_CUBIC)
    method = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    warped = cv2.warpPerspective(second, np.linalg.inv(camera), first.shape[::-1], flags=cv2.INTER_CUBIC)
    again = method.calc(first, warped, None)[25:-25, 25:-25]
    ours = derived.camera_compensated(method.calc(first, second, None), camera)[25:-25, 25:-25]
    assert np.abs(again - ours).mean() < 0.1


def test_homography_of_chaos_is_the_identity():
    noise = np.random.default_rng(0).uniform(-20, 20, (64, 64, 2))
    assert np.array_equal(derived.camera_homography(noise), np.eye(3))
    assert np.array_equal(derived.camera_homography(np.zeros((4, 4, 2))), np.eye(3))


def test_a_field_that_folds_the_picture_onto_a_line_is_no_camera():
    y = np.mgrid[:48, :64][0]
    flow = np.stack([np.zeros_like(y), -y], -1).astype(np.float32)
    assert np.array_equal(derived.camera_homography(flow), np.eye(3))
