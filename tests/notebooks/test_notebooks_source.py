"""Source and executed notebooks as files: what ``pytest --nbval`` alone would not notice."""

import functools
import importlib.util
import re
import sys
from pathlib import Path

import nbformat
import pytest

from repro.params import load
from repro.profile import pages
from repro.profile.blocks import versions_of
from repro.profile.check import check
from repro.profile.layout import layout_of
from repro.profile.lock import CURRENT, OTHER_PARAMS, Lock, findings
from repro.report import measured

ROOT = Path(__file__).resolve().parents[2]
FIXTURE = ROOT / "tests" / "fixture"
SOURCES = sorted((ROOT / "notebooks").glob("*.ipynb"))
EXECUTED = sorted(ROOT.glob("results/*/notebooks/*.ipynb"))
# home folders, temporary folders and this checkout have no business in a file that others read
_MACHINE = re.compile(r"/(home|root|Users|tmp|work|usr|var|mnt|opt)/|[A-Z]:\\\\Users|" + re.escape(str(ROOT)))


def _read(path):
    book = nbformat.read(path, as_version=4)
    nbformat.validate(book)
    return book


def _code(book):
    return [cell for cell in book.cells if cell.cell_type == "code"]


def test_the_notebooks_are_there_and_numbered():
    assert [path.stem for path in SOURCES][:7] == [
        "00_overview",
        "01_optical_flow",
        "02_architecture",
        "03_training",
        "04_table3",
        "05_table4",
        "06_mechanisms",
    ]
    assert len({path.stem[:2] for path in SOURCES}) == len(SOURCES)


def test_some_profile_executes_every_notebook():
    profiles = [ROOT / "params.yaml", *(ROOT / "params").glob("*.yaml")]
    assert {name for profile in profiles for name in load(profile).get("run.notebooks")} == {path.stem for path in SOURCES}
    assert "08_ablations" in load(ROOT / "params" / "ablations.yaml").get("run.notebooks")


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.stem)
def test_source_is_valid_and_begins_with_its_number(path):
    book = _read(path)
    assert book.cells[0].cell_type == "markdown"
    assert book.cells[0].source.startswith(f"# {int(path.stem[:2])} · ")
    assert book.metadata.kernelspec.name == "python3"
    assert "version" not in book.metadata.language_info
    assert len({cell.id for cell in book.cells}) == len(book.cells)


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.stem)
def test_source_ends_with_what_we_learn_in_computed_sentences(path):
    cells = _read(path).cells
    last = max(number for number, cell in enumerate(cells) if cell.cell_type == "markdown")
    assert cells[last].source.startswith("## What we learn")
    told = "\n".join(output.get("data", {}).get("text/markdown", "") for cell in cells[last + 1 :] for output in cell.outputs)
    assert len(re.findall(r"^\* ", told, re.M)) >= 2


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.stem)
def test_source_shows_a_committed_run_that_lists_it(path):
    tagged = [cell for cell in _code(_read(path)) if "parameters" in cell.metadata.get("tags", [])]
    assert len(tagged) == 1
    values = {}
    exec(tagged[0].source, values)
    assert values["root"] == ".."
    params = load(path.parent / values["root"] / values["params_file"])
    profile = params.get("profile")
    assert path.stem in params.get("run.notebooks")
    assert values.get("results", f"results/{profile}") == f"results/{profile}"
    assert pages.homes(path.parent)[path.stem] == profile


def test_nbval_is_shown_the_fixture(shown_cell):
    show_fixture, cell = shown_cell
    values = {}
    show_fixture(cell)
    exec(cell.source, values)
    assert (ROOT / values["params_file"], ROOT / values["results"]) == (FIXTURE / "params.yaml", FIXTURE / "results")


@pytest.fixture
def shown_cell():
    """What notebooks/conftest.py does to cells, and the parameters cell of a page."""
    spec = importlib.util.spec_from_file_location("conftest_of_notebooks", ROOT / "notebooks" / "conftest.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    cell = next(cell for cell in _code(_read(SOURCES[0])) if "parameters" in cell.metadata.get("tags", []))
    return module.show_fixture, cell


@pytest.mark.parametrize("number", range(len(SOURCES)), ids=lambda n: SOURCES[n].stem)
def test_source_links_to_the_page_before_and_after_and_to_the_contents(number):
    cell = _read(SOURCES[number]).cells[1]
    assert cell.id == "links", "python tests/fixture/store_outputs.py none"
    found = re.findall(r"\]\(([^)]+)\)", cell.source)
    before = [SOURCES[number - 1].name, SOURCES[0].name] if number else []
    assert found == before + [path.name for path in SOURCES[number + 1 : number + 2]]


@pytest.mark.parametrize("path", SOURCES + EXECUTED, ids=lambda p: f"{p.parts[-3]}/{p.stem}")
def test_links_lead_to_what_is_there(path):
    for cell in _read(path).cells:
        if cell.cell_type == "markdown":
            for target in re.findall(r"\]\(([^)#:]+)[)#]", cell.source):
                place = path.parent / target  # the page of a profile that has not been run is not there yet
                assert place.exists() or path in EXECUTED and place.stem in {source.stem for source in SOURCES}, target


def test_the_contents_list_every_page():
    text = "".join(cell.source for cell in _read(SOURCES[0]).cells)
    assert [path.name for path in SOURCES[1:] if f"]({path.name})" not in text] == []


@pytest.mark.parametrize("path", EXECUTED, ids=lambda p: f"{p.parts[-3]}/{p.stem}")
def test_executed_page_is_its_notebook_or_repro_locks_says_older(path, monkeypatch):
    monkeypatch.chdir(ROOT)
    profile = path.parts[-3]
    params = load(ROOT / "params" / f"{profile}.yaml")
    same = pages.is_its_notebook(path, SOURCES[0].parent / path.name, profile, params.get("run.notebooks"), pages.homes())
    assert same or _verdict(profile, path) != CURRENT


def test_a_page_of_other_params_is_said_to_be(monkeypatch):
    monkeypatch.chdir(ROOT)
    params = check(load(ROOT / "params" / "embedded.yaml"))
    page, made = "results/embedded/notebooks/00_overview.ipynb", versions_of(params)
    later = made | {"params": {"notebook": "0" * 12}}
    judged = [Lock(params, versions).judge(page) for versions in (made, later)]
    assert [(each.verdict, each.why) for each in judged] == [(CURRENT, ""), (OTHER_PARAMS, "params.notebook of notebook@00_overview")]


@functools.cache
def _verdicts(profile):
    params = check(load(ROOT / "params" / f"{profile}.yaml"))
    return {found.path: found.verdict for found in findings(params, versions_of(params))}


def _verdict(profile, path):
    return _verdicts(profile)[path.relative_to(ROOT).as_posix()]


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.stem)
def test_source_stores_the_outputs_of_all_its_code(path):
    book = _read(path)
    executed = [cell for cell in _code(book) if "parameters" not in cell.metadata.get("tags", [])]
    silent = {cell.source.splitlines()[0] for cell in executed if not cell.outputs and not _only_defines(cell.source)}
    assert not silent
    assert all(cell.execution_count for cell in _code(book))
    compared = [cell for cell in executed if cell.outputs and "nbval-ignore-output" not in cell.metadata.get("tags", [])]
    assert len(compared) >= 2, "strict nbval would have nothing to compare"
    for cell in compared:
        assert all("image/png" not in output.get("data", {}) for output in cell.outputs), "plots differ between machines"
    for cell in executed:
        assert all(output.output_type != "error" and output.get("name") != "stderr" for output in cell.outputs)


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.stem)
def test_source_keeps_no_pictures_of_the_fixture_where_its_page_was_executed(path):
    pictures = [output for cell in _code(_read(path)) for output in cell.outputs if "image/png" in output.get("data", {})]
    assert not pictures or path.name not in {page.name for page in EXECUTED}


def _only_defines(source):
    """Imports, settings and functions print nothing."""
    return not re.search(r"\bprint\(|\bdisplay\(|plt\.show\(|plt\.subplots|figures\.", source)


@pytest.mark.parametrize("path", SOURCES + EXECUTED, ids=lambda p: f"{p.parts[-3]}/{p.stem}")
def test_no_paths_of_a_machine_and_no_times(path):
    book = _read(path)
    for cell in book.cells:
        assert "execution" not in cell.metadata and "papermill" not in cell.metadata
        texts = [cell.source, *(output.get("text", "") for output in cell.get("outputs", []))]
        texts += [
            str(value)
            for output in cell.get("outputs", [])
            for kind, value in output.get("data", {}).items()
            if kind.startswith("text/")
        ]
        found = [match.group() for text in texts if (match := _MACHINE.search(text))]
        assert not found, f"{found} in {cell.source[:80]!r}"
    assert "papermill" not in book.metadata
    assert sys.prefix not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", EXECUTED, ids=lambda p: f"{p.parts[-3]}/{p.stem}")
def test_executed_copy_ran_to_its_end(path):
    book = _read(path)
    assert all(cell.execution_count for cell in _code(book))
    assert any("injected-parameters" in cell.metadata.get("tags", []) for cell in book.cells)


def test_the_fixture_is_what_its_script_makes(tmp_path):
    sys.path.insert(0, str(FIXTURE))
    try:
        from make import write_fixture
    finally:
        sys.path.remove(str(FIXTURE))
    write_fixture(tmp_path)
    made, kept = _bytes(tmp_path), _bytes(FIXTURE / "results")
    assert made.keys() == kept.keys()
    assert [str(path) for path in made if made[path] != kept[path]] == []


def _bytes(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_fixture_says_that_nothing_was_measured():
    layout = layout_of(load(FIXTURE / "params.yaml"))
    assert all("made-up scores, nothing was measured" in dataset.title for dataset in layout.datasets)
    run = measured.load(FIXTURE / "results", layout)
    assert all(value == "none" for cell in run.cells.values() for value in cell.described("device"))
