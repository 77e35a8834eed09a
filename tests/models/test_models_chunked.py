"""A clip in chunks of frames gives the logits of the whole clip."""

import pytest
import torch
from networks import Spec, build_model

SURGERY = {
    "plain": {},
    "joint": {"temporal": "average", "injection": "add"},
    "starred": {"temporal": "centre", "injection": "multiply", "temporal_pool": "max", "direction": "both"},
}


def network(**switches):
    torch.manual_seed(0)
    model = build_model(Spec(blocks=(2, 3, 2, 2), width=2, flow_length=1, pool_size=1, **switches), 3).double().eval()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):  # zero padding is then no neutral value
            module.running_mean.uniform_(-1, 1), module.bias.data.uniform_(-1, 1)
    return model


@pytest.mark.parametrize("surgery", SURGERY)
@pytest.mark.parametrize("chunk", [1, 4, 8, 9, 30])
def test_chunks_equal_the_whole(surgery, chunk):
    model = network(**SURGERY[surgery])
    clip = {
        "appearance": torch.randn(1, 9, 3, 32, 32, dtype=torch.float64),
        "motion": torch.randn(1, 9, 2, 32, 32, dtype=torch.float64),
    }
    longest = []
    model.appearance.conv1.register_forward_hook(lambda _, args, out: longest.append(len(args[0])))
    got = model.forward_in_chunks(lambda first, last: {n: x[:, first:last] for n, x in clip.items()}, 9, chunk)
    assert max(longest) == min(chunk, 9)
    for name, expected in model(clip).items():
        torch.testing.assert_close(got[name], expected, rtol=1e-10, atol=1e-12)


def test_training_and_empty_chunks_are_refused():
    model = network()
    with pytest.raises(ValueError, match="chunk must be at least 1, got 0"):
        model.forward_in_chunks(None, 9, 0)
    with pytest.raises(ValueError, match="eval mode"):
        model.train().forward_in_chunks(None, 9, 3)
