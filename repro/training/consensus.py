"""What a clip's output steps agree on, before softmax (TSN Sec. 3.1)."""

import torch
from torch import nn

KINDS = ("per_frame", "average", "max", "weighted")


class Consensus(nn.Module):
    """{head: (B, T', classes)} -> {head: (B, T'', classes)}: every step by itself (T'' = T') or one consensus (T'' = 1).

    ``weighted``: a learned weight per step, 1 / ``steps`` at the start. Raises ValueError for another word, and for clips of
    another number of steps than there are weights.
    """

    def __init__(self, kind, steps):
        super().__init__()
        if kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
        self.kind = kind
        self.weight = nn.Parameter(torch.full((steps,), 1 / steps)) if kind == "weighted" else None

    def forward(self, logits):
        return {head: self._agreed(x) for head, x in logits.items()}

    def _agreed(self, x):  # (B, T', classes)
        if self.kind == "per_frame":
            return x
        if self.kind == "average":
            return x.mean(1, keepdim=True)  # (B, 1, classes)
        if self.kind == "max":
            return x.amax(1, keepdim=True)  # (B, 1, classes)
        if x.shape[1] != len(self.weight):
            raise ValueError(f"a weighted consensus of {len(self.weight)} steps got {x.shape[1]}")
        return torch.einsum("btc,t->bc", x, self.weight)[:, None]  # (B, 1, classes)
