"""The joint network: both streams in lockstep, motion residuals between them."""

import torch
from torch import nn

from .batchnorm import collect_statistics, step_norms
from .resnet import ResNetStream
from .spec import STAGES
from .surgery import INJECT, add_temporal_convolutions, add_temporal_pool, initialise

OTHER = {"appearance": "motion", "motion": "appearance"}


class STResNet(nn.Module):
    """One or two ResNet streams (Fig. 2 of the paper); build with `build_model`.

    Per stage, with x the pre-ReLU sums of the first blocks and f = ReLU (Eq. 2, direction motion_to_appearance):

        x_a --- f ----------- shortcut -------- + -- ...         x_m --- f --+-- second block of motion -- ...
         |                                      |                            |
         +--- (+ f(x_m)) --- F, second block ---+                            +--> f(x_m), to appearance
    """

    def __init__(self, spec, streams):
        super().__init__()
        self.spec = spec
        for name in spec.streams:
            self.add_module(name, streams[name])

    def forward(self, inputs):
        """Logits per stream and output time step.

        inputs: {"appearance": (B, T, 3, H, W), "motion": (B, T, 2L, H, W)}, normalised as their weights ask for.
        Returns {stream: (B, T', classes)}; T' = T, or (T - 5) // 2 + 1 with temporal pooling.
        Raises ValueError for a missing stream or shapes that don't fit.
        """
        clips, frames = self._check(inputs)
        x = {name: getattr(self, name).stem(_fold(inputs[name])) for name in self.spec.streams}
        for stage in STAGES:  # each (B*T, C, H, W)
            x = self.run_stage(stage, x, frames)
        logits = {name: getattr(self, name).head(x[name], frames) for name in x}
        if self.training:
            collect_statistics(step_norms(self))
        return {name: y.reshape(clips, -1, y.shape[-1]) for name, y in logits.items()}  # (B, T', classes)

    def run_stage(self, stage, x, frames):
        """Features of all streams (B*T, C, H, W) through conv{stage}_x, with its connections."""
        blocks = {name: getattr(self, name).stage(stage) for name in x}
        sums = {name: blocks[name][0](x[name], x[name], frames) for name in x}  # pre-ReLU, (B*T, C', H', W')
        # A stream that is injected into needs its sum once more, before the ReLU: there the ReLU must not be in place.
        out = {name: y.relu() if self.spec.receives(name, stage) else y.relu_() for name, y in sums.items()}
        branch = {name: self._branch_input(name, stage, sums, out) for name in x}
        for name, (_, *rest) in blocks.items():
            y, seen = out[name], branch[name]
            for block in rest:
                y = seen = block(y, seen, frames).relu_()  # (B*T, C', H', W')
            out[name] = y
        return out

    def _branch_input(self, name, stage, sums, out):
        """What the residual branch of the second block sees: f(x), or x combined with f(x of the other stream)."""
        if not self.spec.receives(name, stage):
            return out[name]
        return INJECT[self.spec.injection](sums[name], out[OTHER[name]])

    def _check(self, inputs):
        shape = None
        for name in self.spec.streams:
            if name not in inputs:
                raise ValueError(f"inputs must hold {name!r}, got {sorted(inputs)}")
            b, t, c, h, w = _five(name, inputs[name])
            if c != self.spec.in_channels(name):
                raise ValueError(f"inputs[{name!r}] must have {self.spec.in_channels(name)} channels, got {c}")
            if shape not in (None, (b, t, h, w)):
                raise ValueError(f"inputs must agree in clips, frames and size, got {shape} and {(b, t, h, w)}")
            shape = (b, t, h, w)
        return shape[:2]


def build_model(spec, num_classes):
    """The network of `spec` (ModelSpec), freshly initialised from torch's global generator."""
    streams = {}
    for name in spec.streams:
        stream = ResNetStream(
            spec.in_channels(name),
            num_classes,
            blocks=spec.blocks,
            width=spec.width,
            stem_width=spec.conv1_channels,
            layout=spec.layout,
            pool_size=spec.pool_size,
            dropout=spec.dropout(name),
        )
        initialise(stream)
        if spec.temporal != "none":
            add_temporal_convolutions(stream, spec.temporal)
        add_temporal_pool(stream, spec.temporal_pool)
        streams[name] = stream
    return STResNet(spec, streams)


def _fold(x):  # (B, T, C, H, W)
    return x.flatten(0, 1).contiguous(memory_format=torch.channels_last)  # (B*T, C, H, W)


def _five(name, x):
    if x.dim() != 5:
        raise ValueError(f"inputs[{name!r}] must be (clips, frames, channels, height, width), got {tuple(x.shape)}")
    return x.shape
