"""The importer of open_nsfw.onnx, on graphs of that structure that are written here: every convolution with its constants must
compute what a convolution and a batch norm with the imported tensors compute."""

import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from repro.models import open_nsfw
from repro.models.open_nsfw import read_open_nsfw


def block_names(layer, block):
    prefix = f"layer{layer}.{block}."
    shortcut = [("downsample.0", "downsample.1")] if block == 0 else []
    return [(prefix + conv, prefix + norm) for conv, norm in [("conv1", "bn1"), ("conv2", "bn2"), *shortcut, ("conv3", "bn3")]]


NAMES = [("conv1", "bn1"), *block_names(1, 0), *block_names(1, 1)]


@pytest.fixture
def written(tmp_path, monkeypatch):
    """(path, [(kernel, bias, mean, factor, shift)]) of a graph of one layer of two blocks."""
    onnx = pytest.importorskip("onnx")
    monkeypatch.setattr(open_nsfw, "BLOCKS", (2,))
    rng, made, nodes, constants, value = np.random.default_rng(0), [], [], [], "input"
    for k in range(len(NAMES)):
        kernel = rng.normal(size=(4, 3, 1, 1)).astype(np.float32)
        vectors = [rng.normal(size=4).astype(np.float32) for _ in range(4)]
        made.append((kernel, *vectors))
        tensors = [kernel, *(vector.reshape(1, 1, 1, 4) for vector in vectors)]
        constants += [onnx.numpy_helper.from_array(tensor, f"c{k}.{n}") for n, tensor in enumerate(tensors)]
        nodes.append(onnx.helper.make_node("Conv", [value, f"c{k}.0"], [f"v{k}.0"]))
        for n, kind in enumerate(("Add", "Sub", "Mul", "Add"), 1):
            nodes.append(onnx.helper.make_node("Cast", [f"v{k}.{n - 1}"], [f"w{k}.{n}"], to=1))
            name = f"c{k}.{n}"
            if k == 2 and n == 4:  # a constant behind another name
                nodes.insert(0, onnx.helper.make_node("Identity", [name], ["alias"]))
                name = "alias"
            nodes.append(onnx.helper.make_node(kind, [f"w{k}.{n}", name], [f"v{k}.{n}"]))
        value = f"v{k}.4"
    tensor = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(nodes, "net", [tensor("input", 1, None)], [tensor(value, 1, None)], constants)
    onnx.save(onnx.helper.make_model(graph), tmp_path / "open_nsfw.onnx")
    return tmp_path / "open_nsfw.onnx", made


def test_every_convolution_computes_the_same(written):
    path, made = written
    weights = read_open_nsfw(path)
    assert weights.layout == "caffe" and weights.normalisation.mean == (123.0, 117.0, 104.0) and not weights.normalisation.bgr
    assert {name.rsplit(".", 1)[0] for name in weights.state_dict} == {name for pair in NAMES for name in pair}
    for (conv, norm), (kernel, bias, mean, factor, shift) in zip(NAMES, made):
        x = torch.randn(2, 3, 5, 5)
        published = x.flip(1) if conv == "conv1" else x  # blue first
        column = [torch.from_numpy(vector).reshape(1, 4, 1, 1) for vector in (bias, mean, factor, shift)]
        expected = (F.conv2d(published, torch.from_numpy(kernel)) + column[0] - column[1]) * column[2] + column[3]
        state = weights.state_dict
        tensors = [state[f"{norm}.{kind}"] for kind in ("running_mean", "running_var", "weight", "bias")]
        found = F.batch_norm(F.conv2d(x, state[f"{conv}.weight"]), *tensors)
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_another_network_is_refused(written, monkeypatch):
    path, _ = written
    monkeypatch.setattr(open_nsfw, "BLOCKS", (3, 4, 6, 3))
    with pytest.raises(ValueError, match="open_nsfw.onnx.* 8 convolutions, not 53"):
        read_open_nsfw(path)


def test_weights_in_another_file_are_told(written):
    """Whether that file is there or not: a graph may name any file, and one that is absent raises what nobody catches."""
    import onnx

    path, _ = written
    onnx.save_model(onnx.load(path), path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    for _ in range(2):
        with pytest.raises(ValueError, match="holds its weights, got .*open_nsfw.onnx, whose 'c0.0' lies in another file"):
            read_open_nsfw(path)
        path.with_name("weights.bin").unlink(missing_ok=True)


def test_a_file_that_is_no_graph_is_refused(tmp_path):
    pytest.importorskip("onnx")
    (tmp_path / "net.onnx").write_bytes(b"no graph at all")
    with pytest.raises(ValueError, match="ONNX file, got .*net.onnx"):
        read_open_nsfw(tmp_path / "net.onnx")


def test_without_the_package_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ValueError, match="pip install onnx"):
        read_open_nsfw(tmp_path / "net.onnx")
