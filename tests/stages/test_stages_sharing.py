"""What others get: score files through git, models and containers through a DVC remote, equal tables from scores alone."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from dvc_project import ROOT, call, dvc, environment, ran, write_project

from repro.params import load
from repro.profile.layout import layout_of
from repro.report import measured
from repro.report.documents import DOCUMENTS

pytest.importorskip("dvc")
MADE = sorted(path.parent for path in (ROOT / "results").glob("*/tables"))
EVALUATED = [f"evaluate_{system}@toy-1-3" for system in ("appearance", "motion")]


@pytest.mark.parametrize("tables", MADE, ids=lambda path: path.name)
def test_committed_tables_are_what_the_committed_scores_say(tables):
    results = measured.load(tables, layout_of(load(ROOT / "params" / f"{tables.name}.yaml")))
    for name, build in DOCUMENTS.items():
        document = build(results)
        if any(section.rows for section in document.sections):
            for path, text in ((f"{name}.csv", document.csv()), (f"{name}.md", document.markdown())):
                committed = tables / "tables" / path
                fix = f"repro --params params/{tables.name}.yaml report"
                assert committed.is_file() and committed.read_text(encoding="utf-8") == text, f"{committed} is not current: {fix}"


@pytest.mark.slow
@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="needs a git clone")
def test_a_clone_rebuilds_every_committed_table_and_figure(tmp_path):
    clone = tmp_path / "clone"
    call(tmp_path, "git", "clone", "-q", str(ROOT), str(clone))
    for tables in sorted(clone.glob("results/*/tables")):
        shutil.rmtree(tables)
        call(clone, "repro", "--params", f"params/{tables.parent.name}.yaml", "report")
    assert call(clone, "git", "status", "--porcelain", "results") == ""
    assert not (clone / "data").exists() and not (clone / "models").exists()


@pytest.fixture
def project(finished, tmp_path):
    """The finished chain under git and DVC, as if DVC had run it; a folder as its remote."""
    folder = write_project(tmp_path / "project")
    for name in ("data", "models", "results"):
        shutil.copytree(finished / name, folder / name)
    call(folder, "git", "init", "-q", "-b", "main")
    dvc(folder, "init", "-q")
    for name in ("/data/", "/models/", "/work/", "__pycache__/"):
        with open(folder / ".gitignore", "a") as file:
            file.write(f"{name}\n")
    call(folder, "repro", "code")
    call(folder, "repro", "report")
    dvc(folder, "commit", "-q", "-f")
    dvc(folder, "remote", "add", "-q", "-d", "shared", str(tmp_path / "remote"))
    call(folder, "git", "add", "-A")
    call(folder, "git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-m", "run")
    return folder


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


@pytest.mark.slow
def test_git_alone_brings_the_tables_a_remote_everything_else(project, tmp_path):
    dvc(project, "push", "-q")
    clone = tmp_path / "clone"
    call(tmp_path, "git", "clone", "-q", str(project), str(clone))
    shutil.rmtree(clone / "results" / "tiny" / "tables")
    call(clone, "repro", "report")
    assert files(clone / "results" / "tiny") == files(project / "results" / "tiny")
    assert not (clone / "data").exists() and not (clone / "models").exists()

    dvc(clone, "pull", "-q", "models/tiny/toy/split1/seed3/motion")
    assert files(clone / "models") == {k: v for k, v in files(project / "models").items() if "/motion/" in k}
    dvc(clone, "pull", "-q")
    for kept in ("models", "data/toy/raw", "data/toy/index", "data/toy/store"):
        assert files(clone / kept) == files(project / kept)
    assert "up to date" in dvc(clone, "status") and not ran(dvc(clone, "repro"))


@pytest.mark.slow
def test_two_processes_run_two_stages_side_by_side(project):
    before = files(project / "results")
    for stage in EVALUATED:
        (project / f"results/tiny/scores/toy/split1/seed3/{stage.partition('@')[0].removeprefix('evaluate_')}.npz").unlink()
    begun = [
        subprocess.Popen(
            ["dvc", "--wait-for-lock", "repro", "-s", "-f", stage],
            cwd=project,
            env=environment(project),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for stage in EVALUATED
    ]
    told = [process.communicate(timeout=1200)[0] for process in begun]
    assert [process.returncode for process in begun] == [0, 0], told
    assert [ran(text) for text in told] == [[stage] for stage in EVALUATED]
    lock = yaml.safe_load((project / "dvc.lock").read_text())
    assert set(EVALUATED) < set(lock["stages"]) and files(project / "results") == before
    assert "up to date" in dvc(project, "status")
