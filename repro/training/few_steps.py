"""A network trained for a few steps on clips drawn in memory: to look inside one where no checkpoint is at hand.

Seconds instead of a run, and no accuracy is claimed of it. Nothing of a run uses this module.
"""

import dataclasses

import numpy as np
import torch

from repro.clips.sampling import training_centres
from repro.datasets.embedded import render
from repro.flow import make_flow, quantise
from repro.models.batchnorm import collect_statistics, commit_statistics
from repro.models.weights import FROM_SCRATCH
from repro.training.loss import summed_loss
from repro.video.decode import gray

_BATCH_NORM_MOMENTUM = 0.2  # statistics must arrive within a few steps


@dataclasses.dataclass(frozen=True)
class DrawnVideo:
    """A clip of the embedded benchmark and its flow, readable like a container (`repro.clips.kinds.Kind`).

    ``rgb`` (T, H, W, 3) and ``flow`` (T - 1, H, W, 2), both uint8; ``flow_bound`` in px."""

    label: str
    rgb: np.ndarray
    flow: np.ndarray
    flow_bound: float

    @property
    def frames(self):
        return len(self.rgb)

    @property
    def height(self):
        return self.rgb.shape[1]

    @property
    def width(self):
        return self.rgb.shape[2]

    def __call__(self, plane, numbers):
        return getattr(self, plane)[numbers]

    def inputs(self, streams, centres, size):
        """What the network sees at ``centres``, resized to ``size`` x ``size``: {stream: (T, C, size, size)} float32."""
        read = {name: torch.from_numpy(modality.read(self, centres)) for name, modality in streams.items()}
        return {name: streams[name].to_input(planes, FROM_SCRATCH, size=(size, size)) for name, planes in read.items()}


def draw_video(settings, label, group, flow, flow_bound):
    """One clip of class ``label``. ``settings``: EmbeddedSettings; ``flow``: FlowSettings; ``flow_bound`` in px."""
    frames = render(settings, label, group, 1)
    estimate, grays = make_flow(flow), [gray(frame) for frame in frames]
    fields = np.stack([estimate(first, second) for first, second in zip(grays, grays[1:])])
    return DrawnVideo(label, frames, quantise(fields, flow_bound), flow_bound)


def few_steps(model, streams, videos, classes, steps, size, frames=5, stride=4, rate=0.01, seed=0):
    """Train ``model`` by ``steps`` steps of SGD, each on one clip of every video; returns the losses per video and step.

    ``streams``: {stream: Modality}; ``videos``: DrawnVideos; ``classes``: class names in the order of the logits. Clips are
    ``frames`` frames at ``stride``. The model is left in eval mode.
    """
    rng, losses = np.random.default_rng(seed), []
    labels = torch.tensor([classes.index(video.label) for video in videos])
    optimiser = torch.optim.SGD(model.parameters(), lr=rate, momentum=0.9, weight_decay=5e-4)
    model.train()
    for _ in range(steps):
        clips = [
            video.inputs(streams, training_centres("strided", video.frames, frames, stride, rng)[0], size) for video in videos
        ]
        loss = summed_loss(model({name: torch.stack([clip[name] for clip in clips]) for name in streams}), labels, len(videos))
        optimiser.zero_grad()
        loss.backward()
        collect_statistics(model)
        optimiser.step()
        commit_statistics(model, _BATCH_NORM_MOMENTUM)
        losses.append(loss.item())
    model.eval()
    return losses
