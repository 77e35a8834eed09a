"""What a step minimises: log-losses of heads, summed over datasets."""

import torch
import torch.nn.functional as F
from torch import nn


def summed_loss(logits, labels, videos_per_step, kind="per_stream"):
    """Softmax log-loss summed over heads, output steps and clips, divided by the videos of the SGD step (authors' code).

    ``logits``: {head: (B, T', C)}; ``labels`` (B,). A mean over steps would be an effective learning rate T' times too small.
    ``kind`` "mean": a single log-loss, of the heads' mean logits, in place of one per head.
    """
    heads = list(logits.values())
    if kind == "mean":
        heads = [torch.stack(heads).mean(0)]
    total = 0.0
    for scores in heads:
        repeated = labels.repeat_interleave(scores.shape[1])
        total = total + F.cross_entropy(scores.float().flatten(0, 1), repeated, reduction="sum")
    return total / videos_per_step


class Tasks(nn.Module):
    """A network applied to a sub-batch of every dataset in one forward, so that each head sees its own videos alone.

    forward({dataset: clip}) -> {dataset: {head: (B, T'', classes)}}, after the consensus over output steps.
    """

    def __init__(self, network, consensus):
        super().__init__()
        self.network, self.consensus = network, consensus

    def forward(self, clips):
        return {dataset: self.consensus(self.network(clip, dataset)) for dataset, clip in clips.items()}
