"""Where in a frame a score comes from: class-activation maps (Zhou et al., CVPR 2016) of a head's linear classifier.

An average pool that slides over a map counts inner positions more often than outer ones. A map here counts each position as
often as the logit does: its mean over positions is the logit without the bias, exactly. Families say what their heads are by
``activation_heads`` (see `repro.models.network.ActivationHead`).
"""

import contextlib

import torch


@contextlib.contextmanager
def watched(heads):
    """Yield {head: list}; every pass of one clip through the network appends the maps that enter the head's pool.

    ``heads``: {head: ActivationHead}. Maps are (T', C, h, w) float32.
    """
    seen = {name: [] for name in heads}
    handles = [
        head.pool.register_forward_pre_hook(lambda module, inputs, kept=seen[name]: kept.append(inputs[0].float()))
        for name, head in heads.items()
    ]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


@torch.inference_mode()
def step_logits(head, maps):
    """Logits (T', classes) of an ActivationHead for maps (T', C, h, w) that `watched` caught."""
    return head.linear(head.pool(maps).mean((2, 3)))


@torch.inference_mode()
def class_activation(head, maps, label):
    """Contribution of every position to the logits of class ``label``: (T', C, h, w) -> (T', h, w).

    The mean over positions is the logit less the bias, for each output step.
    """
    rows, columns = (_coverage(size, head.window or size).to(maps) for size in maps.shape[-2:])
    return torch.einsum("tchw,c,h,w->thw", maps, head.linear.weight[label], rows, columns)


def _coverage(size, window):
    """(size,) how often each position lies in a window of an average pool of stride 1, divided by the mean of that count."""
    positions = torch.arange(size)
    starts = size - window + 1
    count = (positions.clamp(max=starts - 1) - (positions - window + 1).clamp(min=0) + 1).float()
    return count * size / (window * starts)
