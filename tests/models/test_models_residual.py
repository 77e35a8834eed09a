"""Motion residuals (Eq. 2-4) and the whole surgery against a naive network on unfolded clips."""

import itertools

import pytest
import torch
import torch.nn.functional as F
from networks import Spec, build_model

SMALL = {"blocks": (2, 3, 2, 2), "width": 4, "flow_length": 2, "pool_size": 2, "temporal": "average"}


def make(seed=0, **switches):
    """A small float64 network in eval mode, its batch norms drawn at random so that nothing is an identity."""
    torch.manual_seed(seed)
    model = build_model(Spec(**{**SMALL, **switches}), 3).double().eval()
    for name, tensor in model.state_dict().items():
        if name.endswith(("running_mean", "bias")):
            tensor.normal_(0, 0.1)
        if name.endswith("running_var") or "bn" in name and name.endswith("weight"):
            tensor.uniform_(0.7, 1.3)
        if tensor.dim() == 5:
            tensor.mul_(torch.rand(3, 1, 1, dtype=tensor.dtype) + 0.5)  # taps that differ
    return model


def clip(frames=3, size=64, clips=2, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return {
        "appearance": torch.randn(clips, frames, 3, size, size, generator=generator, dtype=torch.float64),
        "motion": torch.randn(clips, frames, 4, size, size, generator=generator, dtype=torch.float64),
    }


def naive(model, inputs):
    """The network read off the paper, without folding: (B, C, T, H, W), Conv3d, equations as printed."""
    spec, weights = model.settings, dict(model.named_parameters()) | dict(model.named_buffers())
    other = {"appearance": "motion", "motion": "appearance"}

    def conv(x, name, stride=1, padding=0):
        w = weights[name + ".weight"]
        w = w if w.dim() == 5 else w.unsqueeze(2)
        return F.conv3d(x, w, stride=(1, stride, stride), padding=(w.shape[2] // 2, padding, padding))

    def bn(x, name):
        mean, var, w, b = (weights[f"{name}.{k}"].view(-1, 1, 1, 1) for k in ("running_mean", "running_var", "weight", "bias"))
        return (x - mean) / (var + 1e-5).sqrt() * w + b

    def block(shortcut, branch, name, stride):
        y = F.relu(bn(conv(branch, name + ".conv1", stride), name + ".bn1"))
        y = F.relu(bn(conv(y, name + ".conv2", padding=1), name + ".bn2"))
        y = bn(conv(y, name + ".conv3"), name + ".bn3")
        if name + ".downsample.0.weight" in weights:
            shortcut = bn(conv(shortcut, name + ".downsample.0", stride), name + ".downsample.1")
        return shortcut + y

    x = {}
    for s in model.heads:
        y = F.relu(bn(conv(inputs[s].transpose(1, 2), s + ".conv1", 2, 3), s + ".bn1"))
        x[s] = F.max_pool3d(y, (1, 3, 3), stride=(1, 2, 2), ceil_mode=True)
    for k, count in enumerate(spec.blocks):
        sums = {s: block(x[s], x[s], f"{s}.layer{k + 1}.0", 2 if k else 1) for s in x}
        out = {}
        for s in x:
            branch = F.relu(sums[s])
            if spec.injection != "none" and k + 2 in spec.injected_stages and spec.direction in ("both", f"{other[s]}_to_{s}"):
                motion = F.relu(sums[other[s]])
                branch = sums[s] + motion if spec.injection == "add" else sums[s] * motion
            y = F.relu(block(F.relu(sums[s]), branch, f"{s}.layer{k + 1}.1", 1))
            for j in range(2, count):
                y = F.relu(block(y, y, f"{s}.layer{k + 1}.{j}", 1))
            out[s] = y
        x = out
    if spec.temporal_pool != "none":
        pool = F.max_pool3d if spec.temporal_pool == "max" else F.avg_pool3d
        x = {s: pool(y, (5, 1, 1), stride=(2, 1, 1)) for s, y in x.items()}
    size = (1, spec.pool_size, spec.pool_size)
    return {
        s: F.linear(
            F.avg_pool3d(y, size, stride=1).permute(0, 2, 3, 4, 1), weights[s + ".fc.toy.weight"], weights[s + ".fc.toy.bias"]
        ).mean((2, 3))
        for s, y in x.items()
    }


SWITCHES = [
    {"injection": op, "direction": way}
    for op, way in itertools.product(("add", "multiply"), ("motion_to_appearance", "appearance_to_motion", "both"))
] + [
    {"injection": "none"},
    {"injection": "none", "temporal": "none"},
    {"injection": "add", "injected_stages": (3, 5)},
    {"injection": "add", "temporal_pool": "max"},
    {"injection": "add", "temporal_pool": "average"},
    {"streams": ("motion",), "temporal": "random"},
]


@pytest.mark.parametrize("switches", SWITCHES, ids=str)
def test_equals_the_naive_network(switches):
    model, inputs = make(**switches), clip(frames=6)
    inputs = {name: inputs[name].requires_grad_() for name in model.heads}
    got, expected = model(inputs), naive(model, inputs)
    leaves = [*inputs.values(), *model.parameters()]
    grads = []
    for logits in (got, expected):
        assert set(logits) == set(model.heads)
        loss = sum(F.cross_entropy(y.flatten(0, 1), torch.arange(len(y.flatten(0, 1))) % 3) for y in logits.values())
        grads.append(torch.autograd.grad(loss, leaves))
    for name in got:
        torch.testing.assert_close(got[name], expected[name], rtol=1e-9, atol=1e-10)
    for a, b in zip(*grads, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-7, atol=1e-10)


def test_positions_of_larger_frames_are_averaged():
    model, inputs = make(injection="add"), clip(frames=2, size=160)
    expected = naive(model, inputs)
    for name, logits in model(inputs).items():
        torch.testing.assert_close(logits, expected[name], rtol=1e-9, atol=1e-10)
    with pytest.raises(ValueError, match="pool_size 2 exceeds the 1x1 map"):
        model(clip(size=32))


def recorded(model, stage):
    """The pre-ReLU sums of both first blocks and the two inputs of the appearance's second block."""
    record = {}

    def keep(name):
        def hook(_, inputs, output):
            record[name] = output
            output.retain_grad()

        return hook

    def keep_inputs(_, inputs):
        record["shortcut"], record["branch"] = (x.clone() for x in inputs[:2])
        for name in ("shortcut", "branch"):
            record[name].retain_grad()
        return record["shortcut"], record["branch"], inputs[2]

    model.appearance.stage(stage)[0].register_forward_hook(keep("x_a"))
    model.motion.stage(stage)[0].register_forward_hook(keep("x_m"))
    model.appearance.stage(stage)[1].register_forward_pre_hook(keep_inputs)
    return record


@pytest.mark.parametrize("stage", [2, 3, 4, 5])
def test_equations_2_to_4_by_autograd(stage):
    model = make(injection="add", injected_stages=(stage,))
    inputs = clip()
    record = recorded(model, stage)
    loss = model(inputs)["appearance"].square().sum()
    loss.backward()
    x_a, f_m = record["x_a"].detach(), record["x_m"].detach().relu()
    torch.testing.assert_close(record["shortcut"], x_a.relu())  # Eq. 2: f(x_a) alone
    torch.testing.assert_close(record["branch"], x_a + f_m)  # Eq. 2: x_a + f(x_m)
    into_branch, into_shortcut = record["branch"].grad, record["shortcut"].grad
    torch.testing.assert_close(record["x_a"].grad, into_branch + into_shortcut * (x_a > 0))  # Eq. 3
    assert into_branch.abs().max() > 0
    first = model.motion.stage(stage)[0].bn3.bias.grad  # Eq. 4, summed over positions
    torch.testing.assert_close(first, (into_branch * (f_m > 0)).sum((0, 2, 3)))


def test_gradients_by_finite_differences():
    model, inputs = make(injection="add"), clip(clips=1)
    loss = model(inputs)["appearance"].square().sum()
    weights = [model.motion.conv1.weight, model.motion.layer4[0].conv3.weight, model.appearance.layer1[1].conv1.weight]
    for weight, grad in zip(weights, torch.autograd.grad(loss, weights), strict=True):
        direction = torch.randn_like(weight)
        values = []
        for step in (1e-8, -1e-8):  # small enough to stay on one side of every kink of ReLU and max-pool
            with torch.no_grad():
                weight += step * direction
                values.append(model(inputs)["appearance"].square().sum())
                weight -= step * direction
        torch.testing.assert_close((values[0] - values[1]) / 2e-8, (grad * direction).sum(), rtol=1e-5, atol=1e-6)


def reached(model, stream):
    """Streams whose parameters the loss of `stream` alone reaches."""
    model.zero_grad()
    model(clip())[stream].square().sum().backward()
    return {name.split(".")[0] for name, p in model.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}


@pytest.mark.parametrize(
    "direction, from_appearance, from_motion",
    [
        ("motion_to_appearance", {"appearance", "motion"}, {"motion"}),
        ("appearance_to_motion", {"appearance"}, {"appearance", "motion"}),
        ("both", {"appearance", "motion"}, {"appearance", "motion"}),
    ],
)
@pytest.mark.parametrize("operator", ["add", "multiply"])
def test_which_loss_reaches_which_stream(operator, direction, from_appearance, from_motion):
    model = make(injection=operator, direction=direction)
    assert reached(model, "appearance") == from_appearance
    assert reached(model, "motion") == from_motion


def test_shortcut_carries_no_motion():
    model, inputs = make(injection="add"), clip()
    for stage in (2, 3, 4, 5):
        torch.nn.init.zeros_(model.appearance.stage(stage)[1].bn3.weight)
    before = model(inputs)
    after = model(inputs | {"motion": inputs["motion"] + 1})
    assert torch.equal(before["appearance"], after["appearance"])
    assert not torch.allclose(before["motion"], after["motion"])


@pytest.mark.parametrize("switches", SWITCHES, ids=str)
def test_every_parameter_receives_a_gradient(switches):
    model = make(**switches).train()
    inputs = clip(frames=5)
    sum(y.square().sum() for y in model(inputs).values()).backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


@pytest.mark.parametrize("temporal", ["average", "centre"])
def test_static_clips(temporal):
    frames, reach = 19, {"average": 8, "centre": 0}[temporal]
    model, flat = make(injection="add", temporal=temporal), make(injection="add", temporal="none")
    state = flat.state_dict()
    for name, tensor in model.state_dict().items():  # undo the differing taps of make()
        if tensor.dim() == 5:
            kernel = state[name].unsqueeze(2)
            tensor.copy_(kernel.expand_as(tensor) / 3 if temporal == "average" else F.pad(kernel, (0, 0, 0, 0, 1, 1)))
        else:
            tensor.copy_(state[name])
    still = {name: x[:1, :1].expand(1, frames, -1, -1, -1) for name, x in clip().items()}
    features = {}
    for stage in (2, 3, 4, 5):
        model.appearance.stage(stage)[-1].register_forward_hook(
            lambda _, inputs, out, stage=stage: features.__setitem__(stage, out.detach().clone())
        )
    expected, got = flat(still), model(still)
    for name in got:
        inner = slice(reach, frames - reach)
        torch.testing.assert_close(got[name][:, inner], expected[name][:, inner], rtol=1e-9, atol=1e-10)
        for t in (*range(reach), *range(frames - reach, frames)):
            assert not torch.allclose(got[name][:, t], expected[name][:, t], rtol=1e-6, atol=0)
    for stage, feature in features.items():  # two frames further in with every stage
        differs = [not torch.allclose(f, feature[frames // 2], rtol=1e-9, atol=1e-10) for f in feature]
        border = 2 * (stage - 1) if temporal == "average" else 0
        assert differs == [t < border or t >= frames - border for t in range(frames)]
