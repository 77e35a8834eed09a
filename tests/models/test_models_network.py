"""Specification, construction, initialisation from smaller networks, state dicts, other ways to run the same network."""

import dataclasses

import pytest
import torch
import torchvision
from networks import Spec, build_model, load_initial

from repro.models.batchnorm import collect_statistics, pending_statistics
from repro.models.registry import Inputs
from repro.models.st_resnet.settings import DEPTHS

SMALL = Spec(blocks=(2, 2, 2, 2), width=4, flow_length=2, pool_size=2)
JOINT = dataclasses.replace(SMALL, temporal="average", injection="add")


def clip(frames=3, size=64):
    torch.manual_seed(1)
    return {"appearance": torch.randn(2, frames, 3, size, size), "motion": torch.randn(2, frames, 4, size, size)}


@pytest.mark.parametrize(
    "field, value",
    [
        ("layout", "resnet"),
        ("temporal", "mean"),
        ("injection", "sum"),
        ("direction", "up"),
        ("temporal_pool", True),
        ("temporal_filter", "identity"),
        ("blocks", (3, 4, 6)),
        ("blocks", (0, 1, 1, 1)),
        ("width", 0),
        ("stem_width", 0),
        ("pool_size", 0),
        ("pool_stride", 0),
        ("dropout", {"motion": 1.0}),
        ("dropout", {"appearance": 0.5, "motion": -0.1}),
        ("injected_stages", (1, 2)),
    ],
)
def test_bad_specifications_name_field_and_value(field, value):
    with pytest.raises(ValueError) as caught:
        Spec(**{field: value})
    assert str(caught.value).startswith(field) and repr(value) in str(caught.value)


@pytest.mark.parametrize(
    "field, value",
    [("channels", {}), ("channels", {"appearance": 3, "motion": 0}), ("classes", {}), ("classes", {"ucf101": 101, "toy": 0})],
)
def test_bad_inputs_of_a_network_name_field_and_value(field, value):
    with pytest.raises(ValueError) as caught:
        Inputs(**{"channels": {"motion": 4}, "classes": {"toy": 3}, field: value})
    assert str(caught.value).startswith(field) and repr(value) in str(caught.value)


@pytest.mark.parametrize(
    "streams, field, value",
    [
        (("motion",), "injection", "add"),
        (("appearance", "motion", "depth"), "injection", "add"),
        (("rgb", "flow"), "direction", "motion_to_appearance"),
        (("appearance", "motion"), "direction", "appearance_to_flow"),
        (("appearance",), "dropout", {"motion": 0.5}),
    ],
)
def test_switches_that_do_not_fit_the_streams_name_field_and_value(streams, field, value):
    with pytest.raises(ValueError) as caught:
        build_model(Spec(**({"injection": "add"} if field == "direction" else {}), streams=streams, **{field: value}), 3)
    assert str(caught.value).startswith(field) and repr(value) in str(caught.value)


def test_streams_may_have_any_names():
    model = build_model(dataclasses.replace(JOINT, streams=("appearance", "flow"), direction="flow_to_appearance"), 3)
    assert model.heads == ("appearance", "flow")
    sources = clip()
    assert set(model({"appearance": sources["appearance"], "flow": sources["motion"]})) == {"appearance", "flow"}


def test_surgery_that_cannot_be_done_is_refused():
    with pytest.raises(ValueError, match="injection .* single stream"):
        build_model(Spec(streams=("motion",), injection="add"), 3)
    with pytest.raises(ValueError, match=r"injected_stages .* not \[3\]"):
        Spec(blocks=(2, 1, 2, 2), injection="add")
    with pytest.raises(ValueError, match="blocks .* over time"):
        Spec(blocks=(2, 1, 2, 2), temporal="average")
    with pytest.raises(ValueError, match="blocks .* over time"):
        Spec(blocks=(2, 1, 2, 2), temporal_filter="centre")
    assert Spec(blocks=[2, 1, 2, 2], injection="add", injected_stages=[2, 4]).injected_stages == (2, 4)


def test_bad_inputs_name_stream_and_shape():
    model = build_model(JOINT, 3)
    with pytest.raises(ValueError, match="hold stream 'motion'"):
        model({"appearance": clip()["appearance"]})
    with pytest.raises(ValueError, match="'motion'.* 4 channels, got 3"):
        model({"appearance": clip()["appearance"], "motion": clip()["appearance"]})
    with pytest.raises(ValueError, match="agree in clips, frames and size"):
        model({"appearance": clip(3)["appearance"], "motion": clip(4)["motion"]})
    with pytest.raises(ValueError, match="clips, frames, channels"):
        model({"appearance": clip()["appearance"][0], "motion": clip()["motion"]})


def test_output_shapes():
    pooled = build_model(dataclasses.replace(JOINT, temporal_pool="max"), 7).eval()
    assert {name: y.shape for name, y in pooled(clip(11)).items()} == {"appearance": (2, 4, 7), "motion": (2, 4, 7)}
    assert build_model(JOINT, 7)(clip(5))["motion"].shape == (2, 5, 7)


@pytest.mark.parametrize("depth, oracle", [(50, "resnet50"), (101, "resnet101"), (152, "resnet152")])
def test_depths_have_torchvisions_names_and_shapes(depth, oracle):
    with torch.device("meta"):
        expected = getattr(torchvision.models, oracle)().state_dict()
        stream = build_model(Spec(streams=("appearance",), blocks=DEPTHS[depth]), 1000).appearance.state_dict()
    assert {k.replace("fc.toy.", "fc."): v.shape for k, v in stream.items()} == {k: v.shape for k, v in expected.items()}


def test_new_classifier():
    fc = build_model(Spec(streams=("motion",), blocks=(1, 1, 1, 1)), 101).motion.fc.toy
    assert fc.weight.std().item() == pytest.approx(0.01, rel=0.02) and fc.bias.eq(0).all()


def imagenet(seed=0):
    """A small 2D network in torchvision's names, an RGB conv1 and other classes."""
    torch.manual_seed(seed)
    net = build_model(dataclasses.replace(SMALL, streams=("appearance",)), 9)
    return {name.removeprefix("appearance.").replace("fc.toy.", "fc."): tensor for name, tensor in net.state_dict().items()}


def test_initial_weights_from_a_2d_network():
    source, model = imagenet(), build_model(JOINT, 5)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    report = load_initial(model, source)
    after = model.state_dict()
    for stream in ("appearance", "motion"):
        for name, tensor in source.items():
            key = f"{stream}.{name.replace('fc.', 'fc.toy.')}"
            got = after[key]
            if name.startswith("fc."):
                assert torch.equal(got, before[key])
            elif name == "conv1.weight" and stream == "motion":
                for channel in range(4):
                    torch.testing.assert_close(got[:, channel], tensor.mean(1))
            elif got.dim() == 5:
                torch.testing.assert_close(got, (tensor / 3).unsqueeze(2).expand_as(got))
            else:
                assert torch.equal(got, tensor)
    assert len(report.temporal) == 16 and report.inflated == ("motion.conv1.weight",)
    assert report.unused == ("fc.weight", "fc.bias")
    assert report.new == tuple(f"{s}.fc.toy.{p}" for s in ("appearance", "motion") for p in ("weight", "bias"))
    assert "1 conv1 inflated, 16 kernels made temporal, 4 new" in str(report)


def test_a_classifier_of_another_task_is_never_taken():
    model = build_model(SMALL, 9)
    report = load_initial(model, imagenet())  # as many classes, by accident
    assert len(report.new) == 4 and not torch.equal(model.motion.fc.toy.weight, imagenet()["fc.weight"])
    kept = load_initial(
        model,
        {f"motion.{name}": tensor for name, tensor in imagenet().items() if name != "conv1.weight"}
        | {"motion.conv1.weight": torch.ones(4, 4, 7, 7)},
    )
    assert "motion.fc.toy.weight" in kept.copied and "appearance.fc.toy.weight" in kept.new


@pytest.mark.parametrize("temporal", ["centre", "random"])
def test_initial_temporal_kernels_follow_the_specification(temporal):
    source, model = imagenet(), build_model(dataclasses.replace(JOINT, temporal=temporal), 5)
    drawn = model.motion.layer2[1].conv3.weight.detach().clone()
    report = load_initial(model, source)
    got, flat = model.motion.layer2[1].conv3.weight, source["layer2.1.conv3.weight"]
    if temporal == "random":
        assert torch.equal(got, drawn) and len([n for n in report.new if "conv" in n]) == 16
    else:
        assert torch.equal(got[:, :, 1], flat) and got[:, :, ::2].eq(0).all()


def test_joint_network_starts_from_two_streams():
    singles = {}
    for i, name in enumerate(("appearance", "motion")):
        torch.manual_seed(i)
        singles |= build_model(dataclasses.replace(SMALL, streams=(name,)), 5).state_dict()
    model = build_model(JOINT, 5)
    report = load_initial(model, singles)
    assert not report.new and not report.unused and not report.inflated
    assert torch.equal(model.motion.fc.toy.weight, singles["motion.fc.toy.weight"])
    star = build_model(dataclasses.replace(JOINT, temporal_pool="max"), 5)  # and the starred one from the joint one
    assert not load_initial(star, model.state_dict()).temporal
    for name, tensor in star.state_dict().items():
        assert torch.equal(tensor, model.state_dict()[name])


def test_initial_weights_that_do_not_fit():
    source = imagenet()
    with pytest.raises(ValueError, match=r"layer1.0.conv2.weight.* must fit \(4, 4, 3, 3\), got \(8, 8, 3, 3\)"):
        load_initial(build_model(JOINT, 5), source | {"layer1.0.conv2.weight": torch.zeros(8, 8, 3, 3)})
    with pytest.raises(ValueError, match="holds 'conv1.bias'"):
        load_initial(build_model(JOINT, 5), source | {"conv1.bias": torch.zeros(4)})
    del source["layer3.1.bn2.running_var"]
    with pytest.raises(ValueError, match="lacks 'layer3.1.bn2.running_var'"):
        load_initial(build_model(JOINT, 5), source)
    with pytest.raises(ValueError, match="one of the streams .*got .'motion'"):
        load_initial(build_model(dataclasses.replace(SMALL, streams=("appearance",)), 5), {"motion.fc.toy.bias": torch.zeros(5)})


def test_state_dict_round_trip(tmp_path):
    model, other = build_model(JOINT, 5).eval(), build_model(JOINT, 5).eval()
    torch.save(model.state_dict(), tmp_path / "net.pt")
    other.load_state_dict(torch.load(tmp_path / "net.pt", weights_only=True))
    for name, y in model(clip()).items():
        assert torch.equal(other(clip())[name], y)


@pytest.mark.parametrize("training", [False, True])
def test_channels_last_gives_the_same_logits(training):
    torch.manual_seed(0)
    model = build_model(JOINT, 5).train(training)
    expected = model(clip())
    model.to(memory_format=torch.channels_last)
    assert model.motion.layer1[1].conv1.weight.shape[2:] == (3, 1, 1)
    for name, y in model(clip()).items():
        torch.testing.assert_close(y, expected[name], rtol=1e-4, atol=1e-5)


def compare_compiled(training, **options):
    torch.manual_seed(0)
    torch.compiler.reset()
    model = build_model(JOINT, 5).train(training)
    results = []
    for run in (model, torch.compile(model, fullgraph=True, **options)):
        model.zero_grad()
        logits = run(clip())
        collect_statistics(model)
        sum(y.square().sum() for y in logits.values()).backward()
        results.append({**logits, **{name: p.grad.clone() for name, p in model.named_parameters()}})
    for name, expected in results[0].items():
        torch.testing.assert_close(results[1][name], expected, rtol=1e-3, atol=1e-4)
    for pending in pending_statistics(model):  # both runs were counted, or neither
        assert pending[2].eq(2 if training else 0).all()


@pytest.mark.slow
@pytest.mark.parametrize("training", [False, True])
def test_traced_gives_the_same_logits_and_gradients(training):
    compare_compiled(training, backend="aot_eager")


@pytest.mark.slow
def test_compiled_gives_the_same_logits_and_gradients():
    compare_compiled(True)


def test_autocast_runs_and_trains():
    model = build_model(dataclasses.replace(JOINT, temporal_pool="max"), 5)
    with torch.autocast("cpu", torch.bfloat16):
        loss = sum(y.float().square().sum() for y in model(clip(5)).values())
    loss.backward()
    assert all(p.grad.dtype == torch.float32 and p.grad.isfinite().all() for p in model.parameters())
