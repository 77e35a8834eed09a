"""Two-stream fusion: towers against torchvision's VGG-16, the paper's counts, what learns and what does not."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import nn
from torchvision.models.vgg import cfgs, make_layers

from repro.models.registry import Inputs
from repro.models.two_stream_fusion.names import own_names
from repro.models.two_stream_fusion.network import FAMILY, build_model
from repro.models.two_stream_fusion.settings import BACKBONES, LAYERS, TwoStreamFusionSettings
from repro.models.two_stream_fusion.tower import Tower

NARROW = TwoStreamFusionSettings(width=1 / 32, dropout=0.0)
FLAT = replace(NARROW, fusion="sum", temporal_pool=1)
INPUTS = Inputs({"appearance": 3, "motion": 20}, {"toy": 5}, 64)


def make(settings=NARROW, inputs=INPUTS, seed=0):
    torch.manual_seed(seed)
    return build_model(settings, inputs).double()


def clip(frames=5, clips=2, size=64):
    torch.manual_seed(1)
    return {name: torch.randn(clips, frames, c, size, size, dtype=torch.float64) for name, c in INPUTS.channels.items()}


# towers


def test_vgg16_is_torchvisions():
    torch.manual_seed(0)
    theirs = make_layers(cfgs["D"])  # torchvision's vgg16.features
    settings = TwoStreamFusionSettings(fusion="none", temporal_pool=1)
    with torch.device("meta"):
        ours = Tower(3, {"any": 2}, settings, BACKBONES["vgg16"], 64)
    state = own_names({f"features.{key}": tensor for key, tensor in theirs.state_dict().items()}, ())
    ours.load_state_dict(state, strict=False, assign=True)
    seen, x = {}, torch.randn(1, 3, 64, 96)
    ours.fc6.register_forward_pre_hook(lambda _, inputs: seen.update(features=inputs[0]))
    ours.fc6.forward = lambda x: torch.zeros(1, 4096, 1, 1)
    ours.fc7.forward, ours.fc8.forward = ours.fc6.forward, lambda x, dataset: x
    with torch.inference_mode():
        ours.eval()(x, 1, visit=lambda layer, x: seen.setdefault(layer, x))
        torch.testing.assert_close(seen["features"], theirs(x), rtol=1e-5, atol=1e-6)
        for layer, end in (("relu1", 3), ("relu2", 8), ("relu3", 15), ("relu4", 22), ("relu5", 29)):
            torch.testing.assert_close(seen[layer], theirs[: end + 1](x), rtol=1e-5, atol=1e-6)


def torchvision_vgg(width=16):
    """A VGG-16 of torchvision's, `width` times narrower, with its own forward and names."""
    with torch.device("meta"):
        net = torchvision.models.vgg16()
    net.features = make_layers([c if c == "M" else c // width for c in cfgs["D"]])
    sizes = [(512 * 49 // width, 4096 // width), (4096 // width, 4096 // width), (4096 // width, 7)]
    for place, (cin, cout) in zip((0, 3, 6), sizes, strict=True):
        net.classifier[place] = nn.Linear(cin, cout)
    return net.double().eval()


def test_a_whole_vgg16_starts_every_tower_but_for_its_classes():
    torch.manual_seed(3)
    theirs, inputs = torchvision_vgg(), Inputs({"appearance": 3, "motion": 20}, {"toy": 7}, 224)
    model = make(replace(FLAT, fusion="none", width=1 / 16), inputs).eval()
    report = FAMILY.start(model, theirs.state_dict())
    assert report.inflated == ("motion.conv1_1.weight",) and report.unused == ("fc8.weight", "fc8.bias")
    assert set(report.new) == {f"{s}.fc8.toy.{part}" for s in INPUTS.channels for part in ("weight", "bias")}
    expected = theirs.features[0].weight.mean(1, keepdim=True).expand(-1, 20, -1, -1)
    torch.testing.assert_close(model.motion.conv1_1.weight, expected)
    model.appearance.fc8["toy"].load_state_dict(theirs.classifier[6].state_dict())
    x = torch.randn(1, 2, 3, 224, 224, dtype=torch.float64)
    with torch.inference_mode():
        got = model.appearance(x[0], 2, "toy")
        torch.testing.assert_close(got, theirs(x[0]))


def test_vgg_m_is_a_plain_stack_and_slides():
    """Pools round up as Caffe's; on a larger picture scores are the mean over places of the square that fc6 covers."""
    torch.manual_seed(0)
    tower = Tower(20, {"toy": 5}, FLAT, BACKBONES["vgg_m"], 224).double().eval()
    pool, t = nn.MaxPool2d(3, 2, ceil_mode=True), tower
    stack = nn.Sequential(
        *(t.conv1, nn.ReLU(), pool, t.conv2, nn.ReLU(), pool, t.conv3, nn.ReLU(), t.conv4, nn.ReLU(), t.conv5, nn.ReLU(), pool),
        *(t.fc6, nn.ReLU(), t.fc7, nn.ReLU()),
    )
    x = torch.randn(1, 20, 256, 224, dtype=torch.float64)
    with torch.inference_mode():
        assert stack(x[..., :224, :]).shape[2:] == (1, 1) and tower.fc6.kernel_size == (6, 6)
        torch.testing.assert_close(tower(x[..., :224, :], 1), t.fc8(stack(x[..., :224, :]).flatten(1)))
        assert stack(x).shape[2:] == (2, 1)
        torch.testing.assert_close(tower(x, 1), t.fc8(stack(x).mean((2, 3))))


@pytest.mark.parametrize("frames, steps", [(5, 1), (9, 1), (10, 2), (25, 5)])
@pytest.mark.parametrize("backbone", ["vgg16", "vgg_m"])
def test_the_last_pool_takes_five_frames_at_once(backbone, frames, steps):
    settings = replace(NARROW, backbone=backbone)
    tower = Tower(3, {"toy": 5}, settings, BACKBONES[backbone], 64)
    x = torch.randn(2 * frames, 4, 8, 8)
    side, stride = BACKBONES[backbone].pool
    pool = nn.MaxPool3d((5, side, side), (5, stride, stride), ceil_mode=BACKBONES[backbone].round_up)
    whole = x.unflatten(0, (2, frames))[:, : 5 * steps].transpose(1, 2)  # (B, C, T, H, W)
    torch.testing.assert_close(tower.pool(x, frames), pool(whole).transpose(1, 2).flatten(0, 1))
    if backbone == "vgg16":
        logits = make(settings)(clip(frames))
        assert {name: y.shape for name, y in logits.items()} == {name: (2, steps, 5) for name in ("fused", "motion")}


# published counts


def parameters(**switches):
    inputs = Inputs({"appearance": 20, "motion": 20}, {"ucf101": 101})
    settings = TwoStreamFusionSettings(**{"backbone": "vgg_m", "temporal_pool": 1, "keep_temporal_tower": False, **switches})
    with torch.device("meta"):
        model = build_model(settings, inputs)
    return model, sum(p.numel() for p in model.parameters())


def test_counts_of_the_paper_that_follow_from_vgg_m():
    """Table 1 counts both towers as if each saw 20 channels. 97.31 is cut off, not rounded; 6.61 is one tower's convolutions."""
    assert f"{parameters(fusion='none')[1] / 1e6:.2f}" == "181.42"
    for fusion, count in (("sum", 97_316_389), ("max", 97_316_389), ("concatenation", 172_813_861)):
        assert parameters(fusion=fusion)[1] == count
    bilinear, _ = parameters(fusion="bilinear")
    assert f"{sum(p.numel() for p in bilinear.motion.parameters()) / 1e6:.2f}" == "6.61"
    assert sum(p.numel() for p in bilinear.motion.parameters()) == 6_608_608
    # What does not follow: 97.58 and 181.68 for conv are a kernel of 512 x 512 away from sum and late fusion, not 1024 x 512.
    assert parameters(fusion="conv")[1] - parameters(fusion="sum")[1] == 1024 * 512 + 512


def test_counts_of_the_final_network():
    """Two VGG-16s of 101 classes and a 3x3x3 convolution, 1024 -> 512."""
    with torch.device("meta"):
        vgg = torchvision.models.vgg16(num_classes=101)
        model = build_model(TwoStreamFusionSettings(), Inputs({"appearance": 3, "motion": 20}, {"ucf101": 101}))
    tower = sum(p.numel() for p in vgg.parameters())
    assert sum(p.numel() for p in model.parameters()) == 2 * tower + 17 * 64 * 9 + 27 * 1024 * 512 + 512


# what learns

EVERY = [
    {"fusion": "none"},
    {"fusion": "conv3d"},
    {"fusion": "conv3d", "keep_temporal_tower": False},
    {"fusion": "sum", "fuse_at": ("relu3", "relu6")},
    {"fusion": "max", "fuse_at": ("relu7",)},
    {"fusion": "concatenation", "fuse_at": ("relu2", "relu6")},
    {"fusion": "conv", "fuse_at": ("relu5", "fc8"), "batch_norm": True},
    {"fusion": "conv", "fuse_at": ("fc8",), "keep_temporal_tower": False},
    {"fusion": "bilinear", "temporal_pool": 1},
]


def loss(logits):
    labels = torch.tensor([0, 2])
    return sum(F.cross_entropy(y.mean(1), labels) for y in logits.values())


@pytest.mark.parametrize("switches", EVERY, ids=str)
def test_every_parameter_gets_a_gradient(switches):
    model = make(replace(NARROW, width=1 / 16, stop_gradient=False, **switches)).train()
    loss(model(clip())).backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().max() > 0] == []


@pytest.mark.parametrize("switches", [s for s in EVERY[1:] if s.get("fuse_at", ("relu5",))[0] in LAYERS[:5]], ids=str)
def test_nothing_behind_the_stop_learns(switches):
    settings = replace(NARROW, width=1 / 16, stop_gradient=True, **switches)
    model = make(settings).train()
    stage = int(settings.first[-1])
    base = {
        name
        for name, _ in model.named_parameters()
        if name.split(".")[1][:4] in ("conv", "bn1_", "bn2_", "bn3_", "bn4_", "bn5_") and int(name.split("_")[0][-1]) <= stage
    }
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    loss(model(clip())).backward()
    optimizer.step()
    assert {name for name, p in model.named_parameters() if p.grad is None} == base and base
    unmoved = {name for name, p in model.named_parameters() if torch.equal(p, before[name])}
    assert base <= unmoved
    learned = {name.split(".")[0] for name in before if name not in base}
    kept = settings.keep_temporal_tower and "motion"
    assert {name for name in ("appearance", kept) if name} <= learned


def test_each_loss_trains_its_own_tower():
    """Behind the stop, the temporal head's loss reaches the temporal fc layers alone, the fused one's all but those."""
    model = make(NARROW).train()
    for head in model.heads:
        model.zero_grad(set_to_none=True)
        model(clip())[head].square().sum().backward()
        places = {name.split(".")[0] for name, p in model.named_parameters() if p.grad is not None}
        assert places == ({"appearance", "fusions"} if head == "fused" else {"motion"})


def test_heads_are_the_datasets():
    """A batch of one dataset leaves the other's classifiers exactly alone and not what they share."""
    inputs = Inputs(INPUTS.channels, {"toy": 5, "other": 3}, 64)
    for switches in ({"stop_gradient": True}, {"stop_gradient": False}, {"fusion": "conv", "fuse_at": ("fc8",)}):
        model = make(replace(NARROW, **({"stop_gradient": False} | switches)), inputs).train()
        for p in model.parameters():
            p.grad = torch.zeros_like(p)
        loss(model(clip(), "other")).backward()
        learning = [name for name, p in model.named_parameters() if p.requires_grad]
        assert {name for name in learning if not model.get_parameter(name).grad.any()} == {n for n in learning if ".toy." in n}
        with pytest.raises(ValueError, match="dataset must be one of toy, other, got None"):
            model(clip())


# the network as a whole


@pytest.mark.parametrize("layer", LAYERS)
def test_a_sum_is_taken_where_it_is_said(layer):
    """With a silent temporal tower the fused head is the spatial tower's, with an equal one that of doubled features."""
    settings = replace(FLAT, fuse_at=(layer,), stop_gradient=False)
    model = make(settings, Inputs({"appearance": 3, "motion": 3}, {"toy": 5}, 64)).eval()
    x = clip()["appearance"]
    both = {"appearance": x, "motion": x}
    model.motion.load_state_dict(model.appearance.state_dict())
    doubled = model.appearance(x.flatten(0, 1), 5, "toy", lambda at, y: 2 * y if at == layer else y)
    torch.testing.assert_close(model(both)["fused"].flatten(0, 1), doubled)
    torch.testing.assert_close(model(both)["motion"].flatten(0, 1), model.appearance(x.flatten(0, 1), 5))
    for p in model.motion.parameters():
        p.data.zero_()
    torch.testing.assert_close(model(both)["fused"].flatten(0, 1), model.appearance(x.flatten(0, 1), 5))


@pytest.mark.parametrize("layer", ["relu3", "relu7", "fc8"])
def test_the_spatial_tower_comes_first(layer):
    """A convolution that starts with 1 and 3: a silent temporal tower leaves the spatial features as they are, and not thrice."""
    settings = replace(FLAT, fusion="conv", fusion_start="paper", fuse_at=(layer,), stop_gradient=False)
    model = make(settings, Inputs({"motion": 3, "appearance": 3}, {"toy": 5}, 64)).eval()  # whatever the streams' order
    x = clip()["appearance"]
    for p in model.motion.parameters():
        p.data.zero_()
    alone = model.appearance(x.flatten(0, 1), 5)
    torch.testing.assert_close(model({"appearance": x, "motion": x})["fused"].flatten(0, 1), alone)


def test_towers_of_two_kinds_meet():
    settings = replace(NARROW, temporal_backbone="vgg_m")
    model = make(settings, Inputs(INPUTS.channels, {"toy": 5}, 224))
    logits = model(clip(clips=1, size=224))
    assert {name: y.shape for name, y in logits.items()} == {"fused": (1, 1, 5), "motion": (1, 1, 5)}
    assert settings.weights_layout == ()


@pytest.mark.parametrize("switches", EVERY[1:], ids=str)
def test_trained_streams_start_the_joint_network(switches):
    streams = {
        name: make(replace(NARROW, fusion="none"), Inputs({name: c}, {"toy": 5}, 64), 7) for name, c in INPUTS.channels.items()
    }
    source = {key: tensor for stream in streams.values() for key, tensor in stream.state_dict().items()}
    settings = replace(NARROW, **(switches | {"batch_norm": False, "stop_gradient": False}))
    model = make(settings)
    fresh = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    report = FAMILY.start(model, source)
    behind = {
        "concatenation": {"appearance.conv3_1.weight", "appearance.fc7.weight"},
        "bilinear": {"appearance.fc8.toy.weight"},
    }.get(settings.fusion, set())
    assert set(report.new) == behind | {key for key in fresh if key.startswith("fusions.")}
    for key, tensor in model.state_dict().items():
        assert torch.equal(tensor, fresh[key] if key in report.new else source[key]), key
    if not settings.keep_temporal_tower:
        lacking = {key for key in source if key not in fresh}
        assert set(report.unused) == lacking and ("motion.fc8.toy.bias" in lacking) == (settings.last != "fc8")
    again = make(settings, seed=5)
    report = FAMILY.start(again, model.state_dict())
    assert not report.new and not report.unused


def test_start_weights_that_do_not_fit_are_refused():
    state = make(replace(FLAT, fusion="none")).state_dict()
    with pytest.raises(ValueError, match="lacks 'appearance.conv2_1.bias'"):
        FAMILY.start(make(), {key: tensor for key, tensor in state.items() if key != "appearance.conv2_1.bias"})
    with pytest.raises(ValueError, match="holds 'motion.layer1.weight', which the model has not"):
        FAMILY.start(make(), {**state, "motion.layer1.weight": torch.zeros(1)})
    with pytest.raises(ValueError, match="'appearance.conv1_1.weight'.* must fit .2, 3, 3, 3., got .4, 3, 3, 3."):
        FAMILY.start(make(), {**state, "appearance.conv1_1.weight": torch.zeros(4, 3, 3, 3)})


def test_clips_that_are_too_short_or_too_small_are_refused():
    with pytest.raises(ValueError, match="at least 5 frames for this network, got 4"):
        make()(clip(4))
    with pytest.raises(ValueError, match="maps of .2, 2. or more in front of fc6, got .1, 1."):
        make()(clip(size=32))


@pytest.mark.parametrize(
    "field, value, more",
    [
        ("backbone", "vgg19", {}),
        ("fusion", "product", {}),
        ("fusion_start", "he", {}),
        ("fuse_at", ("relu9",), {}),
        ("fuse_at", (), {}),
        ("fuse_at", ("relu5", "relu5"), {}),
        ("fuse_at", ("relu6",), {}),
        ("fuse_at", ("fc8",), {"fusion": "concatenation", "stop_gradient": False}),
        ("fuse_at", ("relu4",), {"fusion": "bilinear", "temporal_pool": 1}),
        ("temporal_pool", 5, {"fusion": "bilinear"}),
        ("temporal_pool", 0, {}),
        ("direction", "motion", {}),
        ("stop_gradient", True, {"fusion": "sum", "fuse_at": ("relu6",)}),
        ("width", 0, {}),
        ("dropout", 1.0, {}),
    ],
)
def test_bad_settings_name_field_and_value(field, value, more):
    with pytest.raises(ValueError) as caught:
        TwoStreamFusionSettings(**{field: value, **more})
    assert str(caught.value).startswith(field) and repr(value) in str(caught.value)


@pytest.mark.parametrize(
    "settings, inputs, told",
    [
        (NARROW, Inputs({"rgb": 3}, {"toy": 2}), "fusion must be 'none' unless there are two streams, here rgb, got 'conv3d'"),
        (
            NARROW,
            Inputs({"rgb": 3, "flow": 2}, {"toy": 2}),
            "direction must be one of .'rgb_to_flow', 'flow_to_rgb'.*got 'motion_",
        ),
        (
            replace(NARROW, backbone="vgg_m"),
            Inputs(INPUTS.channels, {"toy": 2}, 32),
            "input_size must be larger: vgg_m .* got 32",
        ),
        (replace(NARROW, temporal_backbone="vgg_m", fuse_at=("relu3",)), INPUTS, "fuse_at must be layers of equal channels and"),
    ],
)
def test_streams_that_do_not_suit_are_told(settings, inputs, told):
    with pytest.raises(ValueError, match=told):
        build_model(settings, inputs)
