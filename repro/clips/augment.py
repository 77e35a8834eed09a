"""Crops and flips, one draw per clip: all its frames and all its streams share it.

Sizes are fractions of the input size (224 in the papers), so that smaller inputs work alike. Imports no torch.
"""

import dataclasses

#: sides of ``corners`` as fractions of the input size: 256, 224, 192 and 168 of 224 (authors' motion phase)
CORNER_SCALES = (8 / 7, 1.0, 6 / 7, 3 / 4)
#: sides of ``tsn`` as fractions of the frame's shorter side, colours; flow leaves the last out (TSN's code)
TSN_SCALES = (1.0, 0.875, 0.75, 0.66)

KINDS = ("corners", "borders", "tsn", "random")
_SNAP = 3 / 224  # of the input size: sides that are nearer to it become it (TSN's code)
_QUARTERS = tuple((y / 4, x / 4) for y, x in ((1, 1), (1, 3), (3, 1), (3, 3)))
_CORNERS = ((0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0), (0.5, 0.5))
_THIRTEEN = (*_CORNERS, (0.0, 0.5), (1.0, 0.5), (0.5, 0.0), (0.5, 1.0), *_QUARTERS)


@dataclasses.dataclass(frozen=True)
class Crop:
    """A window of the stored frame, in pixels, and whether it is mirrored."""

    top: int
    left: int
    height: int
    width: int
    flip: bool


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a window of any size lies in any frame: fractions of the free space, in 0..1, and whether it is mirrored."""

    y: float
    x: float
    flip: bool


@dataclasses.dataclass(frozen=True)
class CropSettings:
    """How training crops are drawn.

    ``kind`` ``corners`` (motion phase): one of four corners and the centre, width and height each from ``scales``.
    ``kind`` ``borders`` (appearance and joint phases): width and height each ``input_size * U(scale)``, capped by the
    frame; the offset is a fraction in [0, border] or [1 - border, 1] of the free space, both axes at the same end
    (authors' code). ``kind`` ``tsn``: width and height from the frame's shorter side times ``scales``, and one of 13 fixed
    places: corners, centre, middles of the sides, quarter points (TSN's code, ``more_fix_crop``). ``kind`` ``random``: an
    ``input_size`` square anywhere in the frame (Simonyan and Zisserman 2014).

    ``scales``: default ``CORNER_SCALES`` or ``TSN_SCALES``. ``max_distort``: how far apart in ``scales`` width and height may be
    drawn; default 1 for ``tsn``, no limit for ``corners``. ``antialias``: whether the resize to the input size low-passes (the
    authors': not in the motion phase). ``per``: place and flip are drawn anew for every ``clip``, or once per ``sub_batch``
    (authors' code); sizes always per clip.
    """

    kind: str = "borders"
    scale: tuple[float, float] = (0.75, 1.25)
    border: float = 0.25
    antialias: bool = True
    scales: tuple[float, ...] | None = None
    max_distort: int | None = None
    per: str = "clip"

    def __post_init__(self):
        if self.kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {self.kind!r}")
        if self.per not in ("clip", "sub_batch"):
            raise ValueError(f"per must be clip or sub_batch, got {self.per!r}")
        for name in ("scales", "max_distort"):
            if getattr(self, name) is not None and self.kind not in ("corners", "tsn"):
                raise ValueError(f"{name} must be left out where kind is {self.kind}, got {getattr(self, name)}")
        if self.scales is not None and not (self.scales and min(self.scales) > 0):
            raise ValueError(f"scales must be positive numbers, at least one, got {self.scales}")
        if self.max_distort is not None and self.max_distort < 0:
            raise ValueError(f"max_distort must be at least 0, got {self.max_distort}")


def draw_place(settings, rng):
    """A random ``Place``; a flip with probability 1/2."""
    if settings.kind == "borders":
        y, x = rng.uniform(0, settings.border, 2)
        if rng.random() < 0.5:
            y, x = 1 - y, 1 - x
    elif settings.kind == "random":
        y, x = rng.random(2)
    else:
        places = _CORNERS if settings.kind == "corners" else _THIRTEEN
        y, x = places[rng.integers(len(places))]
    return Place(float(y), float(x), bool(rng.random() < 0.5))


def draw_crop(settings, height, width, input_size, rng, place=None):
    """A random ``Crop`` of a ``height`` x ``width`` frame, at ``place`` where one is given."""
    crop_height, crop_width = _SIDES[settings.kind](settings, height, width, input_size, rng)
    place = place or draw_place(settings, rng)
    offset = _OFFSETS[settings.kind]
    return Crop(offset(place.y, height - crop_height), offset(place.x, width - crop_width), crop_height, crop_width, place.flip)


def _corner_sides(settings, height, width, input_size, rng):
    scales = settings.scales or CORNER_SCALES
    if settings.max_distort is None:
        chosen = [scales[rng.integers(len(scales))] for _ in range(2)]
    else:
        chosen = _near_pair(scales, settings.max_distort, rng)
    sides = [round(input_size * scale) for scale in chosen]
    return min(sides[0], height), min(sides[1], width)


def _tsn_sides(settings, height, width, input_size, rng):
    base = min(height, width)
    chosen = _near_pair(settings.scales or TSN_SCALES, 1 if settings.max_distort is None else settings.max_distort, rng)
    sides = [max(int(base * scale), 1) for scale in chosen]
    sides = [input_size if abs(side - input_size) < _SNAP * input_size else side for side in sides]
    return min(sides[0], height), min(sides[1], width)


def _near_pair(scales, apart, rng):
    pairs = [(a, b) for i, a in enumerate(scales) for j, b in enumerate(scales) if abs(i - j) <= apart]
    return pairs[rng.integers(len(pairs))]


def _border_sides(settings, height, width, input_size, rng):
    low, high = settings.scale
    crop_height = min(round(input_size * rng.uniform(low, high)), height)
    return crop_height, min(round(input_size * rng.uniform(low, high)), width)


def _square_sides(settings, height, width, input_size, rng):
    return min(input_size, height), min(input_size, width)


_SIDES = {"corners": _corner_sides, "borders": _border_sides, "tsn": _tsn_sides, "random": _square_sides}

#: kind -> (fraction, free pixels) -> pixels
_OFFSETS = {
    "corners": lambda fraction, free: int(fraction * free),  # the centre rounds down
    "borders": lambda fraction, free: round(fraction * free),
    "tsn": lambda fraction, free: round(4 * fraction) * (free // 4),  # fourth parts are rounded down, so the far corner too
    "random": lambda fraction, free: int(fraction * (free + 1)),
}
