"""The switches of BN-Inception, checked once. Imports no torch."""

from dataclasses import dataclass


@dataclass(frozen=True)
class BNInceptionSettings:
    """The defaults are the authors' RGB network (yjxiong/temporal-segment-networks).

    width           factor on the channels of all layers
    dropout         in front of the classifier: 0.8 for RGB, 0.7 for flow

    Raises ValueError naming the field and the value received.
    """

    width: float = 1.0
    dropout: float = 0.8

    def __post_init__(self):
        _require(self.width > 0, "width", self.width, "positive")
        _require(0 <= self.dropout < 1, "dropout", self.dropout, "a probability in [0, 1)")

    def check(self, inputs):
        """Raise ValueError unless pictures of `inputs` leave a map."""
        _require(map_side(inputs.input_size) >= 1, "input_size", inputs.input_size, f"at least {SMALLEST}, or no map is left")

    @property
    def weights_layout(self):
        """Which layouts of start weights fit."""
        return ("bn_inception",)

    def channels(self, count):
        """A layer's channels, from those of the full network."""
        return max(int(count * self.width), 1)


def map_side(size):
    """Side of 5b's maps for pictures of side `size`: 7 for 224; 0 or less where none is left."""
    side = (size + 1) // 2  # conv1
    side = side // 2 // 2  # pool1, pool2 round up, from the first pixel on
    return (side + 3) // 4  # 3c, 4e


SMALLEST = next(size for size in range(1, 224) if map_side(size) >= 1)
"""Side of the smallest pictures that leave a map."""


def _require(condition, name, value, expected):
    if not condition:
        raise ValueError(f"{name} must be {expected}, got {value!r}")


SETTINGS = BNInceptionSettings
