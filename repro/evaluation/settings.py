"""Which test protocol is used. Imports no torch."""

import dataclasses

FRAMES = 25

PROTOCOLS = {
    "full": f"{FRAMES} frames as one clip and its flip, fully convolutional, before softmax",
    "crops10": f"{FRAMES} frames as one clip, 10 crops (four corners, centre, and their flips), before softmax",
}
"""``full``: the paper's, whole frames. ``crops10``: that of the 2014 two-stream paper, ``input_size`` squares."""


@dataclasses.dataclass(frozen=True)
class EvaluationSettings:
    """``protocol``: one of ``PROTOCOLS``. ``frames_per_chunk``: frames of a clip that go through the network at a time; fewer
    take less memory and a little more time and change the scores by rounding alone.

    Raises ValueError naming the field and the value.
    """

    protocol: str = "full"
    frames_per_chunk: int = FRAMES

    def __post_init__(self):
        if self.protocol not in PROTOCOLS:
            raise ValueError(f"protocol must be one of {', '.join(PROTOCOLS)}, got {self.protocol!r}")
        if self.frames_per_chunk < 1:
            raise ValueError(f"frames_per_chunk must be at least 1, got {self.frames_per_chunk}")
