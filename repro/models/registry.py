"""Families of networks by name. Imports no torch: a family's modules are loaded when it is asked for.

A family from outside the package registers itself when its module is imported (params key `plugins`):

    register("mine", settings="my_module:MySettings", network="my_module:FAMILY")
"""

import difflib
import functools
import importlib
from dataclasses import dataclass
from pathlib import Path


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


#: families from outside the package; its own are the folders with a settings.py and a network.py, in no list, so that a new one
#: changes nothing that the others are made of
_REGISTERED = {}


def families():
    """{name: Entry} of all families: the package's, then registered ones."""
    return _own() | _REGISTERED


@functools.cache
def _own():
    folders = sorted(path.parent.name for path in Path(__file__).parent.glob("*/settings.py"))
    return {name: Entry(f"repro.models.{name}.settings:SETTINGS", f"repro.models.{name}.network:FAMILY") for name in folders}


def register(name, settings, network):
    """Make a family known; the same entry twice is fine, another one under a taken name is a ValueError."""
    entry = Entry(settings, network)
    if (there := families().get(name, entry)) != entry:
        raise ValueError(f"family name must be free, got {name!r}, which is {there.network}")
    _REGISTERED[name] = entry


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
    known = families()
    if name not in known:
        close = difflib.get_close_matches(str(name), known, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise ValueError(f"family must be one of {', '.join(known)}, got {name!r}{hint}")
    return known[name]


def _load(place):
    module, _, attribute = place.partition(":")
    return getattr(importlib.import_module(module), attribute)
