"""``repro describe``: Table 1 of a system's network, measured on the live network, beside the paper's cells."""

import dataclasses
import sys

from repro.models.describe import describe, markdown
from repro.stages.config import input_size
from repro.stages.train import model_spec


def run(params, system, classes=101):
    """Print the table for ``system`` of this profile; the paper's cells stand for 224-pixel inputs and ResNet-50 streams.

    Table 1 pools over time. A system that does not is joined by the last pool of ``<system>_star``, which does.
    """
    spec, size, starred = model_spec(params, system), input_size(params), f"{system}_star"
    print(
        f"{system} of profile {params.get('profile')}: blocks {list(spec.blocks)}, width {spec.width}, layout {spec.layout}, "
        f"input {size}x{size}x11\n"
    )
    print("running the network and measuring receptive fields by gradients, some ten seconds ...", file=sys.stderr, flush=True)
    rows = describe(spec, classes, input_size=size)
    if spec.temporal_pool != "none" or starred not in params.get("systems"):
        print(markdown(rows))
        return
    pooled = next(row for row in describe(model_spec(params, starred), classes, input_size=size) if row.layer == "pool5")
    print(markdown([*rows[:-1], dataclasses.replace(pooled, layer=f"pool5 of {starred}"), rows[-1]]))
    print(f"* pool5 of the paper pools over time: so does {starred}; {system} classifies every frame")
