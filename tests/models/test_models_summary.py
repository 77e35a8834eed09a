"""The parts of any network, against what torchvision publishes of its own."""

import dataclasses

import pytest
import torch
import torchvision
from networks import Spec, build_model
from torch import nn
from torchvision.models import video

from repro.models.network import Heads, Inputs, VideoNetwork
from repro.models.summary import markdown, summarise


class Wrapped(VideoNetwork):
    """torchvision's network behind the contract, as it is: videos at once, or frames one by one."""

    heads = ("rgb",)

    def __init__(self, net, inputs, frames_apart):
        super().__init__(None, inputs)
        self.net, self.frames_apart = net, frames_apart

    def forward(self, clip, dataset=None):
        x = clip["rgb"]  # (B, T, C, H, W)
        y = self.net(x.flatten(0, 1)) if self.frames_apart else self.net(x.transpose(1, 2))
        return {"rgb": y.unflatten(0, (len(x), -1))}  # (B, T', classes)


PUBLISHED = {
    "resnet50": (torchvision.models.ResNet50_Weights.IMAGENET1K_V1, 224, 1),
    "googlenet": (torchvision.models.GoogLeNet_Weights.IMAGENET1K_V1, 224, 1),
    "vit_b_16": (torchvision.models.ViT_B_16_Weights.IMAGENET1K_V1, 224, 1),
    "r3d_18": (video.R3D_18_Weights.KINETICS400_V1, 112, 16),
    "r2plus1d_18": (video.R2Plus1D_18_Weights.KINETICS400_V1, 112, 16),
    "swin3d_t": (video.Swin3D_T_Weights.KINETICS400_V1, 224, 16),
}
"""(weights, input size, frames) that torchvision's counts are of."""


@pytest.mark.parametrize("name", PUBLISHED)
def test_counts_are_torchvisions(name):
    weights, side, frames = PUBLISHED[name]
    extras = {"aux_logits": False, "init_weights": False} if name == "googlenet" else {}
    with torch.device("meta"):
        net = torchvision.models.get_model(name, weights=None, **extras)
        model = Wrapped(net, Inputs({"rgb": 3}, {"any": len(weights.meta["categories"])}, side), frames == 1)
    rows = summarise(model, frames)
    assert sum(row.parameters for row in rows) == weights.meta["num_params"]
    assert sum(row.multiply_adds for row in rows) / 1e9 == pytest.approx(weights.meta["_ops"], rel=0.005)
    held = {row.part for row in rows if row.parameters and row.part != "(between)"}
    assert held == {f"net.{part}" for part, child in net.named_children() if any(True for _ in child.parameters())}


def test_rows_of_a_resnet_by_hand():
    with torch.device("meta"):
        model = Wrapped(torchvision.models.resnet50(), Inputs({"rgb": 3}, {"any": 1000}, 64), True)
    rows = {row.part: row for row in summarise(model, 3)}
    parts = ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4", "avgpool", "fc")
    assert list(rows) == [f"net.{part}" for part in parts]
    assert rows["net.conv1"].output == (3, 64, 32, 32) and rows["net.layer4"].output == (3, 2048, 2, 2)
    assert rows["net.conv1"].multiply_adds == 3 * 64 * 32 * 32 * 3 * 49 and rows["net.conv1"].parameters == 64 * 3 * 49
    assert rows["net.fc"].multiply_adds == 3 * 2048 * 1000 and rows["net.fc"].parameters == 2049 * 1000
    assert rows["net.bn1"].parameters == 128 and rows["net.maxpool"].output == (3, 64, 16, 16)


def test_streams_are_taken_apart():
    """Two streams in lockstep, whose stages are lists that are never called: twice torchvision's ResNet-50."""
    spec = Spec(layout="torchvision", flow_length=10)
    with torch.device("meta"):
        model = build_model(spec, {"ucf101": 1000, "hmdb51": 51})
        net = Wrapped(torchvision.models.resnet50(), Inputs({"rgb": 3}, {"any": 1000}, 224), True)
    rows = {row.part: row for row in summarise(model, 2)}
    for part, row in {row.part.removeprefix("net."): row for row in summarise(net, 2)}.items():
        if part == "relu":
            continue
        ours = [rows[f"{stream}.{part}"] for stream in ("appearance", "motion")]
        extra = (0, 51 * 2049) if part == "fc" else (0, 0)
        assert ours[0].parameters - row.parameters == sum(extra)
        assert ours[0].multiply_adds == row.multiply_adds
        factor = 20 / 3 if part == "conv1" else 1
        assert ours[1].multiply_adds == pytest.approx(factor * row.multiply_adds)
    assert rows["appearance.layer2"].output == (2, 512, 28, 28)
    other = {row.part: row for row in summarise(model, 2, "hmdb51")}
    assert other["motion.fc"].multiply_adds == 2 * 2048 * 51 and other["motion.fc"].output == (2, 51)


def test_scales_and_temporal_filters_are_counted():
    spec = Spec(blocks=(2, 2, 2, 2), width=4, flow_length=2, pool_size=2, input_size=64, temporal_pool="max")
    more = dataclasses.replace(spec, injection="multiply", injection_scale=0.1, temporal_filter="centre")
    without, rows = (summarise(build_model(s, 3), 5) for s in (spec, more))
    model = build_model(more, 3)
    assert sum(r.parameters for r in rows) == sum(p.numel() for p in model.parameters())
    filters = 2 * 5 * sum(3 * c * c * side**2 for c, side in ((4, 16), (8, 8), (16, 4), (32, 2)))
    assert sum(r.multiply_adds for r in rows) - sum(r.multiply_adds for r in without) == filters


class Loose(VideoNetwork):
    """A parameter and a product of its own, beside its parts; a head for each dataset."""

    heads = ("rgb",)
    min_frames = 4

    def __init__(self, inputs):
        super().__init__(None, inputs)
        self.hidden, self.fc = nn.Linear(3, 5), Heads(7, inputs.classes)
        self.weight = nn.Parameter(torch.zeros(5, 7))

    def forward(self, clip, dataset=None):
        x = clip["rgb"].mean((3, 4))[0]  # (T, C)
        return {"rgb": self.fc(self.hidden(x) @ self.weight, dataset)[None]}


def test_what_lies_between_parts_is_counted():
    rows = summarise(Loose(Inputs({"rgb": 3}, {"a": 2, "b": 4}, 8)), 4)
    assert [(r.part, r.output, r.parameters, r.multiply_adds) for r in rows] == [
        ("hidden", (4, 5), 20, 4 * 3 * 5),
        ("fc", (4, 2), 8 * 2 + 8 * 4, 4 * 7 * 2),
        ("(between)", (), 35, 4 * 5 * 7),
    ]
    assert markdown(rows).splitlines() == [
        "| part | output | parameters | multiply-adds |",
        "| --- | --- | ---: | ---: |",
        "| hidden | 4x5 | 20 | 60 |",
        "| fc | 4x2 | 48 | 56 |",
        "| (between) |  | 35 | 140 |",
        "| total |  | 103 | 256 |",
    ]


def test_the_network_is_left_alone():
    model = build_model(Spec(blocks=(2, 2, 2, 2), width=4, flow_length=2, pool_size=1, input_size=32, temporal_pool="max"), 3)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    summarise(model.train(), 5)
    assert model.training and all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    with pytest.raises(ValueError, match="at least 5 frames"):
        summarise(model, 4)
