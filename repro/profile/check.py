"""A params file as a whole, checked whenever a command reads one: no unknown key, no name without an entry, no value that a
stage would refuse hours later. Imports no torch."""

import dataclasses
import importlib
import os
import re
import sys
from pathlib import Path

from repro import published
from repro.clips.modality import check_planes
from repro.errors import ReproError
from repro.evaluation.settings import EvaluationSettings
from repro.models.registry import families, settings_of
from repro.params import check_known, check_name, from_mapping
from repro.profile.blocks import trained_on
from repro.profile.layout import layout_of
from repro.profile.run import Run
from repro.profile.settings import TrajectorySettings
from repro.profile.systems import check_no_circle, model_of, recipe_of

_SECTIONS = (
    *("run", "datasets", "embedded", "store", "flow", "families", "systems", "idt", "fusions", "engine", "evaluation", "report"),
)
KEYS = ("profile", "input_size", "plugins", *_SECTIONS)
NOTEBOOKS = Path("notebooks")
ONE_SIZE = ("c3d",)
"""Families whose first full layer takes maps of a single size, those of squares of ``input_size``."""
_DRAWN = {  # the least of what a generator of videos is told; of a range the lower end
    **dict.fromkeys(("clips_per_group", "splits", "frames", "radius"), 1),
    **dict.fromkeys(("seed", "speed", "pause", "edge", "shake", "sway", "noise", "chroma", "camera_speed", "camera_reach"), 0),
    "size": 2,
}
_DATA = ("raw", "index", "store", "survey", "archives")  # folders of a dataset that trajectories must not be named after


def check(params):
    """Raise a one-line ReproError for the first thing that is wrong, with the nearest valid word; returns ``params``.

    Sections that are absent are left to the stages that need them.
    """
    check_known(params.mapping, KEYS, f"key in {params.path}")
    there = {name: params.value(name, dict) if params.mapping.get(name) else {} for name in _SECTIONS}
    load_plugins(params)
    _check_names(params, there)
    run = Run.of(params)
    if there["run"]:
        _check_run(params, run.fanned_out, there)
    for name in there["datasets"]:
        _check_dataset(params, dataclasses.replace(run, dataset=name), there)
    for name in there["families"]:
        check_known([name], families(), f"family in {params.path}: families")
        known = [field.name for field in dataclasses.fields(settings_of(name))]
        given = params.value(f"families.{name}", dict) if there["families"][name] is not None else {}
        check_known(given, known, f"key in {params.path}: families.{name}")
    for name in there["idt"]:
        settings = params.section(f"idt.{name}", TrajectorySettings)
        check_known(settings.datasets, there["run"].get("idt") or (), f"dataset in {params.path}: idt.{name}.datasets")
    _check_report(params, there)
    _check_fusions(params, run, there)
    parts = [("flow", "flow_settings"), ("store", "store_settings"), ("engine", "machine")]
    for section, part in [*parts, *([("engine", "engine")] if "training" in there["engine"] else [])]:
        if there[section]:
            getattr(run, part)  # a property that checks what it reads
    for name in there["systems"]:
        _check_system(params, dataclasses.replace(run, system=name), there)
    if there["run"]:
        _check_also_on(params, run, there)
    return params


def load_plugins(params):
    """Import the modules under ``plugins``, which may lie in the working folder; they register families and modalities."""
    for name in params.value("plugins", tuple[str, ...]) if "plugins" in params.mapping else ():
        if os.getcwd() not in sys.path:
            sys.path.append(os.getcwd())
        try:
            importlib.import_module(name)
        except ReproError:
            raise
        except Exception as error:  # whatever a module of theirs does
            raise ReproError(
                f"cannot import plug-in `{name}`", path=params.path, why=f"{type(error).__name__}: {error}"
            ) from error


def _check_names(params, there):
    if "profile" in params.mapping:
        check_name(params.value("profile", str), f"{params.path}: profile")
    kinds = ("datasets", "systems", "idt", "fusions")
    for kind in (*kinds, "embedded"):
        for name in there[kind]:
            check_name(name, f"{params.path}: an entry of {kind}")
    check_known(there["embedded"], list(there["datasets"]), f"dataset in {params.path}: embedded")
    owner = {}
    for kind in kinds[1:]:
        for name in there[kind]:
            if owner.setdefault(name, kind) != kind:
                raise ReproError(f"`{name}` is under both {owner[name]} and {kind}", path=params.path, fix="rename one")
    for name in set(there["idt"]) & set(_DATA):
        raise ReproError(
            f"an IDT system cannot be called `{name}`",
            path=params.path,
            why="a dataset keeps other files there",
            fix="rename it",
        )


def _check_run(params, run, there):
    """Every name under ``run`` has an entry of its own."""
    for name in run.notebooks:
        check_name(name, f"{params.path}: a notebook")
    notebooks = sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb")) if NOTEBOOKS.is_dir() else run.notebooks
    for key, known in (
        ("datasets", there["datasets"]),
        ("embedded", there["embedded"]),
        ("prepared", there["datasets"]),
        ("idt", run.prepared or run.datasets),
        ("idt_systems", there["idt"]),
        ("systems", there["systems"]),
        ("evaluated", run.systems),
        ("svm_inputs", run.systems),
        ("notebooks", notebooks),
    ):
        check_known(getattr(run, key), list(known), f"name in {params.path}: run.{key}")


def _check_dataset(params, run, there):
    from repro.datasets.scan import LAYOUTS
    from repro.profile.sources import check_address

    settings, where = run.dataset_settings, f"{params.path}: datasets.{run.dataset}"
    check_known([settings.layout], list(LAYOUTS), f"layout in {where}")
    known = {number.dataset for number in published.PUBLISHED}
    check_known([settings.stands_beside] if settings.stands_beside else [], sorted(known), f"dataset in {where}.stands_beside")
    if settings.held_out:
        others = [name for name in there["datasets"] if name != run.dataset]  # of itself it would lose what it holds out of
        check_known([settings.held_out.of], others, f"dataset in {where}.held_out.of")
    for archive in settings.archives:
        check_address(archive.url)
    try:
        re.compile(settings.group_pattern or "")
    except re.error as error:
        raise ReproError(f"bad value in {where}.group_pattern", why=f"no regular expression: {error}") from error
    if run.dataset in there["embedded"]:
        _check_drawn(run, f"{params.path}: embedded.{run.dataset}")
        if settings.stands_beside:
            why = "published numbers stand beside the dataset that they were measured on, never beside an embedded benchmark"
            raise ReproError(f"bad value in {where}.stands_beside", why=why, fix="remove it")
        groups = [group for mechanism in settings.mechanisms for group in (mechanism or {}).get("groups", ())]
        check_known([name for group in groups for name in group], run.embedded.classes, f"class in {where}.mechanisms")


def _check_drawn(run, where):
    for name, least in _DRAWN.items():
        value = getattr(run.embedded, name)
        low, high = value if isinstance(value, tuple) else (value, value)
        if not least <= low <= high:
            raise ReproError(
                f"bad value in {where}.{name}", why=f"it must be at least {least}, a range from low to high, got {value}"
            )


def _check_system(params, run, there):
    settings, where = run.settings, f"{params.path}: systems.{run.system}"
    for stream in settings.streams:
        check_name(stream, f"a stream in {where}")
    model = model_of(params, run.system, run.input_size) if "input_size" in params.mapping else None
    ways = from_mapping(EvaluationSettings, {**there["evaluation"], **settings.evaluation}, f"{where}.evaluation")
    if there["store"]:
        check_planes(run.streams, run.store_settings, params.path)
    datasets = list(there["datasets"])
    check_known(settings.also_on, datasets, f"dataset in {where}.also_on")
    check_known(settings.recipe_for, datasets, f"dataset in {where}.recipe_for")
    recipes = [recipe_of(params, run.system, dataset) for dataset in (None, *settings.recipe_for)]
    evaluated = run.system in there["run"].get("evaluated", ())
    if evaluated and settings.family in ONE_SIZE and ways.protocol == "full":
        why = f"full scores whole frames; family {settings.family} takes only squares of input_size"
        raise ReproError(f"bad value in {where}.evaluation.protocol", why=why, fix="set it to centre or crops10")
    if model is not None:
        needed = getattr(model, "min_frames", 1)
        lengths = [("recipe.frames", recipe.frames) for recipe in recipes]
        if evaluated and (ways.frame_by_frame or ways.sampling != "whole"):
            lengths.append(("evaluation.frame_by_frame", 1) if ways.frame_by_frame else ("evaluation.frames", ways.frames))
        for key, frames in lengths:
            if frames < needed:
                why = f"clips of {frames} frames; family {settings.family} as set needs at least {needed}"
                raise ReproError(f"bad value in {where}.{key}", why=why)
        for recipe in recipes:
            _check_consensus(recipe, settings.family, model, where)
        for recipe in recipes if getattr(model, "batch_norm", True) else ():
            _check_sub_batches(recipe, run.input_size, where)
    for dataset in datasets:
        check_no_circle(params, run.system, dataset)


def output_steps(family, model, frames):
    """Output steps in training of a clip of ``frames``, of a family with settings ``model``; of most one per frame."""
    if family == "st_resnet" and model.temporal_pool != "none":
        return (frames - model.min_frames) // model.pool_stride + 1
    if family == "two_stream_fusion":
        return frames // model.temporal_pool
    if family == "inception3d":
        return 1 if model.average_logits else model.windows(frames)
    if family == "c3d":
        return (frames - model.window) // model.window_stride + 1
    return frames


def _check_consensus(recipe, family, model, where):
    """A weighted consensus learns a weight per frame of a clip, and has a use for as many output steps."""
    steps = output_steps(family, model, recipe.frames)
    if recipe.consensus == "weighted" and steps != recipe.frames:
        why = f"weighted has a weight for each of {recipe.frames} frames; family {family} as set makes {steps} output steps"
        raise ReproError(f"bad value in {where}.recipe.consensus", why=why, fix="average and max take any number of steps")


def _check_also_on(params, run, there):
    """What is trained on further datasets gets one, wherever it is trained: else it would have a single head, without a word."""
    trained = trained_on(params)
    for system in there["systems"]:
        for dataset in trained.get(system, run.fanned_out.datasets):
            one = dataclasses.replace(run, dataset=dataset, system=system)
            if one.settings.also_on and len(one.datasets) == 1:
                why = f"beside {dataset}, where it is trained, it adds no dataset"
                fix = "name another one as well, or leave it out"
                raise ReproError(f"bad value in {params.path}: systems.{system}.also_on", why=why, fix=fix)


def _check_sub_batches(recipe, input_size, where):
    """The last maps are a 32nd of the input: at 32 pixels a single frame is one value per channel, which has no variance."""
    smallest = recipe.videos_per_step % recipe.clips_per_batch_norm or recipe.clips_per_batch_norm
    if recipe.frozen_norms != "all" and smallest * recipe.frames * (input_size // 32) ** 2 < 2:
        raise ReproError(
            f"bad value in {where}.recipe",
            why=f"sub-batches of one clip of one frame, with videos_per_step {recipe.videos_per_step} and clips_per_batch_norm "
            f"{recipe.clips_per_batch_norm}: at input_size {input_size} a batch norm sees a single value",
            fix="make clips_per_batch_norm at least 2, and a divisor of videos_per_step",
        )


def _check_fusions(params, run, there):
    """Fusions of systems, of trajectories, of scores of others, and of fusions that stand before them."""
    if not there["fusions"]:
        return
    shown = layout_of(params).systems if there["report"] else ()
    imported = [system.name for system in shown if system.name not in there["fusions"]]  # scores of others have no other entry
    fusible = dict.fromkeys([*there["systems"], *there["idt"], *imported])
    for name, settings in run.fusions.items():
        check_known(settings.inputs, fusible, f"system in {params.path}: fusions.{name}.inputs")
        fusible[name] = None


def _check_report(params, there):
    if not there["report"]:
        return
    layout, where = layout_of(params), f"{params.path}: report"
    for name, least in (("draws", 1), ("seed", 0)):
        if (value := getattr(layout, name)) < least:
            raise ReproError(f"bad value in {where}.{name}", why=f"it must be at least {least}, got {value}")
    systems = [system.name for system in layout.systems]
    for name in systems:
        check_name(name, f"a system in {where}.systems")
    check_known([name for pair in layout.comparisons for name in pair], systems, f"system in {where}.comparisons")
    for key in ("Table 3", "Table 4"):
        known = sorted({number.system for number in published.PUBLISHED if number.table.startswith(key)})
        named = [getattr(system, key.replace(" ", "").lower()) for system in layout.systems]
        check_known([name for name in named if name], known, f"row of {key} in {where}.systems")
