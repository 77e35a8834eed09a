"""One stage of a pipeline over many datasets, splits and seeds, and which runs a params file asks for."""

import dataclasses
import itertools
import re

from repro.files import fingerprint
from repro.profile.code import versions
from repro.profile.run import Run
from repro.profile.systems import parents_of, system_settings

DATASET, SPLIT, SEED = "${item.dataset}", "${item.split}", "${item.seed}"
"""How a block names its own."""

PAGE_PARAMS = "params.notebook"
"""The key of the code versions that is a hash over `_READ_BY_PAGES`. DVC reads and writes the whole lock at each stage, and
nearly half of it would be these params, once for every page."""
_READ_BY_PAGES = (
    "run",
    "input_size",
    "store",
    "flow",
    "families",
    "systems",
    "idt",
    "datasets",
    "embedded",
    "evaluation",
    "report",
)


@dataclasses.dataclass(frozen=True)
class Block:
    """One stage of a dvc.yaml. ``matrix``: {axis: values}; ``params``: keys of params.yaml; ``code``: keys of the code versions;
    ``outs``: kept by DVC; ``results``: files that belong into git; ``metrics``: those that DVC shows too."""

    name: str
    about: str
    cmd: str
    matrix: dict = dataclasses.field(default_factory=dict)
    params: tuple = ()
    code: tuple = ()
    deps: tuple = ()
    outs: tuple = ()
    results: tuple = ()
    metrics: tuple = ()

    @property
    def command(self):
        """The subcommand that it runs."""
        return self.cmd.split()[1]

    @property
    def system(self):
        """The system that it is a stage of, "" for none."""
        found = re.search(r"--system (\S+)", self.cmd)
        return found[1] if found else ""

    def items(self):
        """(item of the matrix, name of that stage as DVC has it) of every run."""
        for values in itertools.product(*self.matrix.values()):
            yield dict(zip(self.matrix, values)), "@".join([self.name, *(["-".join(map(str, values))] if self.matrix else [])])


def fill(text, item):
    """``text`` with the values of an item of the matrix."""
    return re.sub(r"\$\{item\.(\w+)\}", lambda found: str(item[found[1]]), text)


def trained_on(params):
    """{system: datasets that it is trained on}: what ``run`` lists and, parents first, all that these start from."""
    run, found = Run.of(params).fanned_out, {}

    def visit(dataset, system):
        for parent in parents_of(params, system, dataset):
            visit(*parent)
        if dataset not in found.setdefault(system, []):
            found[system].append(dataset)

    for system in run.systems:
        for dataset in run.datasets:
            visit(dataset, system)
    return found


def versions_of(params):
    """All code versions that the pipeline of a params file refers to, and the hash `PAGE_PARAMS`."""
    settings = [system_settings(params, system) for system in trained_on(params)]
    recipes = [recipe for each in settings for recipe in (each.recipe, *(other or {} for other in each.recipe_for.values()))]
    made = versions(
        {each.family for each in settings},
        Run.of(params).fanned_out.notebooks,
        {recipe["preset"] for recipe in recipes if "preset" in recipe},
        tuple(params.mapping.get("plugins") or ()),
    )
    return made | {"params": {"notebook": fingerprint({name: params.mapping.get(name) for name in _READ_BY_PAGES})[:12]}}


def start_of(settings):
    """Where a system's training starts, in words."""
    if settings.init_from:
        return f", from {', '.join(settings.init_from)}"
    return f", from {', '.join(settings.weight_files.values())}" if settings.weights else ""


def stage_name(name):
    """As DVC allows it: no ``+``."""
    return name.replace("+", "_plus_")
