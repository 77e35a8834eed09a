"""Which code a stage of a profile rests on, as hashes: what DVC compares where it would otherwise compare files."""

import ast
import dataclasses
import functools
import importlib.util
import json
from pathlib import Path

from repro.files import fingerprint
from repro.models.registry import modules_of
from repro.provenance import PACKAGE, code_version, sources
from repro.training.presets import PRESETS

FILE = "results/code.yaml"
"""Written by `repro code`: stage -> hash, or stage -> family or notebook -> hash; preset of recipes -> hash."""

PLAIN = ("draw", "prepare", "extract", "idt_features", "idt_codebook", "idt_fisher", "idt_scores", "fuse", "report")
BY_FAMILY = ("train", "evaluate")
_HANDED = {  # modules whose objects a Run hands to a stage, which therefore need not import them
    "train": ("repro.training.recipe", "repro.engine.settings"),
    "evaluate": ("repro.evaluation.settings", "repro.engine.settings"),
}


def modules_for(stage, family=None, plugins=()):
    """The modules that a stage starts from: its own, those of the family of networks, and plug-ins."""
    families = modules_of(family) if family else ()
    return (f"repro.stages.{stage}", *_HANDED.get(stage, ()), *families, *(plugins if family else ()))


def version_of(stage, family=None, plugins=()):
    """Code version of a stage: a hash over exactly the modules that it imports, directly or not."""
    return code_version(*modules_for(stage, family, plugins))


def versions(families, notebooks=(), presets=(), plugins=()):
    """All code versions that a profile's pipeline refers to, as `FILE` holds them."""
    found = {stage: version_of(stage) for stage in PLAIN}
    for stage in BY_FAMILY:
        found[stage] = {family: version_of(stage, family, plugins) for family in sorted(families)}
    found["notebook"] = {
        name: notebook_version(Path("notebooks") / f"{name}.ipynb", tuple(sorted(families))) for name in notebooks
    }
    found["presets"] = {name: preset_version(name) for name in sorted(presets)}
    return found


def preset_version(name):
    """Hash of a preset of recipes, such as ``code/st_resnet``."""
    source, _, phase = name.partition("/")
    return fingerprint(dataclasses.asdict(PRESETS[source][phase]))[:12]


@functools.cache
def notebook_version(path, families=()):
    """Hash over what a notebook's cells import from this package, and the stage that executes it.

    A notebook that may build any network of the profile counts all its ``families``.
    """
    cells = json.loads(Path(path).read_text(encoding="utf-8"))["cells"]
    names = set()
    for source in ("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"):
        lines = [line for line in source.splitlines() if not line.lstrip().startswith(("%", "!"))]
        for node in ast.walk(ast.parse("\n".join(lines))):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    modules = sorted(filter(_is_ours, names))
    if PACKAGE / "models" / "registry.py" in sources(*modules):
        modules += [module for family in families for module in modules_of(family)]
    return code_version("repro.stages.notebook", *modules)


def _is_ours(name):
    """Whether a dotted name is a module of this package."""
    package, *parts = name.split(".")
    place = PACKAGE.joinpath(*parts)
    return package == PACKAGE.name and (place.with_suffix(".py").is_file() or (place / "__init__.py").is_file())


def plugin_files(plugins):
    """Files of plug-ins that lie in the working folder, relative to it."""
    found = []
    for name in plugins:
        spec = importlib.util.find_spec(name)
        path = Path(spec.origin) if spec and spec.origin else None
        if path and path.is_relative_to(Path.cwd()):
            found.append(path.relative_to(Path.cwd()).as_posix())
    return found
