"""timm's networks as streams against timm itself, and the refusals of what does not fit."""

import pytest
import timm
import torch
from torch import nn

from repro.models.batchnorm import collect_statistics, commit_statistics, step_norms
from repro.models.freeze import freeze_norms
from repro.models.network import fold
from repro.models.recalibrate import recalibrate
from repro.models.registry import Inputs
from repro.models.timm_backbone import backbone
from repro.models.timm_backbone.network import FAMILY, build_model
from repro.models.timm_backbone.settings import TimmSettings
from repro.models.weights import load_weights, save_weights

RGB = Inputs({"rgb": 3}, {"toy": 7}, 64)
SMALL = TimmSettings("resnet18")


def oracle_of(name, channels=3):
    """timm's own network, with statistics and last gammas that show."""
    torch.manual_seed(0)
    oracle = timm.create_model(name, pretrained=False, in_chans=channels, num_classes=7)
    for module in oracle.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.weight, 0.8, 1.2)
    return oracle


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", ["resnet18", "resnet18d", "resnetv2_18", "regnetx_002"])
def test_equals_timm(name, training):
    oracle = oracle_of(name).double()
    model = build_model(TimmSettings(name), RGB).double()
    report = FAMILY.start(model, oracle.state_dict())
    assert report.new == ("rgb.fc.toy.weight", "rgb.fc.toy.bias") and len(report.unused) == 2
    classifier = oracle.get_classifier()
    model.rgb.fc["toy"].load_state_dict({"weight": classifier.weight.flatten(1), "bias": classifier.bias})
    oracle.train(training)
    model.train(training)
    pictures = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    torch.testing.assert_close(model({"rgb": pictures[None]})["rgb"][0], oracle(pictures), rtol=1e-9, atol=1e-9)


def test_the_norms_are_step_norms_and_nothing_else_changed():
    for name in ("resnet18", "resnetv2_18"):
        ours, theirs = backbone.make_backbone(name, 3), timm.create_model(name, num_classes=0)
        kinds = [[type(m) for m in net.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)] for net in (ours, theirs)]
        assert len(kinds[0]) == len(kinds[1]) == len(step_norms(ours)) and list(ours.state_dict()) == list(theirs.state_dict())
        torch.manual_seed(0)
        ours = backbone.make_backbone(name, 3)
        torch.manual_seed(0)
        theirs = timm.create_model(name, num_classes=0)
        assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))


@pytest.mark.parametrize("name", ["resnet18", "resnet18d", "resnetv2_18"])
@pytest.mark.parametrize("behind", ["", "flow."])
def test_twenty_channels_start_from_the_mean_over_rgb(name, behind):
    source = timm.create_model(name, pretrained=False)  # 1000 classes
    model = build_model(TimmSettings(name), Inputs({"flow": 20}, {"toy": 7}, 64))
    report = FAMILY.start(model, {behind + key: tensor for key, tensor in source.state_dict().items()})
    first = source.pretrained_cfg["first_conv"]
    assert report.inflated == (f"flow.backbone.{first}.weight",) and len(report.new) == 2
    got, rgb = model.flow.backbone.get_submodule(first).weight, source.get_submodule(first).weight
    assert got.shape[1] == 20
    torch.testing.assert_close(got[:, 19], rgb.sum(1) / 3)


def test_released_weights_carry_the_normalisation_of_their_input(monkeypatch, tmp_path):
    """timm says it in 0..1: 0.5 for resnetv2, ImageNet's mean and deviation for others."""
    make = timm.create_model
    monkeypatch.setattr(timm, "create_model", lambda name, pretrained: make(name.partition(".")[0], num_classes=5))
    for name, mean, std in (
        ("resnetv2_18.ra4_e3600_r224_in1k", (127.5, 127.5, 127.5), (127.5, 127.5, 127.5)),
        ("resnet18", (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
    ):
        save_weights(backbone.read_released(name), tmp_path / "w.safetensors")
        weights = load_weights(tmp_path / "w.safetensors", TimmSettings().weights_layout)
        assert weights.normalisation.mean == pytest.approx(mean) and weights.normalisation.std == pytest.approx(std)
        assert weights.source == f"timm {name}" and not weights.normalisation.bgr
    monkeypatch.undo()
    model = build_model(SMALL, RGB)
    assert len(FAMILY.start(model, weights.state_dict).new) == 2
    assert torch.equal(model.rgb.backbone.layer4[1].conv2.weight, weights.state_dict["layer4.1.conv2.weight"])
    with pytest.raises(ValueError, match="timm has no weights for 'resnet5O'.*: Unknown model"):
        backbone.read_released("resnet5O")


def test_starts_from_a_network_of_the_family():
    source, model = build_model(SMALL, RGB), build_model(SMALL, RGB)
    report = FAMILY.start(model, source.state_dict())
    assert not report.new and not report.unused and "rgb.fc.toy.weight" in report.copied
    with pytest.raises(ValueError, match="lacks 'backbone.layer1.2"):
        FAMILY.start(build_model(TimmSettings("resnet34"), RGB), timm.create_model("resnet18").state_dict())


def test_statistics_move_once_per_step_and_frozen_norms_stay():
    torch.manual_seed(0)
    model = build_model(SMALL, RGB).train()
    first, second = model.rgb.backbone.bn1, model.rgb.backbone.layer1[0].bn1
    freeze_norms(model, "all_but_first")
    clip, seen = torch.randn(2, 3, 3, 64, 64), []
    first.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    model({"rgb": clip})["rgb"].sum().backward()
    assert not first.running_mean.any()
    collect_statistics(model)
    commit_statistics(model, momentum=0.5)
    torch.testing.assert_close(first.running_mean, seen[0].mean((0, 2, 3)) / 2)
    assert not second.running_mean.any() and second.weight.grad is None and first.weight.grad.any()
    assert model.rgb.backbone.conv1.weight.grad.any()


def test_recalibrated_norms_leave_the_network_as_it_is():
    model = build_model(TimmSettings("resnetv2_18"), RGB).eval()
    FAMILY.start(model, oracle_of("resnetv2_18").state_dict())
    clip = {"rgb": torch.randn(1, 8, 3, 64, 64)}
    with torch.inference_mode():
        before = model(clip)["rgb"]
        means = [norm.running_mean.clone() for norm in step_norms(model)]
        torch.testing.assert_close(recalibrate(model, [clip])(clip)["rgb"], before, rtol=1e-3, atol=1e-4)
    assert all((norm.running_mean - mean).abs().max() > 0.01 for norm, mean in zip(step_norms(model), means))


def test_activation_heads_explain_the_logits():
    model = build_model(SMALL, RGB).eval()
    clip = torch.randn(1, 2, 3, 96, 128)
    head = model.activation_heads()["rgb"]
    with torch.inference_mode():
        maps = model.rgb.backbone.forward_features(fold(clip))
        assert maps.shape == (2, 512, 3, 4) and head.window is None and head.pool is model.rgb.global_pool
        torch.testing.assert_close(head.linear(maps.mean((2, 3))), model({"rgb": clip})["rgb"][0])


@pytest.mark.parametrize(
    "name, size, told",
    [
        ("resnet5O", 64, r"network of timm, .*got 'resnet5O'; did you mean 'resnet50\w*'"),
        ("resnet50.a1_in1k", 64, "without a tag of weights, got 'resnet50.a1_in1k'; did you mean 'resnet50'"),
        ("tresnet_m", 64, "one first convolution that takes 20 channels, got 'tresnet_m'"),
        ("repvgg_a0", 64, "one first convolution that takes 20 channels, got 'repvgg_a0'"),
        ("vit_tiny_patch16_224", 224, r"maps \(channels, height, width\), got 'vit_tiny_patch16_224'"),
        ("convnext_atto", 64, "mean of its last maps, got 'convnext_atto', which has layers in between"),
        ("inception_v3", 64, "input_size must leave 'inception_v3' a map, got 64: .*[Kk]ernel size"),
    ],
)
def test_what_does_not_fit_is_told_at_check_time(name, size, told):
    with pytest.raises(ValueError, match=told) as caught:
        TimmSettings(name).check(Inputs({"flow": 20}, {"any": 2}, size))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("field, value", [("backbone", 18), ("dropout", 1.0)])
def test_bad_settings_name_field_and_value(field, value):
    with pytest.raises(ValueError) as caught:
        TimmSettings(**{field: value})
    assert str(caught.value).startswith(field) and repr(value) in str(caught.value)
