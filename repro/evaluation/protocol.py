"""A video's scores by a test protocol: over frames, views and output steps (see `repro.evaluation.settings`)."""

import dataclasses
import functools

import numpy as np
import torch

from repro.evaluation.settings import EvaluationSettings

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
    """One look at a clip: whole frames resized to ``size`` (height, width), mirrored or not, and the window cut from them."""

    flip: bool
    size: tuple[int, int]
    top: int
    left: int
    height: int
    width: int

    def inputs(self, planes, streams, normalisation, device, first, last):
        """Frames first .. last - 1 of {stream: (T, h, w, C) uint8} as {stream: (1, last - first, C, height, width)}."""
        cut = np.s_[None, ..., self.top : self.top + self.height, self.left : self.left + self.width]
        return {
            name: streams[name].to_input(bytes_[first:last].to(device), normalisation.get(name), self.flip, self.size)[cut]
            for name, bytes_ in planes.items()
        }


def views(protocol, height, width, input_size):
    """The Views that one video of ``height`` x ``width`` is scored with."""
    flips = (False, True)
    if protocol == "full":
        size = test_size(height, width, input_size)
        return [View(flip, size, 0, 0, *size) for flip in flips]
    size = max(height, input_size), max(width, input_size)
    windows = five_windows(*size, input_size)
    if protocol == "centre":
        return [View(False, size, *windows[-1], input_size, input_size)]
    return [View(flip, size, *corner, input_size, input_size) for flip in flips for corner in windows]


@torch.inference_mode()
def score_video(model, clips, streams, normalisation, input_size, device, context, settings=PAPERS, dataset=None):
    """Class scores (heads, classes of ``dataset``) float32 of one video.

    ``clips``: its test clips (one but for dense sampling); ``streams``: {stream: Modality}; ``normalisation``: {stream:
    InputNormalisation}. Logits (or their softmax) are averaged over positions, output steps, views and clips; the heads stay
    apart, their equal mean is the video's score (authors' code).
    """
    total, count = 0.0, 0
    for clip in clips:
        frames, height, width = next(iter(clip.planes.values())).shape[:3]
        for view in views(settings.protocol, height, width, input_size):
            inputs = functools.partial(view.inputs, clip.planes, streams, normalisation, device)
            with context:
                logits = _logits(model, inputs, frames, settings, dataset)
            total = total + torch.stack([_averaged(logits[head], settings.merge) for head in model.heads])
            count += 1
    return (total / count).cpu().numpy().astype(np.float32)


def _logits(model, inputs, frames, settings, dataset):
    """{head: (1 or frames, T', classes)} of one view of a clip."""
    if settings.frame_by_frame:
        return model({name: x.transpose(0, 1) for name, x in inputs(0, frames).items()}, dataset)
    if settings.frames_per_chunk < frames and model.forward_in_chunks is not None:
        return model.forward_in_chunks(inputs, frames, settings.frames_per_chunk, dataset)
    return model(inputs(0, frames), dataset)


def _averaged(logits, merge):  # (N, T', classes)
    logits = logits.float()
    return (logits.softmax(-1) if merge == "softmax" else logits).mean((0, 1))  # (classes,)
