"""How a crop becomes the size of the input. Imports no torch until bytes become floats."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Resize:
    """``interpolation``: bicubic or bilinear (TSN). ``antialias``: whether it low-passes where it shrinks. ``cubic``: the bicubic
    kernel's parameter where it does not: torch's -0.75, or MATLAB's -0.5 (the low-passing one has -0.5 in both). ``clamp``:
    results stay in 0..255. Raises ValueError naming the field and the value.
    """

    interpolation: str = "bicubic"
    antialias: bool = True
    cubic: float = -0.75
    clamp: bool = True

    def __post_init__(self):
        if self.interpolation not in ("bicubic", "bilinear"):
            raise ValueError(f"interpolation must be bicubic or bilinear, got {self.interpolation!r}")
        if self.cubic not in (-0.75, -0.5):
            raise ValueError(f"cubic must be -0.75 or -0.5, got {self.cubic}")


USUAL = Resize()
"""Of whole test frames, and of crops unless their settings say otherwise."""


def resized(planes, size, resize):
    """uint8 (T, h, w, C) tensor -> float32 (T, C, *size); size None, or the size it has: as it is."""
    import torch
    from torch.nn.functional import interpolate

    x = planes.permute(0, 3, 1, 2).float()  # (T, C, h, w)
    if size is None or tuple(x.shape[-2:]) == tuple(size):
        return x
    if resize.interpolation == "bicubic" and not resize.antialias and resize.cubic == -0.5:
        rows, columns = (torch.from_numpy(cubic_weights(*sides)).to(x) for sides in zip(x.shape[-2:], size))
        x = rows @ x @ columns.T  # (T, C, *size)
    else:
        x = interpolate(x, size=tuple(size), mode=resize.interpolation, antialias=resize.antialias, align_corners=False)
    return x.clamp_(0, 255) if resize.clamp else x


def cubic_weights(length, wanted, a=-0.5):
    """The matrix (wanted, length) of MATLAB's imresize without low-pass: Keys' kernel, samples mirrored at the edges."""
    import numpy as np

    centres = (np.arange(wanted) + 0.5) * length / wanted - 0.5
    first = np.floor(centres).astype(int) - 1
    weights = np.zeros((wanted, length), np.float32)
    for tap in range(4):
        distance = np.abs(centres - (first + tap))
        near = (a + 2) * distance**3 - (a + 3) * distance**2 + 1
        far = a * (distance**3 - 5 * distance**2 + 8 * distance - 4)
        place = np.mod(first + tap, 2 * length)
        place = np.where(place < length, place, 2 * length - 1 - place)
        np.add.at(weights, (np.arange(wanted), place), np.where(distance <= 1, near, far))
    return weights
