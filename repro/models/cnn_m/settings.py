"""The switches of CNN-M, checked once. Imports no torch."""

from dataclasses import dataclass

INITIALISATIONS = ("gaussian", "he")


@dataclass(frozen=True)
class CNNMSettings:
    """The defaults are the spatial network of Two-Stream ConvNets 2014; the temporal one has `second_lrn` False.

    second_lrn      local response normalisation behind conv2; the temporal network does without (Sec. 3)
    width           factor on the channels of all layers, full6 and full7 included
    dropout         behind full6 and full7: 0.9, or 0.5 in the ablation
    initialisation  "gaussian": N(0, 0.01^2), as Krizhevsky et al. 2012, which the paper's training follows; "he": by fan in, with
                    conv1 scaled for inputs of some 64 bytes, for narrow networks, in which 0.01 lets signals die

    Raises ValueError naming the field and the value received.
    """

    second_lrn: bool = True
    width: float = 1.0
    dropout: float = 0.9
    initialisation: str = "gaussian"

    def __post_init__(self):
        _require(isinstance(self.second_lrn, bool), "second_lrn", self.second_lrn, "true or false")
        _require(self.width > 0, "width", self.width, "positive")
        _require(0 <= self.dropout < 1, "dropout", self.dropout, "a probability in [0, 1)")
        allowed = INITIALISATIONS
        _require(self.initialisation in allowed, "initialisation", self.initialisation, f"one of {', '.join(allowed)}")

    def check(self, inputs):
        """Raise ValueError unless pictures of `inputs` leave full6 a map."""
        size = inputs.input_size
        _require(map_side(size) >= 1, "input_size", size, f"at least {smallest_input()}, or pool5 leaves no map")

    @property
    def weights_layout(self):
        """Which layouts of start weights fit: none is released in a format that is read here."""
        return ()

    def channels(self, count):
        """A layer's channels, from those of the full network."""
        return max(int(count * self.width), 1)


def map_side(size):
    """Side of the maps that enter full6, for pictures of side `size`: 6 for 224; 0 or less where none is left."""
    side = _pooled((size - 7) // 2 + 1)  # conv1, pool1
    side = _pooled((side + 2 - 5) // 2 + 1)  # conv2, pool2
    return _pooled(side)  # pool5; conv3 .. conv5 keep the size


def smallest_input():
    """Side of the smallest pictures that leave a map."""
    return next(size for size in range(7, 224) if map_side(size) >= 1)


def _pooled(side):
    """What a max pool 3 / 2 leaves that rounds up (Caffe)."""
    return (side - 2) // 2 + 1


def _require(condition, name, value, expected):
    if not condition:
        raise ValueError(f"{name} must be {expected}, got {value!r}")


SETTINGS = CNNMSettings
