"""The shape of the code: rooms import only rooms before them, code versions count what a stage imports, files agree."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from repro.models.registry import families
from repro.profile import code
from repro.provenance import PACKAGE, sources

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
ROOMS = (
    "engine",
    "video",
    "flow",
    "datasets",
    "clips",
    "models",
    "training",
    "evaluation",
    "idt",
    "published",
    "report",
    "profile",
    "stages",
    "commands",
    "forkserver",
    "cli",
)
BASE = ("errors", "files", "workfolder", "progress", "params", "provenance")
MODULES = sorted(PACKAGE.rglob("*.py"))


def room_of(file):
    """``video`` for repro/video/store.py, ``files`` for repro/files.py."""
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(file):
    """Dotted names that a module imports anywhere, relative ones resolved."""
    package = [PACKAGE.name, *file.relative_to(PACKAGE).parts[:-1]]
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else []
            yield ".".join([*base, *([node.module] if node.module else [])])


def rooms_imported(file):
    """Rooms of ours that a module imports; `from repro import x` counts as room x."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == PACKAGE.name and not node.level:
            names |= {alias.name for alias in node.names if alias.name != "__version__"}
    names |= {name.split(".")[1] for name in imported(file) if name.startswith(f"{PACKAGE.name}.")}
    return names - {room_of(file)}


@pytest.mark.parametrize("file", MODULES, ids=lambda f: str(f.relative_to(PACKAGE)))
def test_a_module_keeps_to_its_room(file):
    room, ours, text = room_of(file), rooms_imported(file), file.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 300
    assert not re.search(r"\b(TODO|FIXME|XXX)\b", text)
    outside = {name.split(".")[0] for name in imported(file)}
    assert "dvc" not in outside and ("papermill" not in outside or room == "stages")
    if room in ("flow", "models"):
        assert not ours
    elif room in BASE:
        assert ours <= set(BASE)
    elif room in ROOMS:
        assert ours <= {*BASE, *ROOMS[: ROOMS.index(room)]}
    else:
        assert room in ("__init__", "__main__")
    if room in ("video", "datasets"):
        assert not outside & {"torch", "torchvision", "timm"}


def test_no_room_is_unknown():
    assert {room_of(f) for f in MODULES} <= {*ROOMS, *BASE, "__init__", "__main__"}


def test_the_datasets_room_works_without_torch():
    files = {file for module in ("repro.datasets.scan", "repro.datasets.embedded") for file in sources(module)}
    assert not {name for file in files for name in imported(file) if name.split(".")[0] == "torch"}


def modules_imported(file):
    """Our module files that a module imports when it is loaded: at the top level, not inside functions."""
    names = set()
    package = [PACKAGE.name, *file.relative_to(PACKAGE).parts[:-1]]
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else []
            prefix = ".".join([*base, *([node.module] if node.module else [])])
            names |= {prefix, *(f"{prefix}.{alias.name}" for alias in node.names)}
    places = [PACKAGE.joinpath(*name.split(".")[1:]).with_suffix(".py") for name in names if name.startswith(f"{PACKAGE.name}.")]
    return {place for place in places if place.is_file()} - {file}


def test_no_module_is_in_a_circle():
    graph = {file: modules_imported(file) for file in MODULES}
    while graph:
        leaves = [file for file, needs in graph.items() if not needs & set(graph)]
        assert leaves, f"a circle among {sorted(str(file.relative_to(PACKAGE)) for file in graph)}"
        for file in leaves:
            del graph[file]


OPEN = ("flow", "report")  # rooms that are used by their own name


@pytest.mark.parametrize(
    "file",
    [f for f in sorted(PACKAGE.rglob("__init__.py")) if f.parent.name not in OPEN],
    ids=lambda f: str(f.relative_to(PACKAGE)),
)
def test_a_package_file_holds_a_sentence_and_no_code(file):
    first, *rest = ast.parse(file.read_text(encoding="utf-8")).body
    assert isinstance(first, ast.Expr) and isinstance(first.value.value, str)
    if file.parent == PACKAGE:
        rest = [node for node in rest if not (isinstance(node, ast.Assign) and node.targets[0].id == "__version__")]
    assert not rest


def test_stages_holds_one_module_per_command():
    from repro.commands import commands

    modules = {path.stem for path in (PACKAGE / "stages").glob("*.py")} - {"__init__"}
    assert modules == {module for module, _, _ in commands().stages.values()} | {
        "preview",
        "extract_video",
        "doctor_run",
        "prepare_all",
    }


@pytest.mark.parametrize("arguments", [["check"], ["format", "--check"]], ids=["lint", "format"])
def test_ruff_has_nothing_to_say(arguments):
    ruff = shutil.which("ruff", path=str(Path(sys.executable).parent)) or shutil.which("ruff")
    if ruff is None:
        pytest.skip("ruff is not installed")
    done = subprocess.run([ruff, *arguments, "--no-cache", "."], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


STAGES = [(stage, None) for stage in code.PLAIN] + [(stage, family) for stage in code.BY_FAMILY for family in families()]


@pytest.fixture(scope="module")
def loaded():
    """{(stage, family): files of this package that are loaded once its modules are imported}, each found in a fork of a Python
    that has imported what is slow and not ours."""
    asked = [code.modules_for(*stage) for stage in STAGES]
    program = (
        "import importlib, os, sys, av, cv2, matplotlib.pyplot, numba, pandas, scipy.stats, sklearn.svm, torch, yaml\n"
        f"for names in {asked!r}:\n"
        "    if os.fork() == 0:\n"
        "        for name in names: importlib.import_module(name)\n"
        "        files = [m.__file__ for n, m in sys.modules.items() if n.split('.')[0] == 'repro' and m.__file__]\n"
        "        print(*files, sep=' ', flush=True)\n"
        "        os._exit(0)\n"
        "    assert os.wait()[1] == 0, names\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, env=ENVIRONMENT)
    assert done.returncode == 0, done.stderr
    return {stage: set(map(Path, line.split())) for stage, line in zip(STAGES, done.stdout.splitlines(), strict=True)}


@pytest.mark.parametrize("stage, family", STAGES, ids=str)
def test_a_code_version_counts_exactly_what_a_stage_imports(loaded, stage, family):
    """Found anew, by importing the modules of the stage and looking at what was loaded."""
    loaded, counted = loaded[stage, family], set(sources(*code.modules_for(stage, family)))
    late = {file for file in counted - loaded}  # imported inside functions
    assert loaded <= counted
    assert late <= {target for file in counted for target in late_imports(file)} | {f.parent / "__init__.py" for f in late}


@pytest.mark.parametrize(
    "registry, stale",
    [
        ("clips/kinds.py", {"train", "evaluate"}),
        ("evaluation/settings.py", {"evaluate"}),
        ("datasets/scan.py", {"prepare", "report"}),
        ("report/__init__.py", {"report"}),
    ],
)
def test_what_a_new_entry_makes_stale_is_what_contributing_says(registry, stale):
    found = {stage for stage, family in STAGES if PACKAGE / registry in sources(*code.modules_for(stage, family))}
    assert found == stale


def late_imports(file):
    """Our files that a module imports inside functions, and all that these import."""
    every = {PACKAGE.joinpath(*name.split(".")[1:]).with_suffix(".py") for name in imported(file)}
    return {place for target in every - modules_imported(file) if target.is_file() for place in sources(dotted(target))}


def dotted(file):
    return ".".join([PACKAGE.name, *file.relative_to(PACKAGE).with_suffix("").parts])


def test_training_counts_no_downloads_and_no_tables():
    rooms = {room_of(file) for file in sources(*code.modules_for("train", "st_resnet"))}
    assert not rooms & {"report", "published", "profile", "idt", "evaluation", "cli", "commands"}
    names = {file.name for file in sources(*code.modules_for("train", "st_resnet"))}
    assert "download.py" not in names and {"loop.py", "recipe.py", "dataset.py"} <= names


def project_requirements():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [*project["dependencies"], *(r for extra in project["optional-dependencies"].values() for r in extra)]


def test_environment_yml_equals_pyproject():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    python, pip, nested = environment["dependencies"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert python == f"python{project['requires-python']}" and pip == "pip"
    *requirements, itself = nested["pip"]
    assert sorted(requirements) == sorted(project_requirements())
    assert itself == "-e . --no-deps"


def pins():
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            yield line.strip()


def test_constraints_are_plain_pins_without_addresses():
    lines = list(pins())
    assert len(lines) > 50 and len({line.split("==")[0] for line in lines}) == len(lines)
    for line in lines:
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.!+_-]+( ?;.*)?", line), line
    assert "://" not in (ROOT / "constraints.txt").read_text()


def test_pins_satisfy_the_ranges():
    pinned = {canonicalize_name(r.name): next(iter(r.specifier)).version for r in map(Requirement, pins())}
    for text in project_requirements():
        requirement = Requirement(text)
        assert requirement.specifier.contains(pinned[canonicalize_name(requirement.name)]), text


def test_every_pin_installs_on_the_oldest_python_that_is_promised():
    """What pip would call conflicting dependencies, by what the packages say of themselves that are installed as pinned."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (oldest,) = (f"{rule.version}.0" for rule in SpecifierSet(project["requires-python"]))
    pinned = {canonicalize_name(name): version for name, version in (line.split("==") for line in pins())}
    checked = 0
    for package in metadata.distributions():
        name, needs = canonicalize_name(package.metadata["Name"]), package.metadata.get("Requires-Python")
        if pinned.get(name) == package.version and needs:
            assert SpecifierSet(needs).contains(oldest), f"{name}=={package.version} needs Python {needs}"
            checked += 1
    assert checked > 50


def test_make_refuses_an_older_python_in_one_line(tmp_path):
    old = tmp_path / "python3.10"
    old.write_text(f'#!/bin/sh\nexec {sys.executable} -c "import sys; sys.version_info = (3, 10, 13); $2"\n')
    old.chmod(0o755)
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    done = subprocess.run(["make", "test", f"PYTHON={old}"], cwd=tmp_path, capture_output=True, text=True)
    (line,) = (line for line in done.stderr.splitlines() if not line.startswith("make"))
    assert done.returncode and line == f"needs Python 3.11 or newer, {old} is 3.10; name another: make PYTHON=..."
    assert not (tmp_path / ".venv").exists()


def test_a_matched_pair_of_torch_and_torchvision_is_pinned():
    pinned = dict(line.split("==") for line in pins())
    assert (pinned["torch"], pinned["torchvision"]) == ("2.14.1", "0.29.1")
