"""What Xie et al. show with Something-something, on a toy: classes that are each other's time reversal need kernels over time."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from repro.models.batchnorm import collect_statistics, commit_statistics
from repro.models.inception3d.network import build_model
from repro.models.inception3d.settings import VARIANTS
from repro.models.registry import Inputs

FRAMES, SIDE = 13, 32  # 13 frames: I2D's strides and pools are their own mirror image


def sliding(count, generator):
    """Random textures that slide 1 or 2 pixels a frame to the right (1) or left (0): (count, T, 3, 32, 32) and labels."""
    texture = torch.randn(count, 3, SIDE // 4, SIDE // 4, generator=generator)
    texture = F.interpolate(texture, size=(SIDE, SIDE), mode="bicubic")
    label = torch.randint(0, 2, (count,), generator=generator)
    step = torch.randint(1, 3, (count,), generator=generator) * (2 * label - 1)
    rolled = [torch.stack([x.roll(int(s) * t, -1) for t in range(FRAMES)]) for x, s in zip(texture, step)]
    return torch.stack(rolled), label


def train(name, steps):
    """(accuracy on new clips, the same over those and their reverses)."""
    torch.manual_seed(0)
    settings = replace(VARIANTS[name], width=1 / 8, initialisation="he")
    model = build_model(settings, Inputs({"rgb": 3}, {"toy": 2}, SIDE))
    optimiser = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4)
    generator = torch.Generator().manual_seed(0)
    for _ in range(steps):
        clip, label = sliding(16, generator)
        loss = F.cross_entropy(model({"rgb": clip})["rgb"][:, 0], label)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        collect_statistics(model)
        commit_statistics(model, momentum=0.1)
    clip, label = sliding(128, torch.Generator().manual_seed(1))
    model.eval()
    with torch.inference_mode():
        forward, backward = (model({"rgb": x})["rgb"][:, 0].argmax(1) for x in (clip, clip.flip(1)))
    right = (forward == label).float()
    return right.mean().item(), torch.cat([right, (backward == 1 - label).float()]).mean().item()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["i3d", "s3d", "s3d_separable_stem", "s3d_g"])
def test_networks_over_time_learn_a_direction(name):
    forward, both = train(name, steps=80)
    assert forward > 0.9 and both > 0.9


@pytest.mark.slow
def test_i2d_stays_at_chance_exactly():
    assert train("i2d", steps=40)[1] == 0.5
