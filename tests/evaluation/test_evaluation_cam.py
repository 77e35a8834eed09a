"""Class-activation maps add up to the logits, and each position is worth what its removal costs."""

import pytest
import torch
from networks import Spec, build_model

from repro.evaluation.cam import class_activation, step_logits, watched

CLASSES = 5


@pytest.fixture(params=["none", "max"])
def network(request):
    torch.manual_seed(0)
    spec = Spec(blocks=(2, 2, 2, 2), width=4, temporal="average", injection="add", temporal_pool=request.param, pool_size=2)
    model = build_model(spec, CLASSES).eval()
    for name in spec.streams:
        torch.nn.init.normal_(getattr(model, name).fc.of().bias)
    return model


@pytest.mark.parametrize("size", [(64, 64), (96, 160), (128, 96)])
def test_the_mean_of_a_map_is_the_logit_less_the_bias(network, size):
    inputs = {name: torch.randn(1, 9, network.inputs.channels[name], *size) * 50 for name in network.heads}
    with torch.inference_mode(), watched(network.activation_heads()) as seen:
        logits = network(inputs)
    for name in network.heads:
        head, (maps,) = network.activation_heads()[name], seen[name]
        assert maps.shape[2:] == (size[0] // 32, size[1] // 32)
        torch.testing.assert_close(step_logits(head, maps), logits[name][0])
        for label in range(CLASSES):
            expected = logits[name][0, :, label] - head.linear.bias[label]
            torch.testing.assert_close(class_activation(head, maps, label).mean((1, 2)), expected, rtol=1e-4, atol=1e-4)


def test_a_position_is_worth_what_its_removal_costs(network):
    head = network.activation_heads()["appearance"]
    maps = torch.rand(3, head.linear.in_features, 4, 5)
    found = class_activation(head, maps, 2) / (4 * 5)
    for row in range(4):
        for column in range(5):
            without = maps.clone()
            without[:, :, row, column] = 0
            cost = (step_logits(head, maps) - step_logits(head, without))[:, 2]
            torch.testing.assert_close(found[:, row, column], cost, rtol=1e-3, atol=1e-5)


def test_watching_ends(network):
    with watched(network.activation_heads()) as seen:
        pass
    network.appearance.avgpool(torch.zeros(1, 1, 2, 2))
    assert seen == {"appearance": [], "motion": []}
