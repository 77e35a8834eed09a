"""Against output of the authors' release: matched trajectories, their geometry and their descriptors."""

from itertools import islice

import numpy as np
import pytest

from repro.idt.features import read_text
from repro.idt.settings import descriptor_layout
from repro.idt.trajectories import extract_trajectories
from repro.video.decode import frames


def matches(reference, found):
    """Index pairs with the same end frame and scale and mean positions within 0.5 px, each trajectory used once."""
    pairs, used = [], set()
    for i in range(len(reference)):
        near = np.flatnonzero((found.end == reference.end[i])
                              & (np.abs(found.geometry[:, 5] - reference.geometry[i, 5]) < 1e-3))
        apart = np.abs(found.geometry[near, :2] - reference.geometry[i, :2]).max(axis=1)
        for k in np.argsort(apart):
            if apart[k] <= 0.5 and near[k] not in used:
                used.add(near[k])
                pairs.append((i, near[k]))
                break
    return np.array(pairs).T


def cosines(reference, found, pairs):
    """Mean cosine over matched trajectories of every descriptor type."""
    means = {}
    for name, part in descriptor_layout().items():
        a, b = reference.descriptors[pairs[0]][:, part], found.descriptors[pairs[1]][:, part]
        means[name] = float(((a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)).mean())
    return means


@pytest.fixture(scope="module")
def anchor(shared_data):
    return shared_data / "idt-anchor"


@pytest.fixture(scope="module")
def bowling(anchor):
    return read_text(anchor / "v_Bowling_g01_c01.first40.idt.gz", frames=40, height=240, width=320)


@pytest.fixture(scope="module")
def bowling_frames(anchor):
    return list(islice(frames(anchor / "clips" / "v_Bowling_g01_c01.avi"), 40))


def test_bowling_with_the_same_homographies_is_the_same(anchor, bowling, bowling_frames):
    table = np.loadtxt(anchor / "v_Bowling_g01_c01.homography.tsv", usecols=range(1, 16))
    found = extract_trajectories(bowling_frames, homographies=table[:, 6:].reshape(-1, 3, 3))
    assert len(found) == len(bowling) == 1517
    pairs = matches(bowling, found)
    assert pairs.shape[1] == 1517
    np.testing.assert_allclose(found.geometry[pairs[1]], bowling.geometry[pairs[0]], atol=0.06)
    assert min(cosines(bowling, found, pairs).values()) >= 0.9999


def test_bowling_with_a_free_detector(bowling, bowling_frames):
    found = extract_trajectories(bowling_frames)
    assert len(found) == pytest.approx(len(bowling), rel=0.03)
    means = cosines(bowling, found, matches(bowling, found))
    assert means["hog"] >= 0.999 and means["hof"] >= 0.98 and means["trajectory"] >= 0.88
    assert min(means["mbhx"], means["mbhy"]) >= 0.995


@pytest.mark.parametrize("count", [60, pytest.param(360, marks=pytest.mark.slow)])
def test_boxing_against_the_authors_own_file(anchor, count):
    reference = read_text(anchor / "person01_boxing_d1_uncomp.authors.idt.gz", frames=360, height=120, width=160)
    found = extract_trajectories(islice(frames(anchor / "clips" / "person01_boxing_d1_uncomp.avi"), count))
    pairs = matches(reference, found)
    of = (reference.end < count).sum()
    assert of == (2001 if count == 360 else of) and pairs.shape[1] >= 0.98 * of and len(found) <= 1.01 * of
    means = cosines(reference, found, pairs)
    assert means["hog"] >= 0.999 and means["hof"] >= 0.99 and means["trajectory"] >= 0.95
    assert min(means["mbhx"], means["mbhy"]) >= 0.999
