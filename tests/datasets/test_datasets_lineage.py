"""The pairs of the systems around the paper: what the two classes share, and what alone tells them apart. The old pairs stay."""

import dataclasses
import hashlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.stats import ks_2samp

from repro.datasets import lineage
from repro.datasets.embedded import ALL_PAIRS, PAIRS, EmbeddedSettings, hue, render, write_benchmark
from repro.datasets.scene import _ANGLES
from repro.params import load

EMBEDDED = load(Path(__file__).resolve().parents[2] / "params" / "embedded.yaml")
OLD = {  # SHA-256 over the frames of two short clips of each old class, from before there were further pairs
    "defaults": "8b1967c50943ecb2c037704fdbb7044076ec28113aa565812503092f32c7eba7",
    "diagnostic-u": "3f4d11b64316725d52aaeb93167c945b51ef7a50b77d60c4489b10bd82ed4c0d",
    "diagnostic-h": "70b8eeef75e4c6774368637c81431fda32b5bf2bcabed1e744c6665e4555ee0a",
    "diagnostic-c": "ca4b3d7ee76393595a4c905a128115660559c992bdccd6f38db9d59a024840a6",
}


@pytest.mark.parametrize("name", OLD)
def test_old_clips_keep_every_byte(name):
    settings = EmbeddedSettings() if name == "defaults" else EMBEDDED.section(f"embedded.{name}", EmbeddedSettings)
    settings, digest = dataclasses.replace(settings, frames=(6, 8)), hashlib.sha256()
    for label in (label for pair in PAIRS.values() for label in pair):
        for group, clip in ((1, 1), (7, 2)):
            digest.update(render(settings, label, group, clip).tobytes())
    assert digest.hexdigest() == OLD[name]


def test_no_pairs_means_the_old_four_and_labels_keep_their_numbers(tmp_path):
    settings = EmbeddedSettings(groups=6, clips_per_group=1, size=32, frames=(4, 5), radius=(3.0, 4.0))
    assert settings.classes == tuple(label for pair in PAIRS.values() for label in pair)
    assert list(ALL_PAIRS)[:4] == ["appearance", "motion", "binding", "order"]
    write_benchmark(dataclasses.replace(settings, pairs=("speed", "motion")), tmp_path)
    names = {path.name for path in (tmp_path / "videos").iterdir()}
    assert names == {"SwingSlow", "SwingFast", "SwingAcross", "SwingUpright"}


CLEAN = EmbeddedSettings(noise=0.0, frames=(60, 60))
SHORT = dataclasses.replace(CLEAN, frames=(3, 3))


COLOURS = np.array([hue(name) for name in _ANGLES])


def places(video, name):
    """Centre of the coloured pixels that are nearest to a hue, per frame, (T, 2) x, y px; NaN where there are few."""
    found = []
    for frame in video.astype(float):
        y, x = np.nonzero(np.ptp(frame, axis=-1) > 75)  # backgrounds are pale
        nearest = np.linalg.norm(frame[y, x][:, None] - COLOURS, axis=-1).argmin(-1)
        mine = nearest == list(_ANGLES).index(name)
        found.append((x[mine].mean(), y[mine].mean()) if mine.sum() > 20 else (np.nan, np.nan))
    return np.array(found)


def positions(label, name, count=100, frame=1):
    return np.array([places(render(SHORT, label, 1 + i // 4, 1 + i % 4)[frame : frame + 1], name)[0] for i in range(count)])


@pytest.mark.parametrize("pair, name", [("reversal", "gold"), ("camera", "purple"), ("speed", "green")])
def test_one_frame_has_one_law_in_both_classes(pair, name):
    first, second = (positions(label, name) for label in lineage.PAIRS[pair])
    assert not np.isnan(first).any() and not np.isnan(second).any()  # never out of sight
    for axis in (0, 1):
        assert ks_2samp(first[:, axis], second[:, axis]).pvalue > 0.01


def test_hues_of_new_pairs_are_as_dark_as_all_others():
    for name in _ANGLES:
        grey = cv2.cvtColor(np.uint8(np.rint(hue(name)))[None, None], cv2.COLOR_RGB2GRAY)
        assert abs(int(grey[0, 0]) - 128) <= 1


class Recorded:
    """What ``lineage.render`` draws its picture from, frame by frame, in the order of drawing."""

    def __init__(self, monkeypatch):
        self.discs, self.offsets = [], []
        monkeypatch.setattr(lineage, "picture", self.picture)

    def picture(self, background, offset, discs, radius, size):
        self.offsets.append(np.array(offset))
        self.discs.append(np.array(discs[0][0]))
        return np.zeros((size, size, 3))

    def clip(self, label, group=1, clip=1, settings=CLEAN):
        """(places of the object in the picture, places of the camera), both (T, 2)."""
        self.discs, self.offsets = [], []
        render(settings, label, group, clip)
        return np.array(self.discs), np.array(self.offsets)


def test_a_reversed_clip_is_a_clip_of_the_other_class(monkeypatch):
    """Drawn from the same random numbers, the second class's clip is the first one's backwards, frame for frame."""
    first, second = lineage.PAIRS["reversal"]
    scene = {"background": np.full((128, 128, 3), 118, np.float32), "radius": 7.0, "speed": 1.7, "pan": np.zeros(2)}
    noisy = dataclasses.replace(CLEAN, noise=3.0, frames=(40, 44))
    for seed in range(3):
        a, b = (lineage.render(noisy, scene, label, np.random.default_rng(seed)) for label in (first, second))
        assert np.array_equal(a[::-1], b) and not np.array_equal(a, b)
        assert sorted(frame.tobytes() for frame in a) == sorted(frame.tobytes() for frame in b)


def test_an_object_climbs_at_one_speed_and_starts_again(monkeypatch):
    recorded, paths = Recorded(monkeypatch), []
    for clip in range(1, 13):
        objects, _ = recorded.clip(lineage.PAIRS["reversal"][0], 1, clip)
        steps = np.diff(objects, axis=0)
        assert np.abs(steps[:, 0]).max() < 1e-9  # straight up
        climbs, jumps = steps[steps[:, 1] < 0, 1], steps[steps[:, 1] > 0, 1]
        assert np.ptp(climbs) < 1e-9 and len(jumps) >= 2
        assert np.ptp(jumps) < 1e-9 and jumps[0] > 5 * -climbs[0]
        paths.append(objects[:, 1])
        assert objects.min() > 0 and objects.max() < 80
    assert len({round(path[0], 6) for path in paths}) == 12  # from anywhere


def test_long_range_is_silent_in_the_middle():
    for label, cue in zip(lineage.PAIRS["long_range"], ("amber", "teal")):
        thirds = []
        for clip in range(1, 7):
            video = render(CLEAN, label, 1, clip)
            talks, rests = (~np.isnan(places(video, name)[:, 0]) for name in (cue, "violet"))
            assert np.array_equal(talks, ~rests) and talks.sum() == 20 and not talks[20:40].any()
            thirds.append(talks[0])
            quiet = places(video, "violet")[rests]
            assert np.ptp(quiet, axis=0).max() < 0.6  # at rest
        assert 0 < sum(thirds) < 6  # first and last third
    drawn = [lineage.talking_frames(60, np.random.default_rng(seed))[0] for seed in range(200)]
    assert 70 < sum(drawn) < 130


def test_silent_thirds_of_both_classes_are_alike(monkeypatch):
    """The same random numbers give the same silent frames in either class."""
    scene = {"background": np.full((128, 128, 3), 118, np.float32), "radius": 7.0, "speed": 1.7, "pan": np.zeros(2)}
    for seed in range(6):
        clips = [lineage.render(CLEAN, scene, label, np.random.default_rng(seed)) for label in lineage.PAIRS["long_range"]]
        first_talks = np.abs(clips[0][0].astype(int) - clips[1][0]).max() > 50
        if first_talks:
            assert all(np.array_equal(a, clip[20:][0]) for clip in clips for a in clip[20:])  # at rest, from there on
        else:
            assert np.array_equal(clips[0][:40], clips[1][:40])


@pytest.mark.parametrize("label", lineage.PAIRS["camera"])
def test_the_camera_outruns_the_object(label, monkeypatch):
    """The background moves by more, along both axes; in the world the object keeps to its own axis and stays in sight."""
    recorded, axis = Recorded(monkeypatch), lineage.PAIRS["camera"].index(label)
    for clip in range(1, 7):
        objects, camera = recorded.clip(label, clip, 1)
        world = np.diff(objects + camera, axis=0)
        assert np.abs(world[:, 1 - axis]).max() < 1e-9 and np.abs(world[:, axis]).mean() > 0.8
        assert np.median(np.abs(np.diff(camera, axis=0)), axis=0).min() > np.median(np.abs(world[:, axis]))
        assert objects.min() > 0 and objects.max() < 80


def test_the_camera_moves_alike_in_both_classes(monkeypatch):
    recorded = Recorded(monkeypatch)
    steps = [
        np.concatenate([np.abs(np.diff(recorded.clip(label, g, 1)[1], axis=0))[::10] for g in range(1, 25)])
        for label in lineage.PAIRS["camera"]
    ]
    for axis in (0, 1):
        assert ks_2samp(steps[0][:, axis], steps[1][:, axis]).pvalue > 0.01


def test_speed_classes_share_their_path_and_differ_in_tempo(monkeypatch):
    recorded, paces, reaches = Recorded(monkeypatch), [], []
    for label in lineage.PAIRS["speed"]:
        clips = [recorded.clip(label, group, 1)[0] for group in range(1, 25)]
        paces.append([np.median(np.abs(np.diff(clip, axis=0)).sum(1)) for clip in clips])
        reaches.append([np.ptp(clip, axis=0).max() for clip in clips])
        axes = {int(np.ptp(clip, axis=0).argmax()) for clip in clips}
        assert axes == {0, 1}
    assert max(paces[0]) < 0.6 * min(paces[1])
    assert ks_2samp(*reaches).pvalue > 0.01
