"""Source and executed notebooks as files: what ``pytest --nbval`` alone would not notice."""

import re
import sys
from pathlib import Path

import nbformat
import pytest

from repro.params import load
from repro.profile.layout import layout_of
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
def test_source_has_one_parameters_cell_whose_defaults_are_the_fixture(path):
    tagged = [cell for cell in _code(_read(path)) if "parameters" in cell.metadata.get("tags", [])]
    assert len(tagged) == 1
    values = {}
    exec(tagged[0].source, values)
    assert values["root"] == ".."
    assert (path.parent / values["root"] / values["params_file"]).resolve() == FIXTURE / "params.yaml"
    assert values.get("results", "tests/fixture/results") == "tests/fixture/results"


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
def test_executed_copy_ran_to_its_end_and_has_a_page(path):
    book = _read(path)
    assert all(cell.execution_count for cell in _code(book))
    assert any("injected-parameters" in cell.metadata.get("tags", []) for cell in book.cells)
    assert path.with_suffix(".html").stat().st_size > 10_000


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
