"""With the surgery switched off a stream is the ResNet everyone else runs."""

import pytest
import timm
import torch
import torchvision
from networks import Spec, build_model, load_initial
from torch import nn


def paper_layout(net):
    """torchvision's ResNet with the stride on the first 1x1 and Caffe's pool1: an independent paper layout."""
    net.maxpool = nn.MaxPool2d(3, 2, ceil_mode=True)
    for module in net.modules():
        if isinstance(module, torchvision.models.resnet.Bottleneck):
            module.conv1.stride, module.conv2.stride = module.conv2.stride, (1, 1)
    return net


def as_stream(net):
    return {f"appearance.{name}": tensor for name, tensor in net.state_dict().items()}


@pytest.mark.parametrize("layout", ["torchvision", "caffe"])
@pytest.mark.parametrize("training", [False, True])
def test_equals_torchvision(layout, training):
    torch.manual_seed(0)
    oracle = torchvision.models.resnet50(num_classes=11).double()
    if layout == "caffe":
        paper_layout(oracle)
    model = build_model(Spec(streams=("appearance",), layout=layout, pool_size=2), 11).double()
    report = load_initial(model, as_stream(oracle))
    assert not report.new and not report.unused
    for net in (oracle, model):
        net.train(training)
    x = torch.randn(3, 3, 64, 64, dtype=torch.float64)
    expected = oracle(x)
    got = model({"appearance": x[None]})["appearance"][0]
    torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-9)


def test_equals_timm():
    torch.manual_seed(0)
    oracle = timm.create_model("resnet50", pretrained=False, num_classes=11).double().eval()
    model = build_model(Spec(streams=("appearance",), layout="torchvision", pool_size=2), 11).double().eval()
    load_initial(model, as_stream(oracle))
    x = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    torch.testing.assert_close(model({"appearance": x[None]})["appearance"][0], oracle(x), rtol=1e-9, atol=1e-9)
