"""CNN-M against the counts of the papers, a plain stack of torch layers, and the formula of local response normalisation."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from repro.models.cnn_m.network import FAMILY, build_model
from repro.models.cnn_m.settings import CNNMSettings, map_side, smallest_input
from repro.models.registry import Inputs

NARROW = CNNMSettings(width=1 / 16, dropout=0.5, initialisation="he")
RGB = Inputs({"rgb": 3}, {"toy": 7}, 64)


def parameters(module):
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(
    "channels, classes, count", [(3, 101, 90_627_813), (20, 101, 90_707_781), (3, 51, 90_525_363), (20, 51, 90_605_331)]
)
def test_counts_of_the_published_network(channels, classes, count):
    """Worked out layer by layer from the paper's table; two of 20 channels make the 181.42 M that the Fusion paper prints."""
    with torch.device("meta"):
        stream = build_model(CNNMSettings(), Inputs({"s": channels}, {"d": classes})).s
    assert parameters(stream) == count
    if (channels, classes) == (20, 101):
        assert sum(parameters(getattr(stream, f"conv{i}")) for i in range(1, 6)) == 6_608_608
        assert f"{2 * count / 1e6:.2f}" == "181.42"


def test_sizes_of_the_published_network():
    sizes = {}
    with torch.device("meta"):
        model = build_model(CNNMSettings(), Inputs({"rgb": 3}, {"toy": 7}, 224))
        for name, module in model.rgb.named_children():
            module.register_forward_hook(lambda m, i, y, name=name: sizes.setdefault(name, []).append(tuple(y.shape[1:])))
        model({"rgb": torch.empty(1, 1, 3, 224, 224)})
    assert sizes["conv1"] == [(96, 109, 109)] and sizes["conv2"] == [(256, 26, 26)]
    assert sizes["conv3"] == sizes["conv4"] == sizes["conv5"] == [(512, 13, 13)]
    assert sizes["pool"] == [(96, 54, 54), (256, 13, 13), (512, 6, 6)]
    assert sizes["full6"] == [(4096, 1, 1)] and sizes["full7"] == [(2048, 1, 1)]
    assert model.rgb.full6.kernel_size == (6, 6) and len(sizes["lrn"]) == 2


def normalised(x):
    """Krizhevsky et al. 2012, Sec. 3.3, channel by channel: n = 5, k = 2, alpha = 1e-4, beta = 0.75."""
    count = x.shape[1]
    sums = [x[:, max(i - 2, 0) : i + 3].square().sum(1) for i in range(count)]
    return torch.stack([x[:, i] / (2 + 1e-4 * sums[i]) ** 0.75 for i in range(count)], 1)


@pytest.mark.parametrize("second_lrn", [True, False])
@pytest.mark.parametrize("size", [64, 112])
def test_equals_a_plain_stack_on_every_frame(second_lrn, size):
    torch.manual_seed(0)
    model = build_model(replace(NARROW, second_lrn=second_lrn), replace(RGB, input_size=size)).eval()
    s, clip = model.rgb, 100 * torch.randn(2, 3, 3, size, size)  # as large as bytes less their mean: LRN shows
    with torch.inference_mode():
        x = clip.flatten(0, 1)
        x = s.pool(normalised(s.conv1(x).relu()))
        x = s.conv2(x).relu()
        x = s.pool(normalised(x) if second_lrn else x)
        x = s.pool(s.conv5(s.conv4(s.conv3(x).relu()).relu()).relu()).flatten(1)
        x = (x @ s.full6.weight.flatten(1).T + s.full6.bias).relu()
        x = (x @ s.full7.weight.flatten(1).T + s.full7.bias).relu()
        got = model({"rgb": clip})["rgb"]
        torch.testing.assert_close(got, s.fc["toy"](x).unflatten(0, (2, 3)), rtol=1e-4, atol=1e-5)
        other = build_model(replace(NARROW, second_lrn=not second_lrn), replace(RGB, input_size=size)).eval()
        other.load_state_dict(model.state_dict())
        assert (other({"rgb": clip})["rgb"] - got).abs().max() > 1e-3


def test_equals_an_independent_vgg_m_up_to_full6():
    """VGG-M has the same trunk, and twice full7."""
    vgg_m = pytest.importorskip("pretrainedmodels.models.vggm")
    torch.manual_seed(0)
    source = vgg_m.VGGM(num_classes=7).eval()
    convolutions = [m for m in source.features if isinstance(m, nn.Conv2d)]
    full6 = next(m for m in source.classif if isinstance(m, nn.Linear))
    model, seen = build_model(CNNMSettings(), replace(RGB, input_size=224)).eval(), []
    for i, convolution in enumerate(convolutions, 1):
        model.rgb.get_submodule(f"conv{i}").load_state_dict(convolution.state_dict())
    model.rgb.full6.load_state_dict({"weight": full6.weight.unflatten(1, (512, 6, 6)), "bias": full6.bias})
    model.rgb.full6.register_forward_hook(lambda module, inputs, output: seen.append(output.flatten(1).clone()))
    full6.register_forward_hook(lambda module, inputs, output: seen.append(output))
    pictures = 60 * torch.randn(2, 3, 224, 224)
    with torch.inference_mode():
        model({"rgb": pictures[None]}), source(pictures)
    torch.testing.assert_close(*seen, rtol=1e-4, atol=1e-5)


def test_signals_live_at_the_start():
    """Narrow networks under "he": inputs as large as bytes come out near one; "gaussian" is Krizhevsky's 0.01 in every layer."""
    torch.manual_seed(0)
    model, seen = build_model(replace(NARROW, width=1 / 4), RGB).eval(), []
    model.rgb.full7.register_forward_hook(lambda module, inputs, output: seen.append(output.std().item()))
    with torch.inference_mode():
        model({"rgb": 64 * torch.randn(1, 8, 3, 64, 64)})
    assert 0.1 < seen[0] < 10
    model = build_model(CNNMSettings(width=1 / 4), RGB)
    weights = [p for name, p in model.named_parameters() if name.endswith("weight")]
    assert len(weights) == 8 and all(w.std().item() == pytest.approx(0.01, rel=0.1) for w in weights)
    assert not any(p.any() for name, p in model.named_parameters() if name.endswith("bias"))


def test_larger_pictures_are_the_mean_over_positions():
    """full6 sees 1x1 of pool5's maps at 64 pixels; a loop over their positions says the same."""
    model = build_model(NARROW, RGB).eval()
    s, clip = model.rgb, torch.randn(1, 1, 3, 96, 128)
    maps = []
    s.full6.register_forward_pre_hook(lambda module, inputs: maps.append(inputs[0]))
    with torch.inference_mode():
        got = model({"rgb": clip})["rgb"][0, 0]
        (x,) = maps
        assert s.full6.kernel_size == (1, 1) and min(x.shape[2:]) > 1
        each = [s.fc["toy"](s.full7(s.full6(x[:, :, i : i + 1, j : j + 1]).relu()).relu()[:, :, 0, 0]) for i, j in places(x)]
        torch.testing.assert_close(got, torch.stack(each).mean(0)[0], rtol=1e-4, atol=1e-5)


def places(x):
    return [(i, j) for i in range(x.shape[2]) for j in range(x.shape[3])]


def test_the_side_of_the_last_map_is_what_torch_makes_of_it():
    pool = nn.MaxPool2d(3, 2, ceil_mode=True)
    conv1, conv2 = (nn.Conv2d(1, 1, k, 2, p, device="meta") for k, p in ((7, 0), (5, 1)))
    for size in range(smallest_input(), 260):
        x = torch.empty(1, 1, size, size, device="meta")
        assert pool(pool(conv2(pool(conv1(x))))).shape[-1] == map_side(size)
    with pytest.raises(RuntimeError, match="too small"):
        pool(pool(conv2(pool(conv1(x[..., : smallest_input() - 1, : smallest_input() - 1])))))


def test_pictures_that_leave_no_map_are_refused():
    small = smallest_input() - 1
    with pytest.raises(ValueError, match=f"input_size must be at least {small + 1}, or pool5 leaves no map, got {small}"):
        build_model(NARROW, replace(RGB, input_size=small))
    with pytest.raises(ValueError, match="must be 64x64 or larger, .* got 64x48"):
        build_model(NARROW, RGB)({"rgb": torch.randn(1, 1, 3, 64, 48)})


def test_datasets_share_the_trunk_and_nothing_else():
    """Multi-task training: a batch of one dataset leaves the other's classifier alone, and every batch reaches the trunk."""
    torch.manual_seed(0)
    model = build_model(replace(NARROW, dropout=0.0), Inputs({"flow": 4}, {"a": 5, "b": 6}, 64))
    clip = {"flow": torch.randn(2, 1, 4, 64, 64)}

    def gradients(*datasets):
        model.zero_grad()
        sum(model(clip, dataset)["flow"].square().sum() for dataset in datasets).backward()
        return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}

    a, b, both = gradients("a"), gradients("b"), gradients("a", "b")
    assert "flow.fc.b.weight" not in a and "flow.fc.a.weight" not in b
    trunk = set(a) & set(b)
    assert len(trunk) == 7 * 2 and all(a[name].any() and b[name].any() for name in trunk)
    for name in trunk:
        torch.testing.assert_close(both[name], a[name] + b[name], rtol=1e-3, atol=1e-6)


def test_starts_from_a_bare_network_but_for_the_classifier():
    source, model = build_model(NARROW, RGB), build_model(NARROW, Inputs({"rgb": 3, "flow": 20}, {"a": 4}, 64))
    bare = {name: tensor for name, tensor in source.rgb.state_dict().items() if not name.startswith("fc")}
    report = FAMILY.start(model, bare)
    assert report.inflated == ("flow.conv1.weight",) and len(report.new) == 4 and not report.unused
    torch.testing.assert_close(model.flow.conv1.weight[:, 13], source.rgb.conv1.weight.mean(1))


@pytest.mark.parametrize("field, value", [("second_lrn", "no"), ("width", 0), ("dropout", 1.0), ("initialisation", "xavier")])
def test_bad_settings_name_field_and_value(field, value):
    with pytest.raises(ValueError) as caught:
        CNNMSettings(**{field: value})
    assert str(caught.value).startswith(field) and repr(value) in str(caught.value)
