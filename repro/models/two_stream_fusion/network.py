"""The family: two towers, the spatial one taking up the temporal one's features (Feichtenhofer et al. 2016, Fig. 2 to 4)."""

import dataclasses

import torch
from torch import nn

from ..initial import inflate_input, load_initial
from ..network import Family, VideoNetwork, check_clip, fold
from ..side_by_side import SideBySide
from .names import own_names
from .operators import join, pad_alike
from .settings import BACKBONES, LAYERS
from .tower import Tower

FUSED = "fused"
"""The head of the spatial tower, which sees both streams."""


class TwoStreamFusion(VideoNetwork):
    """Two towers and an operator per fusion layer; build with `build_model`.

    Heads: "fused" and, where the temporal tower is kept, the name of its stream.
    """

    def __init__(self, settings, inputs, towers, fusions):
        super().__init__(settings, inputs)
        self.temporal, _, self.spatial = settings.direction.partition("_to_")
        self.heads = (FUSED, self.temporal) if settings.keep_temporal_tower else (FUSED,)
        self.min_frames = settings.min_frames
        if settings.fusion != "conv3d":
            self.memory_format = torch.channels_last
        for name, tower in towers.items():
            self.add_module(name, tower)
        self.fusions = nn.ModuleDict(fusions)
        if settings.stop_gradient:
            for parameter in self.base_parameters():
                parameter.requires_grad_(False)

    def forward(self, clip, dataset=None):
        """{stream: (B, T, C, H, W)} -> {head: (B, T', classes of `dataset`)}, T' = T // temporal_pool."""
        clips, frames = check_clip(self, clip)
        met = {}

        def keep(layer, x):
            if layer in self.fusions:
                met[layer] = x
            return x

        def fuse(layer, x):
            return self._fused(layer, x, met[layer], frames, dataset) if layer in self.fusions else x

        beside = getattr(self, self.temporal)(fold(clip[self.temporal]), frames, dataset, keep)  # (B*T', classes) or None
        fused = getattr(self, self.spatial)(fold(clip[self.spatial]), frames, dataset, fuse)  # (B*T', classes)
        logits = {FUSED: fused, self.temporal: beside}
        return {head: logits[head].unflatten(0, (clips, -1)) for head in self.heads}  # (B, T', classes)

    def _fused(self, layer, x_s, x_t, frames, dataset):
        """Both towers' features at `layer` through its operator; at fc8 there is one per dataset."""
        if layer != "fc8":
            return self.fusions[layer](*pad_alike(x_s, x_t), frames)
        dataset = dataset or next(iter(self.inputs.classes))
        y = self.fusions[layer][dataset](x_s[..., None, None], x_t[..., None, None], frames)  # (B*T', classes, 1, 1)
        return y.flatten(1)

    def base_parameters(self):
        """Parameters of both towers up to the first fusion layer."""
        for name in (self.spatial, self.temporal):
            tower = getattr(self, name)
            for row in tower.table.convolutions:
                yield from getattr(tower, row.name).parameters()
                if self.settings.batch_norm:
                    yield from getattr(tower, row.name.replace("conv", "bn")).parameters()
                if row.end == self.settings.first:
                    break


class Apart(SideBySide):
    """A tower per stream, a head each: the base streams, and late fusion."""

    memory_format = torch.channels_last

    def __init__(self, settings, inputs, towers):
        super().__init__(settings, inputs, towers)
        self.min_frames = settings.min_frames

    def forward(self, clip, dataset=None):
        """{stream: (B, T, C, H, W)} -> {stream: (B, T', classes of `dataset`)}, T' = T // temporal_pool."""
        clips, frames = check_clip(self, clip)
        logits = {name: getattr(self, name)(fold(clip[name]), frames, dataset) for name in self.heads}  # (B*T', classes)
        return {name: y.unflatten(0, (clips, -1)) for name, y in logits.items()}  # (B, T', classes)


def build_model(settings, inputs):
    """The network of `settings` (TwoStreamFusionSettings) for `inputs` (Inputs), initialised from torch's global generator."""
    settings.check(inputs)
    common, size = (inputs.classes, settings), inputs.input_size
    table = BACKBONES[settings.backbone]
    if settings.fusion == "none":
        return Apart(settings, inputs, {name: Tower(n, *common, table, size) for name, n in inputs.channels.items()})
    other = BACKBONES[settings.temporal_backbone or settings.backbone]
    counts, other_counts = settings.counts(table), settings.counts(other)
    temporal, _, spatial = settings.direction.partition("_to_")
    doubled = settings.fuse_at if settings.fusion == "concatenation" else ()
    bilinear = counts["relu5"] * other_counts["relu5"] if settings.fusion == "bilinear" else 0
    end = "fc8" if settings.keep_temporal_tower else settings.last
    towers = {
        spatial: Tower(inputs.channels[spatial], *common, table, size, doubled, bilinear),
        temporal: Tower(inputs.channels[temporal], *common, other, size, end=end),
    }

    kind, first = settings.fusion, settings.fusion_start
    layers = sorted(set(settings.fuse_at) - {"fc8"}, key=LAYERS.index)
    fusions = {layer: join(kind, counts[layer], first, settings.fusion_relu) for layer in layers}
    if "fc8" in settings.fuse_at:  # scores have a sign: no ReLU
        fusions["fc8"] = nn.ModuleDict({dataset: join(kind, count, first, False) for dataset, count in inputs.classes.items()})
    return TwoStreamFusion(settings, inputs, towers, fusions)


def start(network, state_dict, optional=("fusions.",)):
    """Initialise from trained streams or networks of the family, or from VGG-16s in torchvision's names.

    What `optional` names and the source lacks stays as built, operators for one, and so do layers behind a concatenation, whose
    kernels see twice the channels, and an fc6 of another input size. Layers that a tower lacks are left unused. See
    `load_initial` for the rest.
    """
    state_dict = own_names(state_dict, network.inputs.channels)
    without = tuple(key for key in state_dict if _lacking(network, key))

    def fit(name, source, shape):
        if source.dim() == len(shape) == 4 and len(source) == shape[0]:
            if ".fc6." in name or (source.shape[2:] == shape[2:] and shape[1] == 2 * source.shape[1]):
                return "new", None
        return inflate_input(name, source, shape)

    used = {key: tensor for key, tensor in state_dict.items() if key not in without}
    report = load_initial(network, used, fit=fit, optional=optional)
    return dataclasses.replace(report, unused=(*report.unused, *without))


def _lacking(network, key):
    """Whether a source's tensor belongs to a layer that is in the tables of its towers and that they do without."""
    stream, _, rest = key.partition(".")
    streams = (stream,) if stream in network.inputs.channels else tuple(network.inputs.channels)
    name = (rest if stream in streams else key).partition(".")[0]
    towers = [getattr(network, stream) for stream in streams]
    return any(name in tower.table.names for tower in towers) and not any(hasattr(tower, name) for tower in towers)


FAMILY = Family(build_model, start)
