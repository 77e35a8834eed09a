"""What a stream of a network sees.

A modality is one entry of a system's ``streams``: a name or, with settings, a mapping:

    streams: {appearance: rgb, motion: {modality: flow, length: 10, subtract_mean: true}}

`repro.clips.kinds` says what there is and how each is read; its ``register`` adds more from outside the package. Imports no
torch until bytes become floats. SZ is Simonyan and Zisserman (2014), TSN Wang et al. (2016).
"""

import dataclasses

import numpy as np

from repro.clips.kinds import KINDS, Kind
from repro.errors import ReproError
from repro.params import check_known, from_mapping


@dataclasses.dataclass(frozen=True)
class Modality:
    """One stream's input.

    ``modality``: a name of the registry. ``length``: L, fields or differences stacked (default: the modality's own).
    ``subtract_mean``: each field less its mean vector over the whole frame (SZ Sec. 3.1), before any crop. The result is bytes
    again, 128 + round(byte - mean), clipped: half a byte off at most, and exactly 128 everywhere under a shift of the camera.
    ``anchor``: the stack lies around the ``centre`` frame (ST-ResNet: fields c - L/2 .. c + L/2 - 1) or has its ``start`` there
    (SZ, TSN: c .. c + L - 1). ``beside_flow``: for rgb, use only frames around which a stack of that many fields would fit
    too, so that both streams of a pair see the same centres (authors' code).

    Raises ValueError naming the field and its value.
    """

    modality: str = "rgb"
    length: int | None = None
    subtract_mean: bool = False
    anchor: str = "centre"
    beside_flow: int = 0

    def __post_init__(self):
        if self.modality not in KINDS:
            raise ValueError(f"modality must be one of {', '.join(KINDS)}, got {self.modality!r}")
        usual = self.kind.length
        if self.length is None:
            object.__setattr__(self, "length", usual or 1)
        if self.length < 1 or (usual is None and self.length != 1):
            raise ValueError(f"length of {self.modality} must be {'1' if usual is None else 'at least 1'}, got {self.length}")
        if self.subtract_mean and self.kind.colours:
            raise ValueError(f"subtract_mean must be false for {self.modality}, which is no flow")
        if self.anchor not in ("centre", "start"):
            raise ValueError(f"anchor must be centre or start, got {self.anchor!r}")
        if self.beside_flow < 0 or (self.beside_flow and self.modality != "rgb"):
            raise ValueError(f"beside_flow must be 0, or for rgb a number of fields, got {self.beside_flow}")
        self.kind.margin(self)

    @property
    def kind(self) -> Kind:
        return KINDS[self.modality]

    @property
    def channels(self) -> int:
        """Channels of the network's input."""
        return self.kind.depth * self.length

    @property
    def planes(self) -> tuple[str, ...]:
        """What a container must hold."""
        return self.kind.planes

    @property
    def colours(self) -> bool:
        """Whether ``to_input`` needs the normalisation of the weights."""
        return self.kind.colours

    @property
    def margin(self) -> tuple[int, int]:
        """(before, after): frames at the start and at the end of a video that cannot be a centre."""
        return self.kind.margin(self)

    def read(self, source, centres) -> np.ndarray:
        """Bytes at ``centres``, uint8 (T, H, W, bytes per pixel); ``source``: see ``Kind``."""
        return self.kind.read(self, source, np.asarray(centres))

    def to_input(self, planes, normalisation=None, flip=False, size=None, antialias=True):
        """uint8 (T, h, w, bytes per pixel) tensor -> float32 (T, channels, h', w'): resized to ``size`` (bicubic), mirrored, zero
        or mean subtracted. ``normalisation`` (of the weights, for rgb and its differences): mean and std per channel on the
        scale 0..255, bgr."""
        return self.kind.to_input(planes, normalisation, flip, size, antialias)


def modality_of(value, where="modality"):
    """The Modality that params name: its name, or a mapping of its settings. Errors name ``where`` and the nearest valid word."""
    if isinstance(value, Modality):
        return value
    mapping = {"modality": value} if isinstance(value, str) else value
    if not isinstance(mapping, dict):
        raise ReproError(f"{where} must be the name of a modality or a mapping", why=f"got {value!r}")
    check_known([mapping.get("modality", "rgb")], KINDS, f"modality in {where}")
    return from_mapping(Modality, mapping, where)


def union_margin(modalities):
    """(before, after) that suits every one of ``modalities``: the streams of a clip share their centres."""
    befores, afters = zip(*(modality.margin for modality in modalities))
    return max(befores), max(afters)


def check_planes(streams, settings, path=None):
    """Raise ReproError where {stream: Modality} needs a plane that ``settings`` (StoreSettings of the params, ``path``) lack."""
    _check_planes(streams, settings.planes, "a stream needs a plane that `store.planes` does not name", path)


def check_container(streams, store):
    """Raise ReproError, before anything is decoded, where ``store`` (a ClipStore) lacks a plane of {stream: Modality}."""
    _check_planes(streams, store.planes, "a container without a plane that a stream needs", store.path)


def _check_planes(streams, there, what, path):
    wanted = dict.fromkeys([*there, *(plane for modality in streams.values() for plane in modality.planes)])
    for stream, modality in streams.items():
        for plane in modality.planes:
            if plane not in there:
                raise ReproError(
                    what,
                    path=path,
                    why=f"{stream}, {modality.modality}, reads {plane}; there: {', '.join(there)}",
                    fix=f"set `store.planes` to [{', '.join(wanted)}] and run `repro extract`",
                )
