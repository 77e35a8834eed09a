"""What a network of any family consists of: its parts in a table, with the multiply-adds of a clip."""

import contextlib
import copy
from dataclasses import dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode

from .heads import Heads


@dataclass(frozen=True)
class PartRow:
    """A part of a network: the shape of what it puts out last, its parameters, its multiply-adds of one clip."""

    part: str
    output: tuple
    parameters: int
    multiply_adds: int


def summarise(network, frames, dataset=None):
    """PartRows of a VideoNetwork, in the order of its modules, from a clip of `frames` frames and its input size.

    The network runs on tensors without data, so that any size is fine; it may itself be built on the `meta` device and is left
    alone. Parts are its top-level modules; those of a stream, or of a lone trunk, stand for it. Convolutions, matrix products
    and attention are counted, what lies between parts comes as "(between)". dataset: whose head runs, None for the first.
    Raises ValueError for fewer frames than the network takes.
    """
    inputs = network.inputs
    network = copy.deepcopy(network).to("meta").eval()
    shape = (inputs.input_size, inputs.input_size)
    clip = {name: torch.empty(1, frames, channels, *shape, device="meta") for name, channels in inputs.channels.items()}
    parts = dict(_parts(network, "", inputs.channels))
    with FlopCounterMode(display=False) as counter, contextlib.ExitStack() as stack:
        meters = {name: _Meter(part, counter, stack) for name, part in parts.items()}
        with torch.no_grad():
            network(clip, dataset or next(iter(inputs.classes)))
    rows = [
        PartRow(name, meter.shape, sum(p.numel() for p in parts[name].parameters()), meter.flops // 2)
        for name, meter in meters.items()
        if meter.shape or any(True for _ in parts[name].parameters())
    ]
    parameters = sum(p.numel() for p in network.parameters()) - sum(row.parameters for row in rows)
    multiply_adds = counter.get_total_flops() // 2 - sum(row.multiply_adds for row in rows)
    if parameters or multiply_adds:
        rows.append(PartRow("(between)", (), parameters, multiply_adds))
    return rows


def markdown(rows):
    """The rows as a markdown table with a total."""
    lines = ["| part | output | parameters | multiply-adds |", "| --- | --- | ---: | ---: |"]
    lines += [f"| {r.part} | {'x'.join(map(str, r.output))} | {r.parameters:,} | {r.multiply_adds:,} |" for r in rows]
    lines += [f"| total |  | {sum(r.parameters for r in rows):,} | {sum(r.multiply_adds for r in rows):,} |"]
    return "\n".join(lines)


def _parts(module, prefix, streams):
    """(name, module) of what gets a row."""
    children = dict(module.named_children())
    trunks = [name for name, child in children.items() if not isinstance(child, Heads) and any(True for _ in child.parameters())]
    for name, child in children.items():
        if (name in streams or trunks == [name]) and any(True for _ in child.children()):
            yield from _parts(child, f"{prefix}{name}.", streams)
        else:
            yield prefix + name, child


class _Meter:
    """FLOPs that pass while a part, or anything in it, runs, and the shape of what it last put out.

    Parts need not be called themselves: a list's blocks are.
    """

    def __init__(self, part, counter, stack):
        self.flops, self.shape, self.depth, self.counter = 0, (), 0, counter
        for module in part.modules():
            for handle in (module.register_forward_pre_hook(self.enter), module.register_forward_hook(self.leave)):
                stack.callback(handle.remove)

    def enter(self, module, inputs):
        if self.depth == 0:
            self.flops -= self.counter.get_total_flops()
        self.depth += 1

    def leave(self, module, inputs, output):
        self.depth -= 1
        if self.depth == 0:
            self.flops += self.counter.get_total_flops()
            tensors = [leaf for leaf in torch.utils._pytree.tree_leaves(output) if isinstance(leaf, torch.Tensor)]
            self.shape = tuple(tensors[-1].shape) if tensors else ()
