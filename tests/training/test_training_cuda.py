"""A sub-batch on a CUDA device against the same on a CPU. Imports no more than benchmarks/gpu.sh finds or brings."""

import copy

import pytest
import torch

from repro.models.batchnorm import collect_statistics
from repro.models.registry import Inputs, family
from repro.models.st_resnet.settings import STResNetSettings
from repro.training.loss import summed_loss


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_loss_gradients_and_statistics_on_cuda_are_those_of_a_cpu(monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    torch.manual_seed(0)
    settings = STResNetSettings(blocks=(2, 2, 2, 2), width=8, temporal="average", injection="add")
    model = family("st_resnet").build(settings, Inputs({"appearance": 3, "motion": 20}, {"any": 5}, 64)).train()
    clip = {name: torch.randn(2, 5, channels, 64, 64) for name, channels in (("appearance", 3), ("motion", 20))}
    losses, models = [], []
    for device in ("cpu", "cuda"):
        one = copy.deepcopy(model).to(device, memory_format=torch.channels_last)
        loss = summed_loss(one({name: x.to(device) for name, x in clip.items()}), torch.tensor([0, 3], device=device), 2)
        loss.backward()
        collect_statistics(one)
        losses.append(float(loss.detach())), models.append(one)
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)
    expected, found = ({name: p.grad.cpu() for name, p in one.named_parameters()} for one in models)
    for name, gradient in expected.items():
        assert float((found[name] - gradient).norm()) <= 0.02 * float(gradient.norm()) + 1e-4, name
    expected, found = ({n: b.cpu() for n, b in one.named_buffers() if n.endswith("pending")} for one in models)
    assert expected and all(torch.allclose(found[name], pending, rtol=1e-2, atol=1e-3) for name, pending in expected.items())
