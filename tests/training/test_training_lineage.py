"""Several datasets at once and several snippets at once, with networks of several families: what learns from what."""

import pytest
import torch

from repro.models.registry import Inputs, family, settings_of
from repro.training.consensus import Consensus
from repro.training.loss import Tasks, summed_loss

CLASSES = {"a": 5, "b": 3}
BOTH = {"appearance": 3, "motion": 4}
FAMILIES = {
    "st_resnet": (BOTH, {"blocks": (1, 1, 1, 1), "width": 4}, 3),
    "inception3d": (BOTH, {"width": 1 / 8, "dropout": 0.0}, 9),
    "two_stream_fusion": (BOTH, {"width": 1 / 16, "dropout": 0.0, "stop_gradient": False}, 5),
}


def make(name, classes=CLASSES):
    """(network, frames of its clips), in float64."""
    channels, settings, frames = FAMILIES[name]
    torch.manual_seed(0)
    built = family(name).build(settings_of(name)(**settings), Inputs(channels, classes, 32))
    return built.double(), frames


def clip(frames, seed=1, clips=2):
    generator = torch.Generator().manual_seed(seed)
    return {s: torch.randn(clips, frames, c, 32, 32, generator=generator, dtype=torch.float64) for s, c in BOTH.items()}


def gradients(network, clips, labels):
    """{parameter: gradient of the summed loss of a step's clips}, zeros where there is none."""
    network.zero_grad(set_to_none=True)
    logits = Tasks(network, Consensus("average", 1))(clips)
    sum(summed_loss(logits[dataset], labels[dataset], 2) for dataset in clips).backward()
    return {name: torch.zeros_like(p) if p.grad is None else p.grad.clone() for name, p in network.named_parameters()}


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_a_dataset_trains_its_heads_and_the_trunk_and_no_other_head(name):
    network, frames = make(name)
    clips = {"a": clip(frames, 1), "b": clip(frames, 2)}
    labels = {"a": torch.tensor([0, 4]), "b": torch.tensor([2, 1])}
    alone = {dataset: gradients(network, {dataset: clips[dataset]}, labels) for dataset in clips}
    heads = {dataset: {n for n in alone["a"] if f".{dataset}." in n} for dataset in clips}
    assert len(heads["a"]) == len(heads["b"]) == 2 * len(network.heads)
    for dataset, found in alone.items():
        silent = {n for n, gradient in found.items() if not gradient.any()}
        assert silent == heads["b" if dataset == "a" else "a"]
    together = gradients(network, clips, labels)
    for n, gradient in together.items():
        torch.testing.assert_close(gradient, alone["a"][n] + alone["b"][n], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kind", ["average", "max"])
def test_equal_snippets_teach_a_network_what_one_does(kind):
    """TSN's segments through a 2D network and its consensus: scores, loss and every gradient are those of one snippet."""
    network, _ = make("st_resnet", {"a": 5})
    network.eval()
    one, labels = clip(1), torch.tensor([0, 4])
    found = []
    for steps in (1, 4):
        network.zero_grad(set_to_none=True)
        x = {stream: planes.expand(-1, steps, -1, -1, -1) for stream, planes in one.items()}
        agreed = Consensus(kind, steps)(network(x))
        loss = summed_loss(agreed, labels, 2)
        loss.backward()
        found.append([*agreed.values(), loss, *(p.grad for p in network.parameters())])
    for single, several in zip(*found, strict=True):
        torch.testing.assert_close(several, single, rtol=1e-9, atol=1e-11)


def test_an_average_passes_a_kth_to_each_and_a_maximum_all_to_one():
    x = torch.tensor([[[1.0, -2.0], [3.0, -5.0], [2.0, -1.0]]], requires_grad=True)  # one clip, three snippets, two classes
    down = torch.tensor([[[6.0, 9.0]]])
    for kind, expected in (("average", [[2, 3], [2, 3], [2, 3]]), ("max", [[0, 0], [6, 0], [0, 9]])):
        (y,) = Consensus(kind, 3)({"head": x}).values()
        (gradient,) = torch.autograd.grad(y, x, down)
        assert gradient.tolist() == [expected]
