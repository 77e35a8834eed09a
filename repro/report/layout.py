"""What the tables show: datasets, systems and mechanisms, as plain frozen dataclasses that ``params.yaml``
can spell out."""

from dataclasses import dataclass, field

from repro import published
from repro.params import from_mapping


@dataclass(frozen=True)
class MechanismLayout:
    """A mechanism of the paper and the groups (pairs, as a rule) of class names that only it tells apart."""

    name: str
    groups: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class DatasetLayout:
    """``name``: folder under ``scores/`` and ``dataset`` in the score files' headers. ``title`` heads its tables.
    ``stands_beside``: the dataset as papers name it, whose published numbers stand beside its own; "" = none. ``systems``: the
    only ones run on it, () = all; Tables 3 and 4 and what is judged by them leave a dataset out that has but some. ``lacks``:
    systems that its own tables leave out."""

    name: str
    title: str
    stands_beside: str = ""
    mechanisms: tuple[MechanismLayout, ...] = ()
    splits: tuple[int, ...] = (1, 2, 3)
    systems: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()


@dataclass(frozen=True)
class SystemLayout:
    """``name``: stem of the score files. ``table3``, ``table4``: the system of the published number that
    stands beside it there; "" in ``table4`` = no row in Table 4. All systems are rows of Table 3 unless
    ``in_table3`` is false."""

    name: str
    title: str
    table3: str = ""
    table4: str = ""
    in_table3: bool = True


@dataclass(frozen=True)
class ClaimSystems:
    """Which system plays which part in the paper's claims."""

    appearance: str = "appearance"
    motion: str = "motion"
    late_fusion: str = "two_stream"
    st_resnet: str = "st_resnet"
    st_resnet_star: str = "st_resnet_star"
    idt: str = "idt"
    star_idt: str = "st_resnet_star_idt"


@dataclass(frozen=True)
class AblationLayout:
    """Systems that differ from ``reference`` in one choice each; ``name`` is what notebooks ask for."""

    name: str
    title: str
    reference: str
    variants: tuple[str, ...]


@dataclass(frozen=True)
class PaperLayout:
    """What a paper says of one kind of system, for the matrix of systems and mechanisms, in words: a published number of other
    data never stands beside synthetic data.

    ``systems``: which of ours it is said of. ``sees`` and ``blind``: the mechanisms that they should tell apart by it, or cannot.
    ``claim``: what it says. ``source``: a key of ``published.SOURCES``."""

    systems: tuple[str, ...]
    claim: str
    source: str
    sees: tuple[str, ...] = ()
    blind: tuple[str, ...] = ()

    def __post_init__(self):
        if not set(self.sees).isdisjoint(self.blind):
            raise ValueError(f"sees and blind must not share a mechanism, got {sorted(set(self.sees) & set(self.blind))[0]!r}")
        if self.source not in published.SOURCES:
            raise ValueError(f"source must be one of {', '.join(published.SOURCES)}, got {self.source!r}")


@dataclass(frozen=True)
class ReportLayout:
    """Everything the report is told. ``comparisons``: pairs of system names for the paired tests; () =
    neighbours in the order of ``systems``. ``seeds`` of training: all tables show the first, the table of seeds
    every one. ``draws`` and ``seed`` are those of intervals and permutation tests."""

    datasets: tuple[DatasetLayout, ...]
    systems: tuple[SystemLayout, ...]
    comparisons: tuple[tuple[str, str], ...] = ()
    claims: ClaimSystems = field(default_factory=ClaimSystems)
    ablations: tuple[AblationLayout, ...] = ()
    papers: tuple[PaperLayout, ...] = ()
    seeds: tuple[int, ...] = (0,)
    draws: int = 10_000
    seed: int = 0

    def __post_init__(self):
        for what, names in (
            ("dataset", [d.name for d in self.datasets]),
            ("seed", self.seeds),
            ("system", [system.name for system in self.systems]),
        ):
            if not names:
                raise ValueError(f"a report needs at least one {what}")
            if len(set(names)) != len(names):
                raise ValueError(f"{what} names must be distinct, got {names}")
        rows = [system.table4 for system in self.systems if system.table4]
        for name in {name for name in rows if rows.count(name) > 1}:
            raise ValueError(f"two systems for one row of Table 4, got {name!r}")
        known = {system.name for system in self.systems}
        for name in {name for dataset in self.datasets for name in dataset.systems} - known:
            raise ValueError(f"a dataset names an unknown system, got {name!r}")
        for name in {name for pair in self.comparisons for name in pair} - known:
            raise ValueError(f"comparisons name an unknown system, got {name!r}")
        for name in {name for group in self.ablations for name in (group.reference, *group.variants)} - known:
            raise ValueError(f"ablations name an unknown system, got {name!r}")
        for name in {name for paper in self.papers for name in paper.systems} - known:
            raise ValueError(f"papers name an unknown system, got {name!r}")
        there = {mechanism.name for dataset in self.datasets for mechanism in dataset.mechanisms}
        for name in {name for paper in self.papers for name in (*paper.sees, *paper.blind)} - there:
            raise ValueError(f"papers name an unknown mechanism, got {name!r}")
        for dataset in self.datasets:
            if not dataset.splits:
                raise ValueError(f"dataset {dataset.name!r} needs at least one split")

    @classmethod
    def from_dict(cls, mapping, where="report"):
        """Build from plain dicts and lists. Errors: ReproError naming the key, with the nearest valid one."""
        return from_mapping(cls, mapping, where)

    @property
    def compared(self):
        """The datasets that all systems are run on."""
        return tuple(dataset for dataset in self.datasets if not dataset.systems)

    def systems_of(self, dataset):
        """The systems that are run on a DatasetLayout, in order."""
        there = dataset.systems or {system.name for system in self.systems}
        return tuple(s for s in self.systems if s.name in there and s.name not in dataset.lacks)

    def pairs(self):
        """The (system name, system name) of the paired tests, the later one first."""
        if self.comparisons:
            return self.comparisons
        names = [system.name for system in self.systems]
        return tuple((later, earlier) for earlier, later in zip(names, names[1:]))

    @property
    def ablations_on(self):
        """(DatasetLayout, AblationLayout) of every ablation on every dataset that has mechanisms."""
        return [(dataset, group) for dataset in self.datasets if dataset.mechanisms for group in self.ablations]

    def pairs_on(self, dataset):
        """Those pairs whose systems are both run on a DatasetLayout."""
        there = {system.name for system in self.systems_of(dataset)}
        return tuple(pair for pair in self.pairs() if there.issuperset(pair))
