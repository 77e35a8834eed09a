"""The switches of two-stream fusion and the layer tables of its towers, checked once. Imports no torch."""

from dataclasses import dataclass

OPERATORS = ("none", "sum", "max", "concatenation", "conv", "bilinear", "conv3d")
STARTS = {"sum": (1.0, 1.0), "code": (0.25, 0.75), "paper": (1.0, 3.0), "random": None}
"""How conv and conv3d start: identities times (spatial, temporal), or a random Gaussian."""


@dataclass(frozen=True)
class Convolution:
    """A row of a layer table: convolution and ReLU. `end`: the fusion layer behind its ReLU; `pooled`: a max pool follows."""

    name: str
    channels: int
    end: str = ""
    pooled: bool = False
    side: int = 3
    stride: int = 1
    padding: int = 1


@dataclass(frozen=True)
class Backbone:
    """A layer table: convolutions, the max pools (side and stride; round_up: as Caffe does), channels of fc6 and fc7."""

    convolutions: tuple
    pool: tuple
    round_up: bool
    full: tuple

    @property
    def names(self):
        """Names of all layers."""
        return (*(row.name for row in self.convolutions), "fc6", "fc7", "fc8")

    def sides(self, size):
        """{fusion layer: side of its maps} for pictures of side `size`, and under "fc6" that of what enters fc6."""
        found, (side, stride) = {}, self.pool
        for c in self.convolutions:
            size = (size + 2 * c.padding - c.side) // c.stride + 1
            found |= {c.end: size} if c.end else {}
            if c.pooled:
                size = (-((side - size) // stride) if self.round_up else (size - side) // stride) + 1
        return found | {"fc6": size}


def _vgg16():
    rows = []
    for stage, (count, channels) in enumerate(((2, 64), (2, 128), (3, 256), (3, 512), (3, 512)), 1):
        rows += [Convolution(f"conv{stage}_{i}", channels) for i in range(1, count)]
        rows.append(Convolution(f"conv{stage}_{count}", channels, f"relu{stage}", True))
    return Backbone(tuple(rows), (2, 2), False, (4096, 4096))


BACKBONES = {
    "vgg16": _vgg16(),
    "vgg_m": Backbone(
        (
            Convolution("conv1", 96, "relu1", True, 7, 2, 0),
            Convolution("conv2", 256, "relu2", True, 5, 2, 1),
            Convolution("conv3", 512, "relu3"),
            Convolution("conv4", 512, "relu4"),
            Convolution("conv5", 512, "relu5", True),
        ),
        (3, 2),
        True,
        (4096, 2048),
    ),
}
"""VGG-16 (Simonyan and Zisserman 2015, configuration D) and VGG-M-2048 (Chatfield et al. 2014), here without its response
normalisation."""

LAYERS = ("relu1", "relu2", "relu3", "relu4", "relu5", "relu6", "relu7", "fc8")
"""Where towers may meet: the last ReLU of a stage (VGG-16's relu5_3 is relu5), those behind fc6 and fc7, and the scores."""
STAGE_ENDS = LAYERS[:5]


@dataclass(frozen=True)
class TwoStreamFusionSettings:
    """Which towers meet where and how; the defaults are the final network of Feichtenhofer et al. 2016 (authors' code).

    backbone            "vgg16" or "vgg_m", of both towers, or of all streams where nothing is fused
    temporal_backbone   of the temporal tower where it is another one; smaller maps get zeros at the far ends (Sec. 3.1)
    fusion              operator, see `operators`; "none": towers stay apart, any number of them, a head each; the mean of their
                        scores is late fusion
    fuse_at             layers, see LAYERS, at which the spatial tower takes the fused features and goes on with them
    direction           "<temporal>_to_<spatial>" by the streams' names
    fusion_start        how conv and conv3d start, see STARTS: "sum" (Table 1 of the paper), "code", "paper" (its text:
                        temporal activations are about three times smaller), "random" (Table 1, N(0, 0.01^2))
    fusion_relu         a ReLU behind conv and conv3d (authors' code; not in the paper); never behind fc8
    temporal_pool       frames of the last max pool of both towers, and its stride: 5 (3D pooling), 1 (2D pooling)
    keep_temporal_tower the temporal tower goes on to classifiers of its own, a second head with a loss of its own; the score is
                        the heads' mean (Sec. 3.4)
    stop_gradient       layers up to the first fusion layer take no gradient (authors' code): start them from trained streams
                        (batch norms there, where asked for, still move unless the recipe freezes them)
    width               factor on the channels of all layers
    batch_norm          between each convolution and its ReLU; ours, for deep plain nets from scratch; the original has none
    dropout             behind fc6 and fc7

    Without fusion everything about fusing, from `temporal_backbone` to `fusion_relu` and both tower switches, has no effect.
    Raises ValueError naming the field and the value received.
    """

    backbone: str = "vgg16"
    temporal_backbone: str | None = None
    fusion: str = "conv3d"
    fuse_at: tuple = ("relu5",)
    direction: str = "motion_to_appearance"
    fusion_start: str = "code"
    fusion_relu: bool = True
    temporal_pool: int = 5
    keep_temporal_tower: bool = True
    stop_gradient: bool = True
    width: float = 1.0
    batch_norm: bool = False
    dropout: float = 0.85

    def __post_init__(self):
        object.__setattr__(self, "fuse_at", tuple(self.fuse_at))
        for name, allowed in (
            ("backbone", tuple(BACKBONES)),
            ("temporal_backbone", (None, *BACKBONES)),
            ("fusion", OPERATORS),
            ("fusion_start", tuple(STARTS)),
        ):
            _require(getattr(self, name) in allowed, name, getattr(self, name), f"one of {allowed}")
        at = self.fuse_at
        _require(at and set(at) <= set(LAYERS) and len(set(at)) == len(at), "fuse_at", at, f"distinct layers among {LAYERS}")
        _require("_to_" in self.direction, "direction", self.direction, "<temporal>_to_<spatial>")
        _require(self.temporal_pool >= 1, "temporal_pool", self.temporal_pool, "at least 1")
        _require(self.width > 0, "width", self.width, "positive")
        _require(0 <= self.dropout < 1, "dropout", self.dropout, "a probability in [0, 1)")
        if self.fusion == "none":
            return
        if self.fusion == "conv3d":
            _require(set(at) <= set(STAGE_ENDS), "fuse_at", at, f"among {STAGE_ENDS} for conv3d")
        if self.fusion == "concatenation":
            _require("fc8" not in at, "fuse_at", at, "a layer before fc8 for concatenation")
        if self.fusion == "bilinear":
            _require(at == ("relu5",), "fuse_at", at, "('relu5',) for bilinear, whose output the classifier sees")
            _require(self.temporal_pool == 1, "temporal_pool", self.temporal_pool, "1 for bilinear: it sums over positions")
        if self.stop_gradient:
            _require(self.first in STAGE_ENDS, "stop_gradient", True, f"false unless the first fusion layer is in {STAGE_ENDS}")

    def check(self, inputs):
        """Raise ValueError unless the switches fit the streams and the size of `inputs`."""
        for name in {self.backbone, self.temporal_backbone or self.backbone}:
            sides = BACKBONES[name].sides(inputs.input_size)
            _require(min(sides.values()) >= 1, "input_size", inputs.input_size, f"larger: {name} leaves nothing of its maps")
        if self.fusion == "none":
            return
        streams = tuple(inputs.channels)
        _require(len(streams) == 2, "fusion", self.fusion, f"'none' unless there are two streams, here {', '.join(streams)}")
        pairs = tuple(f"{a}_to_{b}" for a in streams for b in streams if a != b)
        _require(self.direction in pairs, "direction", self.direction, f"one of {pairs}")
        spatial, temporal = (self._maps(name, inputs.input_size) for name in (self.backbone, self.temporal_backbone))
        for layer in set(self.fuse_at) - {"fc8"}:
            (count, side), (other_count, other_side) = spatial[layer], temporal[layer]
            fits = abs(side - other_side) <= 1 and (count == other_count or self.fusion == "bilinear")
            expected = f"layers of equal channels and size, not {layer}: {count} x {side} and {other_count} x {other_side}"
            _require(fits, "fuse_at", self.fuse_at, expected)

    def counts(self, table):
        """{layer: channels} of a Backbone, but for the scores."""
        found = {row.end: self.channels(row.channels) for row in table.convolutions if row.end}
        return found | {f"relu{6 + i}": self.channels(count) for i, count in enumerate(table.full)}

    def _maps(self, backbone, size):
        """{layer: (channels, side)}; from fc6 on sides are 1."""
        table = BACKBONES[backbone or self.backbone]
        sides = table.sides(size)
        return {layer: (count, sides.get(layer, 1)) for layer, count in self.counts(table).items()}

    @property
    def first(self):
        """The first fusion layer."""
        return min(self.fuse_at, key=LAYERS.index)

    @property
    def last(self):
        """The last fusion layer."""
        return max(self.fuse_at, key=LAYERS.index)

    @property
    def weights_layout(self):
        """Which layouts of start weights fit."""
        plain = {self.backbone, self.temporal_backbone or self.backbone} == {"vgg16"} and not self.batch_norm
        return ("vgg16",) if plain else ()

    @property
    def min_frames(self):
        """Fewest frames of a clip."""
        return self.temporal_pool

    def channels(self, count):
        """A layer's channels, from those of the full network."""
        return max(int(count * self.width), 1)


def _require(condition, name, value, expected):
    if not condition:
        raise ValueError(f"{name} must be {expected}, got {value!r}")


SETTINGS = TwoStreamFusionSettings
