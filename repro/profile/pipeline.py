"""The stages that a params file asks for, as DVC knows them: one block per system, with exactly what each run reads.

    draw -> prepare -> extract -> train (parents first) -> evaluate -> fuse -> report, notebook
                    -> idt_features -> idt_codebook -> idt_fisher -> idt_scores ->

A block is a stage with a matrix over datasets, splits and seeds. Runs of one system share a block where they differ in nothing
else; a recipe or a parent of one dataset alone gives that dataset a block of its own.
"""

import dataclasses
from itertools import product

from repro.errors import ReproError
from repro.profile.blocks import DATASET, PAGE_PARAMS, SEED, SPLIT, Block, stage_name, start_of, trained_on
from repro.profile.code import FILE, plugin_files
from repro.profile.run import ENGINE_KEYS, Run
from repro.profile.systems import parents_of

_TRAINED_BY = ("family", "streams", "model", "recipe", "init_from", "weights", "recalibrate", "also_on")


def blocks(params):
    """All blocks of a profile, each behind those that it needs."""
    maker = _Maker(params)
    parts = (
        maker.data,
        maker.trained,
        maker.evaluated,
        maker.trajectories,
        maker.fused,
        maker.report,
        maker.notebooks,
    )
    made = [maker.code(), *(block for part in parts for block in part())]
    names = [block.name for block in made]
    for name in names:
        if names.count(name) > 1:
            raise ReproError(f"two stages would be called `{name}`", path=params.path, fix="rename a system")
    return made


class _Maker:
    def __init__(self, params):
        self.params, self.run = params, Run.of(params)
        self.listed, self.paths = self.run.fanned_out, self.run.paths
        self.systems = trained_on(params)
        self.place = {"dataset": (), "split": self.listed.splits, "seed": self.listed.seeds}
        self.used = dict.fromkeys(self.listed.datasets)
        for system, datasets in self.systems.items():
            for dataset in datasets:
                self.used.update(dict.fromkeys(dataclasses.replace(self.run, dataset=dataset, system=system).datasets))
        missing = [name for name in self.used if self.listed.prepared and name not in self.listed.prepared]
        if missing:
            raise ReproError(
                f"`{missing[0]}` is trained on but not prepared", path=params.path, fix=f"add {missing[0]} to run.prepared"
            )

    def _keys(self, place, names=None, written=None):
        """Dotted keys under ``place`` that the params hold, of ``names`` or whole; ``written``: the place as DVC reads it."""
        value = self.params.mapping
        for part in place.split("."):
            value = (value or {}).get(part)
        if names is None:
            return () if value is None else (place,)
        return tuple(f"{written or place}.{name}" for name in names if name in (value or {}))

    def _blocks(self, name, datasets, matrix, make):
        """One block for all datasets for which ``make(dataset)`` gives the same fields, else one for each kind."""
        kinds = {}
        for dataset in datasets:
            fields = make(dataset)
            kinds.setdefault(repr(fields), (fields, []))[1].append(dataset)
        for fields, alike in kinds.values():
            own = name if len(kinds) == 1 else f"{name}_on_{'_'.join(alike)}"
            yield Block(stage_name(own), matrix={**matrix, "dataset": tuple(alike)}, **fields)

    def code(self):
        plugins = self.params.mapping.get("plugins") or ()
        return Block(
            "code",
            "what the other stages know of the code: they run again where their key of this file changed",
            "repro code",
            deps=("repro", *(["notebooks"] if self.listed.notebooks else []), "params.yaml", *plugin_files(plugins)),
            results=(FILE,),
        )

    def data(self):
        if self.listed.embedded:
            yield Block(
                "draw",
                "the embedded benchmark's videos and split lists; real datasets bring their own",
                f"repro draw --dataset {DATASET}",
                {"dataset": self.listed.embedded},
                params=(f"embedded.{DATASET}",),
                code=("draw",),
                outs=(str(self.paths.raw(DATASET)),),
            )
        if self.listed.prepared:
            yield from self._blocks("prepare", self.listed.prepared, {}, self._prepared)
        if self.used:
            yield Block(
                "extract",
                "one container of frames and flow per video",
                f"repro extract --dataset {DATASET}",
                {"dataset": tuple(self.used)},
                params=("input_size", "store", "flow"),
                code=("extract",),
                deps=(str(self.paths.raw(DATASET)), str(self.paths.index(DATASET))),
                outs=(str(self.paths.store(DATASET)),),
            )

    def _prepared(self, dataset):
        read = ("layout", "exclude_bad", "exclude_damaged", "group_pattern")
        return {
            "about": "every video found, matched to the official lists and decoded",
            "cmd": f"repro prepare {DATASET}",
            "params": self._keys(f"datasets.{dataset}", read, f"datasets.{DATASET}"),
            "code": ("prepare",),
            "deps": (str(self.paths.raw(DATASET)),),
            "outs": (str(self.paths.index(DATASET)),),
        }

    def trained(self):
        for system, datasets in self.systems.items():
            yield from self._blocks(f"train_{system}", datasets, self.place, lambda dataset: self._trained(system, dataset))  # noqa: B023

    def _trained(self, system, dataset):
        run = dataclasses.replace(self.run, dataset=dataset, system=system)
        settings, own = run.settings, lambda name: DATASET if name == dataset else name
        data = [place for name in run.datasets for place in self._data(own(name))]
        parents = [self.paths.model(own(there), SPLIT, SEED, name) for there, name in parents_of(self.params, system, dataset)]
        recipes = [settings.recipe, settings.recipe_for.get(dataset) or {}]
        presets = list(dict.fromkeys(recipe["preset"] for recipe in recipes if "preset" in recipe))
        return {
            "about": f"{system}, a network of the family {settings.family}{start_of(settings)}",
            "cmd": f"repro train --dataset {DATASET} --split {SPLIT} --seed {SEED} --system {system}",
            "params": (
                "input_size",
                *self._keys(f"families.{settings.family}"),
                *self._keys(f"systems.{system}", _TRAINED_BY),
                *([f"systems.{system}.recipe_for.{DATASET}"] if dataset in settings.recipe_for else []),
                *self._keys("engine.training", ENGINE_KEYS),
            ),
            "code": (f"train.{settings.family}", *([f"presets.{presets[-1]}"] if presets else [])),
            "deps": tuple(map(str, (*parents, *data, *run.weights.values()))),
            "outs": (str(self.paths.model(DATASET, SPLIT, SEED, system)),),
            "results": (str(self.paths.curves(DATASET, SPLIT, SEED, system)),),
        }

    def _data(self, dataset):
        return self.paths.index(dataset), self.paths.store(dataset)

    def evaluated(self):
        for subset, systems in (("test", self.listed.evaluated), ("train", self.listed.svm_inputs)):
            for system in systems:
                stage = "evaluate" if subset == "test" else "evaluate_train"
                yield self._evaluated(f"{stage}_{system}", system, subset)

    def _evaluated(self, name, system, subset):
        settings = dataclasses.replace(self.run, system=system).settings
        cmd = f"repro evaluate --dataset {DATASET} --split {SPLIT} --seed {SEED} --system {system}"
        return Block(
            stage_name(name),
            f"scores of {system} on the {subset} videos" + ("" if subset == "test" else ", for fusion by a trained SVM"),
            cmd + ("" if subset == "test" else " --subset train"),
            {**self.place, "dataset": self.listed.datasets},
            params=(
                "input_size",
                *self._keys("evaluation"),
                *self._keys(f"systems.{system}.evaluation"),
                *self._keys("engine.training", ENGINE_KEYS),
            ),
            code=(f"evaluate.{settings.family}",),
            deps=(str(self.paths.model(DATASET, SPLIT, SEED, system)), *map(str, self._data(DATASET))),
            results=(str(self.paths.scores(DATASET, SPLIT, SEED, system, subset)),),
        )

    def trajectories(self):
        for system in self.listed.idt_systems if self.listed.idt else ():
            yield from self._trajectories(system)

    def _trajectories(self, system):
        settings = dataclasses.replace(self.run, system=system).trajectory_settings
        matrix = {"dataset": tuple(filter(settings.run_on, self.listed.idt))}
        features, index = str(self.paths.trajectories(DATASET, system)), str(self.paths.index(DATASET))
        model, vectors = str(self.paths.model(DATASET, SPLIT, SEED, system)), str(self.paths.vectors(DATASET, system))
        codebooks = [str(self.paths.model(DATASET, *place, system)) for place in product(self.listed.splits, self.listed.seeds)]
        sampled = settings.features.keep == "sample"
        one = f"--dataset {DATASET} --split {SPLIT} --seed {SEED} --system {system}"
        yield Block(
            stage_name(f"idt_features_{system}"),
            f"{system}: dense trajectories and their descriptors",
            f"repro idt-features --dataset {DATASET} --system {system}",
            matrix,
            params=self._keys(f"idt.{system}", ("features",)),
            code=("idt_features",),
            deps=(str(self.paths.raw(DATASET)), index),
            outs=(features,),
        )
        yield Block(
            stage_name(f"idt_codebook_{system}"),
            f"{system}: PCA and Gaussian mixtures, from the training videos of each split",
            f"repro idt-codebook {one}",
            {**self.place, **matrix},
            params=self._keys(f"idt.{system}", ("codebook",)),
            code=("idt_codebook",),
            deps=(features, index),
            outs=(model,),
        )
        yield Block(
            stage_name(f"idt_fisher_{system}"),
            f"{system}: Fisher vectors under the codebooks of all splits" + ("; extracts again" if sampled else ""),
            f"repro idt-fisher --dataset {DATASET} --system {system}",
            matrix,
            params=self._keys(f"idt.{system}", ("features",)),
            code=("idt_fisher",),
            deps=(*codebooks, str(self.paths.raw(DATASET)) if sampled else features, index),
            outs=(vectors,),
        )
        yield Block(
            stage_name(f"idt_scores_{system}"),
            f"{system}: one linear SVM per class",
            f"repro idt-scores {one}",
            {**self.place, **matrix},
            params=self._keys(f"idt.{system}", ("svm_c",)),
            code=("idt_scores",),
            deps=(model, vectors, index),
            results=(str(self.paths.scores(DATASET, SPLIT, SEED, system)),),
        )

    def fused(self):
        if not self.params.mapping.get("fusions") or not self.listed.evaluated:
            return
        yield Block(
            "fuse",
            "late fusion of score files",
            f"repro fuse --dataset {DATASET} --split {SPLIT} --seed {SEED}",
            {**self.place, "dataset": self.listed.datasets},
            params=("fusions",),
            code=("fuse",),
            deps=(str(self.paths.scores(DATASET, SPLIT, SEED, "any").parent),),
            results=(str(self.paths.fused(DATASET, SPLIT, SEED)),),
        )

    def _measured(self):
        """Folders of all that tables and pages are made of."""
        folders = {
            "scores": self.listed.evaluated or (self.listed.idt and self.listed.idt_systems),
            "fused": list(self.fused()),
            "curves": self.systems,
        }
        return tuple(str(self.paths.results / name) for name, made in folders.items() if made)

    def report(self):
        if not self._measured() or not self.params.mapping.get("report"):
            return
        yield Block(
            "report",
            "score files and published numbers into tables and figures",
            "repro report",
            params=("run", "datasets", "report"),
            code=("report",),
            deps=self._measured(),
            results=(str(self.paths.results / "tables"),),
            metrics=(str(self.paths.metrics),),
        )

    def notebooks(self):
        if not self.listed.notebooks:
            return
        page = self.paths.results / "notebooks" / "${item.notebook}"
        yield Block(
            "notebook",
            "the paper told in order on this profile's results; nothing depends on these pages",
            "repro notebook --name ${item.notebook}",
            {"notebook": self.listed.notebooks},
            code=("notebook.${item.notebook}", PAGE_PARAMS),
            deps=("notebooks/${item.notebook}.ipynb", "notebooks/style.mplstyle", *self._measured()),
            results=(f"{page}.ipynb",),
        )
