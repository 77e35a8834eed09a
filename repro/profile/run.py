"""A run: a params file and which dataset, split, seed and system of it. Made once, then handed down."""

import dataclasses
import functools
from pathlib import Path

from repro.datasets.embedded import EmbeddedSettings
from repro.engine.machine import Machine, side_by_side
from repro.engine.settings import EngineSettings
from repro.errors import ReproError
from repro.evaluation.settings import EvaluationSettings
from repro.flow import FlowSettings
from repro.params import Params, check_known, check_name, from_mapping
from repro.profile.code import version_of
from repro.profile.paths import Paths
from repro.profile.settings import (
    DatasetSettings,
    Engine,
    FusionSettings,
    RunSettings,
    TrajectorySettings,
    input_size,
    short_side,
)
from repro.profile.systems import SystemSettings, model_of, parents_of, recipe_of, streams_of, system_settings
from repro.video.store import StoreSettings


@dataclasses.dataclass(frozen=True)
class Run:
    """Everything a stage reads or writes, by name. Make one with `Run.of`, which checks the names.

    Parts that a stage has no use for are None; what follows from them raises then. ``str`` names it in messages.
    """

    params: Params
    dataset: str | None = None
    split: int | None = None
    seed: int | None = None
    system: str | None = None

    @classmethod
    def of(cls, params, dataset=None, split=None, seed=None, system=None, kind="systems"):
        """A run whose names stand in the params. ``seed``: the first of ``run.seeds`` unless given. ``kind``: the section that
        ``system`` is an entry of, None for scores of others, which need none. Errors name the nearest valid word."""
        if dataset is not None:
            check_known([check_name(dataset, "a dataset")], _there(params, "datasets"), f"dataset in {params.path}")
        if system is not None:
            check_name(system, "a system")
            if kind is not None:
                check_known([system], _there(params, kind), f"system in {params.path}: {kind}")
        if split is not None and split < 1:
            raise ReproError("splits are numbered from 1 on", why=f"got {split}")
        if seed is not None and seed < 0:
            raise ReproError("seeds are whole numbers from 0 on", why=f"got {seed}")
        if seed is None and split is not None:
            seed = params.section("run", RunSettings).seeds[0]
        return cls(params, dataset, split, seed, system)

    def with_system(self, system):
        """The same run of another system."""
        return Run.of(self.params, self.dataset, self.split, self.seed, system)

    def __str__(self):
        place = [self.dataset, None if self.split is None else f"split {self.split}", self.system]
        return " ".join(part for part in place if part)

    # places

    @property
    def profile(self) -> str:
        return check_name(self.params.value("profile", str), f"{self.params.path}: profile")

    @functools.cached_property
    def paths(self) -> Paths:
        return Paths(self.profile)

    @property
    def raw(self) -> Path:
        """Videos and split lists of the dataset."""
        return self.paths.raw(self.dataset)

    @property
    def index(self) -> Path:
        return self.paths.index(self.dataset)

    @property
    def store(self) -> Path:
        """Containers of frames and flow."""
        return self.paths.store(self.dataset)

    @property
    def trajectories(self) -> Path:
        """Trajectories of an IDT system, one array file per video."""
        return self.paths.trajectories(self.dataset, self.system)

    @property
    def vectors(self) -> Path:
        """Fisher vectors of an IDT system, one array file per video."""
        return self.paths.vectors(self.dataset, self.system)

    @property
    def checkpoint(self) -> Path:
        return self.paths.checkpoint(*self.place)

    @property
    def codebook(self) -> Path:
        """PCA and mixtures of an IDT system."""
        return self.paths.model(*self.place) / "codebook.npz"

    @property
    def codebook_name(self) -> str:
        """Of its split and seed, in the files of `vectors`."""
        return f"split{self.split}-seed{self.seed}"

    @property
    def curves(self) -> Path:
        return self.paths.curves(*self.place)

    def scores(self, subset="test") -> Path:
        return self.paths.scores(*self.place, subset)

    @property
    def place(self):
        """Dataset, split, seed, system."""
        return self.dataset, self.split, self.seed, self.system

    # settings of the profile

    @functools.cached_property
    def fanned_out(self) -> RunSettings:
        """The section ``run``: all runs of the profile."""
        return self.params.section("run", RunSettings)

    @property
    def input_size(self) -> int:
        return input_size(self.params)

    @functools.cached_property
    def machine(self) -> Engine:
        """The section ``engine``; no more processes than fit into this machine."""
        asked = self.params.section("engine", Engine)
        return dataclasses.replace(asked, processes=Machine.here().processes(asked.processes))

    @functools.cached_property
    def engine(self) -> EngineSettings:
        """``engine.training``; of a system, no more loader processes than fit into this machine."""
        asked = self.params.section("engine.training", EngineSettings)
        if not asked.workers or self.system is None:
            return asked
        return dataclasses.replace(asked, workers=Machine.here().loaders(asked.workers, *self.sub_batch, side_by_side()))

    @property
    def sub_batch(self):
        """(tensors, bytes) of a sub-batch of training clips, a tensor per clip and stream; crops are taken for frames of 4:3."""
        store, recipe, datasets = self.store_settings, self.recipe, len(self.datasets)
        width = -(-4 * store.short_side // 3)
        channels = sum(modality.channels for modality in self.streams.values())
        clips = recipe.clips_per_batch_norm * datasets
        return clips * len(self.streams), clips * recipe.frames * store.short_side * width * channels

    @functools.cached_property
    def store_settings(self) -> StoreSettings:
        return self.params.section("store", StoreSettings, short_side=short_side(self.input_size))

    @functools.cached_property
    def flow_settings(self) -> FlowSettings:
        return self.params.section("flow", FlowSettings)

    @functools.cached_property
    def fusions(self) -> dict:
        """{name: FusionSettings}, in the order of the params."""
        return {name: self.params.section(f"fusions.{name}", FusionSettings) for name in self.params.value("fusions", dict)}

    # settings of the dataset

    @functools.cached_property
    def dataset_settings(self) -> DatasetSettings:
        return self.params.section(f"datasets.{self.dataset}", DatasetSettings)

    @functools.cached_property
    def embedded(self) -> EmbeddedSettings:
        """What the generator draws, where the dataset is of our making."""
        return self.params.section(f"embedded.{self.dataset}", EmbeddedSettings)

    # settings of the system

    @functools.cached_property
    def trajectory_settings(self) -> TrajectorySettings:
        """Of an IDT system."""
        return self.params.section(f"idt.{self.system}", TrajectorySettings)

    @functools.cached_property
    def settings(self) -> SystemSettings:
        return system_settings(self.params, self.system)

    @property
    def datasets(self) -> tuple:
        """What it is trained on: its dataset, then those of ``also_on``."""
        return (self.dataset, *(name for name in self.settings.also_on if name != self.dataset))

    @functools.cached_property
    def streams(self) -> dict:
        """{stream: Modality}"""
        return streams_of(self.params, self.system)

    @functools.cached_property
    def model(self):
        """The family's settings."""
        return model_of(self.params, self.system, self.input_size)

    @functools.cached_property
    def recipe(self):
        return recipe_of(self.params, self.system, self.dataset)

    @functools.cached_property
    def evaluation(self) -> EvaluationSettings:
        """The test protocol: the profile's, then what the system says otherwise."""
        mapping = {**(self.params.get("evaluation") or {}), **self.settings.evaluation}
        return from_mapping(EvaluationSettings, mapping, f"{self.params.path}: systems.{self.system}.evaluation")

    @functools.cached_property
    def parents(self) -> tuple:
        """The runs whose checkpoints it starts from, in order: same split and seed."""
        there = parents_of(self.params, self.system, self.dataset)
        return tuple(Run.of(self.params, dataset, self.split, self.seed, system) for dataset, system in there)

    @property
    def weights(self) -> dict:
        """{stream: Path} of its start weights; stream "" stands for all."""
        return {stream: Path(file) for stream, file in self.settings.weight_files.items()}

    # what work is keyed by

    def code_version(self, stage):
        """Of a stage (``train``) for this run's family of networks, plug-ins included: what DVC compares and headers name."""
        return version_of(stage, self.settings.family, tuple(self.params.mapping.get("plugins") or ()))

    def training_values(self):
        """Everything in the params that a training depends on, resolved, for the key of partial work and the params hash."""
        return [
            *self.place,
            self.datasets,
            self.input_size,
            self.settings.family,
            dataclasses.asdict(self.model),
            {name: dataclasses.asdict(modality) for name, modality in self.streams.items()},
            dataclasses.asdict(self.recipe),
            self.settings.init_from,
            self.settings.weights,
            self.settings.recalibrate,
            {name: getattr(self.engine, name) for name in ENGINE_KEYS},
        ]

    def training_inputs(self):
        """Files and folders that a training reads."""
        places = [place for dataset in self.datasets for place in (self.paths.index(dataset), self.paths.store(dataset))]
        return [*places, *(parent.checkpoint for parent in self.parents), *self.weights.values()]


ENGINE_KEYS = ("device", "precision", "channels_last", "compile", "threads", "deterministic")
"""Those of ``engine.training`` on which the last bits of a result may depend."""


def _there(params, section):
    return list(params.mapping.get(section) or {})
