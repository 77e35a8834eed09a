"""`repro verify` on a project of made-up scores: every kind of damage is named in a line of its own, and nothing is written."""

import importlib.metadata
import shutil
from pathlib import Path

import nbformat
import pytest
import yaml

from repro import cli
from repro.params import load
from repro.profile import packages
from repro.profile.check import check
from repro.profile.run import Run
from repro.stages import report, verify

FIXTURE = Path(__file__).resolve().parents[1] / "fixture"
TABLES = Path("results/fixture/tables")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A project with the tables of the fixture's scores. Don't write into it."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "params").mkdir()
    params = yaml.safe_load((FIXTURE / "params.yaml").read_text(encoding="utf-8"))
    params["run"]["notebooks"] = ["04_a"]
    shown, report_of = {"st_resnet", "st_resnet_star"}, params["report"]  # two systems: each has a figure per dataset
    report_of["systems"] = [system for system in report_of["systems"] if system["name"] in shown]
    report_of["comparisons"] = [pair for pair in report_of["comparisons"] if shown.issuperset(pair)]
    (folder / "params" / "fixture.yaml").write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")
    shutil.copytree(FIXTURE / "results", folder / "results" / "fixture")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for place, cells in (("notebooks", 1), ("results/fixture/notebooks", 2)):
            book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# 4 · A", id="a")])
            if cells == 2:
                injected = nbformat.v4.new_code_cell("x = 1", id="b", metadata={"tags": ["injected-parameters"]})
                book.cells.append(injected)
            Path(place).mkdir(exist_ok=True)
            nbformat.write(book, Path(place, "04_a.ipynb"))
        report.run(Run.of(load("params/fixture.yaml")))
    return folder


@pytest.fixture
def project(finished, tmp_path, monkeypatch):
    shutil.copytree(finished, tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"


def asked(question):
    params = check(load("params/fixture.yaml"))
    return {answer.what: answer.wrong for answer in question(params)}


def test_tables_made_again_are_the_committed_ones(project):
    before = {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}
    assert asked(verify.tables) == {"fixture tables": (), "fixture figures": ()}
    assert {path: path.read_bytes() for path in project.rglob("*") if path.is_file()} == before


def test_damage_to_tables_and_figures_is_named(project):
    table, figure = TABLES / "table3.md", TABLES / "mechanisms.png"
    table.write_text(table.read_text(encoding="utf-8").replace(".", ",", 1), encoding="utf-8")
    figure.write_bytes(figure.read_bytes()[:1000])
    (TABLES / "table4.csv").unlink()
    (TABLES / "table3.png").unlink()
    (TABLES / "older.png").write_bytes(b"")
    Path("results/fixture/metrics.json").write_text("{}", encoding="utf-8")
    found = asked(verify.tables)
    assert set(found["fixture tables"]) == {
        f"{table} differs",
        f"{TABLES}/table4.csv is missing",
        "results/fixture/metrics.json differs",
    }
    assert set(found["fixture figures"]) == {
        f"{TABLES}/table3.png is missing",
        f"{figure} does not open",
        f"{TABLES}/older.png is of no score file",
    }


def test_a_page_of_an_older_notebook_and_a_missing_one(project):
    assert asked(verify.executed_pages) == {"fixture pages": ()}
    book = nbformat.read("notebooks/04_a.ipynb", as_version=4)
    book.cells[0].source += "\nmore"
    nbformat.write(book, "notebooks/04_a.ipynb")
    page = "results/fixture/notebooks/04_a.ipynb"
    assert asked(verify.executed_pages) == {"fixture pages": (f"{page} was made by an older notebook",)}
    Path(page).unlink()
    assert asked(verify.executed_pages) == {"fixture pages": (f"{page} is missing",)}


def test_the_command_says_a_line_each_and_its_status_tells(project, capsys):
    scores = next(Path("results/fixture/scores").rglob("*.npz"))
    scores.write_bytes(scores.read_bytes()[:500])
    with pytest.raises(SystemExit) as stopped:
        cli.main(["verify", "--profile", "fixture"])
    lines = capsys.readouterr().out.splitlines()
    assert stopped.value.code == 1 and len(lines) == 6 and lines[-1].startswith("2 of 4 differ: ")
    assert lines[0] == "OK    fixture locks are true: every file is as its stage made it"
    assert lines[1].startswith("DIFF  fixture locks: ") and "no lock" in lines[1]
    assert lines[2].startswith("DIFF  fixture tables and figures: not a readable npz") and scores.name in lines[2]
    assert lines[3] == "OK    fixture pages: 1, each executed from its notebook as it is"


def test_a_profile_without_scores_is_not_called_well(project, capsys):
    shutil.rmtree("results/fixture/scores")
    assert cli.main(["verify", "--profile", "fixture"]) == 2
    assert capsys.readouterr().err.startswith("repro verify: nothing to verify: results/fixture ")


def test_all_well_is_status_0(project, capsys, monkeypatch):
    monkeypatch.setattr(verify, "locks", lambda params: [])
    assert cli.main(["verify", "--profile", "fixture"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "All 3 are as they should be."


def test_packages_that_do_not_fit_and_those_of_another_version_than_the_results(tmp_path, monkeypatch):
    have = importlib.metadata.version("numpy")
    (tmp_path / "constraints.txt").write_text(f"# made\nnumpy==1.0\npyyaml=={importlib.metadata.version('pyyaml')}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: ["numpy>=1", "PyYAML>=6", "onnx; extra == 'no'"])
    (answer,) = verify.environment()
    assert not answer.wrong and answer.found == (
        f"all 2 packages fit; other versions than constraints.txt has: numpy {have} is not ==1.0"
    )
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: ["numpy>=999", "none-such-x"])
    assert next(iter(verify.environment())).wrong == (f"numpy {have} is not >=999", "none-such-x is absent")
    assert packages.constrained(tmp_path / "none") == []
