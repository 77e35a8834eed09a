"""The sections of a params file, but for ``systems``."""

import dataclasses

from repro.errors import ReproError
from repro.evaluation.fusion import SPACES
from repro.idt.settings import CodebookSettings, IdtSettings
from repro.params import Params


@dataclasses.dataclass(frozen=True)
class ArchiveSettings:
    """Where an archive of a dataset can be downloaded, and its SHA-256."""

    url: str
    sha256: str | None = None


@dataclasses.dataclass(frozen=True)
class HeldOutSettings:
    """A dataset made of the training videos of another one's split ``split``: its split 1 tests ``fraction`` of each class's
    groups (`repro hold-out`). Schedules and designs are chosen on it, so that no test video is seen."""

    of: str
    split: int = 1
    fraction: float = 0.2
    seed: int = 0


@dataclasses.dataclass(frozen=True)
class DatasetSettings:
    """One dataset.

    ``layout``: how its lists are written. ``stands_beside``: the dataset as papers name it: tables print what was published
    beside what was measured; an embedded benchmark has none. ``mechanisms``: groups of classes for the report. ``exclude_bad``:
    leave broken videos out (tables then say so) instead of stopping. ``exclude_damaged``: leave out those too that can be decoded
    but are cut short or have damaged frames. ``group_pattern``: regular expression whose first parenthesis is the group in a
    video's name (default: the layout's own rule). ``archives``: for `repro prepare --download`. ``held_out``: a part of
    another dataset.
    """

    title: str
    layout: str
    stands_beside: str = ""
    mechanisms: tuple = ()
    exclude_bad: bool = False
    exclude_damaged: bool = False
    group_pattern: str | None = None
    archives: tuple[ArchiveSettings, ...] = ()
    held_out: HeldOutSettings | None = None


@dataclasses.dataclass(frozen=True)
class RunSettings:
    """``run``: what the stages are fanned out over.

    ``seeds``: the first is the one that tables show, the table of seeds has all. ``embedded``: datasets to be drawn;
    ``prepared``: those to be indexed; ``datasets``: those of the networks; ``idt``: those of the trajectories. ``systems``: all
    networks that are trained (what they start from is trained in any case); ``evaluated``: those with score files.
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
    systems: tuple[str, ...] = ()
    evaluated: tuple[str, ...] = ()
    notebooks: tuple[str, ...] = ()

    @property
    def to_bring(self):
        """Datasets that are not drawn: their videos must come from somewhere."""
        return tuple(name for name in self.prepared or self.datasets if name not in self.embedded)

    def __post_init__(self):
        for field in dataclasses.fields(self):
            values = getattr(self, field.name)
            if len(set(values)) != len(values):
                raise ValueError(f"{field.name} must be distinct, got {', '.join(map(str, values))}")
        if not self.seeds or min(self.seeds) < 0:
            raise ValueError(f"seeds must be whole numbers from 0 on, at least one, got {list(self.seeds)}")
        if not self.splits or min(self.splits) < 1:
            raise ValueError(f"splits must be whole numbers from 1 on, at least one, got {list(self.splits)}")


@dataclasses.dataclass(frozen=True)
class TrajectorySettings:
    """One entry of ``idt``: trajectories and their descriptors, codebook, and the SVM's C. ``datasets``: those of ``run.idt``
    that it is run on; () = all."""

    features: IdtSettings = IdtSettings()
    codebook: CodebookSettings = CodebookSettings()
    svm_c: float = 100.0
    datasets: tuple[str, ...] = ()

    def __post_init__(self):
        if not self.svm_c > 0:
            raise ValueError(f"svm_c must be above 0, got {self.svm_c}")

    def run_on(self, dataset):
        return not self.datasets or dataset in self.datasets


@dataclasses.dataclass(frozen=True)
class FusionSettings:
    """Late fusion: systems or earlier fusions, their weights, and the space of the average (see ``evaluation.fusion``).

    ``space: svm`` trains a linear SVM with C = ``svm_c`` on the systems' scores of the split's training videos instead
    (`repro evaluate --subset train`); it finds its own weights.
    """

    inputs: tuple[str, ...]
    weights: tuple[float, ...] | None = None
    space: str = "logits"
    svm_c: float = 1.0

    def __post_init__(self):
        if not self.inputs:
            raise ValueError("inputs must name at least one system")
        if self.space not in (*SPACES, "svm"):
            raise ValueError(f"space must be one of {', '.join(SPACES)}, svm, got {self.space!r}")
        if self.space == "svm" and (self.weights is not None or not self.svm_c > 0):
            raise ValueError(f"an SVM takes no weights and svm_c above 0, got {self.weights} and {self.svm_c}")
        if self.weights is not None and len(self.weights) != len(self.inputs):
            raise ValueError(f"weights must be one per input, got {len(self.weights)} for {len(self.inputs)}")


@dataclasses.dataclass(frozen=True)
class Engine:
    """How the machine is used; no result depends on it.

    ``processes``: worker processes for drawing, decoding and extraction. ``cluster``: where per-video work is done: null for
    those processes, "local" for as many dask workers here, or a dask scheduler's address. ``video_timeout``: seconds after
    which a worker is taken for hung and its video has failed (null: no limit; one that uses no processor time for ten minutes
    always is; no limit holds on a cluster). ``require_doctor``: training starts only where ``repro doctor flow`` passed on the
    containers as they are. ``training``: see `repro.engine.settings`.
    """

    processes: int
    cluster: str | None = None
    video_timeout: float | None = None
    require_doctor: bool = False
    training: dict = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        if self.processes < 1:
            raise ValueError(f"engine.processes must be at least 1, got {self.processes}")
        if self.video_timeout is not None and not self.video_timeout > 0:
            raise ValueError(f"engine.video_timeout must be above 0 or null, got {self.video_timeout}")
        if self.cluster not in (None, "local") and "://" not in self.cluster:
            raise ValueError(f"engine.cluster must be null, local or an address such as tcp://host:8786, got {self.cluster!r}")


def input_size(params: Params):
    """Side of the network's input in pixels; every crop and the stored size follow from it. Families may ask for more."""
    side = params.value("input_size", int)
    if side < 1:
        raise ReproError("input_size must be positive", path=params.path, why=f"got {side}")
    return side


def short_side(input_size):
    """Shorter side of stored frames: 256 for an input of 224, the same fraction of any other, even."""
    return 2 * round(input_size * 256 / 224 / 2)
