"""Test protocols: 25 frames of a video as one clip; scores before softmax, averaged over positions, time steps, mirror images."""

import dataclasses
import functools

import numpy as np
import torch

from repro.clips.dataset import to_input
from repro.evaluation.settings import EvaluationSettings
from repro.models.chunked import forward_in_chunks

PAPERS = EvaluationSettings()


def test_size(height, width, input_size):
    """Frame size fed to the network: each side clamped to input_size .. 2 * input_size (224..448; squeezes wide videos)."""
    return tuple(min(max(side, input_size), 2 * input_size) for side in (height, width))


def five_windows(height, width, side):
    """(top, left) of the four corner squares and the centre square of ``side`` in a frame; halves rounded to even."""
    bottom, right = height - side, width - side
    return (0, 0), (0, right), (bottom, 0), (bottom, right), (round(bottom / 2), round(right / 2))


@dataclasses.dataclass(frozen=True)
class View:
    """One clip of a video: whole frames resized to ``size`` (height, width), mirrored or not, and the window cut from them."""

    flip: bool
    size: tuple[int, int]
    top: int
    left: int
    height: int
    width: int

    def inputs(self, planes, normalisation, device, first, last):
        """Frames first .. last - 1 of {stream: (T, h, w, C) uint8} as {stream: (1, last - first, C, height, width)}."""
        cut = np.s_[None, ..., self.top : self.top + self.height, self.left : self.left + self.width]
        return {
            stream: to_input(
                bytes_[first:last].to(device), normalisation if stream == "appearance" else None, self.flip, self.size
            )[cut]
            for stream, bytes_ in planes.items()
        }


def views(protocol, height, width, input_size):
    """The Views that one video of ``height`` x ``width`` is scored with."""
    flips = (False, True)
    if protocol == "full":
        size = test_size(height, width, input_size)
        return [View(flip, size, 0, 0, *size) for flip in flips]
    size = max(height, input_size), max(width, input_size)
    return [View(flip, size, *corner, input_size, input_size) for flip in flips for corner in five_windows(*size, input_size)]


@torch.inference_mode()
def score_video(model, clip, normalisation, input_size, device, context, settings=PAPERS):
    """Class scores (streams, C) float32 of one test clip, convolutional in time and, with ``full``, in space.

    Logits are averaged over positions, time steps and views; the streams stay apart as heads, their equal mean is the video's
    score (authors' code).
    """
    streams = model.spec.streams
    planes = {stream: clip.rgb if stream == "appearance" else clip.flow for stream in streams}
    frames, height, width = planes[streams[0]].shape[:3]
    total, seen = 0.0, views(settings.protocol, height, width, input_size)
    for view in seen:
        inputs = functools.partial(view.inputs, planes, normalisation, device)
        with context:
            if settings.frames_per_chunk >= frames:
                logits = model(inputs(0, frames))  # stream -> (1, T', C)
            else:
                logits = forward_in_chunks(model, inputs, frames, settings.frames_per_chunk)
        total = total + torch.stack([logits[s].float().mean((0, 1)) for s in streams])
    return (total / len(seen)).cpu().numpy().astype(np.float32)
