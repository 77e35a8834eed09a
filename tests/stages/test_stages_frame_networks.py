"""The 2D families from videos to score files: segments with a consensus, partial batch norm, start weights, several datasets."""

import numpy as np
import pytest
import torch
from tiny import PARAMS, write_params

from repro.evaluation.scores import Scores
from repro.models.bn_inception.network import build_model
from repro.models.bn_inception.settings import BNInceptionSettings
from repro.models.registry import Inputs
from repro.models.weights import InputNormalisation, Weights, save_weights
from repro.training.checkpoint import load_checkpoint

RECIPE = {"schedule": [[0.01, 2]], "videos_per_step": 4, "clips_per_batch_norm": 2}
SEGMENTS = {**RECIPE, "frames": 3, "sampling": "segments", "consensus": "average"}
FLOW = {"flow": {"modality": "flow", "length": 5}}
SMALL_FLOW = {"second_lrn": False, "width": 0.0625, "initialisation": "he"}
BGR = InputNormalisation((104.0, 117.0, 128.0), bgr=True)

SYSTEMS = {
    "two_stream_temporal": {
        "family": "cnn_m",
        "streams": FLOW,
        "model": {**SMALL_FLOW, "dropout": 0.5},
        "recipe": {**RECIPE, "order": "class_uniform"},
        "evaluation": {"protocol": "crops10", "merge": "softmax"},  # the other systems: whole frames, larger than the input
        "also_on": ["other"],
    },
    "tsn_flow": {
        "family": "bn_inception",
        "streams": FLOW,
        "model": {"width": 0.0625, "dropout": 0.7},
        "weights": "bn_inception.safetensors",
        "recipe": {**SEGMENTS, "frozen_norms": "all_but_first", "clip_gradient": 20.0, "rates": {"flow.conv1.conv.*": 5.0}},
    },
    "tsn_rgb": {
        "family": "bn_inception",
        "streams": {"rgb": "rgb"},
        "model": {"width": 0.0625},
        "weights": {"rgb": "bn_inception.safetensors"},
        "recipe": {**SEGMENTS, "consensus": "max"},
    },
    "trajectory": {
        "family": "cnn_m",
        "streams": {"flow": {"modality": "trajectory_flow", "length": 5, "subtract_mean": True}},
        "model": SMALL_FLOW,
        "recipe": RECIPE,
    },
    "both_ways": {
        "family": "cnn_m",
        "streams": {"flow": {"modality": "bidirectional_flow", "length": 4}},
        "model": SMALL_FLOW,
        "recipe": RECIPE,
    },
    "modern": {
        "family": "timm_backbone",
        "streams": {"rgb": "rgb", **FLOW},
        "model": {"backbone": "resnet10t", "dropout": 0.2},
        "recipe": {**SEGMENTS, "consensus": "weighted", "loss": "mean"},
        "recalibrate": 1,
    },
}


@pytest.fixture(scope="module")
def folder(stages, tmp_path_factory):
    """Videos, containers, start weights under their publishers' names, and every system trained and scored."""
    folder, embedded = tmp_path_factory.mktemp("frames"), PARAMS["embedded"]["toy"]
    names = ["toy", "other"]
    run = {"embedded": names, "prepared": names, "datasets": ["toy"], "splits": [1], "seeds": [3]}
    write_params(
        folder,
        input_size=48,
        run={**run, "systems": list(SYSTEMS), "evaluated": list(SYSTEMS)},
        datasets={name: {"title": f"{name} videos of the tests", "layout": "ucf101"} for name in names},
        embedded={"toy": embedded, "other": {**embedded, "seed": 6, "pairs": ["appearance", "motion"]}},
        store={**PARAMS["store"], "planes": ["rgb", "flow", "backward_flow"]},
        families={},
        evaluation={"frames": 3},
        systems=SYSTEMS,
        fusions={"tsn": {"inputs": ["tsn_rgb", "tsn_flow"], "weights": [1.0, 1.5]}},
        idt={},
        report={"systems": [{"name": name, "title": name} for name in SYSTEMS]},
    )
    torch.manual_seed(2)
    source = build_model(BNInceptionSettings(width=0.0625), Inputs({"rgb": 3}, {"imagenet": 9}, 48)).rgb
    for norm in (m for m in source.modules() if isinstance(m, torch.nn.BatchNorm2d)):
        torch.nn.init.uniform_(norm.running_var, 0.5, 1.5)
    state = {key.replace("fc.imagenet", "last_linear"): tensor for key, tensor in source.state_dict().items()}
    save_weights(Weights(state, "bn_inception", BGR), folder / "bn_inception.safetensors")
    for dataset in names:
        for command in (("draw", "--dataset", dataset), ("prepare", dataset), ("extract", "--dataset", dataset)):
            assert stages.repro(folder, *command) == 0
    for system in SYSTEMS:
        for command in ("train", "evaluate"):
            assert stages.repro(folder, command, "--dataset", "toy", "--split", 1, "--system", system) == 0
    return folder


def checkpoint(folder, system):
    return load_checkpoint(folder / f"models/tiny/toy/split1/seed3/{system}/checkpoint.pt")


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_family_trains_and_scores(folder, system):
    scores = Scores.load(folder / f"results/tiny/scores/toy/split1/seed3/{system}.npz")
    streams = tuple(SYSTEMS[system]["streams"])
    assert scores.heads == streams and scores.header["family"] == SYSTEMS[system]["family"]
    assert scores.scores.shape[0] == len(streams) and np.isfinite(scores.scores).all()


def test_the_flow_network_starts_from_rgb_weights_and_keeps_its_norms(folder):
    saved, source = checkpoint(folder, "tsn_flow"), start_weights(folder)
    assert "1 conv1 inflated" in saved["meta"]["started"]
    frozen = [key for key in source if ".bn." in key and not key.startswith(("conv1.", "num_")) and "num_batches" not in key]
    assert len(frozen) == 68 * 4 and all(torch.equal(saved["model"][f"flow.{key}"], source[key]) for key in frozen)
    for key in ("conv1.bn.weight", "conv1.bn.running_mean", "inception_3a.3x3.conv.weight"):
        assert not torch.equal(saved["model"][f"flow.{key}"], source[key])


def test_the_rgb_network_takes_over_the_normalisation_of_its_weights(folder):
    meta = checkpoint(folder, "tsn_rgb")["meta"]
    assert InputNormalisation(**meta["normalisation"]["rgb"]) == BGR and "0 conv1 inflated" in meta["started"]


def start_weights(folder):
    from safetensors.torch import load_file

    return load_file(folder / "bn_inception.safetensors")


def test_a_trunk_is_trained_on_two_datasets(folder):
    saved = checkpoint(folder, "two_stream_temporal")
    assert saved["model"]["flow.fc.toy.weight"].shape == (8, 128) and saved["model"]["flow.fc.other.weight"].shape == (4, 128)


def test_describe_prints_every_network(stages, folder, capsys):
    for system in SYSTEMS:
        assert stages.repro(folder, "--params", "params.yaml", "describe", system) == 0
        assert "| total |" in capsys.readouterr().out


@pytest.mark.parametrize(
    "system, model, size, told",
    [
        ("modern", {"backbone": "resnet5O"}, 48, "did you mean 'resnet50"),
        ("modern", {"backbone": "convnext_atto"}, 48, "must classify the mean of its last maps"),
        ("two_stream_temporal", {}, 32, "input_size must be at least 41, or pool5 leaves no map, got 32"),
        ("tsn_rgb", {}, 4, "or no map is left, got 4"),
    ],
)
def test_what_does_not_fit_is_one_line_before_any_work(stages, tmp_path, capfd, system, model, size, told):
    entry = {**SYSTEMS[system], "model": model, "also_on": []}
    write_params(
        tmp_path,
        input_size=size,
        systems={system: entry},
        run={**PARAMS["run"], "systems": [system], "evaluated": [system]},
        families={},
        fusions={},
        report={"systems": [{"name": system, "title": system}]},
    )
    assert stages.repro(tmp_path, "--params", "params.yaml", "describe", system) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert told in line and f"systems.{system}.model" in line
