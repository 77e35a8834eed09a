"""The shape of the code: rooms import only rooms below them, DVC's dependencies are the imports, files agree with each other."""

import ast
import re
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from repro.params import load
from repro.provenance import PACKAGE, sources

tomllib = pytest.importorskip("tomllib")  # Python 3.11 on

ROOT = Path(__file__).resolve().parents[1]
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
    "stages",
    "cli",
)
BASE = ("errors", "files", "workfolder", "progress", "params", "provenance")
PARAMS_FILES = [ROOT / "params.yaml", *sorted((ROOT / "params").glob("*.yaml"))]
DVC = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
MODULES = sorted(PACKAGE.rglob("*.py"))


def room_of(file):
    """``video`` for repro/video/store.py, ``work`` for repro/work.py."""
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(file):
    """Dotted names that a module imports anywhere, relative ones resolved."""
    package = [PACKAGE.name, *file.relative_to(PACKAGE).parts[:-1]]
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else []
            yield ".".join([*base, *([node.module] if node.module else [])])


def rooms_imported(file):
    """Rooms of ours that a module imports; `from repro import x` counts as room x."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == PACKAGE.name and not node.level:
            names |= {alias.name for alias in node.names if alias.name != "__version__"}
    names |= {name.split(".")[1] for name in imported(file) if name.startswith(f"{PACKAGE.name}.")}
    return names - {room_of(file)}


@pytest.mark.parametrize("file", MODULES, ids=lambda f: str(f.relative_to(PACKAGE)))
def test_a_module_keeps_to_its_room(file):
    room, ours, text = room_of(file), rooms_imported(file), file.read_text()
    assert len(text.splitlines()) < 300
    assert not re.search(r"\b(TODO|FIXME|XXX)\b", text)
    outside = {name.split(".")[0] for name in imported(file)}
    assert not outside & {"dvc", "papermill"} or room in ("stages", "cli")
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


def test_base_modules_have_no_circle():
    graph = {room: rooms_imported(PACKAGE / f"{room}.py") for room in BASE}
    while graph:
        leaves = [room for room, needs in graph.items() if not needs & set(graph)]
        assert leaves, f"a circle among {sorted(graph)}"
        for room in leaves:
            del graph[room]


def stage_modules():
    """(stage of dvc.yaml, its subcommand)."""
    for name, stage in DVC.items():
        found = re.match(r"repro (?:--\S+ \S+ )?([\w-]+)", stage["cmd"])
        assert found, f"{name} does not call repro: {stage['cmd']}"
        yield name, found.group(1)


def expected_dependencies(command):
    """Rooms as folders, base modules and stage files by themselves, as dvc.yaml should name them."""
    files = set()
    for file in sources(f"repro.stages.{command.replace('-', '_')}"):
        inside = file.relative_to(PACKAGE)
        if inside.name == "__init__.py" and (len(inside.parts) == 1 or inside.parts[0] == "stages"):
            continue  # holds nothing but a sentence or the version
        keep = len(inside.parts) == 1 or inside.parts[0] == "stages"
        files.add(f"repro/{inside if keep else inside.parts[0]}")
    return files


@pytest.mark.parametrize("name, command", list(stage_modules()))
def test_code_dependencies_of_a_stage_are_what_it_imports(name, command):
    named = {dep for dep in DVC[name]["deps"] if dep.startswith("repro/")}
    needed = expected_dependencies(command)
    if command == "notebook":  # its notebooks import more than it does
        cells = "".join(file.read_text() for file in (ROOT / "notebooks").glob("*.ipynb"))
        modules = {name.rstrip(".") for name in re.findall(r"(?:from|import) (repro\.[\w.]+)", cells)}
        needed |= {
            f"repro/{part}"
            for module in modules
            for part in [module.split(".")[1]]
            if (PACKAGE / part).is_dir() and part != "stages"
        }
        assert needed <= named
    else:
        assert named == needed
    assert all((ROOT / dep).exists() for dep in named)


def test_only_empty_package_files_are_left_out_of_the_dependencies():
    for file in (PACKAGE / "__init__.py", PACKAGE / "stages" / "__init__.py"):
        body = ast.parse(file.read_text()).body
        assert all(isinstance(node, (ast.Expr, ast.Assign)) for node in body)


def instances(stage, run):
    """The matrix of a stage, as a list of item mappings."""
    items = [{}]
    for key, values in stage.get("matrix", {}).items():
        chosen = run[re.fullmatch(r"\$\{run\.(\w+)\}", values).group(1)] if isinstance(values, str) else values
        items = [{**item, key: value} for item in items for value in chosen]
    return items


def filled(text, item, params):
    text = re.sub(r"\$\{item\.(\w+)\}", lambda m: str(item[m.group(1)]), text)
    return re.sub(r"\$\{([\w.]+)\}", lambda m: str(params.get(m.group(1))), text)


@pytest.mark.parametrize("file", PARAMS_FILES, ids=lambda f: f.name)
def test_params_keys_of_dvc_exist(file):
    params = load(file)
    for stage in DVC.values():
        if not set(re.findall(r"\$\{run\.(\w+)\}", str(stage.get("matrix", "")))) <= set(params.get("run")):
            continue
        for item in instances(stage, params.get("run")):
            for key in stage.get("params", []):
                if isinstance(key, str):
                    params.get(filled(key, item, params))


@pytest.mark.parametrize("file", PARAMS_FILES, ids=lambda f: f.name)
def test_what_a_system_starts_from_is_a_dependency(file):
    params = load(file)
    for name in ("train_stream", "train_joint", "train_starred"):
        for item in instances(DVC[name], params.get("run")):
            system = re.search(r"--system (\S+)", filled(DVC[name]["cmd"], item, params)).group(1)
            deps = [filled(dep, item, params) for dep in DVC[name]["deps"] if dep.startswith("models/")]
            starts = params.get(f"systems.{system}").get("init_from", [])
            assert [Path(dep).name for dep in deps] == starts
            place = ("models", params.get("profile"), item["dataset"], f"split{item['split']}", f"seed{item['seed']}")
            assert {Path(dep).parts[:5] for dep in deps} <= {place}


@pytest.mark.parametrize("file", PARAMS_FILES, ids=lambda f: f.name)
def test_what_is_evaluated_is_trained(file):
    run = load(file).get("run")
    assert set(run["evaluated"]) <= {*run["streams"], *run["joint"], *(f"{name}_star" for name in run["starred"])}


@pytest.mark.parametrize("file", PARAMS_FILES, ids=lambda f: f.name)
def test_every_section_of_a_params_file_is_understood(file):
    from repro.datasets.embedded import EmbeddedSettings
    from repro.engine.settings import EngineSettings
    from repro.evaluation.settings import EvaluationSettings
    from repro.flow import FlowSettings
    from repro.idt.settings import CodebookSettings, IdtSettings
    from repro.stages.config import dataset_settings, input_size, processes, short_side
    from repro.stages.fuse import FusionSettings
    from repro.stages.train import model_spec, recipe_of
    from repro.video.store import StoreSettings

    params = load(file)
    for name in params.get("datasets"):
        dataset_settings(params, name)
    for name in params.mapping.get("embedded") or {}:
        params.section(f"embedded.{name}", EmbeddedSettings)
    for name in params.get("systems"):
        model_spec(params, name), recipe_of(params, name)
    for name in params.get("idt"):
        params.section(f"idt.{name}.features", IdtSettings), params.section(f"idt.{name}.codebook", CodebookSettings)
        assert params.value(f"idt.{name}.svm_c", float) > 0 and name not in params.get("systems")
    for name in params.get("fusions"):
        settings = params.section(f"fusions.{name}", FusionSettings)
        assert set(settings.inputs) <= {*params.get("systems"), *params.get("fusions"), *params.get("idt")}
    params.section("store", StoreSettings, short_side=short_side(input_size(params)))
    params.section("flow", FlowSettings)
    params.section("engine.training", EngineSettings)
    params.section("evaluation", EvaluationSettings)
    assert processes(params) >= 1


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


def test_a_matched_pair_of_torch_and_torchvision_is_pinned():
    pinned = dict(line.split("==") for line in pins())
    assert (pinned["torch"], pinned["torchvision"]) == ("2.14.1", "0.29.1")
