"""The modalities there are: how each comes out of a container, and how its bytes become the network's input.

SZ is Simonyan and Zisserman, "Two-Stream Convolutional Networks" (2014); TSN is Wang et al., "Temporal Segment Networks" (2016).
Imports no torch until bytes become floats.
"""

import dataclasses
from collections.abc import Callable

import cv2
import numpy as np

from repro.clips.resize import resized
from repro.clips.sampling import stacked_fields
from repro.flow.derived import bidirectional_stack, stack, trajectory_stack

ZERO = 128
"""The byte that stands for no motion, and that every flow stream has subtracted."""


@dataclasses.dataclass(frozen=True)
class Kind:
    """One entry of the registry.

    ``planes``: what a container must hold (``rgb`` or one of ``repro.video.settings.FIELDS``). ``depth``: channels of one step of
    the stack. ``length``: steps, unless the params say otherwise; None for a modality that is no stack.
    ``read(modality, source, centres)`` -> uint8 (T, H, W, bytes per pixel); ``source(plane, numbers)`` gives planes of the video,
    ``source.frames``, ``.height``, ``.width`` and ``.flow_bound`` (px) describe it.
    ``to_input(planes, normalisation, flip, size, resize)`` -> float32 (T, C, h, w), C = depth * length.
    ``margin(modality)`` -> (before, after), see `repro.clips.sampling`; it may refuse settings (ValueError). ``colours``: the
    input is made of frames, whose normalisation belongs to the weights; otherwise of flow, whose mean may be subtracted.
    """

    planes: tuple[str, ...]
    depth: int
    length: int | None
    read: Callable
    to_input: Callable
    margin: Callable
    colours: bool = False


def _frames(modality, source, centres):
    return source("rgb", centres)  # (T, H, W, 3)


def _consecutive_frames(modality, source, centres):
    """The L + 1 frames whose L differences are stacked, (T, H, W, 3 (L + 1)). Outside the video its edge frames repeat."""
    wanted = [np.append(numbers, numbers[-1] + 1) for numbers in _numbers(modality, centres)]
    needed, place = np.unique(np.clip(wanted, 0, source.frames - 1), return_inverse=True)
    frames = source("rgb", needed)
    return np.stack([np.concatenate(list(frames[row]), -1) for row in place.reshape(len(centres), -1)])


def _numbers(modality, centres):
    return [stacked_fields(c, modality.length, modality.anchor) for c in centres]


def _stacks(plane):
    """Reads stacks of L fields of ``plane``, (T, H, W, 2L)."""

    def read(modality, source, centres):
        fields, place = _fields(modality, source, plane, _numbers(modality, centres))
        return np.stack([stack(fields[row]) for row in place])

    return read


def _trajectories(modality, source, centres):
    """Fields along the motion, from the pixel of the stack's first frame on (SZ Eq. 2), (T, H, W, 2L).

    Paths are followed in px with the fields as they are, byte 128 being no motion; with ``subtract_mean`` each field read along
    them is less its mean.
    """
    numbers = _numbers(modality, centres)
    fields, place = _fields(dataclasses.replace(modality, subtract_mean=False), source, "flow", numbers)
    px, stacks = 2 * source.flow_bound / 255, []  # of one byte
    for row in place:
        found = trajectory_stack((fields[row].astype(np.float32) - ZERO) * np.float32(px)) / px  # (H, W, 2L) bytes
        means = fields[row].mean((1, 2)).reshape(-1) - ZERO if modality.subtract_mean else 0.0
        stacks.append(_around_zero(found - means))
    return np.stack(stacks)


def _both_ways(modality, source, centres):
    """L/2 fields on from the centre frame, then L/2 fields back from it (SZ Sec. 3.1), (T, H, W, 2L)."""
    half = modality.length // 2
    forward, on = _fields(modality, source, "flow", [np.arange(c, c + half) for c in centres])
    backward, back = _fields(modality, source, "backward_flow", [np.arange(c - half, c) for c in centres])
    return np.stack([bidirectional_stack(forward[a], backward[b]) for a, b in zip(on, back)])


def _fields(modality, source, plane, numbers):
    """Fields by number, clamped to the video: (the distinct ones (n, H, W, 2), places (T, L) among them).

    A video of one frame has no motion.
    """
    last = source.frames - 2
    if last < 0:
        return np.full((1, source.height, source.width, 2), ZERO, np.uint8), np.zeros(np.shape(numbers), int)
    needed, place = np.unique(np.clip(numbers, 0, last), return_inverse=True)
    fields = source(plane, needed)
    if modality.subtract_mean:
        fields = np.stack([_less_mean(field) for field in fields])
    return fields, place.reshape(np.shape(numbers))


def _less_mean(field):
    """_around_zero(subtract_mean(field)) of a field of bytes, by a table of what becomes of each byte: many times as fast."""
    mean = np.array(cv2.sumElems(field)[:2]) / field[..., 0].size
    table = _around_zero(np.arange(256.0)[:, None] - mean)  # (256, 2)
    return cv2.LUT(field, table[None])  # (H, W, 2)


def _around_zero(values):
    """Signed values in units of a byte -> uint8, 0 as 128."""
    return np.clip(np.floor(values + (ZERO + 0.5)), 0, 255).astype(np.uint8)


def _beside(modality):
    return _around(modality.beside_flow)


def _around(length):
    return length // 2, length - length // 2


def _stack_margin(modality):
    return _around(modality.length) if modality.anchor == "centre" else (0, modality.length)


def _both_ways_margin(modality):
    if modality.length % 2 or modality.anchor != "centre":
        raise ValueError(f"length of bidirectional_flow must be even and anchor centre, got {modality.length}, {modality.anchor}")
    return _around(modality.length)


def _colour_input(planes, normalisation, flip, size, resize):
    x = resized(planes, size, resize)  # (T, 3, h, w)
    if flip:
        x = x.flip(-1)
    if normalisation.bgr:
        x = x.flip(1)
    return (x - x.new_tensor(normalisation.mean).view(-1, 1, 1)) / x.new_tensor(normalisation.std).view(-1, 1, 1)


def _difference_input(planes, normalisation, flip, size, resize):
    """Differences of consecutive frames as the network would see the frames: the mean cancels, std divides, bgr reorders.

    TSN's PyTorch code subtracts unnormalised frames, which is the same where std is 1 (Caffe's weights). A difference has no
    sign to turn when it is mirrored.
    """
    x = resized(planes, size, resize)  # (T, 3 (L + 1), h, w)
    if flip:
        x = x.flip(-1)
    x = x.unflatten(1, (-1, 3))  # (T, L + 1, 3, h, w)
    if normalisation.bgr:
        x = x.flip(2)
    return (x.diff(dim=1) / x.new_tensor(normalisation.std).view(-1, 1, 1)).flatten(1, 2)  # (T, 3L, h, w)


def _flow_input(planes, normalisation, flip, size, resize):
    """128 is subtracted; a mirrored u changes its sign (255 - u on the stored bytes, authors' code and TSN's)."""
    x = resized(planes, size, resize)  # (T, 2L, h, w)
    if flip:
        x = x.flip(-1)
        x[:, 0::2] = 255 - x[:, 0::2]
    return x - float(ZERO)


KINDS = {
    "rgb": Kind(("rgb",), 3, None, _frames, _colour_input, _beside, colours=True),
    "flow": Kind(("flow",), 2, 10, _stacks("flow"), _flow_input, _stack_margin),
    # TSN: five differences of six frames
    "rgb_difference": Kind(("rgb",), 3, 5, _consecutive_frames, _difference_input, _stack_margin, colours=True),
    # TSN: flow less the camera's
    "warped_flow": Kind(("warped_flow",), 2, 10, _stacks("warped_flow"), _flow_input, _stack_margin),
    "trajectory_flow": Kind(("flow",), 2, 10, _trajectories, _flow_input, _stack_margin),
    "bidirectional_flow": Kind(("flow", "backward_flow"), 2, 10, _both_ways, _flow_input, _both_ways_margin),
}


def register(name: str, kind: Kind):
    """Add a modality under ``name``; a name in use is a ValueError."""
    if name in KINDS:
        raise ValueError(f"name must be new, got {name!r}")
    KINDS[name] = kind
