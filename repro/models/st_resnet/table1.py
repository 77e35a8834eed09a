"""Table 1 of the paper from a live network, beside the cells the paper prints."""

from dataclasses import dataclass

import torch

from .network import build_model
from .receptive import LAYERS, layer_outputs, receptive_fields

PAPER_TABLE_1 = {
    "conv1": ("112x112x11", "7x7x1"),
    "pool1": ("56x56x11", "11x11x1"),
    "conv2_x": ("56x56x11", "35x35x5t"),
    "conv3_x": ("28x28x11", "99x99x9t"),
    "conv4_x": ("14x14x11", "291x291x13t"),
    "conv5_x": ("7x7x11", "483x483x17t"),
    "pool5": ("1x1x4", "675x675x47t"),
}
"""Feichtenhofer, Pinz, Wildes, NIPS 2016, Table 1: (output, receptive field); t is the stride between input frames."""

ODDITIES = {
    "conv2_x": "the paper prints x2 for the last group of conv2_x; ResNet-50 has 3 blocks there, and only 3 give 35x35",
    "pool5": "the paper prints 47t; a window of 5 over fields of 17t spans 21t",
}


@dataclass(frozen=True)
class LayerRow:
    """One row of Table 1: sizes are "height x width x frames"; parameters are those of all streams together."""

    layer: str
    output: str
    field: str
    parameters: int
    paper_output: str
    paper_field: str


def table1(settings, inputs, frames=11):
    """Table 1 of a network: LayerRows from conv1 to pool5, then one for the classifiers.

    settings: STResNetSettings; inputs: Inputs. frames and inputs.input_size (pixels) set the clip whose output sizes are listed;
    Table 1's are 11 and 224. Receptive fields are measured (see receptive_fields); t stands for the stride between input frames.
    """
    side, first, dataset = inputs.input_size, next(iter(inputs.channels)), next(iter(inputs.classes))
    with torch.device("meta"):
        model = build_model(settings, inputs).eval()
        clip = {name: torch.empty(1, frames, channels, side, side) for name, channels in inputs.channels.items()}
    sizes = {}
    layer_outputs(getattr(model, first), lambda name, y: sizes.__setitem__(name, y.shape))
    steps = model(clip, dataset)[first].shape[1]
    fields = receptive_fields(settings, side)
    rows = []
    for layer in LAYERS:
        times, _, height, width = sizes[layer]
        field = "{}x{}x{}".format(*fields[layer]) + ("t" if fields[layer][2] > 1 else "")
        rows.append(LayerRow(layer, f"{height}x{width}x{times}", field, _parameters(model, layer), *PAPER_TABLE_1[layer]))
    outputs = ", ".join(f"{count}x{steps}" for count in inputs.classes.values())
    rows.append(LayerRow("classifier", outputs, "", _parameters(model, "classifier"), "", ""))
    return rows


def markdown(rows):
    """The rows as a markdown table with a line per layer, a total, and notes on what the paper misprints."""
    lines = [
        "| layer | output | paper | receptive field, measured | paper | parameters |",
        "| --- | --- | --- | --- | --- | ---: |",
    ]
    lines += [f"| {r.layer} | {r.output} | {r.paper_output} | {r.field} | {r.paper_field} | {r.parameters:,} |" for r in rows]
    lines += [f"| total |  |  |  |  | {sum(r.parameters for r in rows):,} |", ""]
    lines += [f"* {layer}: {note}" for layer, note in ODDITIES.items()]
    lines += ["* the paper prints no parameter counts"]
    return "\n".join(lines)


def _parameters(model, layer):
    """Parameters of one row, batch norms and the scales of connections included, all streams together."""
    owners = {"conv1": ("conv1", "bn1"), "classifier": ("fc",)}
    owners |= {f"conv{stage}_x": (f"layer{stage - 1}", f"stage{stage}") for stage in (2, 3, 4, 5)}
    owned = {name: name.removeprefix("scales.").split(".")[1] for name, _ in model.named_parameters()}
    return sum(p.numel() for name, p in model.named_parameters() if owned[name] in owners.get(layer, ()))
