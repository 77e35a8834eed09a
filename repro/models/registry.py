"""Families of networks by name. Imports no torch: a family's modules are loaded when it is asked for.

A family from outside the package registers itself when its module is imported (params key `plugins`):

    register("mine", settings="my_module:MySettings", network="my_module:FAMILY")
"""

import difflib
import importlib
from dataclasses import dataclass


@dataclass(frozen=True)
class Inputs:
    """What a network is built for: channels of each stream's modality, class count of each dataset, side of the input."""

    channels: dict
    classes: dict
    input_size: int = 224

    def __post_init__(self):
        for field in ("channels", "classes"):
            counts = getattr(self, field)
            if not counts or min(counts.values()) < 1:
                raise ValueError(f"{field} must hold at least one positive count, got {counts}")


@dataclass(frozen=True)
class Entry:
    """Where a family's settings (a frozen dataclass, in a module without torch) and its `Family` stand: "module:name"."""

    settings: str
    network: str


FAMILIES = {
    "bn_inception": Entry("repro.models.bn_inception.settings:BNInceptionSettings", "repro.models.bn_inception.network:FAMILY"),
    "c3d": Entry("repro.models.c3d.settings:C3DSettings", "repro.models.c3d.network:FAMILY"),
    "cnn_m": Entry("repro.models.cnn_m.settings:CNNMSettings", "repro.models.cnn_m.network:FAMILY"),
    "conv_lstm": Entry("repro.models.conv_lstm.settings:ConvLSTMSettings", "repro.models.conv_lstm.network:FAMILY"),
    "inception3d": Entry("repro.models.inception3d.settings:Inception3DSettings", "repro.models.inception3d.network:FAMILY"),
    "st_resnet": Entry("repro.models.st_resnet.settings:STResNetSettings", "repro.models.st_resnet.network:FAMILY"),
    "timm_backbone": Entry("repro.models.timm_backbone.settings:TimmSettings", "repro.models.timm_backbone.network:FAMILY"),
    "two_stream_fusion": Entry(
        "repro.models.two_stream_fusion.settings:TwoStreamFusionSettings", "repro.models.two_stream_fusion.network:FAMILY"
    ),
}


def register(name, settings, network):
    """Make a family known; the same entry twice is fine, another one under a taken name is a ValueError."""
    entry = Entry(settings, network)
    if FAMILIES.setdefault(name, entry) != entry:
        raise ValueError(f"family name must be free, got {name!r}, which is {FAMILIES[name].network}")


def settings_of(name):
    """The settings dataclass of a family. Raises ValueError that lists the families and names the nearest."""
    return _load(_entry(name).settings)


def family(name):
    """The `Family` of a name (imports torch). Raises ValueError as settings_of does."""
    return _load(_entry(name).network)


def modules_of(name):
    """The modules that a family consists of, for its code version."""
    entry = _entry(name)
    return tuple(sorted({entry.settings.partition(":")[0], entry.network.partition(":")[0]}))


def _entry(name):
    if name not in FAMILIES:
        close = difflib.get_close_matches(str(name), FAMILIES, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise ValueError(f"family must be one of {', '.join(FAMILIES)}, got {name!r}{hint}")
    return FAMILIES[name]


def _load(place):
    module, _, attribute = place.partition(":")
    return getattr(importlib.import_module(module), attribute)
