"""A params file as a whole: no unknown key, no name without an entry. Checked whenever a command reads one; imports no torch."""

import dataclasses

from repro.datasets.embedded import EmbeddedSettings
from repro.flow import FlowSettings
from repro.idt.settings import CodebookSettings, IdtSettings
from repro.params import check_known
from repro.stages.config import Engine, dataset_settings, input_size, short_side
from repro.stages.fuse import FusionSettings
from repro.stages.report import layout_of
from repro.stages.systems import SystemSettings, recipe_of
from repro.video.store import StoreSettings


@dataclasses.dataclass(frozen=True)
class RunSettings:
    """``run``: what the stages are fanned out over.

    ``starred``: systems with a continuation, their name with ``_star``. ``seeds``: the first is the one that tables show.
    ``prepared``: every dataset that is indexed; ``datasets``: those of the networks; ``idt``: those of the trajectories.
    ``svm_inputs``: systems that score their training videos too.
    """

    datasets: tuple[str, ...]
    splits: tuple[int, ...]
    seeds: tuple[int, ...]
    embedded: tuple[str, ...] = ()
    prepared: tuple[str, ...] = ()
    idt: tuple[str, ...] = ()
    idt_systems: tuple[str, ...] = ()
    svm_inputs: tuple[str, ...] = ()
    streams: tuple[str, ...] = ()
    joint: tuple[str, ...] = ()
    starred: tuple[str, ...] = ()
    evaluated: tuple[str, ...] = ()
    svm_inputs: tuple[str, ...] = ()
    notebooks: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class TrajectorySettings:
    """One entry of ``idt``: trajectories and their descriptors, codebook, and the SVM's C."""

    features: IdtSettings = IdtSettings()
    codebook: CodebookSettings = CodebookSettings()
    svm_c: float = 100.0


_SECTIONS = ("run", "datasets", "embedded", "store", "flow", "network", "systems", "idt", "fusions", "engine", "report")
_KEYS = ("profile", "input_size", "evaluation", *_SECTIONS)


def check(params):
    """Raise a one-line ReproError for the first unknown key or name, with the nearest valid one; returns ``params``.

    Sections that are absent are left to the stages that need them, as are ``network``, ``evaluation``, the switches
    of each ``systems.*.model`` and ``engine.training``, whose settings would bring torch in.
    """
    check_known(params.mapping, _KEYS, f"key in {params.path}")
    there = {name: params.mapping.get(name) or {} for name in _SECTIONS}
    if there["run"]:
        _check_run(params, params.section("run", RunSettings), there)
    for name in there["datasets"]:
        dataset_settings(params, name)
    for name in there["embedded"]:
        params.section(f"embedded.{name}", EmbeddedSettings)
    systems = layout_of(params).systems if there["report"] else ()
    for name in there["systems"]:
        _check_system(params, name, there)
    imported = (system.name for system in systems)  # scores of others have no entry but in the report
    fusible = dict.fromkeys([*there["systems"], *there["idt"], *there["fusions"], *imported])
    for name in there["fusions"]:
        inputs = params.section(f"fusions.{name}", FusionSettings).inputs
        check_known(inputs, fusible, f"system in {params.path}: fusions.{name}.inputs")
    for name in there["idt"]:
        params.section(f"idt.{name}", TrajectorySettings)
    for name, kind in (("flow", FlowSettings), ("engine", Engine)):
        if there[name]:
            params.section(name, kind)
    if there["store"]:
        params.section("store", StoreSettings, short_side=short_side(input_size(params)))
    return params


def _check_run(params, run, there):
    """Every name under ``run`` has an entry of its own."""
    for key, known in (
        ("datasets", there["datasets"]),
        ("embedded", there["embedded"]),
        ("prepared", there["datasets"]),
        ("idt", run.prepared or run.datasets),
        ("idt_systems", there["idt"]),
        ("streams", there["systems"]),
        ("joint", there["systems"]),
        ("evaluated", there["systems"]),
        ("svm_inputs", there["systems"]),
    ):
        check_known(getattr(run, key), list(known), f"name in {params.path}: run.{key}")
    starred = [f"{name}_star" for name in run.starred]
    check_known(starred, list(there["systems"]), f"system in {params.path}: run.starred")


def _check_system(params, name, there):
    settings = params.section(f"systems.{name}", SystemSettings)
    check_known(settings.init_from, list(there["systems"]), f"system in {params.path}: systems.{name}.init_from")
    check_known(settings.recipe_for, list(there["datasets"]), f"dataset in {params.path}: systems.{name}.recipe_for")
    for dataset in (None, *settings.recipe_for):
        recipe_of(params, name, dataset)
