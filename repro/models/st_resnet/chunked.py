"""A long clip through the network a few frames at a time: the same logits in less memory."""

import torch

from ..network import fold
from .settings import STAGES


def _halo(settings):
    """Frames that a stage reaches to each side: its two temporal convolutions (Sec. 3.3) and its temporal filter."""
    return 2 * (settings.temporal != "none") + (settings.temporal_filter != "none")


@torch.no_grad()
def forward_in_chunks(model, inputs, frames, chunk, dataset=None):
    """Logits {stream: (1, T', classes)} of one clip through an STResNet in eval mode, equal to model(...) but for rounding.

    inputs(first, last): {stream: (1, last - first, C, H, W)}, the clip's frames first .. last - 1; frames: T; chunk >= 1: frames
    at a time. Each stage sees `chunk` frames and, where it looks across time, a halo more on either side, whose own results
    near the cut are thrown away; a cut at the clip's end is the zero padding itself. Only the features between stages are held
    for all frames, so what shrinks is the stem and the inside of the stages. Raises ValueError in training mode, where batch
    norm couples all frames, and for a chunk below 1.
    """
    if model.training:
        raise ValueError("model must be in eval mode: batch statistics are those of all frames")
    if chunk < 1:
        raise ValueError(f"chunk must be at least 1, got {chunk}")
    halo = _halo(model.settings)

    def stem(first, last):
        part = inputs(first, last)
        return {name: getattr(model, name).stem(fold(part[name])) for name in model.heads}

    def stage(number, x, first, last):
        low, high = max(0, first - halo), min(frames, last + halo)
        y = model.run_stage(number, {name: part[low:high] for name, part in x.items()}, high - low)
        return {name: part[first - low : last - low] for name, part in y.items()}

    x = _whole(stem, frames, chunk)  # each (T, C, H, W)
    for number in STAGES:
        x = _whole(lambda first, last, number=number, x=x: stage(number, x, first, last), frames, chunk)
    return {name: getattr(model, name).head(x[name], frames, dataset)[None] for name in model.heads}


def _whole(part, frames, chunk):
    """{stream: (T, C, H, W)} put together from part(first, last), chunk after chunk."""
    whole = {}
    for first in range(0, frames, chunk):
        last = min(first + chunk, frames)
        for name, y in part(first, last).items():
            if name not in whole:
                whole[name] = y.new_empty((frames, *y.shape[1:])).contiguous(memory_format=torch.channels_last)
            whole[name][first:last] = y
    return whole
