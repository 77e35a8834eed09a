"""The switches of a network, checked once."""

from dataclasses import dataclass

STREAMS = ("appearance", "motion")
LAYOUTS = ("caffe", "torchvision")
TEMPORAL = ("none", "average", "centre", "random")
INJECTIONS = ("none", "add", "multiply")
DIRECTIONS = ("motion_to_appearance", "appearance_to_motion", "both")
TEMPORAL_POOLS = ("none", "max", "average")
STAGES = (2, 3, 4, 5)
DEPTHS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
"""Blocks per stage of the usual bottleneck ResNets."""


@dataclass(frozen=True)
class ModelSpec:
    """Which streams, and which surgery on them; the defaults are two untouched ResNet-50s side by side.

    streams             "appearance", "motion" or both, each an own ResNet
    blocks              bottleneck blocks of conv2_x .. conv5_x (DEPTHS has those of ResNet-50, -101, -152)
    width               stage widths are width x {1, 2, 4, 8}, their outputs four times that
    stem_width          channels of conv1, the same as width unless given (thin nets keep 64 there)
    layout              "caffe": stride in the first 1x1 and an unpadded, ceil-rounded pool1 (the paper's, MSRA's);
                        "torchvision": stride in the 3x3, pool1 padded by 1
    flow_length         L flow fields = 2L channels of the motion input
    temporal            how the 1x1x3 kernels of the second blocks (Sec. 3.3) start; "none": those blocks stay 2D
    injection           operator of the motion residual (Sec. 3.2), "none": streams stay apart
    direction           which stream is injected into which
    injected_stages     stages conv2_x .. conv5_x with a connection after their first block
    temporal_pool       pooling over time, window 5, stride 2, after the last ReLU of conv5_x (Table 1, pool5)
    pool_size           side of the spatial average pool, in conv5_x positions (input size // 32)
    dropout_*           probability in front of each classifier

    Raises ValueError naming the field and the value received.
    """

    streams: tuple = STREAMS
    blocks: tuple = (3, 4, 6, 3)
    width: int = 64
    stem_width: int | None = None
    layout: str = "caffe"
    flow_length: int = 10
    temporal: str = "none"
    injection: str = "none"
    direction: str = "motion_to_appearance"
    injected_stages: tuple = STAGES
    temporal_pool: str = "none"
    pool_size: int = 7
    dropout_appearance: float = 0.0
    dropout_motion: float = 0.0

    def __post_init__(self):
        for field in ("streams", "blocks", "injected_stages"):
            object.__setattr__(self, field, tuple(getattr(self, field)))
        _choice("layout", self.layout, LAYOUTS)
        _choice("temporal", self.temporal, TEMPORAL)
        _choice("injection", self.injection, INJECTIONS)
        _choice("direction", self.direction, DIRECTIONS)
        _choice("temporal_pool", self.temporal_pool, TEMPORAL_POOLS)
        _require(
            self.streams and set(self.streams) <= set(STREAMS) and len(set(self.streams)) == len(self.streams),
            "streams",
            self.streams,
            f"one or both of {STREAMS}",
        )
        _require(len(self.blocks) == 4 and min(self.blocks) >= 1, "blocks", self.blocks, "four counts >= 1")
        for field in ("width", "stem_width", "flow_length", "pool_size"):
            value = getattr(self, field)
            _require(value is None or value >= 1, field, value, "at least 1")
        for field in ("dropout_appearance", "dropout_motion"):
            _require(0 <= getattr(self, field) < 1, field, getattr(self, field), "in [0, 1)")
        _require(set(self.injected_stages) <= set(STAGES), "injected_stages", self.injected_stages, f"among {STAGES}")
        if self.injection != "none":
            _require(len(self.streams) == 2, "injection", self.injection, "'none' with a single stream")
            short = [stage for stage in self.injected_stages if self.blocks[stage - 2] < 2]
            _require(not short, "injected_stages", self.injected_stages, f"stages of >= 2 blocks, not {short}")
        if self.temporal != "none":
            _require(min(self.blocks) >= 2, "blocks", self.blocks, "at least 2 a stage for temporal convolutions")

    @property
    def conv1_channels(self):
        return self.width if self.stem_width is None else self.stem_width

    def in_channels(self, stream):
        """Input channels of a stream: 3 (RGB) or 2L (u and v of L flow fields)."""
        return 3 if stream == "appearance" else 2 * self.flow_length

    def dropout(self, stream):
        return self.dropout_appearance if stream == "appearance" else self.dropout_motion

    def receives(self, stream, stage):
        """Whether `stream` is injected into by the other one after the first block of `stage` (2..5)."""
        if self.injection == "none" or stage not in self.injected_stages:
            return False
        return self.direction == "both" or self.direction.endswith("_to_" + stream)


def _choice(field, value, allowed):
    _require(value in allowed, field, value, f"one of {allowed}")


def _require(condition, field, value, expected):
    if not condition:
        raise ValueError(f"{field} must be {expected}, got {value!r}")
