"""The ``systems`` of a profile: what each is made of and how it is trained. Imports no torch."""

import dataclasses

from repro.errors import ReproError
from repro.params import from_mapping
from repro.training.recipe import PRESETS, Recipe


@dataclasses.dataclass(frozen=True)
class SystemSettings:
    """One entry of ``systems``: switches of the network, recipe, and what it starts from.

    ``init_from``: systems of the same split and seed whose checkpoints it starts from; empty: ``weights`` (a local file, see
    ``repro import-weights``) or, without, a random start. ``recipe`` may name a ``preset`` (``code/st_resnet``) and override it.
    ``recipe_for``: by dataset, the keys of ``recipe`` that differ there. ``recalibrate``: how many sub-batches of training clips
    give batch norms that were published folded away their statistics back before training (``models.recalibrate``).
    """

    model: dict
    recipe: dict
    recipe_for: dict = dataclasses.field(default_factory=dict)
    init_from: tuple[str, ...] = ()
    weights: str | None = None
    recalibrate: int = 0


def recipe_of(params, system, dataset=None):
    """Recipe of a system, on one dataset if named: its preset with the overrides that stand beside it."""
    settings = params.section(f"systems.{system}", SystemSettings)
    where = f"{params.path}: systems.{system}.recipe"
    mapping = dict(settings.recipe)
    if dataset in settings.recipe_for:
        where += f"_for.{dataset}"
        mapping |= settings.recipe_for[dataset] or {}
    name = mapping.pop("preset", None)
    if name is not None:
        source, _, phase = name.partition("/")
        if phase not in PRESETS.get(source, {}):
            there = ", ".join(f"{n}/{p}" for n, phases in PRESETS.items() for p in phases)
            raise ReproError(f"no recipe preset `{name}` in {where}", why=f"there: {there}")
        mapping = {**dataclasses.asdict(PRESETS[source][phase]), **mapping}
    return from_mapping(Recipe, mapping, where)
