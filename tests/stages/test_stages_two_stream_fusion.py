"""Two-stream fusion from videos to scores: streams of VGG-16s from a weights file, then the joint network, on two datasets."""

import re
import shutil

import cv2
import pytest
import torch
from tiny import PARAMS, write_params
from torchvision.models.vgg import cfgs, make_layers

from repro.evaluation.scores import Scores
from repro.training.checkpoint import load_checkpoint

RECIPE = {"schedule": [[0.02, 2]], "videos_per_step": 4, "clips_per_batch_norm": 2}
STREAMS = PARAMS["systems"]["st_resnet"]["streams"]
ALONE = {"fusion": "none", "temporal_pool": 1}
SYSTEMS = {
    "spatial": {
        "streams": {"appearance": STREAMS["appearance"]},
        "model": ALONE,
        "weights": "vgg.safetensors",
        "recipe": {**RECIPE, "rates": {"appearance.conv*": 0}},  # as the authors: the last layers alone
    },
    "temporal": {"streams": {"motion": STREAMS["motion"]}, "model": ALONE, "weights": "vgg.safetensors", "recipe": RECIPE},
    "fused": {"streams": STREAMS, "init_from": ["spatial", "temporal"], "recipe": {**RECIPE, "frames": 5, "stride": [1, 4]}},
}
PLACE = ("--dataset", "toy", "--split", 1)


@pytest.fixture
def folder(finished, tmp_path):
    """The drawn and extracted videos of the tiny benchmark, and weights of a narrow VGG-16 in torchvision's names."""
    shutil.copytree(finished / "data", tmp_path / "data")
    systems = {name: {"family": "two_stream_fusion", **system} for name, system in SYSTEMS.items()}
    families = {"two_stream_fusion": {"width": 1 / 32}}
    write_params(tmp_path, systems=systems, families=families, fusions={}, report={}, run={**PARAMS["run"], **runs()})
    torch.manual_seed(0)
    layers = make_layers([c if c == "M" else c // 32 for c in cfgs["D"]])
    state = {f"features.{key}": x for key, x in layers.state_dict().items()}
    for place, shape in (("0", (128, 16 * 49)), ("3", (128, 128)), ("6", (9, 128))):
        state |= {f"classifier.{place}.weight": 0.1 * torch.randn(shape), f"classifier.{place}.bias": torch.zeros(shape[0])}
    torch.save(state, tmp_path / "vgg.pth")
    return tmp_path


def runs():
    return {"systems": list(SYSTEMS), "evaluated": ["fused"]}


def test_streams_then_the_joint_network(stages, folder):
    assert stages.repro(folder, "import-weights", "vgg.pth", "vgg.safetensors", "--layout", "vgg16") == 0
    for system in SYSTEMS:
        assert stages.repro(folder, "train", *PLACE, "--system", system) == 0
    saved = {name: load_checkpoint(folder / f"models/tiny/toy/split1/seed3/{name}/checkpoint.pt") for name in SYSTEMS}
    vgg = torch.load(folder / "vgg.pth")
    spatial, temporal, fused = (saved[name]["model"] for name in SYSTEMS)
    assert torch.equal(spatial["appearance.conv3_2.weight"], vgg["features.12.weight"])
    assert not torch.equal(temporal["motion.conv3_2.weight"], vgg["features.12.weight"])
    base = [key for key in fused if ".conv" in key]
    assert len(base) == 2 * 13 * 2 and all(torch.equal(fused[key], {**spatial, **temporal}[key]) for key in base)
    assert not torch.equal(fused["motion.fc7.weight"], temporal["motion.fc7.weight"])
    assert list(saved["fused"]["meta"]["normalisation"]["appearance"]["std"]) == [58.395, 57.12, 57.375]
    assert stages.repro(folder, "evaluate", *PLACE, "--system", "fused") == 0
    scores = Scores.load(folder / "results/tiny/scores/toy/split1/seed3/fused.npz")
    assert scores.heads == ("fused", "motion") and scores.scores.shape[:2] == (2, 16)
    video = next((folder / "data/toy/raw/videos").rglob("*.avi"))  # a family that cannot say where it looks
    assert stages.repro(folder, "predict", video, "--checkpoint", "models/tiny/toy/split1/seed3/fused/checkpoint.pt") == 0
    assert cv2.imread(str(folder / f"{video.stem}.prediction.png")).shape[1] == 1200


def test_a_clip_that_the_pool_over_time_cannot_take_is_told(stages, folder, capfd):
    text = (folder / "params.yaml").read_text()
    (folder / "params.yaml").write_text(text.replace("frames: 5", "frames: 4"))
    assert stages.repro(folder, "train", *PLACE, "--system", "spatial") == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert re.search("fused.recipe.frames .clips of 4 frames; family two_stream_fusion as set needs at least 5", line)
