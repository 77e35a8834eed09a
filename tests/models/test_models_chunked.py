"""A clip in chunks of frames gives the logits of the whole clip."""

import pytest
import torch
from networks import Spec, build_model

SURGERY = {
    "plain": {},
    "joint": {"temporal": "average", "injection": "add"},
    "starred": {"temporal": "centre", "injection": "multiply", "temporal_pool": "max", "direction": "both"},
    "filtered": {"temporal_filter": "centre", "injection": "multiply", "temporal_pool": "max", "pool_stride": 1},
    "everything": {"temporal": "average", "temporal_filter": "average", "injection": "add", "injection_scale": 0.1},
}


def network(**switches):
    torch.manual_seed(0)
    model = build_model(Spec(blocks=(2, 3, 2, 2), width=2, flow_length=1, pool_size=1, **switches), 3).double().eval()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):  # zero padding is then no neutral value
            module.running_mean.uniform_(-1, 1), module.bias.data.uniform_(-1, 1)
    for name, p in model.named_parameters():
        if "temporal_filter" in name:  # nothing that a frame more or less would not change
            torch.nn.init.normal_(p, std=0.5)
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


@pytest.mark.parametrize("surgery, reach", [("plain", 0), ("filtered", 1), ("joint", 2), ("everything", 3)])
def test_no_stage_sees_more_frames_than_its_filters_reach(surgery, reach):
    model, seen = network(**SURGERY[surgery]), []
    model.motion.layer2[0].register_forward_hook(lambda _, inputs, out: seen.append(len(out)))
    clip = {"appearance": torch.randn(1, 20, 3, 32, 32).double(), "motion": torch.randn(1, 20, 2, 32, 32).double()}
    model.forward_in_chunks(lambda first, last: {n: x[:, first:last] for n, x in clip.items()}, 20, 4)
    assert seen == [4 + reach, *[4 + 2 * reach] * 3, 4 + reach]


def test_training_and_empty_chunks_are_refused():
    model = network()
    with pytest.raises(ValueError, match="chunk must be at least 1, got 0"):
        model.forward_in_chunks(None, 9, 0)
    with pytest.raises(ValueError, match="eval mode"):
        model.train().forward_in_chunks(None, 9, 3)
