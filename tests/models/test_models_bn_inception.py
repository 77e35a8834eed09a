"""BN-Inception against its published counts, an independent implementation, and what TSN asks of it."""

import re
from dataclasses import replace

import pytest
import torch
from torch import nn

from repro.evaluation.cam import class_activation
from repro.models.batchnorm import step_norms
from repro.models.bn_inception.network import FAMILY, build_model, own_name
from repro.models.bn_inception.settings import SMALLEST, BNInceptionSettings, map_side
from repro.models.bn_inception.stream import BLOCKS
from repro.models.freeze import freeze_norms
from repro.models.recalibrate import recalibrate
from repro.models.registry import Inputs
from repro.training.groups import parameter_groups
from repro.training.presets import preset

NARROW = BNInceptionSettings(width=1 / 16, dropout=0.5)
RGB = Inputs({"rgb": 3}, {"toy": 7}, 64)


def randomise(network):
    """Weights that keep signals alive and statistics that show, as pretrained ones would."""
    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
            nn.init.normal_(module.bias, std=0.1)
        elif isinstance(module, nn.modules.batchnorm._BatchNorm):
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.uniform_(module.weight, 0.8, 1.2)
            nn.init.normal_(module.bias, std=0.1)
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.1)
    return network.eval()


@torch.inference_mode()
def logits(network, pictures):
    return network({"rgb": pictures[None]})["rgb"][0]


@pytest.mark.parametrize("classes, count", [(1000, 11_295_240), (101, 10_373_765)])
def test_counts_of_the_published_network(classes, count):
    """Those of `pretrainedmodels.bninception`."""
    with torch.device("meta"):
        model = build_model(BNInceptionSettings(), Inputs({"rgb": 3}, {"d": classes}))
    assert sum(p.numel() for p in model.parameters()) == count
    norms = step_norms(model)
    assert len(norms) == 69 and {norm.eps for norm in norms} == {1e-5}


def test_sizes_of_the_published_network():
    """Channels and sides of the authors' prototxt, block by block."""
    sizes = {}
    with torch.device("meta"):
        model = build_model(BNInceptionSettings(), RGB).eval()
        for name in BLOCKS:
            block = model.rgb.get_submodule(f"inception_{name}")
            block.register_forward_hook(lambda m, i, y, name=name: sizes.update({name: tuple(y.shape[1:])}))
        model({"rgb": torch.empty(1, 1, 3, 224, 224)})
    channels = dict(zip(BLOCKS, (256, 320, 576, 576, 576, 608, 608, 1056, 1024, 1024)))
    sides = dict(zip(BLOCKS, (28, 28, 14, 14, 14, 14, 14, 7, 7, 7)))
    assert sizes == {name: (channels[name], sides[name], sides[name]) for name in BLOCKS}


@pytest.mark.parametrize("module, build", [("pretrainedmodels", "bninception"), ("pytorchcv.model_provider", "get_model")])
def test_equals_an_independent_implementation(module, build):
    """With weights copied by their names, or, where these are others, by the order of the layers in the prototxt."""
    build = getattr(pytest.importorskip(module), build)
    named = module == "pretrainedmodels"
    source = randomise(build(num_classes=7, pretrained=None) if named else build("bninception", num_classes=7))
    model = build_model(BNInceptionSettings(), replace(RGB, input_size=224)).eval()
    if named:
        report = FAMILY.start(model, source.state_dict())
        assert len(report.copied) == 69 * 7 and len(report.new) == 2
    else:
        for kind in (nn.Conv2d, nn.BatchNorm2d):
            theirs, ours = ([m for m in net.modules() if isinstance(m, kind)] for net in (source, model))
            for a, b in zip(theirs, ours, strict=True):
                b.load_state_dict(a.state_dict())
    model.rgb.fc["toy"].load_state_dict([m for m in source.modules() if isinstance(m, nn.Linear)][-1].state_dict())
    pictures = torch.randn(2, 3, 224, 224)
    with torch.inference_mode():
        torch.testing.assert_close(logits(model, pictures), source(pictures), rtol=1e-4, atol=1e-4)


def unit(x, u):
    """Convolution, batch norm by its formula, ReLU."""
    kernel = u.conv.kernel_size[0]
    x = nn.functional.conv2d(x, u.conv.weight, u.conv.bias, u.conv.stride, kernel // 2)
    rows = [t[:, None, None] for t in (u.bn.running_mean, u.bn.running_var, u.bn.weight, u.bn.bias)]
    return ((x - rows[0]) / (rows[1] + 1e-5).sqrt() * rows[2] + rows[3]).clamp(min=0)


def caffe_pool(x):
    """Max 3 / 2 from the first pixel on, rounded up, where windows end at the border."""
    rows, columns = (range(0, n - 1, 2) for n in x.shape[2:])
    return torch.stack([torch.stack([x[:, :, i : i + 3, j : j + 3].amax((2, 3)) for j in columns], 2) for i in rows], 2)


@pytest.mark.parametrize("name", ["3a", "3c", "4e", "5b"])
def test_blocks_are_those_of_the_prototxt(name):
    block = randomise(build_model(NARROW, RGB)).rgb.get_submodule(f"inception_{name}")
    cin = block.get_submodule("3x3_reduce").conv.in_channels
    x = torch.randn(2, cin, 8, 8)
    with torch.inference_mode():
        parts = [unit(x, block.get_submodule("1x1"))] if name in ("3a", "5b") else []
        for branch in (("3x3_reduce", "3x3"), ("double_3x3_reduce", "double_3x3_1", "double_3x3_2")):
            y = x
            for layer in branch:
                y = unit(y, block.get_submodule(layer))
            parts.append(y)
        if name in ("3c", "4e"):
            parts.append(caffe_pool(x))
        else:
            windows = nn.functional.unfold(nn.functional.pad(x, [1] * 4, value=0.0 if name == "3a" else -1e9), 3)
            windows = windows.unflatten(1, (cin, 9))
            pooled = windows.mean(2) if name == "3a" else windows.amax(2)
            parts.append(unit(pooled.unflatten(2, (8, 8)), block.pool_proj))
        torch.testing.assert_close(block(x), torch.cat(parts, 1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", [SMALLEST, 32, 47, 224, (96, 130)])
def test_any_size_that_leaves_a_map(size):
    height, width = size if isinstance(size, tuple) else (size, size)
    model, maps = randomise(build_model(NARROW, RGB)), []
    model.rgb.global_pool.register_forward_pre_hook(lambda module, inputs: maps.append(inputs[0]))
    got = logits(model, torch.randn(1, 3, height, width))
    assert maps[0].shape[2:] == (map_side(height), map_side(width)) and got.shape == (1, 7)
    head = model.activation_heads()["rgb"]
    with torch.inference_mode():
        assert head.window is None and head.pool is model.rgb.global_pool
        torch.testing.assert_close(head.linear(maps[0].mean((2, 3))), got)
        contributions = class_activation(head, maps[0], 3).mean((1, 2)) + head.linear.bias[3]
        torch.testing.assert_close(contributions, got[:, 3], rtol=1e-4, atol=1e-5)


def test_pictures_that_leave_no_map_are_refused():
    with pytest.raises(ValueError, match=f"input_size must be at least {SMALLEST}, or no map is left, got {SMALLEST - 1}"):
        build_model(NARROW, replace(RGB, input_size=SMALLEST - 1))
    with pytest.raises(RuntimeError, match="too small"):
        build_model(NARROW, RGB).eval()({"rgb": torch.randn(1, 1, 3, SMALLEST - 1, SMALLEST - 1)})


def foreign(model):
    """The state dict of a stream under the names of the PyTorch ports, with ImageNet's classifier."""
    stem = {"conv1": "conv1_7x7_s2", "conv2_reduce": "conv2_3x3_reduce", "conv2": "conv2_3x3"}
    source = {"last_linear.weight": torch.zeros(1000, 64), "last_linear.bias": torch.zeros(1000)}
    for key, tensor in model.rgb.state_dict().items():
        *place, kind, what = key.split(".")
        if place != ["fc"]:
            layer = stem.get("_".join(place), "_".join(place))
            source[f"{layer}{'_bn' if kind == 'bn' else ''}.{what}"] = tensor
    return source


@pytest.mark.parametrize("behind", ["", "flow."])
def test_cross_modality_start_from_the_ports_names(behind):
    source = randomise(build_model(NARROW, RGB))
    weights = {behind + key: tensor for key, tensor in foreign(source).items()}
    assert len(weights) == 69 * 7 + 2 and not [key for key in weights if own_name(key.removeprefix(behind)) == key]
    flow = build_model(NARROW, Inputs({"flow": 10}, {"toy": 7}, 64)).eval()
    report = FAMILY.start(flow, weights)
    assert report.inflated == ("flow.conv1.conv.weight",) and len(report.copied) == 69 * 7 - 1
    assert report.new == ("flow.fc.toy.weight", "flow.fc.toy.bias") and all("fc." in key for key in report.unused)
    for channel in (0, 9):
        expected = source.rgb.conv1.conv.weight.sum(1) / 3
        torch.testing.assert_close(flow.flow.conv1.conv.weight[:, channel], expected)


def test_the_classifier_starts_at_the_authors_scale():
    torch.manual_seed(0)
    model = build_model(BNInceptionSettings(), RGB)
    fc, conv = model.rgb.fc["toy"], model.rgb.conv2.conv
    assert fc.weight.std().item() == pytest.approx(0.001, rel=0.05) and not fc.bias.any()
    assert conv.bias.unique().tolist() == pytest.approx([0.2])
    assert conv.weight.abs().max().item() == pytest.approx((3 / (64 * 9)) ** 0.5, rel=1e-3)


def test_partial_batch_norm_frees_conv1s_alone():
    torch.manual_seed(0)
    model = build_model(NARROW, Inputs({"rgb": 3, "flow": 10}, {"toy": 7}, 64)).train()
    freeze_norms(model, "all_but_first")
    norms = step_norms(model)
    assert len(norms) == 138 and [n for n in norms if n.training] == [model.rgb.conv1.bn, model.flow.conv1.bn]
    model({name: torch.randn(2, 3, count, 64, 64) for name, count in model.inputs.channels.items()})["flow"].sum().backward()
    assert model.flow.conv1.conv.weight.grad.any() and model.flow.inception_5b.pool_proj.bn.weight.grad is None
    assert all((norm.latest is not None) == norm.training for norm in norms)


def test_the_recipe_of_the_flow_network_gives_conv1_five_times_the_rate():
    """Authors' prototxt: conv1 5 and 10; other convolutions and the classifier 1 and 2; batch norm 1 and 1."""
    model = build_model(NARROW, Inputs({"flow": 10}, {"toy": 7}, 64))
    freeze_norms(model, "all_but_first")
    recipe = preset("code", "tsn_flow_ucf101", rates={"flow.conv1.conv.*": 5.0})
    rates = {id(p): (group["rate"], group["weight_decay"]) for group in parameter_groups(model, recipe) for p in group["params"]}
    s = model.flow
    found = [rates[id(p)] for p in (s.conv1.conv.weight, s.conv1.conv.bias, s.conv1.bn.weight, s.conv1.bn.bias)]
    assert found == [(5, 5e-4), (10, 0), (1, 0), (1, 0)]
    assert [rates[id(p)] for p in s.conv2.conv.parameters()] == [rates[id(p)] for p in s.fc.parameters()] == [(1, 5e-4), (2, 0)]
    assert len(rates) == 69 * 2 + 2 + 2


def test_recalibrated_norms_leave_the_network_as_it_is():
    model = randomise(build_model(NARROW, RGB))
    clip = torch.randn(8, 3, 64, 64)
    before = logits(model, clip)
    recalibrate(model, [{"rgb": clip[None]}])
    torch.testing.assert_close(logits(model, clip), before, rtol=1e-3, atol=1e-4)
    assert (model.rgb.conv2.bn.running_var - 1).abs().max() > 0.6


def test_every_parameter_but_biases_before_norms_gets_a_gradient():
    torch.manual_seed(0)
    model = build_model(NARROW, RGB)
    model({"rgb": torch.randn(4, 2, 3, 64, 64)})["rgb"].square().sum().backward()
    dead = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]
    assert not [name for name in dead if not re.fullmatch(r".*\.conv\.bias", name)]


@pytest.mark.parametrize("field, value", [("width", 0), ("dropout", 1.0)])
def test_bad_settings_name_field_and_value(field, value):
    with pytest.raises(ValueError) as caught:
        BNInceptionSettings(**{field: value})
    assert str(caught.value).startswith(field) and repr(value) in str(caught.value)
