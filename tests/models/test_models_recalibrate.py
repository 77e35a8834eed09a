"""Recalibrated batch norms: the same network, with statistics of the data."""

import pytest
import torch
from networks import Spec, build_model

from repro.models.batchnorm import collect_statistics, commit_statistics
from repro.models.recalibrate import recalibrate

SPEC = Spec(blocks=(2, 2, 2, 2), width=4, flow_length=2, pool_size=2, temporal="average", injection="add")


def folded_network():
    """Variances 1, means 0, everything else in weights and biases."""
    torch.manual_seed(0)
    model = build_model(SPEC, 3).double().eval()
    for name, p in model.named_parameters():
        if "bn" in name or "downsample.1" in name:
            torch.nn.init.uniform_(p, 0.2, 3) if name.endswith("weight") else torch.nn.init.normal_(p)
    return model


def clips(count):
    return [
        {
            "appearance": 3 * torch.randn(4, 3, 3, 64, 64, dtype=torch.float64) + 1,
            "motion": torch.randn(4, 3, 4, 64, 64, dtype=torch.float64),
        }
        for _ in range(count)
    ]


def test_same_logits_before_and_after_and_in_training_mode():
    model, batches = folded_network(), clips(1)
    before = {name: y.clone() for name, y in model(batches[0]).items()}
    training = model.train()(batches[0])
    assert not torch.allclose(training["motion"], before["motion"], rtol=0.1)  # what recalibration is for
    recalibrate(model, batches)
    for name, y in model(batches[0]).items():
        torch.testing.assert_close(y, before[name], rtol=1e-7, atol=1e-8)
    model.train()
    for name, y in model(batches[0]).items():  # one batch: its statistics are the running ones
        torch.testing.assert_close(y, before[name], rtol=1e-6, atol=1e-7)


def test_statistics_are_those_that_training_would_collect():
    model, batches = folded_network(), clips(3)
    recalibrate(model, batches[:1]).train()
    model(batches[0])
    collect_statistics(model)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items() if "running" in name}
    commit_statistics(model, 1.0)
    for name, tensor in before.items():
        torch.testing.assert_close(model.state_dict()[name], tensor, rtol=1e-6, atol=1e-7)


def test_no_batches():
    with pytest.raises(ValueError, match="batches must hold"):
        recalibrate(folded_network(), [])
