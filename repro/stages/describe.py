"""``repro describe``: a system's network, layer by layer; for ST-ResNet Table 1, measured, beside the paper's cells."""

import dataclasses
import sys

import torch

from repro.models import summary
from repro.models.registry import Inputs, family
from repro.models.st_resnet.table1 import markdown, table1


def run(run, classes=101, frames=11):
    """Print the table for the network of a Run.

    Table 1 pools over time. An ST-ResNet that does not is joined by the last pool of ``<system>_star``, if there is one.
    """
    settings, size = run.model, run.input_size
    inputs = _inputs(run, classes)
    print(f"{run.system} of profile {run.profile}: family {run.settings.family}, input {size}x{size}x{frames}\n")
    if run.settings.family != "st_resnet":
        with torch.device("meta"):
            network = family(run.settings.family).build(settings, inputs)
        print(summary.markdown(summary.summarise(network, max(frames, network.min_frames))))
        return
    print("running the network and measuring receptive fields by gradients, some ten seconds ...", file=sys.stderr, flush=True)
    rows = table1(settings, inputs, frames)
    starred = f"{run.system}_star"
    if settings.temporal_pool != "none" or starred not in run.params.get("systems"):
        print(markdown(rows))
        return
    other = run.with_system(starred)
    pooled = next(row for row in table1(other.model, _inputs(other, classes), frames) if row.layer == "pool5")
    print(markdown([*rows[:-1], dataclasses.replace(pooled, layer=f"pool5 of {starred}"), rows[-1]]))
    print(f"* pool5 of the paper pools over time: so does {starred}; {run.system} classifies every frame")


def _inputs(run, classes):
    channels = {name: modality.channels for name, modality in run.streams.items()}
    return Inputs(channels, {run.dataset or "classes": classes}, run.input_size)
