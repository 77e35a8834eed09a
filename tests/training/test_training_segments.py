"""TSN's pieces: the consensus of a clip's steps, and batch norms that stay as they are."""

import pytest
import torch
from networks import Spec, build_model

from repro.models.batchnorm import StepBatchNorm2d, commit_statistics, step_norms
from repro.models.freeze import freeze_norms
from repro.training.consensus import Consensus
from repro.training.loss import summed_loss


def loss_and_gradient(kind, logits, steps):
    x = logits.clone().requires_grad_()
    agreed = Consensus(kind, steps)({"head": x})
    loss = summed_loss(agreed, torch.tensor([2, 0]), videos_per_step=2)
    return loss, torch.autograd.grad(loss, x)[0]


@pytest.mark.parametrize("kind", ["average", "max", "weighted"])
def test_equal_snippets_are_one_snippet(kind):
    one = torch.randn(2, 1, 4, generator=torch.Generator().manual_seed(0))
    alone, gradient = loss_and_gradient(kind, one, 1)
    together, parts = loss_and_gradient(kind, one.expand(2, 3, 4), 3)
    torch.testing.assert_close(together, alone)
    torch.testing.assert_close(parts.sum(1, keepdim=True), gradient)
    if kind != "max":  # each takes an equal share
        torch.testing.assert_close(parts, (gradient / 3).expand(2, 3, 4))


def test_max_routes_each_class_to_one_snippet():
    logits = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(1))
    _, gradient = loss_and_gradient("max", logits, 3)
    assert ((gradient != 0).sum(1) == 1).all() and torch.equal(gradient.abs().argmax(1), logits.argmax(1))


def test_a_weighted_consensus_learns_and_knows_its_steps():
    consensus = Consensus("weighted", 3)
    (y,) = consensus({"head": torch.randn(2, 3, 4)}).values()
    y.sum().backward()
    assert consensus.weight.grad.any() and y.shape == (2, 1, 4)
    with pytest.raises(ValueError, match="of 3 steps got 2"):
        consensus({"head": torch.randn(2, 2, 4)})
    with pytest.raises(ValueError, match="kind must be one of .*got 'mean'"):
        Consensus("mean", 3)


@pytest.mark.parametrize("which, moving", [("none", None), ("all", 0), ("all_but_first", 2)])
def test_frozen_norms_do_not_move_and_gradients_pass(which, moving):
    torch.manual_seed(0)
    model = build_model(Spec(blocks=(1, 1, 1, 1), width=2, flow_length=1, pool_size=1), 3).train()
    freeze_norms(model, which)
    norms = step_norms(model)
    free = [norm for norm in norms if norm.training]
    assert len(free) == (len(norms) if moving is None else moving)
    if which == "all_but_first":
        assert free == [model.appearance.bn1, model.motion.bn1]
    clip = {name: torch.randn(2, 1, model.inputs.channels[name], 32, 32) for name in model.heads}
    sum(y.sum() for y in model(clip).values()).backward()
    for norm in norms:
        assert (norm.weight.grad is not None) == norm.training == (norm.latest is not None)
    assert model.appearance.conv1.weight.grad.any() and model.motion.conv1.weight.grad.any()


def test_committing_leaves_frozen_statistics_as_they_are_to_the_last_bit():
    norm = StepBatchNorm2d(1000).eval()
    torch.nn.init.uniform_(norm.running_var, 0.5, 1.5, generator=torch.Generator().manual_seed(0))
    before = norm.running_var.clone()
    commit_statistics(norm, 0.05)
    assert torch.equal(norm.running_var, before)
    norm.commit(0.05)
    assert not torch.equal(norm.running_var, before)  # the way through sigma rounds


def test_other_words_are_told():
    with pytest.raises(ValueError, match="which must be one of none, all, all_but_first, got 'some'"):
        freeze_norms(None, "some")
