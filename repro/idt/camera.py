"""Camera motion between two frames as a homography, and the second frame warped back by it."""

import cv2
import numpy as np

MATCH_WINDOW = 25  # px; matches farther apart along an axis are not considered
FLOW_POINTS, FLOW_QUALITY, FLOW_DISTANCE = 1000, 0.001, 3
MIN_MATCHES, MIN_INLIERS = 50, 25
RANSAC_THRESHOLD = 1.0  # px
MARGIN = 5  # px


def make_detector(name):
    """Callable grey uint8 (H, W), mask (H, W) or None -> (points (n, 2) float32 px, descriptors (n, d)); sift or orb."""
    # SIFT doubles its image before it looks: on the halved frame its finest scale is about that of SURF's smallest
    # filter, at a quarter of the cost
    detector, shrink = (cv2.SIFT_create(), 2) if name == "sift" else (cv2.ORB_create(), 1)

    def detect(grey, mask=None):
        height, width = grey.shape
        size = (max(width // shrink, 1), max(height // shrink, 1))
        image = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
        if mask is not None:
            mask = cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST)
        keypoints, descriptors = detector.detectAndCompute(image, mask)
        points = np.array([keypoint.pt for keypoint in keypoints], np.float32).reshape(-1, 2)
        ratio = np.array([width / size[0], height / size[1]], np.float32)
        return (points + np.float32(0.5)) * ratio - np.float32(0.5), descriptors

    return detect


def match_keypoints(previous, current):
    """Nearest previous descriptor of every current key point within the search window.

    previous, current: (points, descriptors) of the detector. Returns two (n, 2) float32 arrays of matched points.
    """
    none = np.empty((0, 2), np.float32)
    if not len(previous[0]) or not len(current[0]):
        return none, none
    apart = np.abs(current[0].T[:, :, None] - previous[0].T[:, None, :])
    near = (apart[0] < MATCH_WINDOW) & (apart[1] < MATCH_WINDOW)
    norm = cv2.NORM_L2 if current[1].dtype == np.float32 else cv2.NORM_HAMMING
    matches = cv2.BFMatcher(norm).match(current[1], previous[1], near.astype(np.uint8))
    if not matches:
        return none, none
    return (previous[0][[match.trainIdx for match in matches]], current[0][[match.queryIdx for match in matches]])


def flow_matches(grey, flow, mask=None):
    """Good features of the first frame and where its flow (H, W, 2) takes them: two (n, 2) float32 arrays."""
    corners = cv2.goodFeaturesToTrack(grey, FLOW_POINTS, FLOW_QUALITY, FLOW_DISTANCE, mask=mask)
    if corners is None:
        return np.empty((0, 2), np.float32), np.empty((0, 2), np.float32)
    corners = corners.reshape(-1, 2)
    columns, rows = np.rint(corners).astype(int).T
    return corners, corners + flow[rows, columns]


def estimate_homography(first, second):
    """3x3 float64 homography taking the first points to the second (n, 2 each) by RANSAC; identity when unsupported."""
    if len(first) <= MIN_MATCHES:
        return np.eye(3)
    homography, inliers = cv2.findHomography(first, second, cv2.RANSAC, RANSAC_THRESHOLD)
    if homography is None or inliers.sum() <= MIN_INLIERS or abs(np.linalg.det(homography)) < 1e-6:
        return np.eye(3)
    return homography


def warp_back(first, second, homography):
    """Second frame seen from the first: out(x) = second(H x), uint8 (H, W); near its edges the first frame shows."""
    height, width = second.shape
    y, x = np.mgrid[:height, :width].astype(np.float64)
    h = homography
    depth = h[2, 0] * x + h[2, 1] * y + h[2, 2]
    depth[depth == 0] = np.inf
    source_x = (h[0, 0] * x + h[0, 1] * y + h[0, 2]) / depth
    source_y = (h[1, 0] * x + h[1, 1] * y + h[1, 2]) / depth
    inside = (source_x > MARGIN) & (source_x < width - 1 - MARGIN) & (source_y > MARGIN) & (source_y < height - 1 - MARGIN)
    fixed = np.rint(np.stack([source_x, source_y], axis=-1) * 32)
    fixed = np.where(inside[:, :, None], fixed, 0).astype(np.int32)
    fractions = (fixed[:, :, 1] & 31) * 32 + (fixed[:, :, 0] & 31)
    out = cv2.remap(second, (fixed >> 5).astype(np.int16), fractions.astype(np.uint16), cv2.INTER_LINEAR)
    return np.where(inside, out, first)
