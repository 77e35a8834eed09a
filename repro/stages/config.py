"""What stages read from ``params.yaml``, and where their files lie."""

import dataclasses
from pathlib import Path

from repro.errors import ReproError
from repro.files import file_signature, fingerprint
from repro.params import Params


@dataclasses.dataclass(frozen=True)
class ArchiveSettings:
    """Where an archive of a dataset can be downloaded, and its SHA-256."""

    url: str
    sha256: str | None = None


@dataclasses.dataclass(frozen=True)
class DatasetSettings:
    """One dataset.

    ``layout``: how its lists are written. ``stands_beside``: the published column that tables print next to it (a title must
    say what it is not). ``mechanisms``: groups of classes for the report. ``exclude_bad``: leave broken videos out (tables then
    say so) instead of stopping. ``exclude_damaged``: leave out those too that can be decoded but are cut short or have damaged
    frames. ``group_pattern``: regular expression whose first parenthesis is the group in a video's name (default: the layout's
    own rule). ``archives``: for `repro prepare --download`.
    """

    title: str
    layout: str
    stands_beside: str = ""
    mechanisms: tuple = ()
    exclude_bad: bool = False
    exclude_damaged: bool = False
    group_pattern: str | None = None
    archives: tuple[ArchiveSettings, ...] = ()


class Paths:
    """Every file of a run, by name. Data belong to a dataset, models and results to a profile."""

    def __init__(self, profile, root="."):
        self.profile, self.root = profile, Path(root)

    def raw(self, dataset):
        """Official layout: ``videos/<class>/*`` and ``splits/*.txt``."""
        return self.root / "data" / dataset / "raw"

    def index(self, dataset):
        return self.root / "data" / dataset / "index"

    def store(self, dataset):
        """Containers of frames and flow."""
        return self.root / "data" / dataset / "store"

    def survey(self, dataset):
        """Report and pictures of ``repro doctor flow``."""
        return self.root / "data" / dataset / "survey"

    def trajectories(self, dataset, system):
        """Trajectories with descriptors of an IDT system, one array file per video."""
        return self.root / "data" / dataset / system

    def model(self, dataset, split, seed, system):
        return self.root / "models" / self.profile / _run(dataset, split, seed) / system

    @property
    def results(self):
        return self.root / "results" / self.profile

    def curves(self, dataset, split, seed, system):
        return self.results / "curves" / _run(dataset, split, seed) / f"{system}.csv"

    def scores(self, dataset, split, seed, system, subset="test"):
        """Scores of the test videos; those of the training videos lie in ``train`` beside them."""
        folder = self.results / "scores" / _run(dataset, split, seed)
        return (folder if subset == "test" else folder / subset) / f"{system}.npz"

    def fused(self, dataset, split, seed, name=None):
        folder = self.results / "fused" / _run(dataset, split, seed)
        return folder / f"{name}.npz" if name else folder


def _run(dataset, split, seed):
    return Path(dataset, f"split{split}", f"seed{seed}")


def run_seeds(params: Params):
    """Seeds of training, ``run.seeds``: all tables show the first, the table of seeds all of them."""
    seeds = params.value("run.seeds", tuple[int, ...])
    if not seeds or len(set(seeds)) != len(seeds) or min(seeds) < 0:
        raise ReproError(
            "run.seeds must be distinct whole numbers from 0 on, at least one", path=params.path, why=f"got {list(seeds)}"
        )
    return seeds


def input_size(params: Params):
    """Side of the network's input in pixels; every crop, stored size and the last pool follow from it."""
    side = params.value("input_size", int)
    if side < 32 or side % 32:
        raise ReproError("input_size must be a positive multiple of 32", path=params.path, why=f"got {side}")
    return side


@dataclasses.dataclass(frozen=True)
class Engine:
    """How the machine is used; no result depends on it.

    ``processes``: worker processes for drawing, decoding and extraction. ``cluster``: where per-video work is done: null for
    those processes, "local" for as many dask workers here, or a dask scheduler's address. ``video_timeout``: seconds after
    which a worker is taken for hung and its video has failed (null: no limit; one that uses no processor time for ten minutes
    always is). ``require_doctor``: training starts only where ``repro doctor flow`` passed on the containers as they are.
    ``training``: see `repro.training.loop.EngineSettings`.
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


def machine(params: Params):
    return params.section("engine", Engine)


def processes(params: Params):
    """Number of worker processes for drawing, decoding and extraction."""
    return machine(params).processes


def short_side(input_size):
    """Shorter side of stored frames: 256 for an input of 224, the same fraction of any other, even."""
    return 2 * round(input_size * 256 / 224 / 2)


def paths_of(params: Params):
    return Paths(params.value("profile", str))


def dataset_settings(params: Params, name):
    """Settings of dataset ``name``; an unknown name is an error that lists the known ones."""
    return params.section(f"datasets.{name}", DatasetSettings)


def check_choice(params: Params, kind, name):
    """Raise unless ``name`` stands under the params key ``kind`` (such as ``systems``)."""
    params.get(f"{kind}.{name}")


def work_key(code, values, *inputs):
    """Key of partial work: a hash of the code, the params and the state of the input files."""
    return fingerprint([code, values, file_signature(*inputs)])


def require(path, why, fix):
    """Raise a one-line error unless ``path`` exists."""
    if not Path(path).exists():
        raise ReproError("missing input", path=path, why=why, fix=fix)
