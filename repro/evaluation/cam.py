"""Where in a frame a score comes from: class-activation maps (Zhou et al., CVPR 2016) of a stream's linear classifier.

The average pool of a stream slides over the maps of conv5_x, so that inner positions enter a logit more often than outer ones.
A map here counts each position as often as the logit does: its mean over positions is the logit without the bias, exactly.
"""

import contextlib

import torch


@contextlib.contextmanager
def watched(model):
    """Yield {stream: list}; every pass of one clip through ``model`` appends the maps that enter the stream's average pool.

    Maps are (T', C, h, w) float32, behind the pooling over time.
    """
    seen = {name: [] for name in model.spec.streams}
    handles = [
        getattr(model, name).avgpool.register_forward_pre_hook(lambda module, inputs, kept=kept: kept.append(inputs[0].float()))
        for name, kept in seen.items()
    ]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


@torch.inference_mode()
def step_logits(stream, maps):
    """Logits (T', classes) of a ResNetStream for maps (T', C, h, w) that `watched` caught."""
    return stream.fc(stream.avgpool(maps).mean((2, 3)))


@torch.inference_mode()
def class_activation(stream, maps, label):
    """Contribution of every position to the logits of class ``label``: (T', C, h, w) -> (T', h, w).

    The mean over positions is the logit less the bias, for each time step.
    """
    window = stream.avgpool.kernel_size
    rows, columns = (_coverage(size, window).to(maps) for size in maps.shape[-2:])
    return torch.einsum("tchw,c,h,w->thw", maps, stream.fc.weight[label], rows, columns)


def _coverage(size, window):
    """(size,) how often each position lies in a window of an average pool of stride 1, divided by the mean of that count."""
    positions = torch.arange(size)
    starts = size - window + 1
    count = (positions.clamp(max=starts - 1) - (positions - window + 1).clamp(min=0) + 1).float()
    return count * size / (window * starts)
