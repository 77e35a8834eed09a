"""Weights files: what they are travels with them, and none is taken for another."""

import dataclasses

import pytest
import torch
import torchvision
from networks import Spec, build_model, load_initial
from safetensors.torch import save_file

from repro.models.matconvnet import read_matconvnet
from repro.models.weights import (
    FROM_SCRATCH,
    TORCHVISION,
    InputNormalisation,
    Weights,
    load_weights,
    read_state_dict,
    save_weights,
)

SPEC = Spec(streams=("appearance",), blocks=(2, 2, 2, 2), width=4, pool_size=1)


def plain_state(seed=0):
    torch.manual_seed(seed)
    state = build_model(SPEC, 3).state_dict()
    return {name.removeprefix("appearance.").replace("fc.toy.", "fc."): tensor for name, tensor in state.items()}


@pytest.mark.parametrize(
    "values",
    [
        {"mean": (0.485, 0.456, 0.406)},
        {"mean": (104, 117)},
        {"mean": (104, 117, 256)},
        {"mean": (104, 117, 123), "std": (1, 0, 1)},
    ],
    ids=str,
)
def test_normalisations_that_cannot_be_meant(values):
    with pytest.raises(ValueError, match="mean|std"):
        InputNormalisation(**values)


def test_torchvisions_constants():
    preset = torchvision.models.ResNet50_Weights.IMAGENET1K_V1.transforms()
    assert TORCHVISION.mean == pytest.approx([255 * v for v in preset.mean])
    assert TORCHVISION.std == pytest.approx([255 * v for v in preset.std])


def test_round_trip(tmp_path):
    weights = Weights(plain_state(), "caffe", InputNormalisation((104, 117, 123), bgr=True), ("a", "b", "c"), "made up")
    save_weights(weights, tmp_path / "w.safetensors")
    save_weights(weights, tmp_path / "again.safetensors")
    assert (tmp_path / "w.safetensors").read_bytes() == (tmp_path / "again.safetensors").read_bytes()
    again = load_weights(tmp_path / "w.safetensors", ("caffe",))
    assert dataclasses.replace(again, state_dict={}) == dataclasses.replace(weights, state_dict={})
    assert set(again.state_dict) == set(weights.state_dict)
    for name, tensor in weights.state_dict.items():
        assert torch.equal(again.state_dict[name], tensor) and again.state_dict[name].dtype == tensor.dtype


def test_never_the_wrong_network(tmp_path):
    path = tmp_path / "w.safetensors"
    save_weights(Weights(plain_state(), "torchvision", TORCHVISION), path)
    with pytest.raises(ValueError, match="layout .*'torchvision' in .*w.safetensors; this network takes 'caffe'"):
        load_weights(path, ("caffe",))
    with pytest.raises(ValueError, match="layout .*'torchvision' in .*this network takes 'googlenet' or 'timm'"):
        load_weights(path, ("googlenet", "timm"))
    with pytest.raises(ValueError, match="it starts from no weights file"):
        load_weights(path, ())
    assert load_weights(path, ("caffe", "torchvision")).layout == "torchvision"
    with pytest.raises(ValueError, match="layout .*'torchvision'.* got 'caffe'"):
        read_state_dict(path, "caffe", FROM_SCRATCH)
    with pytest.raises(ValueError, match="layout must be one of .*got 'resnet'"):
        Weights({}, "resnet", TORCHVISION)
    save_file(plain_state(), tmp_path / "bare.safetensors")
    with pytest.raises(ValueError, match="does not say its layout.*import"):
        load_weights(tmp_path / "bare.safetensors", ("caffe",))
    torch.save(plain_state(), tmp_path / "bare.pth")
    with pytest.raises(ValueError, match="import it"):
        load_weights(tmp_path / "bare.pth", ("caffe",))


@pytest.mark.parametrize(
    "name, wrap", [("w.pth", dict), ("w.pt", lambda state: {"state_dict": state, "epoch": 3}), ("w.safetensors", None)]
)
def test_bare_files_become_weights(tmp_path, name, wrap):
    state = plain_state()
    if wrap is None:
        save_file(state, tmp_path / name)
    else:
        torch.save(wrap(state), tmp_path / name)
    weights = read_state_dict(tmp_path / name, "caffe", FROM_SCRATCH)
    assert weights.layout == "caffe" and weights.source == name
    model = build_model(SPEC, 3)
    load_initial(model, weights.state_dict)
    assert torch.equal(model.appearance.layer4[1].conv2.weight, state["layer4.1.conv2.weight"])


def test_a_bias_of_conv1_goes_into_the_batch_norm(tmp_path):
    state = plain_state()
    bias = torch.randn(4)
    torch.save(state | {"conv1.bias": bias}, tmp_path / "w.pth")
    model = build_model(SPEC, 3).eval()
    load_initial(model, read_state_dict(tmp_path / "w.pth", "caffe", FROM_SCRATCH).state_dict)
    stream, x = model.appearance, torch.randn(2, 3, 32, 32)
    before = torch.nn.functional.conv2d(x, state["conv1.weight"], bias, stride=2, padding=3)
    expected = torch.nn.functional.batch_norm(before, state["bn1.running_mean"], state["bn1.running_var"])
    torch.testing.assert_close(stream.bn1(stream.conv1(x)), expected)


def test_names_that_data_parallel_wrote(tmp_path):
    state = plain_state()
    torch.save({f"module.{name}": tensor for name, tensor in state.items()}, tmp_path / "a.pth")
    read = read_state_dict(tmp_path / "a.pth", "caffe", TORCHVISION).state_dict
    assert list(read) == list(state) and all(torch.equal(read[name], state[name]) for name in state)


def test_weights_that_are_not_finite(tmp_path):
    state = plain_state()
    state["conv1.weight"][0, 0, 0, 0] = float("inf")
    torch.save(state, tmp_path / "a.pth")
    with pytest.raises(ValueError, match="must be finite, got NaN or infinity in 1 tensors, the first 'conv1.weight'"):
        read_state_dict(tmp_path / "a.pth", "caffe", TORCHVISION)


@pytest.mark.parametrize(
    "name, read",
    [
        ("a.pth", lambda path: read_state_dict(path, "caffe", TORCHVISION)),
        ("a.safetensors", lambda path: read_state_dict(path, "caffe", TORCHVISION)),
        ("a.safetensors", lambda path: load_weights(path, ("caffe",))),
        ("a.mat", read_matconvnet),
    ],
)
def test_what_came_in_place_of_weights_is_named(tmp_path, name, read):
    path = tmp_path / name
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n")
    with pytest.raises(ValueError, match="a Git LFS pointer: run `git lfs pull`"):
        read(path)
    path.write_bytes(b"<!doctype HTML><html></html>")
    with pytest.raises(ValueError, match="a web page: download the file itself"):
        read(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(ValueError, match="a folder"):
        read(path)


def test_files_that_are_no_weights(tmp_path):
    torch.save({"conv1.weight": "text"}, tmp_path / "text.pth")
    torch.save({"fc.weight": torch.zeros(2)}, tmp_path / "other.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    torch.save({"x": tmp_path}, tmp_path / "code.pth")
    (tmp_path / "broken.pth").write_bytes(b"PK\x03\x04 broken")
    (tmp_path / "broken.safetensors").write_bytes(b"broken")
    for name in (
        "text.pth",
        "other.pth",
        "list.pth",
        "code.pth",
        "broken.pth",
        "broken.safetensors",
        "missing.pth",
        "missing.safetensors",
    ):
        with pytest.raises(ValueError, match=f"path must name .*{name}"):
            read_state_dict(tmp_path / name, "caffe", FROM_SCRATCH)


def test_a_real_network_of_the_papers_layout(shared_data):
    """A ResNet-50 at half width behind a full stem: what an ImageNet start looks like where nothing can be downloaded."""
    path = shared_data / "weights" / "thin_resnet50_1by2_opennsfw_rgb.pth"
    weights = read_state_dict(path, "caffe", InputNormalisation((123, 117, 104)))
    spec = Spec(temporal="average", injection="add", width=32, stem_width=64, pool_size=2)
    model = build_model(spec, 21).eval()
    report = load_initial(model, weights.state_dict)
    assert [name for name in report.new if not name.endswith(("fc.toy.weight", "fc.toy.bias"))] == []
    clip = {"appearance": torch.full((1, 1, 3, 64, 64), 20.0), "motion": torch.zeros(1, 1, 20, 64, 64)}
    assert all(y.isfinite().all() and y.std() > 0 for y in model(clip).values())
    with pytest.raises(ValueError, match="must fit"):
        load_initial(build_model(dataclasses.replace(spec, width=64), 21), weights.state_dict)
