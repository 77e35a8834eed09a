"""Batch norm whose running statistics move once per SGD step, however many sub-batches the step is made of."""

import torch
import torch.nn.functional as F
from torch import nn


class StepBatchNorm2d(nn.BatchNorm2d):
    """Batch norm of (N, C, H, W) that collects sub-batch statistics until `commit`.

    In training mode each forward normalises with the statistics of its own sub-batch and adds a row-wise
    (mean, sigma, 1) to `pending` (3, C), with sigma = sqrt(biased variance + eps). `pending` is a sum and may be summed
    over ranks before `commit(momentum)`, which moves the running mean and sigma toward the averages and clears it.
    The average of sigma, not of the variance, is what MatConvNet keeps. In eval mode: nn.BatchNorm2d.

    `pending` is no part of the state dict. With DistributedDataParallel pass broadcast_buffers=False, which would
    otherwise overwrite it with rank 0's.
    """

    def __init__(self, channels, eps=1e-5):
        super().__init__(channels, eps=eps)
        self.register_buffer("pending", torch.zeros(3, channels), persistent=False)

    def forward(self, x):
        if not self.training:
            return super().forward(x)
        count = x.numel() // x.shape[1]
        # With momentum 1 the fused kernel leaves this sub-batch's mean and unbiased variance in the buffers it is
        # handed: statistics without another pass over x.
        mean, var = torch.zeros_like(self.pending[:2])
        y = F.batch_norm(x, mean, var, self.weight, self.bias, True, 1.0, self.eps)     # (N, C, H, W)
        sigma = (var * ((count - 1) / count) + self.eps).sqrt()     # not in place: backward holds on to var
        self.pending += torch.stack((mean, sigma, torch.ones_like(mean)))
        return y

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


def pending_statistics(model):
    """The `pending` sums of every StepBatchNorm2d in `model`, in module order: what ranks must sum before a commit."""
    return [module.pending for module in model.modules() if isinstance(module, StepBatchNorm2d)]


def commit_statistics(model, momentum=0.05):
    """Commit every StepBatchNorm2d in `model`: once per SGD step (the paper's rule, momentum 0.05)."""
    for module in model.modules():
        if isinstance(module, StepBatchNorm2d):
            module.commit(momentum)
