"""ST-MulNet (Feichtenhofer et al., CVPR 2017, as its code has it): what its switches do, by hand."""

import dataclasses

import pytest
import torch
import torch.nn.functional as F
from networks import Spec, build_model, load_initial

from repro.models.st_resnet.surgery import add_temporal_filters
from repro.models.st_resnet.temporal import TemporalPool

TWO_STREAM = Spec(blocks=(2, 2, 2, 2), width=4, flow_length=2, pool_size=2)
PRODUCT = dataclasses.replace(TWO_STREAM, injection="multiply")
MULNET = dataclasses.replace(PRODUCT, temporal_filter="centre", temporal_pool="max", pool_stride=1)
FILTERS = [
    f"{stream}.layer{layer}.1.temporal_filter.{part}"
    for stream in ("appearance", "motion")
    for layer in (1, 2, 3, 4)
    for part in ("weight", "bias")
]


def make(spec, seed=0):
    torch.manual_seed(seed)
    model = build_model(spec, 3).double().eval()
    for name, tensor in model.state_dict().items():
        if "running_mean" in name or ("bn" in name and name.endswith("bias")):
            tensor.normal_(0, 0.1)
    return model


def clip(frames=5, clips=2, size=64):
    torch.manual_seed(1)
    return {
        "appearance": torch.randn(clips, frames, 3, size, size, dtype=torch.float64),
        "motion": torch.randn(clips, frames, 4, size, size, dtype=torch.float64),
    }


@pytest.mark.parametrize("injection", ["multiply", "none"])
def test_at_its_start_it_is_the_network_without_filters(injection):
    without = make(dataclasses.replace(TWO_STREAM, injection=injection))
    model = make(dataclasses.replace(TWO_STREAM, injection=injection, temporal_filter="centre"), seed=1)
    report = load_initial(model, without.state_dict())
    assert sorted(report.new) == sorted(FILTERS) and not report.unused and not report.temporal
    for mode in (False, True):
        expected, got = without.train(mode)(clip()), model.train(mode)(clip())
        for name, logits in expected.items():
            torch.testing.assert_close(got[name], logits, rtol=1e-9, atol=1e-10)


def test_filters_are_as_wide_as_the_3x3_before_them():
    with torch.device("meta"):
        model = build_model(Spec(injection="multiply", temporal_filter="centre"), 101)
        without = build_model(Spec(injection="multiply"), 101)
    shapes = [tuple(getattr(model.motion, f"layer{k}")[1].temporal_filter.weight.shape) for k in (1, 2, 3, 4)]
    assert shapes == [(c, c, 3, 1, 1) for c in (64, 128, 256, 512)]
    extra = 2 * sum(3 * c * c + c for c in (64, 128, 256, 512))
    assert sum(p.numel() for p in model.parameters()) - sum(p.numel() for p in without.parameters()) == extra
    others = [block for k in (1, 2, 3, 4) for i, block in enumerate(getattr(model.motion, f"layer{k}")) if i != 1]
    assert all(block.temporal_filter is None for block in others)


@pytest.mark.parametrize(
    "how, taps", [("centre", [0.0, 1.0, 0.0]), ("average", [1 / 3, 1 / 3, 1 / 3]), ("difference", [-1.0, 3.0, -1.0])]
)
def test_how_filters_start(how, taps):
    model = make(dataclasses.replace(TWO_STREAM, temporal_filter=how))
    for stream in (model.appearance, model.motion):
        for stage in (2, 3, 4, 5):
            conv = stream.stage(stage)[1].temporal_filter
            weight = conv.weight[..., 0, 0].detach()  # (C, C, 3)
            channels = torch.arange(len(weight))
            torch.testing.assert_close(weight[channels, channels], torch.tensor([taps] * len(weight), dtype=torch.float64))
            weight[channels, channels] = 0
            assert weight.eq(0).all() and conv.bias.eq(0).all()


def test_differences_by_hand():
    """Three frames of one channel, 1, 2 and 7: 3 x_t - x_{t-1} - x_{t+1}, zeros outside."""
    stream = make(TWO_STREAM).motion
    add_temporal_filters(stream, "difference")
    x = torch.zeros(3, 4, 1, 1)
    x[:, 2, 0, 0] = torch.tensor([1.0, 2.0, 7.0])
    y = stream.stage(2)[1].temporal_filter(x, 3)
    assert y[:, 2, 0, 0].tolist() == [1.0, -2.0, 19.0] and y[:, [0, 1, 3]].eq(0).all()


def recorded(model, stage):
    """(x_a, x_m, shortcut, branch) of the product behind the first blocks of a stage, kept by hooks."""
    record = {}
    model.appearance.stage(stage)[0].register_forward_hook(lambda _, inputs, out: record.update(x_a=out.clone()))
    model.motion.stage(stage)[0].register_forward_hook(lambda _, inputs, out: record.update(x_m=out.clone()))
    model.appearance.stage(stage)[1].register_forward_pre_hook(
        lambda _, inputs: record.update(shortcut=inputs[0].clone(), branch=inputs[1].clone())
    )
    return record


def constant_motion(model, value):
    """Make x_m of every stage `value` everywhere."""
    with torch.no_grad():
        for stage in (2, 3, 4, 5):
            block = model.motion.stage(stage)[0]
            for norm, bias in ((block.bn3, 0.0), (block.downsample[1], value)):
                norm.weight.zero_(), norm.bias.fill_(bias)


@pytest.mark.parametrize("stage", [2, 3, 4, 5])
def test_a_product_with_ones_leaves_the_branch_unchanged(stage):
    model = make(PRODUCT)
    constant_motion(model, 1.0)
    record = recorded(model, stage)
    model(clip())
    assert record["x_m"].eq(1).all() and torch.equal(record["branch"], record["x_a"])


def test_a_product_with_ones_is_a_sum_with_zeros():
    product, total = make(PRODUCT), make(dataclasses.replace(TWO_STREAM, injection="add"))
    total.load_state_dict(product.state_dict())
    constant_motion(product, 1.0), constant_motion(total, 0.0)
    torch.testing.assert_close(product(clip())["appearance"], total(clip())["appearance"], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("stage", [2, 3, 4, 5])
def test_sum_and_product_agree_in_the_shortcut(stage):
    records = {}
    for injection in ("add", "multiply", "none"):
        model = make(dataclasses.replace(TWO_STREAM, injection=injection, injected_stages=(stage,)))
        records[injection] = recorded(model, stage)
        model(clip())
    plain = records["none"]
    for record in records.values():
        assert torch.equal(record["shortcut"], plain["x_a"].relu())
    torch.testing.assert_close(records["add"]["branch"], plain["x_a"] + plain["x_m"].relu())
    torch.testing.assert_close(records["multiply"]["branch"], plain["x_a"] * plain["x_m"].relu())


@pytest.mark.parametrize("frames, steps", [(5, 1), (6, 2), (25, 21)])
def test_pooling_over_five_frames_at_stride_one(frames, steps):
    model = make(MULNET)
    logits = model(clip(frames, clips=1, size=64))
    assert {name: y.shape for name, y in logits.items()} == {name: (1, steps, 3) for name in logits}
    x = torch.randn(2 * frames, 4, 2, 3)
    windows = x.reshape(2, frames, 4, 2, 3).unfold(1, 5, 1)  # (B, T', C, H, W, 5)
    for how, expected in (("max", windows.amax(-1)), ("average", windows.mean(-1))):
        torch.testing.assert_close(TemporalPool(how, 1)(x, frames), expected.flatten(0, 1))
    with pytest.raises(ValueError, match="at least 5 frames"):
        model(clip(4))


@pytest.mark.parametrize("injection", ["add", "multiply"])
def test_a_learned_scale_starts_as_a_tenth(injection):
    spec = dataclasses.replace(TWO_STREAM, injection=injection, injected_stages=(2,), injection_scale=0.1)
    model = make(spec)
    names = [name for name, _ in model.named_parameters() if name.startswith("scales.")]
    assert names == ["scales.appearance.stage2.weight", "scales.appearance.stage2.bias"]
    scale = model.scales["appearance"]["stage2"]
    assert scale.weight.shape == (16, 1, 1) and scale.bias.eq(0).all()
    torch.testing.assert_close(scale.weight, torch.full_like(scale.weight, 0.1))
    record = recorded(model, 2)
    model(clip())
    signal = 0.1 * record["x_m"].relu()
    expected = record["x_a"] + signal if injection == "add" else record["x_a"] * signal
    torch.testing.assert_close(record["branch"], expected, rtol=1e-6, atol=1e-7)
    torch.nn.init.constant_(scale.bias, 2.0)
    model(clip())
    expected = record["x_a"] + signal + 2 if injection == "add" else record["x_a"] * (signal + 2)
    torch.testing.assert_close(record["branch"], expected, rtol=1e-6, atol=1e-7)


def test_scales_go_both_ways_where_the_signal_does():
    model = make(dataclasses.replace(PRODUCT, direction="both", injection_scale=0.1))
    assert {name: list(scales) for name, scales in model.scales.items()} == {
        name: ["stage2", "stage3", "stage4", "stage5"] for name in ("appearance", "motion")
    }
    sum(y.square().sum() for y in model(clip()).values()).backward()
    assert all(p.grad.abs().sum() > 0 for p in model.scales.parameters())


def test_without_a_scale_in_the_source_it_stays_as_built():
    model = make(dataclasses.replace(PRODUCT, injection_scale=0.1))
    report = load_initial(model, make(TWO_STREAM, seed=3).state_dict())
    assert sorted(report.new) == sorted(f"scales.appearance.stage{k}.{part}" for k in (2, 3, 4, 5) for part in ("weight", "bias"))


def test_gradients_of_a_product_reach_both_factors():
    model, record, inputs_of_b = make(dataclasses.replace(PRODUCT, injected_stages=(3,))), {}, []

    def keep_sum(name):
        def hook(_, inputs, out):
            out.retain_grad()
            record[name], record[name + " before the ReLU"] = out, out.detach().clone()

        return hook

    def keep_inputs(_, inputs):
        inputs_of_b.extend(x.clone() for x in inputs[:2])
        for x in inputs_of_b:
            x.retain_grad()
        return *inputs_of_b, inputs[2]

    model.appearance.stage(3)[0].register_forward_hook(keep_sum("x_a"))
    model.motion.stage(3)[0].register_forward_hook(keep_sum("x_m"))
    model.appearance.stage(3)[1].register_forward_pre_hook(keep_inputs)
    model(clip())["appearance"].square().sum().backward()
    x_a, x_m = (record[f"{name} before the ReLU"] for name in ("x_a", "x_m"))
    into_shortcut, into_branch = (x.grad for x in inputs_of_b)
    torch.testing.assert_close(record["x_a"].grad, into_branch * x_m.relu() + into_shortcut * (x_a > 0))
    last = model.motion.stage(3)[0].bn3.bias.grad  # of x_m, summed over positions
    torch.testing.assert_close(last, (into_branch * x_a * (x_m > 0)).sum((0, 2, 3)))


def test_every_parameter_of_the_whole_receives_a_gradient():
    model = make(dataclasses.replace(MULNET, injection_scale=0.1)).train()
    labels = torch.tensor([0, 2])
    sum(F.cross_entropy(y.mean(1), labels) for y in model(clip()).values()).backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


def test_filters_keep_the_precision_of_autocast():
    model = build_model(MULNET, 3)
    seen = []
    model.motion.layer2[1].temporal_filter.register_forward_hook(lambda _, inputs, out: seen.append(out.dtype))
    with torch.autocast("cpu", torch.bfloat16):
        loss = sum(y.float().square().sum() for y in model({name: x.float() for name, x in clip().items()}).values())
    loss.backward()
    assert seen == [torch.bfloat16]
    assert all(p.grad.dtype == torch.float32 and p.grad.isfinite().all() for p in model.parameters())
