"""The switches of ST-ResNet and its kin, checked once. Imports no torch."""

from dataclasses import dataclass, field

LAYOUTS = ("caffe", "torchvision")
TEMPORAL = ("none", "average", "centre", "random")
FILTERS = ("none", "centre", "average", "difference")
INJECTIONS = ("none", "add", "multiply")
TEMPORAL_POOLS = ("none", "max", "average")
POOL_WINDOW = 5
"""Frames of the pooling over time."""
STAGES = (2, 3, 4, 5)
DEPTHS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
"""Blocks per stage of the usual bottleneck ResNets."""


@dataclass(frozen=True)
class STResNetSettings:
    """Which surgery on a ResNet per stream; the defaults are untouched ResNet-50s side by side.

    blocks              bottleneck blocks of conv2_x .. conv5_x (DEPTHS has those of ResNet-50, -101, -152)
    width               stage widths are width x {1, 2, 4, 8}, their outputs four times that
    stem_width          channels of conv1, the same as width unless given (thin nets keep 64 there)
    layout              "caffe": stride in the first 1x1 and an unpadded, ceil-rounded pool1 (the paper's, MSRA's);
                        "torchvision": stride in the 3x3, pool1 padded by 1
    temporal            how the 1x1x3 kernels of the second blocks (Sec. 3.3) start; "none": those blocks stay 2D
    temporal_filter     a filter over 3 frames of its own, with bias, behind the ReLU of the second blocks' 3x3 (ST-MulNet), and
                        how it starts: its centre tap, thirds, or [-1, 3, -1]
    injection           operator of the motion residual (Sec. 3.2; "multiply": ST-MulNet), "none": streams stay apart
    direction           which stream is injected into which, "motion_to_appearance" by the streams' names; or "both"
    injection_scale     start of a learned scale per channel on the injected signal (ST-MulNet's option, 0.1); None: no scale
    injected_stages     stages conv2_x .. conv5_x with a connection after their first block
    temporal_pool       pooling over time, window 5, after the last ReLU of conv5_x (Table 1, pool5)
    pool_stride         its stride: 2 (ST-ResNet*), 1 (ST-MulNet)
    pool_size           side of the spatial average pool, in conv5_x positions; None: input size // 32
    dropout             {stream: probability in front of its classifier}

    Raises ValueError naming the field and the value received.
    """

    blocks: tuple = (3, 4, 6, 3)
    width: int = 64
    stem_width: int | None = None
    layout: str = "caffe"
    temporal: str = "none"
    temporal_filter: str = "none"
    injection: str = "none"
    direction: str = "motion_to_appearance"
    injection_scale: float | None = None
    injected_stages: tuple = STAGES
    temporal_pool: str = "none"
    pool_stride: int = 2
    pool_size: int | None = None
    dropout: dict = field(default_factory=dict)

    def __post_init__(self):
        for name in ("blocks", "injected_stages"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        for name, allowed in (
            ("layout", LAYOUTS),
            ("temporal", TEMPORAL),
            ("temporal_filter", FILTERS),
            ("injection", INJECTIONS),
            ("temporal_pool", TEMPORAL_POOLS),
        ):
            _require(getattr(self, name) in allowed, name, getattr(self, name), f"one of {allowed}")
        _require(len(self.blocks) == 4 and min(self.blocks) >= 1, "blocks", self.blocks, "four counts >= 1")
        for name in ("width", "stem_width", "pool_size", "pool_stride"):
            value = getattr(self, name)
            _require(value is None or value >= 1, name, value, "at least 1")
        _require(all(0 <= p < 1 for p in self.dropout.values()), "dropout", self.dropout, "of probabilities in [0, 1)")
        _require(set(self.injected_stages) <= set(STAGES), "injected_stages", self.injected_stages, f"among {STAGES}")
        _require(
            self.direction == "both" or "_to_" in self.direction, "direction", self.direction, "<stream>_to_<stream> or both"
        )
        if self.injection != "none":
            short = [stage for stage in self.injected_stages if self.blocks[stage - 2] < 2]
            _require(not short, "injected_stages", self.injected_stages, f"stages of >= 2 blocks, not {short}")
        if self.temporal != "none" or self.temporal_filter != "none":
            _require(min(self.blocks) >= 2, "blocks", self.blocks, "at least 2 a stage for filters over time")

    def check(self, inputs):
        """Raise ValueError unless the switches fit the streams and the size of `inputs`."""
        streams, size = tuple(inputs.channels), inputs.input_size
        _require(size > 0 and size % 32 == 0, "input_size", size, "a positive multiple of 32")  # it strides by 32
        _require(set(self.dropout) <= set(streams), "dropout", self.dropout, f"by stream ({', '.join(streams)})")
        if self.injection != "none":
            count = "a single stream" if len(streams) == 1 else f"{len(streams)} streams"
            _require(len(streams) == 2, "injection", self.injection, f"'none' with {count}")
            pairs = [f"{a}_to_{b}" for a in streams for b in streams if a != b]
            _require(self.direction in (*pairs, "both"), "direction", self.direction, f"one of {(*pairs, 'both')}")

    @property
    def weights_layout(self):
        """Which layouts of start weights fit."""
        return (self.layout,)

    @property
    def min_frames(self):
        """Fewest frames of a clip."""
        return 1 if self.temporal_pool == "none" else POOL_WINDOW

    @property
    def conv1_channels(self):
        return self.width if self.stem_width is None else self.stem_width

    def receives(self, stream, stage):
        """Whether `stream` is injected into by the other one after the first block of `stage` (2..5)."""
        if self.injection == "none" or stage not in self.injected_stages:
            return False
        return self.direction == "both" or self.direction.endswith("_to_" + stream)


def _require(condition, name, value, expected):
    if not condition:
        raise ValueError(f"{name} must be {expected}, got {value!r}")


SETTINGS = STResNetSettings
