"""The ``systems`` of a profile: what each is made of, what it starts from and how it is trained."""

import dataclasses

from repro.clips.modality import modality_of
from repro.errors import ReproError
from repro.models.registry import Inputs, settings_of
from repro.params import check_known, from_mapping, nearest
from repro.training.presets import PRESETS
from repro.training.recipe import Recipe


@dataclasses.dataclass(frozen=True)
class SystemSettings:
    """One entry of ``systems``.

    ``family``: of networks (``repro.models.registry``); ``model``: its settings, over those under ``families`` in the params.
    ``streams``: {stream: modality}, what the network sees (``repro.clips.modality``). ``recipe`` may name a ``preset``
    (``code/st_resnet``) and override it. ``recipe_for``: by dataset, the keys of ``recipe`` that differ there. ``evaluation``:
    the keys of the profile's test protocol that differ for this system.

    ``init_from``: systems of the same split and seed whose checkpoints it starts from, in this order; ``ucf101/st_resnet`` is one
    of another dataset. ``weights``: instead, a file of start weights for all streams or {stream: file} (`repro
    import-weights`). Neither: a random start. ``recalibrate``: how many sub-batches of training clips give batch norms that
    were published folded away their statistics back before training (``models.recalibrate``). ``also_on``: further datasets
    that it is trained on at the same time, a head for each (its own, where named, is the head that it has anyway).

    Raises ValueError naming the field and the value.
    """

    family: str
    streams: dict
    recipe: dict
    model: dict = dataclasses.field(default_factory=dict)
    recipe_for: dict = dataclasses.field(default_factory=dict)
    evaluation: dict = dataclasses.field(default_factory=dict)
    init_from: tuple[str, ...] = ()
    weights: object = None
    recalibrate: int = 0
    also_on: tuple[str, ...] = ()

    def __post_init__(self):
        if not self.streams:
            raise ValueError("streams must hold at least one stream, got none")
        files = self.weight_files
        if not all(isinstance(file, str) and file for file in files.values()):
            raise ValueError(f"weights must be a file, or a file for each of some streams, got {self.weights!r}")
        unknown = [stream for stream in files if stream and stream not in self.streams]
        if unknown:
            raise ValueError(f"weights must be for streams, one of {', '.join(self.streams)}, got {unknown[0]!r}")
        if self.init_from and self.weights:
            raise ValueError(f"weights must be left out where init_from names systems, got {self.weights!r}")
        if len(set(self.also_on)) != len(self.also_on):
            raise ValueError(f"also_on must be distinct datasets, a head for each, got {', '.join(self.also_on)}")
        if self.recalibrate < 0:
            raise ValueError(f"recalibrate must not be negative, got {self.recalibrate}")

    @property
    def weight_files(self):
        """{stream: file} of start weights, in the order of the params; stream "" stands for all."""
        if self.weights is None:
            return {}
        return self.weights if isinstance(self.weights, dict) else {"": self.weights}


def system_settings(params, system):
    """The entry of a system. Errors: unknown name or key, with the nearest valid one."""
    return params.section(f"systems.{system}", SystemSettings)


def streams_of(params, system):
    """{stream: Modality} of a system."""
    where = f"{params.path}: systems.{system}.streams"
    return {name: modality_of(value, f"{where}.{name}") for name, value in system_settings(params, system).streams.items()}


def model_of(params, system, input_size):
    """The family's settings of a system: what ``families`` says for the profile, then the system's ``model``.

    Errors: unknown family, key or value, and settings that do not suit the system's streams.
    """
    settings, where = system_settings(params, system), f"{params.path}: systems.{system}"
    try:
        kind = settings_of(settings.family)
    except ValueError as error:
        raise ReproError(f"bad value in {where}", why=str(error)) from error
    shared = (params.mapping.get("families") or {}).get(settings.family) or {}
    model = from_mapping(kind, {**shared, **settings.model}, f"{where}.model")
    if hasattr(model, "check"):
        channels = {name: modality.channels for name, modality in streams_of(params, system).items()}
        try:
            model.check(Inputs(channels, {"any": 2}, input_size))
        except ValueError as error:
            raise ReproError(f"bad value in {where}.model", why=str(error)) from error
    return model


def recipe_of(params, system, dataset=None):
    """Recipe of a system, on one dataset if named: its preset with the overrides that stand beside it."""
    settings = system_settings(params, system)
    where = f"{params.path}: systems.{system}.recipe"
    mapping = dict(settings.recipe)
    if dataset in settings.recipe_for:
        where += f"_for.{dataset}"
        mapping |= settings.recipe_for[dataset] or {}
    name = mapping.pop("preset", None)
    if name is not None:
        source, _, phase = str(name).partition("/")
        if phase not in PRESETS.get(source, {}):
            there = [f"{n}/{p}" for n, phases in PRESETS.items() for p in phases]
            raise ReproError(f"no recipe preset `{name}` in {where}", why=f"there: {', '.join(there)}", fix=nearest(name, there))
        mapping = {**dataclasses.asdict(PRESETS[source][phase]), **mapping}
    return from_mapping(Recipe, mapping, where)


def parents_of(params, system, dataset):
    """((dataset, system), ...) that a system on ``dataset`` starts from, in order; ``ucf101/st_resnet`` names both."""
    found = []
    for text in system_settings(params, system).init_from:
        there, _, name = text.rpartition("/")
        where = f"{params.path}: systems.{system}.init_from"
        check_known([name], list(params.get("systems")), f"system in {where}")
        if there:
            check_known([there], list(params.get("datasets")), f"dataset in {where}")
        found.append((there or dataset, name))
    return tuple(found)


def check_no_circle(params, system, dataset, below=()):
    """Raise ReproError where a system on ``dataset`` starts, through others, from itself."""
    if (dataset, system) in below:
        path = " from ".join("/".join(place) for place in (*below[below.index((dataset, system)) :], (dataset, system)))
        raise ReproError("systems start from each other in a circle", path=params.path, why=path)
    for there, name in parents_of(params, system, dataset):
        check_no_circle(params, name, there, (*below, (dataset, system)))
