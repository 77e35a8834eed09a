"""``repro describe``: Table 1 of a system's network, measured on the live network, beside the paper's cells."""

from repro.models.describe import describe, markdown
from repro.stages.config import input_size
from repro.stages.train import model_spec


def run(params, system, classes=101):
    """Print the table for ``system`` of this profile; the paper's cells stand for 224-pixel inputs and ResNet-50 streams."""
    spec = model_spec(params, system)
    size = input_size(params)
    print(f"{system} of profile {params.get('profile')}: blocks {list(spec.blocks)}, width {spec.width}, layout {spec.layout}, "
          f"input {size}x{size}x11\n")
    print(markdown(describe(spec, classes, input_size=size)))
