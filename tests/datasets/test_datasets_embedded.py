"""The embedded benchmark: official layouts, equal bytes, and no shortcut past the mechanism that a pair of classes needs."""

import dataclasses
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.stats import ks_2samp

from repro.datasets import embedded, scene
from repro.datasets.embedded import PAIRS, EmbeddedSettings, hue, hues_of, motions_over_time, render, subset_of, write_benchmark
from repro.datasets.scan import build_index
from repro.params import load

TINY = EmbeddedSettings(groups=6, clips_per_group=1, size=32, frames=(4, 5), radius=(3.0, 4.0))
LABELS = [label for pair in PAIRS.values() for label in pair]
FLOW_STACK = 10


def real_settings():
    params = load(Path(__file__).resolve().parents[2] / "params.yaml")
    return [EmbeddedSettings(), *(params.section(f"embedded.{name}", EmbeddedSettings) for name in params.get("embedded"))]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """layout -> folder with videos and lists."""
    folders = {}
    for layout in ("ucf101", "hmdb51"):
        folders[layout] = tmp_path_factory.mktemp(layout)
        write_benchmark(dataclasses.replace(TINY, layout=layout), folders[layout], 2)
    return folders


def tree(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_equal_settings_give_equal_bytes(drawn, tmp_path):
    write_benchmark(TINY, tmp_path / "again", 1)
    assert tree(tmp_path / "again") == tree(drawn["ucf101"])
    name, videos = LABELS[0], drawn["ucf101"] / "videos"
    other = render(dataclasses.replace(TINY, seed=1), name, 1, 1)
    assert other.shape[1:] == (32, 32, 3) and not np.array_equal(other[0], render(TINY, name, 1, 1)[0])
    assert not np.array_equal(render(TINY, name, 1, 1)[0], render(TINY, name, 2, 1)[0])
    assert len(list(videos.rglob("*.avi"))) == 48


def test_ucf101s_layout(drawn):
    folder = drawn["ucf101"]
    names = sorted(str(p.relative_to(folder / "videos")) for p in (folder / "videos").rglob("*.avi"))
    assert all(re.fullmatch(r"(\w+)/v_\1_g\d\d_c\d\d\.avi", name) for name in names)
    assert sorted(p.name for p in (folder / "splits").iterdir()) == sorted(
        ["classInd.txt", *(f"{s}list0{k}.txt" for s in ("train", "test") for k in (1, 2, 3))]
    )
    classes = [line.split() for line in (folder / "splits" / "classInd.txt").read_text().splitlines()]
    assert [int(number) for number, _ in classes] == list(range(1, 9)) and [c for _, c in classes] == sorted(LABELS)
    for split in (1, 2, 3):
        train = (folder / "splits" / f"trainlist0{split}.txt").read_text().splitlines()
        test = (folder / "splits" / f"testlist0{split}.txt").read_text().splitlines()
        assert all(re.fullmatch(r"\w+/\w+\.avi \d", line) for line in train) and len(train) == 32
        assert all(re.fullmatch(r"\w+/\w+\.avi", line) for line in test) and len(test) == 16


def test_hmdb51s_layout(drawn):
    folder = drawn["hmdb51"]
    assert sorted(p.name for p in (folder / "splits").iterdir()) == sorted(
        f"{label}_test_split{k}.txt" for label in LABELS for k in (1, 2, 3)
    )
    for path in (folder / "splits").iterdir():
        lines = path.read_text().splitlines()
        assert len(lines) == 6 and all(re.fullmatch(r"\S+\.avi [12] ", line) for line in lines)
        label = path.name.partition("_test_split")[0]
        assert {line.split()[0] for line in lines} == {p.name for p in (folder / "videos" / label).iterdir()}


@pytest.mark.parametrize("layout", ["ucf101", "hmdb51"])
def test_the_ordinary_reader_reads_it(drawn, layout):
    index = build_index("toy", layout, drawn[layout] / "videos", drawn[layout] / "splits")
    assert index.classes == tuple(sorted(LABELS)) and len(index.table) == 48 and index.splits == (1, 2, 3)
    assert (index.table["problems"] == "").all() and set(index.table["frames"]) <= {4, 5}
    assert set(index.table["width"]) == set(index.table["height"]) == {32}
    tested = []
    for split in (1, 2, 3):
        train, test = (
            {
                (row.class_name, re.search(r"_g(\d+)_|Source(\d+)_", row.video).group(0))
                for row in index.subset(split, subset).itertuples()
            }
            for subset in ("train", "test")
        )
        assert not train & test and len(train | test) == 48
        tested += test
    assert len(tested) == len(set(tested)) == 48  # a group is held out once


def test_groups_are_held_out_whole():
    for groups, splits in ((6, 3), (21, 3), (22, 3), (9, 2)):
        settings = EmbeddedSettings(groups=groups, splits=splits)
        for split in range(1, splits + 1):
            held = [group for group in range(1, groups + 1) if subset_of(settings, split, group) == "test"]
            assert len(held) == groups // splits
            assert not set(held) & {
                g for other in range(1, split) for g in range(1, groups + 1) if subset_of(settings, other, g) == "test"
            }


@pytest.mark.parametrize("change, told", [({"layout": "ucf"}, "layout must be"), ({"groups": 5}, "groups must be at least")])
def test_impossible_settings_are_told(change, told):
    with pytest.raises(ValueError, match=told):
        EmbeddedSettings(**change)


@pytest.mark.parametrize("chroma", [0.3, 0.7, 1.0])
def test_hues_have_equal_luminance_and_differ_in_colour(chroma):
    names = sorted({name for label in LABELS for name in hues_of(label)})
    colours = np.array([hue(name, chroma) for name in names])
    assert colours.min() >= 0 and colours.max() <= 255
    grey = cv2.cvtColor(np.rint(colours).astype(np.uint8)[None], cv2.COLOR_RGB2GRAY)[0].astype(int)
    assert np.ptp(grey) <= 1
    for pair in ("appearance", "binding"):
        first, second = (
            hue(name, chroma)
            for name in (hues_of(PAIRS[pair][0]) if pair == "binding" else [hues_of(label)[0] for label in PAIRS[pair]])
        )
        assert np.abs(first - second).max() > 100 * chroma


def places(label, clips, frame=5):
    """Where the object is in one frame of many clips, found by its colour: (clips, 2) x and y as fractions of the frame."""
    settings = EmbeddedSettings(frames=(frame + 1, frame + 1), size=64, radius=(5.0, 6.0), noise=0.0)
    found = []
    for clip in range(clips):
        picture = render(settings, label, clip // 4 + 1, clip % 4 + 1)[frame].astype(int)
        y, x = np.nonzero(np.ptp(picture, axis=2) > 75)
        found.append((x.mean() / 64, y.mean() / 64))
    return np.array(found)


def test_a_position_tells_nothing_of_the_axis_of_motion():
    across, upright = (places(label, 160) for label in PAIRS["motion"])
    for axis in (0, 1):
        assert ks_2samp(across[:, axis], upright[:, axis]).pvalue > 0.01
    both = np.concatenate([across, upright])
    assert ks_2samp(both[:, 0], both[:, 1]).pvalue > 0.01  # nor does one axis differ from the other
    assert abs(np.corrcoef(both.T)[0, 1]) < 0.15
    assert both.std(axis=0).min() > 0.1


@pytest.mark.parametrize(
    "place", [(40.3, 17.8), (12.0, 40.5), (3.2, -2.9), (76.4, 83.0), (-9.1, 30.0), (-30.0, 40.0), (40.0, 120.0)]
)
def test_a_disc_is_blended_over_the_background(place):
    """Against the blend of whole pictures: inside, at an edge and out of view."""
    rng, size, radius = np.random.default_rng(3), 80, 6.5
    background, skin, colour = scene.texture(rng, 128, 26, 22.0, 3) + 118, scene.surface(rng), hue("teal")
    offset = (20.4, 17.9)
    drawn = scene.picture(background, offset, [(place, colour, skin)], radius, size)
    y, x = np.mgrid[:size, :size]
    alpha = np.clip(radius + 0.5 - np.hypot(x - place[0], y - place[1]), 0, 1)[..., None]
    shift = lambda plane, dx, dy: cv2.warpAffine(  # noqa: E731
        plane, np.float32([[1, 0, -dx], [0, 1, -dy]]), (size, size), borderMode=cv2.BORDER_REFLECT
    )
    over = colour + shift(skin, 16 - place[0], 16 - place[1])[..., None]
    np.testing.assert_allclose(drawn, shift(background, *offset) * (1 - alpha) + over * alpha, rtol=0, atol=1e-9)
    assert (alpha > 0).any() == (-7 < place[0] and place[1] < 120)


@pytest.mark.parametrize("label", PAIRS["motion"])
def test_objects_move_along_their_axis(label):
    """Phase correlation of the chroma masks of two frames: the object moves on its axis and not on the other."""
    settings = EmbeddedSettings(frames=(3, 3), size=64, radius=(5.0, 6.0), noise=0.0)
    moved = np.zeros(2)
    for group in range(1, 9):
        masks = [np.ptp(frame.astype(int), axis=2) > 75 for frame in render(settings, label, group, 1)[[0, 2]]]
        centres = [np.array(np.nonzero(mask)[::-1]).mean(1) for mask in masks]
        moved += np.abs(centres[1] - centres[0])
    axis = PAIRS["motion"].index(label)
    assert moved[axis] > 8 and moved[1 - axis] < 0.2 * moved[axis]


def timelines(settings, label, count=60):
    """Per clip, the motions of each of its objects, frame by frame."""
    for seed in range(count):
        rng = np.random.default_rng(seed)
        frames = int(rng.integers(settings.frames[0], settings.frames[1] + 1))
        clip = motions_over_time(rng, label, frames, settings.pause, settings.edge)
        assert all(len(motions) == frames for motions in clip) and len(clip) == len(hues_of(label))
        yield clip


@pytest.mark.parametrize("settings", real_settings(), ids=lambda s: s.layout)
@pytest.mark.parametrize("label", PAIRS["order"])
def test_no_flow_stack_of_an_order_class_sees_two_motions(settings, label):
    for (motions,) in timelines(settings, label):
        seen = set(motions) - {embedded.STILL}
        assert len(seen) >= 2
        for start in range(len(motions) - FLOW_STACK + 1):
            assert len(set(motions[start : start + FLOW_STACK]) - {embedded.STILL}) <= 1


@pytest.mark.parametrize("settings", real_settings(), ids=lambda s: s.layout)
def test_the_order_classes_mirror_each_other(settings):
    def order(label):
        """Per clip, the motions in the order they take turns."""
        for (motions,) in timelines(settings, label):
            moving = [m for m in motions if m != embedded.STILL]
            yield [m for before, m in zip([None, *moving], moving) if m != before]

    first, second = (list(order(label)) for label in PAIRS["order"])
    steps = [{pair for turns in clips for pair in zip(turns, turns[1:])} for clips in (first, second)]
    assert steps[0] and steps[0] == {(b, a) for a, b in steps[1]} and not steps[0] & steps[1]
    kinds = {m for turns in first for m in turns}
    share = [{m: sum(turns.count(m) for turns in clips) for m in kinds} for clips in (first, second)]
    assert kinds == {m for turns in second for m in turns}
    for motion, count in share[0].items():
        assert abs(count - share[1][motion]) <= 0.25 * count


def test_binding_classes_differ_in_which_object_does_which():
    settings = EmbeddedSettings()
    pairs = []
    for label in PAIRS["binding"]:
        (clip,) = {tuple(motions[0] for motions in clip) for clip in timelines(settings, label)}
        pairs.append(dict(zip(hues_of(label), clip)))
    assert set(pairs[0]) == set(pairs[1]) and pairs[0] != pairs[1]
    assert sorted(pairs[0].values()) == sorted(pairs[1].values()) == sorted([embedded.ACROSS, embedded.UPRIGHT])


def test_appearance_classes_share_their_motions():
    for label in PAIRS["appearance"]:
        found = [clip[0][0] for clip in timelines(EmbeddedSettings(), label)]
        assert 15 < found.count(embedded.ACROSS) < 45 and set(found) == {embedded.ACROSS, embedded.UPRIGHT}
