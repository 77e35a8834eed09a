"""Pictures of the pages: nothing lies outside its canvas, and what is drawn is what was given."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from canvas import outside
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from repro.clips.augment import CropSettings, draw_crop
from repro.clips.sampling import test_centres as centres_of_a_test
from repro.datasets.embedded import EmbeddedSettings, render
from repro.evaluation.uncertainty import Interval
from repro.idt.settings import IdtSettings
from repro.idt.trajectories import extract_trajectories
from repro.models.st_resnet.settings import STResNetSettings
from repro.params import load as load_params
from repro.profile.layout import layout_of
from repro.profile.systems import model_of, recipe_of
from repro.report import ablation_figure, class_figures, clip_pictures, idt_figures, pipeline_figure, prediction, training_figures
from repro.report.measured import load
from repro.training.presets import PRESETS

ROOT = Path(__file__).resolve().parents[2]


def report(profile):
    params = load_params(ROOT / "params" / f"{profile}.yaml")
    return load(ROOT / "results" / profile, layout_of(params)), params


def test_the_pipeline():
    figure = pipeline_figure.pipeline_figure()
    texts = [text.get_text() for text in figure.axes[0].texts]
    stages = {path.stem.replace("_", "-") for path in (Path(__file__).parents[2] / "repro" / "stages").glob("*.py")}
    arrows = {word for text in texts for word in text.split()} & stages
    assert outside(figure) == [] and {"idt-features", "idt-fisher", "idt-scores", "fuse", "report"} <= arrows
    assert {"prepare", "extract", "train", "evaluate"} <= arrows


def test_clips_and_their_flow():
    figure = clip_pictures.pair_figure(("RoseAcrossLimeUpright", "LimeAcrossRoseUpright"), times=(20, 32))
    assert outside(figure) == []
    shown = [axes.images[0].get_array() for axes in figure.axes if axes.images]
    assert len(shown) == 8 and not np.array_equal(shown[0], shown[1])
    assert outside(clip_pictures.mechanisms_strips(columns=3)) == []


@pytest.mark.parametrize("count", [2, 21])
def test_flow_of_every_class_in_full_colour(count):
    still, moves = np.zeros((8, 12, 2), np.float32), np.ones((8, 12, 2), np.float32)
    figure = clip_pictures.flow_per_class({f"class {i}": moves if i else still for i in range(count)})
    assert outside(figure) == []
    drawn = [axes for axes in figure.axes if axes.images]
    assert len(drawn) == count and drawn[0].images[0].get_array().min() == 255  # no motion is white
    assert drawn[1].images[0].get_array().min() < 60  # and the fastest has full colour
    assert clip_pictures.fastest(moves) == pytest.approx(2**0.5)


def test_pictures_of_flow():
    field = np.ones((8, 12, 2), np.float32)
    frame = np.zeros((8, 12, 3), np.uint8)
    assert outside(clip_pictures.flow_figure(frame, frame[..., 0], {"TV-L1": field, "DIS": field})) == []
    assert outside(clip_pictures.fields_figure({"mirrored, u kept: wrong": field}, pictures={"a frame": frame})) == []
    stacked = np.arange(20, dtype=np.uint8) + np.zeros((8, 12, 1), np.uint8)
    figure = clip_pictures.stack_figure(range(35, 45), np.stack([field] * 10), stacked)
    shown = {axes.get_title(loc="center"): axes.images[0].get_array() for axes in figure.axes}
    assert outside(figure) == [] and (shown["v 3"] == 5).all() and (shown["u 10"] == 18).all() and "44 → 45" in shown


def test_what_training_draws():
    phases = ("motion", "appearance", "st_resnet", "st_resnet_star")
    figure = training_figures.schedules_figure(PRESETS, phases, 9537)
    assert outside(figure) == [] and len(figure.axes) == 4
    edges = figure.axes[2].patches[list(PRESETS).index("paper")].get_data().edges
    assert edges[-1] == pytest.approx(PRESETS["paper"]["st_resnet"].total_steps(9537) / 1000)
    draws = [np.arange(5, 45, 10), np.arange(15, 55, 10)]
    figure = training_figures.windows_figure(draws, centres_of_a_test("strided", 200)[0], 200)
    assert outside(figure) == []
    heights = [bar.get_height() for bar in figure.axes[1].patches]
    assert heights[5] == 12.5 and heights[15] == 25 and sum(heights) == pytest.approx(100)
    rng = np.random.default_rng(0)
    crops = {kind: [draw_crop(CropSettings(kind=kind), 256, 340, 224, rng) for _ in range(30)] for kind in ("corners", "borders")}
    figure = training_figures.crops_figure(crops, 256, 340)
    cover = sum(crop.width * crop.height for crop in crops["corners"]) / 30 * 100
    assert outside(figure) == [] and figure.axes[0].images[0].get_array().sum() == pytest.approx(cover)


def test_classes():
    results, _ = report("jhmdb")
    joint, two = results.shared("jhmdb", "st_resnet", "two_stream")
    gains = class_figures.class_gains(joint, two)
    for name, gain in gains.items():  # by hand: right answers of the class over its videos, all splits together
        right = [0, 0]
        total = 0
        for split in joint.files:
            for place, cell in enumerate((joint, two)):
                scores = cell.files[split]
                rows = scores.labels == scores.classes.index(name)
                right[place] += (scores.scores.mean(0).argmax(1) == scores.labels)[rows].sum()
            total += rows.sum()
        assert gain == pytest.approx(100 * (right[0] - right[1]) / total)
    told = class_figures.gains_told(joint, two)
    lost = sum(gain < 0 for gain in gains.values())
    worst, best = min(gains, key=gains.get), max(gains, key=gains.get)
    assert f"of 21 classes, ST-ResNet loses on {lost} (most on {worst}, {gains[worst]:.1f} points)" in told
    assert f"(most on {best}, +{gains[best]:.1f})" in told
    assert "loses on none and gains on none" in class_figures.gains_told(two, two)
    figure = class_figures.gains_figure({"J-HMDB": gains, "again": gains}, "points")
    assert outside(figure) == []
    for bar, value in zip(figure.axes[0].patches, sorted(gains.values())):
        assert bar.get_width() == value and (to_hex(bar.get_facecolor()) == "#d55e00") == (value < 0)
    assert outside(class_figures.classes_figure(list(results.cells.values()))) == []


def test_probes():
    interval = Interval(0.5, 0.4, 0.6, 40)
    found = {
        (mechanism, name, classifier): interval
        for mechanism in ("appearance", "motion", "binding", "order")
        for name in ("one frame", "one flow stack")
        for classifier in ("linear", "nearest")
    }
    figure = class_figures.probes_figure({"a": found, "b": found}, {"a": "One: of two", "b": "The other"})
    assert outside(figure) == [] and len(figure.legends[0].get_texts()) == 4
    assert len(figure.axes[0].containers) == 16


def test_trajectories():
    clip = render(EmbeddedSettings(seed=5, frames=(24, 24), size=96), "SwingAcross", group=3, clip=1)
    tracks = extract_trajectories(clip, IdtSettings(compensate=False))
    assert outside(idt_figures.tracks_figure(clip, {"without": (tracks, False), "with": (tracks, True)}, (16, 20))) == []
    assert outside(idt_figures.roses_figure({"across": tracks, "upright": tracks})) == []
    vector = np.linspace(-0.4, 0.4, 100)
    figure = idt_figures.fisher_figure({"one": vector, "two": vector}, {"hog": 60, "hof": 40})
    assert outside(figure) == [] and [text.get_position()[0] for text in figure.axes[0].texts] == [5, 65]


def test_ablations_show_what_crosses_and_what_was_not_run():
    results, params = report("ablations")
    for group in results.layout.ablations:
        switches = {
            name: (model_of(params, name, params.get("input_size")), recipe_of(params, name).loss)
            for name in (group.reference, *group.variants)
        }
        figure = ablation_figure.ablation_figure(results, group, switches)
        texts = [[text.get_text() for text in axes.texts] for axes in figure.axes]
        assert outside(figure) == [], group.name
        for signs, (spec, _) in zip(texts, switches.values()):
            crossing = sum(spec.receives(stream, stage) for stream in ("appearance", "motion") for stage in (2, 3, 4, 5))
            assert signs.count("+") + signs.count("×") == crossing
        absent = sum(results.get("diagnostic-u", name) is None for name in switches)
        assert texts[-1].count("not run") == 4 * absent
    assert isinstance(switches[group.reference][0], STResNetSettings)


@pytest.mark.parametrize("heads, fields", [(0, 0), (1, 39), (3, 39)])
def test_a_prediction(heads, fields, monkeypatch):
    drawn = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *_, **__: drawn.append(figure))
    store = SimpleNamespace(frames=40, fields=fields, height=24, width=32, settings=SimpleNamespace(flow_bound=20.0))
    store.rgb = lambda moments: np.zeros((len(moments), 24, 32, 3), np.uint8)
    store.flow = lambda moments: np.full((len(moments), 24, 32, 2), 160, np.uint8)
    classes = [("shoot_bow_and_arrow", 0.62), ("handstand_pushups", 0.3), ("jump", 0.08)]
    shown = [
        prediction.Head(f"stream {i}", np.arange(5, 40, 10), np.full((4, 3), 1 / 3), np.linspace(-1, 1, 16).reshape(4, 2, 2))
        for i in range(heads)
    ]
    prediction.draw("unused.png", store, "a_clip_with_quite_a_long_name.avi", classes, shown)
    (figure,) = drawn
    assert outside(figure) == [] and sum(bool(axes.images) for axes in figure.axes) == 6 * (1 + (fields > 0) + heads)
