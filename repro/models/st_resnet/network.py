"""The joint network: streams in lockstep, motion residuals between them."""

import torch
from torch import nn

from ..initial import inflate_input, load_initial
from ..network import ActivationHead, Family, VideoNetwork, check_clip, fold
from .chunked import forward_in_chunks
from .settings import STAGES
from .stream import ResNetStream
from .surgery import INJECT, add_temporal_convolutions, add_temporal_filters, add_temporal_pool, initialise
from .temporal import temporal_kernel


class STResNet(VideoNetwork):
    """One ResNet per stream, in lockstep (Fig. 2 of the paper); build with `build_model`. Every stream is a head.

    Per stage, with x the pre-ReLU sums of the first blocks and f = ReLU (Eq. 2, direction motion_to_appearance):

        x_a --- f ----------- shortcut -------- + -- ...         x_m --- f --+-- second block of motion -- ...
         |                                      |                            |
         +--- (+ f(x_m)) --- F, second block ---+                            +--> f(x_m), to appearance
    """

    memory_format = torch.channels_last

    def __init__(self, settings, inputs, streams):
        super().__init__(settings, inputs)
        self.heads = tuple(streams)
        self.min_frames = settings.min_frames
        for name, stream in streams.items():
            self.add_module(name, stream)
        self.scales = None
        if settings.injection_scale is not None and settings.injection != "none":
            self.scales = nn.ModuleDict({name: _scales(self, name) for name in self.heads})

    def forward(self, clip, dataset=None):
        """Logits per stream and output time step.

        clip: {stream: (B, T, C, H, W)}, normalised as the stream's weights ask for.
        Returns {stream: (B, T', classes)}; T' = T, or (T - 5) // pool_stride + 1 with temporal pooling.
        Raises ValueError for a missing stream or shapes that don't fit.
        """
        clips, frames = check_clip(self, clip)
        x = {name: getattr(self, name).stem(fold(clip[name])) for name in self.heads}
        for stage in STAGES:  # each (B*T, C, H, W)
            x = self.run_stage(stage, x, frames)
        logits = {name: getattr(self, name).head(x[name], frames, dataset) for name in x}
        return {name: y.reshape(clips, -1, y.shape[-1]) for name, y in logits.items()}  # (B, T', classes)

    def run_stage(self, stage, x, frames):
        """Features of all streams (B*T, C, H, W) through conv{stage}_x, with its connections."""
        blocks = {name: getattr(self, name).stage(stage) for name in x}
        sums = {name: blocks[name][0](x[name], x[name], frames) for name in x}  # pre-ReLU, (B*T, C', H', W')
        # A stream that is injected into needs its sum once more, before the ReLU: there the ReLU must not be in place.
        out = {name: y.relu() if self.settings.receives(name, stage) else y.relu_() for name, y in sums.items()}
        branch = {name: self._branch_input(name, stage, sums, out) for name in x}
        for name, (_, *rest) in blocks.items():
            y, seen = out[name], branch[name]
            for block in rest:
                y = seen = block(y, seen, frames).relu_()  # (B*T, C', H', W')
            out[name] = y
        return out

    def _branch_input(self, name, stage, sums, out):
        """What the residual branch of the second block sees: f(x), or x combined with f(x of the other stream)."""
        if not self.settings.receives(name, stage):
            return out[name]
        (other,) = (stream for stream in self.heads if stream != name)
        signal = out[other] if self.scales is None else self.scales[name][f"stage{stage}"](out[other])
        return INJECT[self.settings.injection](sums[name], signal)

    forward_in_chunks = forward_in_chunks

    def activation_heads(self, dataset=None):
        """{stream: ActivationHead}; maps enter the average pool behind the pooling over time."""
        streams = {name: getattr(self, name) for name in self.heads}
        return {name: ActivationHead(s.avgpool, s.fc.of(dataset), s.avgpool.kernel_size) for name, s in streams.items()}


class Scale(nn.Module):
    """A learned factor and offset per channel of (N, C, H, W) (ST-MulNet's option)."""

    def __init__(self, channels, start):
        super().__init__()
        self.weight = nn.Parameter(torch.full((channels, 1, 1), float(start)))
        self.bias = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, x):  # (N, C, H, W)
        return x * self.weight + self.bias  # (N, C, H, W)


def _scales(network, name):
    """A Scale for every connection into stream `name`."""
    settings, stream = network.settings, getattr(network, name)
    stages = [stage for stage in STAGES if settings.receives(name, stage)]
    return nn.ModuleDict({f"stage{s}": Scale(stream.stage(s)[0].conv3.out_channels, settings.injection_scale) for s in stages})


def build_model(settings, inputs):
    """The network of `settings` (STResNetSettings) for `inputs` (Inputs), freshly initialised from torch's global generator."""
    settings.check(inputs)
    streams = {}
    for name, channels in inputs.channels.items():
        stream = ResNetStream(
            channels,
            inputs.classes,
            blocks=settings.blocks,
            width=settings.width,
            stem_width=settings.conv1_channels,
            layout=settings.layout,
            pool_size=settings.pool_size or inputs.input_size // 32,
            dropout=settings.dropout.get(name, 0.0),
        )
        initialise(stream)
        if settings.temporal != "none":
            add_temporal_convolutions(stream, settings.temporal)
        if settings.temporal_filter != "none":
            add_temporal_filters(stream, settings.temporal_filter)
        add_temporal_pool(stream, settings.temporal_pool, settings.pool_stride)
        streams[name] = stream
    return STResNet(settings, inputs, streams)


def start(network, state_dict):
    """Initialise an STResNet from 2D, single-stream or joint networks: 2D kernels become temporal as the settings say.

    See `load_initial` for the rest.
    """

    def fit(name, source, target):
        if len(target) == 5 and tuple(source.shape) == (*target[:2], 1, 1):
            if network.settings.temporal == "random":
                return "new", None
            return "temporal", temporal_kernel(source, network.settings.temporal)
        return inflate_input(name, source, target)

    return load_initial(network, state_dict, fit=fit, optional=(".temporal_filter.", "scales."))


FAMILY = Family(build_model, start)
