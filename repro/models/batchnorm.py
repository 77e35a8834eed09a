"""Batch norm whose running statistics move once per SGD step, however many sub-batches the step is made of."""

import torch
import torch.nn.functional as F
from torch import nn


class _StepBatchNorm(nn.modules.batchnorm._BatchNorm):
    """Batch norm over all axes but the channels' that leaves its running statistics alone until `commit`.

    In training mode each forward normalises with the statistics of its own sub-batch and keeps them in `latest`;
    `collect_statistics` adds (mean, sigma, 1) per channel to `pending` (3, C), with sigma = sqrt(biased variance + eps).
    `pending` is a sum and may be summed over ranks before `commit(momentum)`, which moves the running mean and sigma toward
    the averages and clears it. The average of sigma, not of the variance, is what MatConvNet keeps. In eval mode:
    torch's batch norm.

    `pending` is no part of the state dict. With DistributedDataParallel pass broadcast_buffers=False, which would
    otherwise overwrite it with rank 0's.
    """

    def __init__(self, channels, eps=1e-5):
        super().__init__(channels, eps=eps)
        self.register_buffer("pending", torch.zeros(3, channels), persistent=False)
        self.latest = None

    def forward(self, x):
        if not self.training:
            return super().forward(x)
        # With momentum 1 the fused kernel leaves this sub-batch's mean and unbiased variance in the buffers it is
        # handed: statistics without another pass over x. They are new each time, since backward holds on to them.
        mean, var = torch.zeros_like(self.pending[:2])
        self.latest = mean, var, x.numel() // x.shape[1]
        return F.batch_norm(x, mean, var, self.weight, self.bias, True, 1.0, self.eps)  # as x

    @torch.no_grad()
    def commit(self, momentum=0.05):
        """Move the running statistics by `momentum` toward the pending averages; without any, leave them alone."""
        count = self.pending[2].clamp(min=1)
        step = momentum * (self.pending[2] > 0).to(self.pending.dtype)
        sigma = (self.running_var + self.eps).sqrt()
        self.running_mean.lerp_(self.pending[0] / count, step)
        sigma.lerp_(self.pending[1] / count, step)
        self.running_var.copy_(sigma.square() - self.eps).clamp_(min=0)
        self.pending.zero_()


class StepBatchNorm2d(_StepBatchNorm, nn.BatchNorm2d):
    """`_StepBatchNorm` of pictures (N, C, H, W)."""


class StepBatchNorm3d(_StepBatchNorm, nn.BatchNorm3d):
    """`_StepBatchNorm` of videos (N, C, T, H, W)."""


def step_norms(model):
    """Every step batch norm of `model`, in module order."""
    return [module for module in model.modules() if isinstance(module, _StepBatchNorm)]


@torch.no_grad()
def collect_statistics(model):
    """Add the latest sub-batch's statistics of each step batch norm of `model` to its `pending` sums: once per forward.

    For all at once: a handful of kernels for the network instead of one handful per layer, which on a GPU would cost as much
    as the layers. Norms that did not run in training mode (frozen ones) are left out.
    """
    norms = [norm for norm in step_norms(model) if norm.latest is not None]
    if not norms:
        return
    means, variances, counts = zip(*(norm.latest for norm in norms), strict=True)
    sigmas = torch._foreach_mul(variances, [(count - 1) / count for count in counts])
    torch._foreach_add_(sigmas, [norm.eps for norm in norms])
    torch._foreach_sqrt_(sigmas)
    for row, values in enumerate((means, sigmas)):
        torch._foreach_add_([norm.pending[row] for norm in norms], values)
    torch._foreach_add_([norm.pending[2] for norm in norms], 1.0)
    for norm in norms:
        norm.latest = None


def pending_statistics(model):
    """The `pending` sums of every step batch norm of `model`, in module order: what ranks must sum before a commit."""
    return [norm.pending for norm in step_norms(model)]


def commit_statistics(model, momentum=0.05):
    """Commit every step batch norm of `model` that is in training mode: once per SGD step (the paper's rule, momentum 0.05).

    Frozen ones are left out: sigma back into a variance would round theirs.
    """
    for norm in step_norms(model):
        if norm.training:
            norm.commit(momentum)
