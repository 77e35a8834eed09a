"""The contract between networks and everything that trains, scores or looks at them.

    {stream: (B, T, C, H, W)}  ->  network  ->  {head: (B, T', classes)}

Streams are the system's inputs, heads the network's outputs (each a row of a score file), T' the output time steps. What
becomes of them is the recipe's (consensus, loss) and the protocol's (merge) business.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from .heads import Heads as Heads  # part of the contract
from .initial import load_initial
from .registry import Inputs as Inputs


@dataclass(frozen=True)
class Family:
    """A kind of network: `build(settings, inputs)` gives a fresh one from torch's global generator.

    `start(network, state_dict)` initialises it from other weights and returns an InitialReport.
    """

    build: Callable
    start: Callable = load_initial


class VideoNetwork(nn.Module):
    """Base of all networks; sub-classes set `heads` and define `forward`.

    settings, inputs    what it was built from
    heads               names of its score heads, in the order of a score file's rows
    memory_format       the layout it runs fastest in; channels_last only where every tensor is 2D
    min_frames          the fewest frames of a clip

    Capabilities, None where a family has none:

    forward_in_chunks(inputs, frames, chunk, dataset)   the logits of one long clip, a few frames at a time
    activation_heads()                                  {head: ActivationHead}: how a class's score spreads over space and time
    """

    heads: tuple = ()
    memory_format = torch.contiguous_format
    min_frames = 1
    forward_in_chunks = None
    activation_heads = None

    def __init__(self, settings, inputs):
        super().__init__()
        self.settings, self.inputs = settings, inputs

    def forward(self, clip, dataset=None):
        """{stream: (B, T, C, H, W)} -> {head: (B, T', classes of `dataset`)}; dataset None: the only one."""
        raise NotImplementedError

    def parameter_rates(self):
        """{parameter name: factor on its learning rate} where a network asks for other rates than its recipe's groups."""
        return {}


@dataclass(frozen=True)
class ActivationHead:
    """How a head's last maps become logits, linearly: maps (N, C, h, w) enter `pool`, and `linear` takes its output's mean
    over positions.

    pool is watched by forward hooks, so it runs once per forward; window: its side, None where it takes the whole map.
    """

    pool: nn.Module
    linear: nn.Linear
    window: int | None = None


def check_clip(network, clip):
    """(B, T) of a clip. Raises ValueError for a missing stream, wrong channels, unequal sizes, or too few frames."""
    shape = None
    for name, channels in network.inputs.channels.items():
        if name not in clip:
            raise ValueError(f"clip must hold stream {name!r}, got {sorted(clip)}")
        x = clip[name]
        if x.dim() != 5:
            raise ValueError(f"clip[{name!r}] must be (clips, frames, channels, height, width), got {tuple(x.shape)}")
        b, t, c, h, w = x.shape
        if c != channels:
            raise ValueError(f"clip[{name!r}] must have {channels} channels, got {c}")
        if shape not in (None, (b, t, h, w)):
            raise ValueError(f"clip's streams must agree in clips, frames and size, got {shape} and {(b, t, h, w)}")
        shape = (b, t, h, w)
    if shape[1] < network.min_frames:
        raise ValueError(f"clip must have at least {network.min_frames} frames for this network, got {shape[1]}")
    return shape[:2]


def fold(x):
    """Frames as a batch of pictures: (B, T, C, H, W) -> (B*T, C, H, W) in channels_last memory."""
    return x.flatten(0, 1).contiguous(memory_format=torch.channels_last)
