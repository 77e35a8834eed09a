"""Batch norms that stay as they are during training (TSN's partial batch norm)."""

from torch import nn

WHICH = ("none", "all", "all_but_first")


def freeze_norms(model, which):
    """Freeze batch norms of a network in training mode, in place: statistics are used and not updated, slope and bias take no
    gradient (authors' code; the paper names the statistics alone). Gradients still pass to earlier layers.

    which: "none", "all", or "all_but_first": of each stream, where streams are modules of their own. Raises ValueError for
    another word. Call it after every `train()`, which puts norms back into training mode.
    """
    if which not in WHICH:
        raise ValueError(f"which must be one of {', '.join(WHICH)}, got {which!r}")
    if which == "none":
        return
    streams = [getattr(model, name, None) for name in model.inputs.channels]
    parts = streams if all(isinstance(part, nn.Module) for part in streams) else [model]
    kept = {next(iter(_norms(part)), None) for part in parts} if which == "all_but_first" else set()
    for norm in _norms(model):
        if norm not in kept:
            norm.eval()
            for parameter in norm.parameters(recurse=False):
                parameter.requires_grad_(False)


def _norms(module):
    return [m for m in module.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
