"""torchvision's names of a VGG-16 in the tower's own."""

from ..names import renamed
from .settings import BACKBONES

SIDES = {"classifier.0": 7, "classifier.3": 1}
"""Of the maps that a linear layer sees flattened."""


def own_names(state_dict, streams):
    """A state dict with `features.N` and `classifier.N`, bare or behind a stream's name, as conv1_1 .. conv5_3 and fc6 .. fc8.

    Other names stay. fc6 and fc7 become convolutions: the same numbers, (4096, 512 * 7 * 7) as (4096, 512, 7, 7).
    """
    names, place = {"classifier.0": "fc6", "classifier.3": "fc7", "classifier.6": "fc8"}, 0
    for row in BACKBONES["vgg16"].convolutions:
        names[f"features.{place}"] = row.name
        place += 3 if row.pooled else 2

    def own(part):
        found = {}
        for key, tensor in part.items():
            layer, _, kind = key.rpartition(".")
            if layer in SIDES and kind == "weight":
                tensor = tensor.unflatten(1, (-1, SIDES[layer], SIDES[layer]))
            found[f"{names.get(layer, layer)}.{kind}"] = tensor
        return found

    return renamed(state_dict, streams, own)
