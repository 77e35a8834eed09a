"""The switches of C3D, checked once. Imports no torch."""

from dataclasses import dataclass


@dataclass(frozen=True)
class C3DSettings:
    """The defaults are the network of Tran et al. 2015, for 112 x 112 pictures; other sizes change fc6 alone.

    window          frames of a clip (16), a multiple of 16
    window_stride   a longer clip is cut into windows this many frames apart: 8, clips that overlap by 8; each is a row of logits
    width           factor on the channels of all layers, fc6 and fc7 included
    batch_norm      between each convolution and its ReLU; ours, the original has none: deep plain nets start badly from scratch
    dropout         behind fc6 and fc7

    Raises ValueError naming the field and the value received.
    """

    window: int = 16
    window_stride: int = 8
    width: float = 1.0
    batch_norm: bool = False
    dropout: float = 0.5

    def __post_init__(self):
        _require(self.window >= 16 and self.window % 16 == 0, "window", self.window, "a positive multiple of 16")
        _require(self.window_stride >= 1, "window_stride", self.window_stride, "at least 1")
        _require(self.width > 0, "width", self.width, "positive")
        _require(0 <= self.dropout < 1, "dropout", self.dropout, "a probability in [0, 1)")

    @property
    def weights_layout(self):
        """Which layouts of start weights fit: none is released in a format that is read here."""
        return ()

    @property
    def min_frames(self):
        """Fewest frames of a clip."""
        return self.window

    def channels(self, count):
        """A layer's channels, from those of the full network."""
        return max(int(count * self.width), 1)


def _require(condition, name, value, expected):
    if not condition:
        raise ValueError(f"{name} must be {expected}, got {value!r}")


SETTINGS = C3DSettings
