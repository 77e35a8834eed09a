"""Batch norms whose statistics are not those of the data, made ready for training without changing the network."""

import torch

from .batchnorm import step_norms


@torch.no_grad()
def recalibrate(model, batches, dataset=None):
    """Give every batch norm the mean and variance that its inputs have on `batches`, and put the difference into its weight
    and bias: in eval mode the network computes what it did before, and in training mode it starts from there.

    For weights published with batch norms folded away (variance 1 throughout: training on them as they are would rescale
    every layer at once). batches: a sequence of what `model` takes, at best a few hundred typical frames; dataset:
    which of its classifiers runs, None for the only one. Raises ValueError for no batches. Returns the model, in eval mode.
    """
    sums = {}

    def collect(norm, inputs):
        x = inputs[0].double()  # (N, C, ...)
        rest = (0, *range(2, x.dim()))
        batch = torch.stack((x.mean(rest), x.square().mean(rest), torch.ones(x.shape[1], device=x.device)))
        sums[norm] = sums.get(norm, 0) + batch

    handles = [norm.register_forward_pre_hook(collect) for norm in step_norms(model)]
    model.eval()
    try:
        for batch in batches:
            model(batch, dataset)
    finally:
        for handle in handles:
            handle.remove()
    if not sums:
        raise ValueError("batches must hold at least one batch, got none")
    for norm, (total, squares, count) in sums.items():
        mean = total / count
        var = (squares / count - mean.square()).clamp(min=0)
        slope = norm.weight / (norm.running_var + norm.eps).sqrt()
        norm.bias += ((mean - norm.running_mean) * slope).to(norm.bias.dtype)
        norm.weight.copy_(slope * (var + norm.eps).sqrt())
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(var)
    return model
