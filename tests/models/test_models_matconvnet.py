"""DagNN files: written here in the structure of MatConvNet's importer and the authors' scripts, then read and run."""

import dataclasses

import numpy as np
import pytest
import scipy.io
import torch
import torch.nn.functional as F
from networks import Spec, build_model, load_initial

from repro.models.matconvnet import authors_hmdb51_order, read_matconvnet

SPEC = Spec(blocks=(2, 2, 4, 2), width=2, flow_length=2, pool_size=2, temporal="average", injection="add")
BRANCHES = {"conv1": "2a", "conv2": "2b", "conv3": "2c", "downsample.0": "1"}
NORMS = {"bn1": "2a", "bn2": "2b", "bn3": "2c", "downsample.1": "1"}
MEAN = (122.7, 115.9, 102.9)


def network(spec, classes=5, seed=0):
    torch.manual_seed(seed)
    model = build_model(spec, classes).eval()
    for name, tensor in model.state_dict().items():
        if name.endswith(("running_mean", "bias")):
            tensor.normal_()
        if name.endswith("running_var") or "bn" in name and name.endswith("weight"):
            tensor.uniform_(0.5, 2)
    return model


def dag_params(model, suffixes, numbered=False):
    """{DagNN name: array as MATLAB holds it} of every parameter; conv1 with a bias, which its batch norm's mean contains."""
    params = {}
    for stream, suffix in suffixes.items():
        net = getattr(model, stream)
        bias = torch.randn(len(net.conv1.weight))
        modules = dict(net.named_modules())
        pairs = [("conv1", "bn_conv1", net.conv1, net.bn1)]
        for stage in (2, 3, 4, 5):
            for i, _ in enumerate(net.stage(stage)):
                letter = "abcdefgh"[i] if not numbered or i == 0 else f"b{i}"
                at = f"layer{stage - 1}.{i}."
                name = f"{stage}{letter}_branch"
                pairs += [
                    (f"res{name}{b}", f"bn{name}{b}", modules[at + conv], modules[at + norm])
                    for (conv, b), norm in zip(BRANCHES.items(), NORMS, strict=True)
                    if at + conv in modules
                ]
        for conv_name, norm_name, conv, norm in pairs:
            w = conv.weight.detach()
            w = w[..., 0, 0].permute(2, 1, 0)[None] if w.dim() == 5 else w.permute(2, 3, 1, 0)  # 1 x 3 or k x k, Cin, Cout
            shift = bias if conv is net.conv1 else 0
            moments = torch.stack((norm.running_mean + shift, (norm.running_var + 1e-5).sqrt()), 1)
            params |= {
                f"{conv_name}_filter{suffix}": w,
                f"{norm_name}_mult{suffix}": norm.weight.detach()[:, None],
                f"{norm_name}_bias{suffix}": norm.bias.detach()[None],
                f"{norm_name}_moments{suffix}": moments,
            }
        params |= {
            f"conv1_bias{suffix}": bias[:, None],
            f"fc1000_bias{suffix}": net.fc.toy.bias.detach()[None],
            f"fc1000_filter{suffix}": net.fc.toy.weight.detach().t()[None, None],
        }
    return {name: value.numpy() for name, value in params.items()}


def struct(**fields):
    """A 1 x 1 MATLAB struct."""
    array = np.empty((1, 1), dtype=[(name, object) for name in fields])
    for name, value in fields.items():
        array[0, 0][name] = value
    return array


def structs(rows):
    array = np.empty((1, len(rows)), dtype=[(name, object) for name in rows[0]])
    for i, row in enumerate(rows):
        for name, value in row.items():
            array[0, i][name] = value
    return array


def write(path, params, suffixes, average, nested=True, layout="caffe", classes=None, pad=(0, 1, 0, 1)):
    first, second = (2.0, 1.0) if layout == "caffe" else (1.0, 2.0)
    layers = []
    for suffix in suffixes.values():
        layers += [{"name": "pool1" + suffix, "type": "dagnn.Pooling", "block": struct(pad=np.array([pad], float))}]
        layers += [
            {"name": name + suffix, "type": "dagnn.Conv", "block": struct(stride=np.array([[stride, stride]]))}
            for name, stride in (("res3a_branch2a", first), ("res3a_branch2b", second))
        ]
    rows = [
        {"name": name, "value": value, "trainMethod": "gradient", "learningRate": 1.0, "weightDecay": 1.0}
        for name, value in params.items()
    ]
    meta = {"normalization": struct(averageImage=np.asarray(average, dtype=np.float32), interpolation="bicubic")}
    if classes:
        meta["classes"] = struct(name=np.array([classes], dtype=object))
    net = {"layers": structs(layers), "params": structs(rows), "vars": structs([{"name": "input"}]), "meta": struct(**meta)}
    scipy.io.savemat(path, {"net": struct(**net)} if nested else net, do_compression=True)
    return path


def clip():
    torch.manual_seed(3)
    return {"appearance": torch.randn(1, 3, 3, 64, 64), "motion": torch.randn(1, 3, 4, 64, 64)}


JOINT = {"appearance": "_spatial", "motion": "_temporal"}


def joint_average():
    return np.array([128.0] * 4 + list(MEAN)).reshape(1, 1, 7)


@pytest.mark.parametrize("nested", [True, False])
def test_joint_network_round_trip(tmp_path, nested):
    model = network(SPEC)
    path = write(tmp_path / "net.mat", dag_params(model, JOINT), JOINT, joint_average(), nested)
    weights = read_matconvnet(path, classes=("a", "b", "c", "d", "e"))
    assert weights.layout == "caffe" and weights.classes == ("a", "b", "c", "d", "e") and weights.source == "net.mat"
    assert weights.normalisation.mean == pytest.approx(MEAN, abs=1e-4) and not weights.normalisation.bgr
    again = build_model(SPEC, 5).eval()
    report = load_initial(again, weights.state_dict)
    assert not report.new and not report.unused and not report.temporal
    for name, y in model(clip()).items():
        torch.testing.assert_close(again(clip())[name], y, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("numbered", [False, True])
def test_imagenet_network_starts_any_stream(tmp_path, numbered):
    flat = dataclasses.replace(SPEC, streams=("appearance",), temporal="none", injection="none")
    model = network(flat, classes=7)
    suffixes = {"appearance": ""}
    image = np.broadcast_to(np.array(MEAN), (8, 8, 3)) + np.linspace(-1, 1, 8)[:, None, None]
    names = [f"n{i}" for i in range(7)]
    path = write(tmp_path / "net.mat", dag_params(model, suffixes, numbered), suffixes, image, False, classes=names)
    weights = read_matconvnet(path)
    assert weights.classes == tuple(names)
    assert weights.normalisation.mean == pytest.approx(MEAN, abs=1e-4)
    joint = build_model(SPEC, 5)
    report = load_initial(joint, weights.state_dict)
    assert len(report.temporal) == 16 and report.inflated == ("motion.conv1.weight",)
    again = build_model(flat, 7).eval()
    load_initial(again, read_matconvnet(path, stream="appearance").state_dict)
    x = {"appearance": clip()["appearance"]}
    torch.testing.assert_close(again(x)["appearance"], model(x)["appearance"], rtol=1e-4, atol=1e-4)


def test_motion_base_stream(tmp_path):
    flat = dataclasses.replace(SPEC, streams=("motion",), temporal="none", injection="none")
    model, suffixes = network(flat), {"motion": ""}
    path = write(
        tmp_path / "net.mat",
        dag_params(model, suffixes),
        suffixes,
        np.full((1, 1, 4), 128.0),
        classes=[f"n{i}" for i in range(1000)],
    )
    weights = read_matconvnet(path, stream="motion")
    assert weights.classes == ()  # ImageNet's list, left over in the file, is not the classifier's
    again = build_model(flat, 5).eval()
    assert not load_initial(again, weights.state_dict).new
    with pytest.raises(ValueError, match="128 for flow"):
        read_matconvnet(write(path, dag_params(model, suffixes), suffixes, np.full((1, 1, 4), 127.0)), stream="motion")


def test_time_is_the_second_axis_of_a_temporal_kernel(tmp_path):
    """A ConvTime kernel that only looks one frame back, by hand."""
    params = dag_params(network(SPEC), JOINT)
    kernel = np.zeros((1, 3, 8, 2), np.float32)
    kernel[0, 0, 5, 1] = 1
    params["res2b_branch2a_filter_spatial"] = kernel
    state = read_matconvnet(write(tmp_path / "net.mat", params, JOINT, joint_average())).state_dict
    x = torch.zeros(1, 8, 3, 1, 1)
    x[0, 5, 0] = 1  # channel 5 lights up in the first frame
    y = F.conv3d(x, state["appearance.layer1.1.conv1.weight"], padding=(1, 0, 0))
    assert y.nonzero().tolist() == [[0, 1, 1, 0, 0]]  # and is seen by filter 1 in the second


def broken(params, change):
    params = dict(params)
    change(params)
    return params


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda p: p.pop("bn4c_branch2b_moments_temporal"), "layer3.2.bn2.running_mean.*_temporal"),
        (lambda p: p.pop("res5a_branch1_filter_spatial"), "layer4.0.downsample.0.weight"),
        (lambda p: p.pop("conv1_filter_spatial"), "conv1.weight"),
        (lambda p: p.pop("fc1000_bias_spatial"), "classifier"),
        (lambda p: [p.pop(name) for name in list(p) if "4c_" in name], r"blocks a, b, ... of stage 4, got numbers \[0, 1, 3"),
        (
            lambda p: p.update(bn2a_branch2a_moments_spatial=np.ones((2, 3))),
            r"moments must be C x 2, got \(2, 3\).*bn2a_branch2a",
        ),
        (lambda p: p.update(bn2a_branch2a_mult_spatial=np.ones((3, 1))), "agree in channels, got 3 .* beside 2"),
        (lambda p: p.update(res2a_branch2a_filter_spatial=np.ones((2, 1, 2, 2))), r"k x k or 1 x 3.*got \(2, 1, 2, 2\)"),
        (lambda p: p.update(inception_filter_spatial=np.ones((1, 1, 2, 2))), "'inception_filter'"),
        (lambda p: p.update(res2a_branch2a_scale_spatial=np.ones(2)), "got 'res2a_branch2a_scale'"),
        (lambda p: p.update(conv9=np.ones(2)), "must all end in .*'conv9'"),
    ],
)
def test_files_that_do_not_fit_are_named(tmp_path, change, message):
    params = broken(dag_params(network(SPEC), JOINT), change)
    with pytest.raises(ValueError, match=message):
        read_matconvnet(write(tmp_path / "net.mat", params, JOINT, joint_average()))


def test_layout_comes_from_the_strides(tmp_path):
    params = dag_params(network(SPEC), JOINT)
    path = tmp_path / "net.mat"
    assert read_matconvnet(write(path, params, JOINT, joint_average(), layout="v1.5", pad=(1,) * 4)).layout == "torchvision"
    with pytest.raises(ValueError, match="padding .1.0, 1.0, 1.0, 1.0. of pool1"):
        read_matconvnet(write(path, params, JOINT, joint_average(), pad=(1,) * 4))


def test_other_bad_input(tmp_path):
    params = dag_params(network(SPEC), JOINT)
    path = write(tmp_path / "net.mat", params, JOINT, joint_average())
    with pytest.raises(ValueError, match="classes must be the 5 .* got 2"):
        read_matconvnet(path, classes=("a", "b"))
    with pytest.raises(ValueError, match="stream must be"):
        read_matconvnet(path, stream="rgb")
    with pytest.raises(ValueError, match="7 channels, got 3"):
        read_matconvnet(write(path, params, JOINT, np.ones((1, 1, 3))))
    (tmp_path / "text.mat").write_text("no matrix")
    scipy.io.savemat(tmp_path / "other.mat", {"x": 1})
    for name in ("text.mat", "missing.mat", "other.mat"):
        with pytest.raises(ValueError, match=f"path must name .*{name}"):
            read_matconvnet(tmp_path / name)
    (tmp_path / "v73.mat").write_bytes(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + b"\x89HDF\r\n\x1a\n".ljust(400))
    with pytest.raises(ValueError, match="v7.3"):
        read_matconvnet(tmp_path / "v73.mat")


def test_authors_order_of_hmdb51():
    order = authors_hmdb51_order(["climb", "climb_stairs", "kick", "kick_ball", "sword", "sword_exercise", "talk"])
    assert order == ("climb", "climb_stairs", "kick_ball", "kick", "sword_exercise", "sword", "talk")
