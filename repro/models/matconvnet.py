"""Weights from MatConvNet's DagNN files: `imagenet-resnet-50-dag.mat` (and -101-, -152-) and the authors' released models.

Names and layouts are those that MatConvNet's Caffe importer and the authors' scripts write; no released file was at hand, so
the tests write files of that structure.

    conv1_filter, conv1_bias                    7 x 7 x Cin x Cout, bias folded into the batch norm's mean
    bn_conv1_mult, _bias, _moments              moments C x 2: mean and sigma, var = sigma^2 - 1e-5
    res3b_branch2a_filter, bn3b_branch2a_mult   stage 3, second block (a, b, ... or a, b1, b2, ...), first convolution
    res3a_branch1_filter                        projection of the shortcut
    fc1000_filter, fc1000_bias                  1 x 1 x C x classes, whatever the number of classes
    ..._spatial, ..._temporal                   appearance and motion stream of a joint network
    1 x 3 x Cin x Cout                          temporal convolution (ConvTime), time on the second axis
"""

import re
from pathlib import Path

import numpy as np
import scipy.io
import torch

from .weights import FROM_SCRATCH, InputNormalisation, Weights, check_data, fold_bias

EPSILON = 1e-5
SUFFIXES = {"_spatial": "appearance", "_temporal": "motion"}
CONVOLUTION = re.compile(r"(?P<kind>res|bn)(?P<stage>[2-5])(?P<block>[a-z]\d*)_branch(?P<branch>1|2a|2b|2c)_(?P<what>\w+)")
CLASSIFIER = re.compile(r"(fc\d*|prediction)_(?P<what>filter|bias)")
BRANCHES = {"2a": ("conv1", "bn1"), "2b": ("conv2", "bn2"), "2c": ("conv3", "bn3"), "1": ("downsample.0", "downsample.1")}
POOL1_PADDING = (0, 1, 0, 1)


def read_matconvnet(path, stream=None, classes=()):
    """Weights of a DagNN `.mat` file (saved as v5 .. v7), in torchvision's names.

    stream: "appearance" or "motion" puts the stream's name in front of an unsuffixed network's keys; None leaves an ImageNet
    network bare, as a start for any stream. Suffixed networks carry their streams. classes: names in the order of the
    classifier, where the file's own list is missing or left over from ImageNet (see authors_hmdb51_order).

    The layout is read off the strides, the mean off meta.normalization. Raises ValueError naming the path and the parameter
    that is missing, unknown or of another shape.
    """
    if stream not in (None, *SUFFIXES.values()):
        raise ValueError(f"stream must be None or one of {', '.join(SUFFIXES.values())}, got {stream!r}")
    net = _load(path)
    params = {_text(p.name): np.asarray(p.value) for p in _items(net, "params", path)}
    state, layouts = {}, set()
    for suffix in _suffixes(params, path):
        prefix = f"{SUFFIXES.get(suffix, stream)}." if suffix or stream else ""
        own = {name.removesuffix(suffix): value for name, value in params.items() if name.endswith(suffix)}
        state |= {prefix + name: tensor for name, tensor in _stream(own, f"{path}, {suffix or 'parameters'}").items()}
        layouts.add(_layout(_items(net, "layers", path), suffix, path))
    if len(layouts) > 1:
        raise ValueError(f"path must name streams of one layout, got {path} with {sorted(layouts)}")
    outputs = next(len(tensor) for name, tensor in state.items() if name.endswith("fc.bias"))
    if classes and len(classes) != outputs:
        raise ValueError(f"classes must be the {outputs} of {path}, got {len(classes)}")
    conv1 = {name: tensor.shape[1] for name, tensor in state.items() if name.endswith("conv1.weight") and "layer" not in name}
    return Weights(
        state, layouts.pop(), _normalisation(net, conv1, path), tuple(classes) or _classes(net, outputs), Path(path).name
    )


def authors_hmdb51_order(classes):
    """HMDB51's classes as the authors' models order them: by name, but kick_ball before kick, sword_exercise before sword."""
    order = sorted(classes)
    for first, second in (("kick_ball", "kick"), ("sword_exercise", "sword")):
        order.remove(first)
        order.insert(order.index(second), first)
    return tuple(order)


def _load(path):
    check_data(path)
    try:
        content = scipy.io.loadmat(path, struct_as_record=False, squeeze_me=False)
    except NotImplementedError as error:
        raise ValueError(f"path must name a .mat file saved as v5 .. v7, got v7.3 in {path}: save it again with -v7") from error
    except Exception as error:  # scipy raises many kinds for a broken or foreign file
        raise ValueError(f"path must name a readable .mat file, got {path}: {error}") from error
    if "net" in content:
        return content["net"].flat[0]
    return type("Net", (), {name: value for name, value in content.items() if not name.startswith("__")})


def _items(net, field, path):
    """The elements of a struct array of the network."""
    if not hasattr(net, field):
        raise ValueError(f"path must name a DagNN network, got {path} without {field!r}")
    return list(np.asarray(getattr(net, field)).flat)


def _text(value):
    return str(np.asarray(value).flat[0]) if np.size(value) else ""


def _suffixes(params, path):
    found = [suffix for suffix in SUFFIXES if any(name.endswith(suffix) for name in params)]
    stray = [name for name in params if found and not name.endswith(tuple(found))]
    if stray:
        raise ValueError(f"params must all end in {found}, got {stray[0]!r} in {path}")
    return found or [""]


def _stream(params, where):
    """State dict of one stream from its DagNN parameters, names without suffix."""
    state, convolutions = {}, [("conv1", "bn1")]
    places = {"conv1_filter": ("conv1", "filter"), "conv1_bias": ("conv1", "convbias")}
    places |= {f"bn_conv1_{what}": ("bn1", what) for what in ("mult", "bias", "moments")}
    for name, value in params.items():
        module, what = places.get(name) or _place(name, where)
        for part, array in _parts(what, value, f"{name!r} in {where}").items():
            state[f"{module}.{part}"] = torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))
    blocks = sorted({name.rsplit(".", 2)[0] for name in state if re.match(r"layer\d\.\d+\.conv\d", name)})
    _check_blocks(blocks, where)
    for block in blocks:
        branches = ["2a", "2b", "2c"] + ["1"] * block.endswith(".0")
        convolutions += [tuple(f"{block}.{module}" for module in BRANCHES[branch]) for branch in branches]
    for conv, norm in convolutions:
        _check_pair(state, conv, norm, where)
        fold_bias(state, conv, norm)
    if not {"fc.weight", "fc.bias"} <= set(state):
        raise ValueError(f"params must hold a classifier (fc..._filter, fc..._bias), got none in {where}")
    state["fc.weight"] = state["fc.weight"].flatten(1)  # (classes, C)
    return state


def _place(name, where):
    """(module, what) of a parameter of the blocks or the classifier."""
    if match := CONVOLUTION.fullmatch(name):
        index = int(match["block"][1:]) if match["block"][1:] else ord(match["block"]) - ord("a")
        conv, norm = BRANCHES[match["branch"]]
        module, what = (conv, match["what"].replace("bias", "convbias")) if match["kind"] == "res" else (norm, match["what"])
        return f"layer{int(match['stage']) - 1}.{index}.{module}", what
    if match := CLASSIFIER.fullmatch(name):
        return "fc", match["what"].replace("bias", "convbias")
    raise ValueError(f"params must be those of a ResNet, got {name!r} in {where}")


def _parts(what, value, where):
    """{torch name: array} of one parameter, by kind: filter, convbias, mult, bias, moments."""
    if what == "filter":
        kernel = value.reshape(*value.shape, *[1] * (4 - value.ndim))  # MATLAB drops trailing ones
        if kernel.ndim == 4 and kernel.shape[:2] == (1, 3):
            return {"weight": kernel.transpose(3, 2, 1, 0)[..., None]}  # (Cout, Cin, 3, 1, 1)
        if kernel.ndim == 4 and kernel.shape[0] == kernel.shape[1]:
            return {"weight": kernel.transpose(3, 2, 0, 1)}  # (Cout, Cin, k, k)
        raise ValueError(f"filters must be k x k or 1 x 3 by Cin by Cout, got {value.shape} for {where}")
    if what == "moments":
        if value.ndim != 2 or value.shape[1] != 2:
            raise ValueError(f"moments must be C x 2, got {value.shape} for {where}")
        mean, sigma = value.astype(np.float64).T
        return {"running_mean": mean, "running_var": np.maximum(sigma**2 - EPSILON, 0)}
    names = {"convbias": "bias", "mult": "weight", "bias": "bias"}
    if what not in names:
        raise ValueError(f"params must be filters, biases, mult or moments, got {where}")
    return {names[what]: value.reshape(-1)}


def _check_blocks(blocks, where):
    """Stages 2..5, blocks without gaps."""
    for stage in range(1, 5):
        numbers = sorted(int(block.split(".")[1]) for block in blocks if block.startswith(f"layer{stage}."))
        if not numbers or numbers != list(range(len(numbers))):
            raise ValueError(f"params must hold blocks a, b, ... of stage {stage + 1}, got numbers {numbers} in {where}")


def _check_pair(state, conv, norm, where):
    """A convolution and its batch norm are complete and agree in channels."""
    needed = [f"{conv}.weight", *(f"{norm}.{part}" for part in ("weight", "bias", "running_mean", "running_var"))]
    for name in needed:
        if name not in state:
            raise ValueError(f"params lack what makes {name!r} in {where}")
        if len(state[name]) != len(state[needed[0]]):
            raise ValueError(
                f"params must agree in channels, got {len(state[name])} for {name!r} beside "
                f"{len(state[needed[0]])} filters in {where}"
            )


def _layout(layers, suffix, path):
    """ "caffe" or "torchvision" from the strides of res3a; pool1 must pad as Caffe's does."""
    layers = {_text(layer.name): layer for layer in layers}
    strides = {}
    for branch in ("2a", "2b"):
        name = f"res3a_branch{branch}{suffix}"
        if name not in layers:
            raise ValueError(f"layers lack {name!r} in {path}")
        strides[branch] = max(_numbers(layers[name], "stride", path))
    padding = _numbers(layers["pool1" + suffix], "pad", path) if "pool1" + suffix in layers else POOL1_PADDING
    if strides == {"2a": 2, "2b": 1} and padding == POOL1_PADDING:
        return "caffe"
    if strides == {"2a": 1, "2b": 2} and padding == (1, 1, 1, 1):
        return "torchvision"
    raise ValueError(
        f"layers must be those of a known layout, got strides {strides} of res3a and padding {padding} of pool1 in {path}"
    )


def _numbers(layer, field, path):
    block = np.asarray(layer.block).flat[0]
    if not hasattr(block, field):
        raise ValueError(f"layers must hold {field!r} of {_text(layer.name)!r}, got none in {path}")
    return tuple(float(v) for v in np.asarray(getattr(block, field)).flat)


def _normalisation(net, conv1, path):
    """The appearance stream's mean; a joint network's list has the motion stream's 2L values in front, each 128."""
    image = _field(_field(getattr(net, "meta", None), "normalization"), "averageImage")
    channels = sum(sorted(conv1.values()))
    if image is None or image.size == 0:
        values = np.zeros(0)
    else:
        values = image.mean((0, 1)) if image.ndim == 3 else image.reshape(-1)
    if values.size != channels:
        raise ValueError(f"meta.normalization.averageImage must have {channels} channels, got {values.size} in {path}")
    flow = channels - 3 * (3 in conv1.values())
    if not np.allclose(values[:flow], 128):
        raise ValueError(f"meta.normalization.averageImage must be 128 for flow, got {values[:flow]} in {path}")
    return InputNormalisation(tuple(float(v) for v in values[flow:])) if flow < channels else FROM_SCRATCH


def _classes(net, outputs):
    names = _field(_field(getattr(net, "meta", None), "classes"), "name")
    if names is None or names.size != outputs:
        return ()
    return tuple(_text(name) for name in names.flat)


def _field(struct, name):
    """A field of a 1 x 1 struct array, None where struct or field is missing."""
    if struct is None or np.size(struct) == 0:
        return None
    value = getattr(np.asarray(struct).flat[0], name, None)
    return None if value is None else np.asarray(value)
