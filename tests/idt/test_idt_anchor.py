"""Against output of the authors' release: matched trajectories, their geometry and their descriptors."""

from itertools import islice

import numpy as np
import pytest

from repro.idt.compare import descriptor_cosines, match_trajectories
from repro.idt.features import read_text
from repro.idt.trajectories import extract_trajectories
from repro.video.decode import frames


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
    pairs = match_trajectories(bowling, found)
    assert pairs.shape[1] == 1517
    np.testing.assert_allclose(found.geometry[pairs[1]], bowling.geometry[pairs[0]], atol=0.06)
    assert min(descriptor_cosines(bowling, found, pairs).values()) >= 0.9999


def test_bowling_with_a_free_detector(bowling, bowling_frames):
    found = extract_trajectories(bowling_frames)
    assert len(found) == pytest.approx(len(bowling), rel=0.03)
    means = descriptor_cosines(bowling, found, match_trajectories(bowling, found))
    assert means["hog"] >= 0.999 and means["hof"] >= 0.98 and means["trajectory"] >= 0.88
    assert min(means["mbhx"], means["mbhy"]) >= 0.995


@pytest.mark.parametrize("count", [60, pytest.param(360, marks=pytest.mark.slow)])
def test_boxing_against_the_authors_own_file(anchor, count):
    reference = read_text(anchor / "person01_boxing_d1_uncomp.authors.idt.gz", frames=360, height=120, width=160)
    found = extract_trajectories(islice(frames(anchor / "clips" / "person01_boxing_d1_uncomp.avi"), count))
    pairs = match_trajectories(reference, found)
    of = (reference.end < count).sum()
    assert of == (2001 if count == 360 else of) and pairs.shape[1] >= 0.98 * of and len(found) <= 1.01 * of
    means = descriptor_cosines(reference, found, pairs)
    assert means["hog"] >= 0.999 and means["hof"] >= 0.99 and means["trajectory"] >= 0.95
    assert min(means["mbhx"], means["mbhy"]) >= 0.999


def test_a_reference_is_matched_to_itself(bowling):
    pairs = match_trajectories(bowling, bowling)
    assert pairs.shape == (2, 1517)
    assert descriptor_cosines(bowling, bowling, pairs)["mbhx"] == pytest.approx(1)
    assert np.isnan(descriptor_cosines(bowling, bowling, pairs[:, :0])["hog"])
