"""Crops and flips, one draw per clip: all its frames and both modalities share it.

Sizes are fractions of the input size (224 in the paper), so that smaller inputs work alike.
"""

import dataclasses

#: crop sides of the motion phase as fractions of the input size: 256, 224, 192 and 168 of 224
CORNER_SCALES = (8 / 7, 1.0, 6 / 7, 3 / 4)


@dataclasses.dataclass(frozen=True)
class Crop:
    """A window of the stored frame, in pixels, and whether it is mirrored."""

    top: int
    left: int
    height: int
    width: int
    flip: bool


@dataclasses.dataclass(frozen=True)
class CropSettings:
    """How training crops are drawn.

    ``kind`` ``corners`` (motion phase): one of four corners and the centre, width and height each from ``CORNER_SCALES``.
    ``kind`` ``borders`` (appearance and joint phases): width and height each ``input_size * U(scale)``, capped by the
    frame; the offset is a fraction in [0, border] or [1 - border, 1] of the free space, both axes at the same end
    (authors' code). ``antialias``: whether the resize to the input size low-passes (the authors': not in the motion phase).
    """

    kind: str = "borders"
    scale: tuple[float, float] = (0.75, 1.25)
    border: float = 0.25
    antialias: bool = True

    def __post_init__(self):
        if self.kind not in ("corners", "borders"):
            raise ValueError(f"kind must be corners or borders, got {self.kind!r}")


def draw_crop(settings, height, width, input_size, rng):
    """A random ``Crop`` of a ``height`` x ``width`` frame; a flip with probability 1/2."""
    draw = _corner_crop if settings.kind == "corners" else _border_crop
    top, left, crop_height, crop_width = draw(settings, height, width, input_size, rng)
    return Crop(top, left, crop_height, crop_width, bool(rng.random() < 0.5))


def _corner_crop(settings, height, width, input_size, rng):
    sides = [round(input_size * CORNER_SCALES[rng.integers(len(CORNER_SCALES))]) for _ in range(2)]
    crop_height, crop_width = min(sides[0], height), min(sides[1], width)
    free_y, free_x = height - crop_height, width - crop_width
    corners = ((0, 0), (0, free_x), (free_y, 0), (free_y, free_x), (free_y // 2, free_x // 2))
    top, left = corners[rng.integers(5)]
    return top, left, crop_height, crop_width


def _border_crop(settings, height, width, input_size, rng):
    low, high = settings.scale
    crop_height = min(round(input_size * rng.uniform(low, high)), height)
    crop_width = min(round(input_size * rng.uniform(low, high)), width)
    fractions = rng.uniform(0, settings.border, 2)
    if rng.random() < 0.5:
        fractions = 1 - fractions
    top, left = round(fractions[0] * (height - crop_height)), round(fractions[1] * (width - crop_width))
    return top, left, crop_height, crop_width
