"""The inflated Inceptions against torchvision's S3D and GoogLeNet, static and reversed clips, and their own contract."""

from dataclasses import replace

import pytest
import torch
import torchvision
from torch import nn

from repro.models.inception3d.layers import PaddedMaxPool3d
from repro.models.inception3d.network import FAMILY, build_model
from repro.models.inception3d.settings import ALL, VARIANTS, Inception3DSettings
from repro.models.registry import Inputs

RGB = Inputs({"rgb": 3}, {"toy": 7}, 32)
NARROW = {name: replace(settings, width=1 / 8, initialisation="he") for name, settings in VARIANTS.items()}


def randomise(network):
    """Weights that keep signals alive and statistics that show, as pretrained ones would."""
    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d):
            nn.init.kaiming_normal_(module.weight)
        elif isinstance(module, nn.modules.batchnorm._BatchNorm):
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.uniform_(module.weight, 0.8, 1.2)
            nn.init.normal_(module.bias, std=0.1)
    return network.eval()


def started(settings, source, inputs=RGB):
    """A network of `settings` from a torchvision one, classifier included."""
    network = build_model(settings, inputs).eval()
    report = FAMILY.start(network, source.state_dict())
    weight, bias = list(source.parameters())[-2:]
    network.rgb.fc.of().load_state_dict({"weight": weight.flatten(1), "bias": bias})
    return network, report


@pytest.fixture(scope="module")
def googlenet():
    return randomise(torchvision.models.googlenet(num_classes=7, aux_logits=False, init_weights=False))


def picture(size=32):
    torch.manual_seed(1)
    return torch.randn(1, 3, size, size)


@torch.inference_mode()
def logits(network, clip, **kwargs):
    return network({"rgb": clip}, **kwargs)["rgb"]


def close(got, expected):
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4)


def test_equals_torchvisions_s3d():
    source = randomise(torchvision.models.video.s3d(num_classes=7))
    network, report = started(VARIANTS["s3d_torchvision"], source, replace(RGB, input_size=224))
    assert report.new == ("rgb.fc.toy.weight", "rgb.fc.toy.bias") and len(report.unused) == 2
    clip = torch.randn(1, 13, 3, 224, 224)
    with torch.inference_mode():
        close(logits(network, clip)[:, 0], source(clip.transpose(1, 2)))
        with pytest.raises(RuntimeError, match="smaller than kernel"):
            source(clip[:, :12].transpose(1, 2))
    assert network.min_frames == 13  # and so it is that of torchvision's


@pytest.mark.parametrize("size", [32, 64])
def test_i2d_equals_googlenet_on_every_frame(googlenet, size):
    settings = replace(VARIANTS["i2d"], padding="googlenet", average_logits=False, average_frames=1)
    network, report = started(settings, googlenet, replace(RGB, input_size=size))
    assert len(report.copied) == 57 * 6 and not report.temporal
    got = logits(network, picture(size).unsqueeze(1).expand(1, 8, -1, -1, -1))
    with torch.inference_mode():
        close(got, googlenet(picture(size)).expand(1, 1, -1))


def test_tf_padding_moves_googlenet_by_a_pixel(googlenet):
    network, _ = started(VARIANTS["i2d"], googlenet, replace(RGB, input_size=64))
    with torch.inference_mode():
        assert (logits(network, picture(64).expand(1, 9, 3, 64, 64))[0, 0] - googlenet(picture(64))[0]).abs().max() > 0.1


def test_inflated_i3d_equals_its_source_inside_a_static_clip(googlenet):
    """Frames seen by a window: 107. 5c has 16 time steps for 128 frames; only windows 7 and 8 see no border."""
    network, report = started(replace(VARIANTS["i3d"], padding="googlenet", average_logits=False), googlenet)
    assert len(report.temporal) == 20
    got = logits(network, picture().unsqueeze(1).expand(1, 128, -1, -1, -1))[0]
    with torch.inference_mode():
        expected = googlenet(picture())
    close(got[7:9], expected.expand(2, -1))
    assert (got - expected).abs().amax(1)[[0, 14]].min() > 0.1


@pytest.mark.parametrize("name", ["s3d", "s3d_separable_stem", "s3d_four_branches", "s3d_top_heavy_5"])
@pytest.mark.parametrize("frames", [9, 16])
def test_separable_networks_start_equal_to_their_source_everywhere(googlenet, name, frames):
    settings = replace(VARIANTS[name], padding="googlenet", average_logits=False, separable_stem=True, average_frames=1)
    network, report = started(settings, googlenet)
    assert all(".temporal." in key or ".fc." in key for key in report.new)
    got = logits(network, picture().unsqueeze(1).expand(1, frames, -1, -1, -1))
    with torch.inference_mode():
        close(got, googlenet(picture()).expand_as(got))


def test_separable_networks_start_equal_to_i2d_on_any_clip():
    """A centre tap sees one frame: that of a 1x1x1, except in the stem, where SAME makes it a frame late for even counts."""
    i2d = build_model(NARROW["i2d"], RGB)
    randomise(i2d)
    network = build_model(NARROW["s3d_separable_stem"], RGB).eval()
    report = FAMILY.start(network, i2d.state_dict())
    assert "rgb.fc.toy.weight" in report.copied
    clip = torch.randn(2, 13, 3, 32, 32)
    close(logits(network, clip), logits(i2d, clip))


def test_starting_i3d_from_i2d_divides_by_the_kernels_length():
    i2d, i3d = build_model(NARROW["i2d"], RGB), build_model(NARROW["i3d"], RGB)
    report = FAMILY.start(i3d, i2d.state_dict())
    assert len(report.temporal) == 20 and not report.new and not report.unused
    for name, taps in (("conv1a", 7), ("conv2c", 3)):
        got, flat = getattr(i3d.rgb, name).conv.weight, getattr(i2d.rgb, name).conv.weight
        assert got.shape[2] == taps
        torch.testing.assert_close(got, (flat / taps).expand_as(got))


def test_an_rgb_stem_is_a_start_for_other_channels(googlenet):
    network = build_model(VARIANTS["i3d"], Inputs({"flow": 2}, {"toy": 7}, 32))
    report = FAMILY.start(network, googlenet.state_dict())
    flat = googlenet.conv1.conv.weight.mean(1)
    torch.testing.assert_close(network.flow.conv1a.conv.weight[:, 1, 3], flat / 7)
    assert "flow.conv1a.conv.weight" in report.temporal
    with pytest.raises(ValueError, match=r"conv1a.conv.weight.* must fit \(16, 2, 7, 7, 7\), got \(64, 3, 7, 7\)"):
        FAMILY.start(build_model(NARROW["i3d"], Inputs({"flow": 2}, {"toy": 7}, 32)), googlenet.state_dict())
    with pytest.raises(ValueError, match=r"conv1a.bn.weight.* must fit \(64,\), got \(63,\)"):
        FAMILY.start(network, googlenet.state_dict() | {"conv1.bn.weight": torch.ones(63)})


def test_one_stream_starts_from_weights_of_its_own(googlenet):
    """As `weights: {flow: file}` hands them: foreign names behind a stream's."""
    network = build_model(VARIANTS["i3d"], Inputs({"rgb": 3, "flow": 2}, {"toy": 7}, 32))
    report = FAMILY.start(network, {f"flow.{key}": tensor for key, tensor in googlenet.state_dict().items()})
    assert len(report.copied) + len(report.temporal) == 57 * 6 + 2  # seven classes: the classifier too
    assert all(key.startswith("rgb.") for key in report.new)
    torch.testing.assert_close(network.flow.conv1a.conv.weight[:, 1, 3], googlenet.conv1.conv.weight.mean(1) / 7)


def test_starts_from_the_released_i3ds_names():
    """Names as in the PyTorch port of DeepMind's checkpoints."""
    network = build_model(VARIANTS["i3d"], RGB)
    source = {"logits.conv3d.weight": torch.zeros(400, 1024, 1, 1, 1), "logits.conv3d.bias": torch.zeros(400)}
    units = {"b0": "b0", "b1.0": "b1a", "b1.1": "b1b", "b2.0": "b2a", "b2.1": "b2b", "b3.1": "b3b"}
    layers = {"conv1a": "Conv3d_1a_7x7", "conv2b": "Conv3d_2b_1x1", "conv2c": "Conv3d_2c_3x3"}
    for key, tensor in network.rgb.state_dict().items():
        layer, _, rest = key.partition(".")
        if layer == "fc":
            continue
        unit, what, tail = rest.rsplit(".", 2) if layer.startswith("mixed") else ("", *rest.split("."))
        unit = f"{units[unit]}." if unit else ""
        layer = layers.get(layer, layer.replace("mixed", "Mixed_"))
        source[f"{layer}.{unit}{what.replace('conv', 'conv3d')}.{tail}"] = torch.full_like(tensor, len(source))
    report = FAMILY.start(network, source)
    assert len(report.copied) == 57 * 6 and len(report.new) == 2 and len(report.unused) == 2
    assert network.rgb.mixed5c.b2[1].conv.weight.unique().item() == list(source).index("Mixed_5c.b2b.conv3d.weight")


@pytest.mark.parametrize("pools_follow", [False, True])
def test_i2d_cannot_tell_time_from_its_reverse_and_i3d_can(pools_follow):
    clip = torch.randn(2, 13, 3, 32, 32)
    i2d = randomise(build_model(replace(NARROW["i2d"], pools_follow=pools_follow), RGB))
    assert torch.equal(logits(i2d, clip), logits(i2d, clip.flip(1)))
    i3d = randomise(build_model(NARROW["i3d"], RGB))
    assert (logits(i3d, clip) - logits(i3d, clip.flip(1))).abs().max() > 0.01


@pytest.mark.parametrize("style", ["symmetric", "tf", "googlenet"])
@pytest.mark.parametrize("kernel", [(3, 3, 3), (1, 3, 3), (7, 3, 3)])
@pytest.mark.parametrize("shape", [(2, 5, 13, 16, 16), (2, 5, 8, 7, 9), (1, 3, 1, 1, 2)])
def test_pools_of_stride_one_have_the_bits_of_torchs_in_every_layout(style, kernel, shape):
    """Ties included, of which a ReLU makes many; gradients as contiguous as they were."""
    torch.manual_seed(0)
    x = torch.randn(shape).relu_().requires_grad_()
    expected = nn.functional.max_pool3d(x, kernel, 1, [k // 2 for k in kernel])
    weights = torch.randn_like(expected)
    (expected_gradient,) = torch.autograd.grad((expected * weights).sum(), x)
    layouts = []
    inside = x * 1
    inside.register_hook(lambda gradient: layouts.append(gradient.stride()))
    got = PaddedMaxPool3d(kernel, (1, 1, 1), style)(inside)
    assert torch.equal(got, expected) and got.is_contiguous()
    assert torch.equal(torch.autograd.grad((got * weights).sum(), x)[0], expected_gradient)
    assert layouts == [expected_gradient.stride()]


def test_a_gate_pools_space_and_time_jointly():
    network = randomise(build_model(NARROW["s3d_g"], RGB))
    x = torch.rand(2, network.rgb.conv2c.gate.linear.in_features, 3, 4, 5)
    pooled = x.double().numpy().mean((2, 3, 4))
    gate = 1 / (1 + torch.exp(-torch.from_numpy(pooled) @ network.rgb.conv2c.gate.linear.weight.double().T))
    torch.testing.assert_close(network.rgb.conv2c.gate(x).double(), x * gate[:, :, None, None, None], rtol=1e-5, atol=1e-6)
    assert len([name for name, _ in network.named_modules() if name.endswith(".gate")]) == 1 + 4 * 9


SWITCHES = [
    {},
    {"norm_scale": True, "temporal_branches": 4, "gated_layers": ALL[1:], "gate_bias": True},
    {"separable_stem": False, "stem_frames": 3, "temporal_norm": False},
    {"padding": "symmetric", "temporal_start": "random"},
    {"padding": "googlenet", "temporal_layers": (5, 6, 10), "pools_follow": True},
    {"temporal_layers": (0, 1), "pools_follow": True, "average_logits": False},
    {"initialisation": "truncated_normal", "width": 1},
]


@pytest.mark.parametrize("convolution", ["full", "separable"])
@pytest.mark.parametrize("switches", SWITCHES)
def test_every_parameter_gets_a_gradient(convolution, switches):
    if convolution == "full":
        switches = {name: value for name, value in switches.items() if name != "temporal_branches"}
    torch.manual_seed(0)
    settings = Inception3DSettings(**{"width": 1 / 8, **switches, "convolution": convolution})
    network = build_model(settings, RGB)
    network({"rgb": torch.randn(2, 16, 3, 32, 32)})["rgb"].square().sum().backward()
    dead = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]
    assert not dead


@pytest.mark.parametrize("switches", SWITCHES[:6])
def test_output_times_and_the_shortest_clip(switches):
    settings = Inception3DSettings(**{"width": 1 / 8, "convolution": "separable", **switches, "average_logits": False})
    network = build_model(settings, RGB).eval()
    shortest = network.min_frames
    for frames in (shortest, shortest + 1, shortest + 3, 24):
        got = logits(network, torch.randn(1, frames, 3, 32, 32))
        assert got.shape == (1, settings.windows(frames), 7)
    assert settings.windows(shortest - 1) == 0
    with pytest.raises(ValueError, match=f"at least {shortest} frames for this network, got {shortest - 1}"):
        network({"rgb": torch.randn(1, shortest - 1, 3, 32, 32)})


def test_i3d_takes_nine_frames_and_averages_windows():
    assert VARIANTS["i3d"].min_frames == 9 and VARIANTS["i3d"].windows(64) == 7
    network = build_model(NARROW["i3d"], RGB).eval()
    windows = build_model(replace(NARROW["i3d"], average_logits=False), RGB).eval()
    windows.load_state_dict(network.state_dict())
    clip = torch.randn(2, 40, 3, 32, 32)
    assert logits(windows, clip).shape == (2, 4, 7)
    close(logits(network, clip), logits(windows, clip).mean(1, keepdim=True))


def test_small_frames_name_map_and_pool():
    network = build_model(NARROW["i3d"], replace(RGB, input_size=64))
    with pytest.raises(ValueError, match="pool_size 2 exceeds the 1x1 map of mixed5c"):
        network({"rgb": torch.randn(1, 9, 3, 32, 32)})


def test_streams_and_datasets_stay_apart():
    network = build_model(NARROW["s3d_g"], Inputs({"rgb": 3, "flow": 2}, {"a": 5, "b": 6}, 32)).eval()
    clip = {"rgb": torch.randn(2, 16, 3, 32, 32), "flow": torch.randn(2, 16, 2, 32, 32)}
    assert network.heads == ("rgb", "flow")
    assert {head: y.shape for head, y in network(clip, "b").items()} == {"rgb": (2, 1, 6), "flow": (2, 1, 6)}
    network(clip, "a")["rgb"].sum().backward()
    touched = {name.split(".")[0] for name, p in network.named_parameters() if p.grad is not None}
    assert touched == {"rgb"} and network.rgb.fc["b"].weight.grad is None


def test_activation_heads_explain_the_logits():
    network = randomise(build_model(replace(NARROW["i3d"], pool_size=1), replace(RGB, input_size=64)))
    head, seen = network.activation_heads()["rgb"], []
    head.pool.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    expected = logits(network, torch.randn(1, 32, 3, 64, 64))
    (maps,) = seen
    assert maps.shape[0] == network.settings.windows(32) == 3 and maps.shape[2:] == (2, 2)
    with torch.inference_mode():
        close(head.linear(head.pool(maps).mean((2, 3))).mean(0), expected[0, 0])


@pytest.mark.parametrize(
    "field, value",
    [
        ("temporal_layers", (11,)),
        ("temporal_layers", (1, 1)),
        ("gated_layers", (0,)),
        ("convolution", "3d"),
        ("padding", "same"),
        ("initialisation", "xavier"),
        ("temporal_start", "zero"),
        ("temporal_branches", 3),
        ("temporal_branches", 4),
        ("stem_frames", 4),
        ("average_frames", 0),
        ("pool_size", 0),
        ("width", 0),
        ("dropout", 1.0),
    ],
)
def test_bad_settings_name_field_and_value(field, value):
    with pytest.raises(ValueError) as caught:
        Inception3DSettings(**{field: value})
    assert str(caught.value).startswith(field) and repr(value) in str(caught.value)
