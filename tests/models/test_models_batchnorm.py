"""Running statistics move once per SGD step, toward the average of (mean, sigma) over its sub-batches."""

import pytest
import torch
from networks import Spec, build_model
from torch import nn

from repro.models.batchnorm import StepBatchNorm2d, collect_statistics, commit_statistics, pending_statistics


def batches(count=3, channels=4):
    torch.manual_seed(0)
    return [torch.randn(2 + i, channels, 3, 5) * (1 + i) + i for i in range(count)]


def test_forward_and_gradients_equal_torch():
    torch.manual_seed(0)
    ours, oracle = StepBatchNorm2d(4).double(), nn.BatchNorm2d(4).double()
    for mode in (True, False):
        ours.train(mode), oracle.train(mode)
        x = torch.randn(3, 4, 2, 5, dtype=torch.float64, requires_grad=True)
        direction = torch.randn_like(x)
        oracle.running_mean.copy_(ours.running_mean), oracle.running_var.copy_(ours.running_var)
        a, b = ours(x), oracle(x)
        torch.testing.assert_close(a, b)
        for net, y in ((ours, a), (oracle, b)):
            net.grads = torch.autograd.grad(y, (x, net.weight, net.bias), direction)
        for got, expected in zip(ours.grads, oracle.grads, strict=True):
            torch.testing.assert_close(got, expected)
        ours.running_mean.normal_(), ours.running_var.uniform_(0.5, 2)  # for the pass in eval mode


def test_commit_by_hand():
    norm, data = StepBatchNorm2d(4), batches()
    norm.running_mean.fill_(2.0), norm.running_var.fill_(9.0)
    for x in data:
        norm(x)
        collect_statistics(norm)
        assert norm.running_mean.eq(2).all() and norm.running_var.eq(9).all()  # nothing moves before the commit
    mean = torch.stack([x.mean((0, 2, 3)) for x in data]).mean(0)
    sigma = torch.stack([(x.var((0, 2, 3), unbiased=False) + 1e-5).sqrt() for x in data]).mean(0)
    norm.commit(0.05)
    torch.testing.assert_close(norm.running_mean, 0.95 * 2 + 0.05 * mean)
    torch.testing.assert_close((norm.running_var + 1e-5).sqrt(), 0.95 * (9 + 1e-5) ** 0.5 + 0.05 * sigma)
    assert norm.pending.eq(0).all()


def test_commit_without_batches_moves_nothing():
    norm = StepBatchNorm2d(4)
    norm.running_mean.fill_(2.0), norm.running_var.fill_(9.0)
    norm.commit(0.05)
    torch.testing.assert_close(norm.running_mean, torch.full((4,), 2.0))
    torch.testing.assert_close(norm.running_var, torch.full((4,), 9.0))


def test_sums_of_ranks_equal_one_process():
    """Two replicas whose pending sums are added commit what one network that saw every sub-batch commits."""
    one, first, second = (nn.Sequential(StepBatchNorm2d(4), nn.ReLU(), StepBatchNorm2d(4)) for _ in range(3))
    data = batches()
    for net, share in ((one, data), (first, data[:1]), (second, data[1:])):
        for x in share:
            net(x)
            collect_statistics(net)
    for mine, other in zip(pending_statistics(first), pending_statistics(second), strict=True):
        mine += other
    for net in (one, first):
        commit_statistics(net, 0.05)
    for name, tensor in one.state_dict().items():
        torch.testing.assert_close(first.state_dict()[name], tensor)


def test_pending_is_no_part_of_a_checkpoint_and_eval_collects_nothing():
    norm = StepBatchNorm2d(4).eval()
    norm(batches()[0])
    assert norm.latest is None and norm.pending.eq(0).all()
    assert set(norm.state_dict()) == set(nn.BatchNorm2d(4).state_dict())


def test_one_value_per_channel_is_refused():
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        StepBatchNorm2d(4)(torch.zeros(1, 4, 1, 1))


def test_networks_collect_when_told():
    spec = Spec(blocks=(2, 2, 2, 2), width=4, flow_length=1, pool_size=1, injection="add")
    model = build_model(spec, 3)
    for count in range(3):
        model({"appearance": torch.randn(2, 2, 3, 32, 32), "motion": torch.randn(2, 2, 2, 32, 32)})
        assert all(pending[2].eq(count).all() for pending in pending_statistics(model))
        collect_statistics(model)
    assert all(pending[2].eq(3).all() for pending in pending_statistics(model))
    model.eval()({"appearance": torch.randn(2, 2, 3, 32, 32), "motion": torch.randn(2, 2, 2, 32, 32)})
    collect_statistics(model)
    assert all(pending[2].eq(3).all() for pending in pending_statistics(model))
