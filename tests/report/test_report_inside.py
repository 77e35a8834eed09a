"""Inside a network: tiles, taps, maps, fields and errors by hand, and nothing outside its canvas."""

import numpy as np
import pytest
import torch
from canvas import outside
from toy_profile import CLASSES, layout

from repro.clips.modality import Modality
from repro.datasets.embedded import EmbeddedSettings, render
from repro.evaluation.scores import Scores
from repro.flow import FlowSettings
from repro.models.registry import Inputs, family
from repro.models.st_resnet.settings import STResNetSettings
from repro.models.st_resnet.temporal import temporal_kernel
from repro.report.errors import errors_figure, most_frequent, surest_errors
from repro.report.measured import load
from repro.report.network_pictures import (
    activations_figure,
    kernel_tiles,
    kernels_figure,
    receptive_figure,
    taps,
    taps_figure,
)
from repro.training.few_steps import draw_video, few_steps

STREAMS = {"appearance": Modality("rgb", beside_flow=10), "motion": Modality("flow", length=10)}


def test_kernels_as_tiles_by_hand():
    rgb = np.zeros((1, 3, 2, 2), np.float32)
    rgb[0, 0, 0, 0], rgb[0, 2, 1, 1] = 3, -1  # the largest weight is white in its channel, the least black, 0 a quarter up
    tile = kernel_tiles(rgb)[0]
    assert tile[0, 0].tolist() == [255, 64, 64] and tile[1, 1].tolist() == [64, 64, 0]
    flow = np.zeros((2, 20, 2, 2), np.float32)
    flow[0, 0::2] = 1  # u alone, in every field
    tiles = kernel_tiles(flow)
    assert (tiles[1] == 255).all() and (tiles[0] == tiles[0, 0, 0]).all() and tiles[0].min() < 100


def test_taps_by_hand():
    weight = np.array([[[[3.0]], [[4.0]]], [[[0.0]], [[0.0]]]])  # (2, 2, 1, 1): mean square 25 / 4
    assert taps(temporal_kernel(torch.tensor(weight), "average").numpy()) == pytest.approx([2.5 / 3] * 3)
    assert taps(temporal_kernel(torch.tensor(weight), "centre").numpy()) == pytest.approx([0, 2.5, 0])


def test_pictures_of_a_network_are_not_cut_off():
    rng = np.random.default_rng(0)
    kernels = {"appearance": rng.normal(size=(24, 3, 7, 7)), "motion": rng.normal(size=(24, 20, 7, 7))}
    assert outside(kernels_figure(kernels, kernels)) == []
    layers = {f"res{stage}b, {side}": rng.normal(size=(4, 4, 3, 1, 1)) for stage in (2, 3, 4, 5) for side in ("first", "last")}
    figure = taps_figure({"appearance": layers, "motion": layers}, {"appearance": layers, "motion": layers})
    assert outside(figure) == [] and len(figure.axes) == 16
    frames, maps = rng.integers(0, 255, (6, 40, 40, 3), dtype=np.uint8), rng.normal(size=(6, 2, 2))
    assert outside(activations_figure(range(6), frames, {"appearance": maps, "motion": maps}, "RoseAcrossLimeUpright")) == []


def test_receptive_fields_are_drawn_to_scale():
    fields = {"conv1": (7, 7, 1), "conv2_x": (35, 35, 5), "pool5": (675, 675, 21)}
    figure = receptive_figure(np.zeros((64, 80, 3), np.uint8), fields, stride=4)
    assert outside(figure) == []
    assert [(patch.get_width(), patch.get_height()) for patch in figure.axes[0].patches] == [(7, 7), (35, 35), (675, 675)]
    assert [patch.get_width() for patch in figure.axes[1].patches] == [1, 17, 81]
    low, high = figure.axes[0].get_xlim()
    assert low < -675 / 2 and high > 675 / 2


def wrong(folder):
    """Two videos of amber taken for teal by 1 and 3, one of first for second by 2, the rest right."""
    names = ("amber/a", "amber/b", "first/c", "second/d")
    matrix = np.array([[0, 1, 0, 0], [0, 3, 0, 0], [0, 0, 1, 3], [0, 0, 0, 5]], float)
    header = {"dataset": "toy", "split": 1, "system": "plain", "seed": 3, "protocol": "", "device": "cpu"}
    scores = Scores(
        names, np.array([0, 0, 2, 3]), CLASSES, ("a",), matrix[None], {**header, "params_hash": "", "code_version": ""}
    )
    scores.save(folder / "scores" / "toy" / "split1" / "seed3" / "plain.npz")
    return load(folder, layout()).get("toy", "plain")


def test_the_surest_errors_by_hand(tmp_path):
    errors = surest_errors(wrong(tmp_path))
    assert [(e.video, e.truth, e.said, e.margin) for e in errors] == [
        ("amber/b", "amber", "teal", 3.0),
        ("first/c", "first", "second", 2.0),
    ]
    assert surest_errors(wrong(tmp_path), shown=1) == errors[:1]
    told = "The most frequent error of Plain on toy: amber taken for teal, 2 of its 3 errors."
    assert most_frequent(wrong(tmp_path)) == told
    figure = errors_figure(errors, {"amber/b": np.zeros((8, 8, 3), np.uint8)})
    assert outside(figure) == [] and [len(axes.images) for axes in figure.axes] == [1, 0, 0, 0]
    assert outside(errors_figure([], {})) == []


def test_a_few_steps_change_a_network_and_its_statistics():
    settings = EmbeddedSettings(frames=(40, 40))
    labels = ("SwingAmber", "SwingAcross")
    videos = [draw_video(settings, label, 1, FlowSettings(backend="dis"), 6.0) for label in labels]
    assert np.array_equal(videos[0].rgb, render(settings, labels[0], 1, 1)) and videos[0].flow.shape == (39, 80, 80, 2)
    assert abs(float(np.median(videos[0].flow)) - 128) <= 1  # most of the picture stands still
    torch.manual_seed(0)
    small = STResNetSettings(blocks=(2, 2, 2, 2), width=4, pool_size=1, injection="add", temporal="average")
    net = family("st_resnet").build(small, Inputs({"appearance": 3, "motion": 20}, {"toy": 2}, input_size=32))
    before = {name: value.clone() for name, value in net.state_dict().items()}
    losses = few_steps(net, STREAMS, videos, labels, steps=12, size=32)
    assert len(losses) == 12 and np.mean(losses[-3:]) < 0.8 * np.mean(losses[:3]) and not net.training
    assert 2 < losses[0] / np.log(2) < 40  # two streams, five frames: 10 log 2 for a network that knows nothing
    changed = {name for name, value in net.state_dict().items() if not torch.equal(value, before[name])}
    assert {"appearance.conv1.weight", "motion.layer1.1.conv1.weight", "motion.bn1.running_mean"} <= changed
