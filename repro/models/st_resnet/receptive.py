"""Receptive fields measured on a live network, by gradients."""

import dataclasses

import torch
from torch import nn

from ..registry import Inputs
from .network import build_model

LAYERS = ("conv1", "pool1", "conv2_x", "conv3_x", "conv4_x", "conv5_x", "pool5")


def layer_outputs(stream, keep):
    """Call keep(layer name, output tensor) for each of LAYERS during forwards of a ResNetStream; returns the hooks' handles.

    Outputs are (B*T, C, H, W); those of conv2_x .. conv5_x come before the ReLU, pool5 has both poolings behind it.
    """
    modules = {"conv1": stream.conv1, "pool1": stream.maxpool, "pool5": stream.avgpool}
    modules |= {f"conv{stage}_x": stream.stage(stage)[-1] for stage in (2, 3, 4, 5)}
    return [modules[name].register_forward_hook(lambda _, inputs, output, name=name: keep(name, output)) for name in LAYERS]


def receptive_fields(settings, input_size=224):
    """{layer: (height, width, frames)} of a network of `settings`' depth, layout and surgery, in input pixels and frames.

    Measured, not computed: the extent of the inputs with a gradient at the middle output. So that no gradient vanishes by
    chance, weights and inputs are positive (the ReLUs are then identities), max-pools take means, and one channel stands for
    all. The field of pool5 is that of one pooling window.
    """
    pool = "none" if settings.temporal_pool == "none" else "average"
    thin = dataclasses.replace(
        settings,
        width=1,
        stem_width=1,
        temporal_pool=pool,
        pool_size=settings.pool_size or input_size // 32,
        direction="both",  # whatever the streams' names; a connection joins equal layers and widens no field
        dropout={},
    )
    space = _extents(dataclasses.replace(thin, temporal_pool="none"), frames=1, side=_frame_side(thin))
    time = _extents(dataclasses.replace(thin, pool_size=1), frames=41, side=32)
    return {layer: (*space[layer][1:], time[layer][0]) for layer in LAYERS}


def _frame_side(settings):
    """A frame side, multiple of 32, that no field outgrows: every 3x3 convolution counted at its output's stride."""
    blocks = sum(8 * 2**i * count for i, count in enumerate(settings.blocks))
    return 32 * (2 + settings.pool_size + (11 + blocks) // 32)


def _extents(settings, frames, side):
    """{layer: (frames, height, width)}: extents of the gradient of each layer's middle output of one stream."""
    streams = ("appearance", "motion") if settings.injection != "none" else ("appearance",)
    inputs = Inputs({name: 1 for name in streams}, {"any": 1}, side)
    model = _positive(build_model(settings, inputs)).double().eval()
    outputs = {}
    layer_outputs(model.appearance, outputs.__setitem__)
    clip = {name: torch.ones(1, frames, 1, side, side, dtype=torch.float64) for name in streams}
    x = clip["appearance"].requires_grad_()
    model(clip)
    return {layer: _extent(torch.autograd.grad(_middle(y), x, retain_graph=True)[0]) for layer, y in outputs.items()}


def _middle(y):  # (T, 1, H, W)
    t, _, h, w = y.shape
    return y[t // 2, 0, h // 2, w // 2]


def _extent(gradient):  # (1, T, C, H, W)
    t, _, y, x = gradient[0].nonzero(as_tuple=True)
    return tuple(int(axis.max() - axis.min()) + 1 for axis in (t, y, x))


def _positive(model):
    """Mean filters, batch norms at their neutral start, means for maxima."""
    for stream in (getattr(model, name) for name in model.heads):
        pool = stream.maxpool
        stream.maxpool = nn.AvgPool2d(pool.kernel_size, pool.stride, pool.padding, pool.ceil_mode)
        for weight in stream.parameters():
            if weight.dim() >= 4:
                nn.init.constant_(weight, 1 / weight[0].numel())
    return model
