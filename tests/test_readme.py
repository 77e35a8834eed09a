"""The README and the page on J-HMDB show what the committed score files say; commands and links that they name exist."""

import os
import re
from pathlib import Path

import pytest

from repro.params import load
from repro.profile.layout import layout_of
from repro.profile.run import Run
from repro.report.readme import RESULTS, VERDICTS, markers, readme_block
from repro.report.verdicts import readme_verdicts
from repro.report.verdicts import verdicts as verdicts_document
from repro.stages import verdicts

ROOT = Path(__file__).parents[1]


def between(page, what):
    begin, end = markers(what)
    return Path(page).read_text(encoding="utf-8").split(begin)[1].split(end)[0].strip()


def test_the_table_of_verdicts_equals_the_committed_score_files(monkeypatch):
    monkeypatch.chdir(ROOT)
    found = verdicts.sources()
    assert between("README.md", VERDICTS) == readme_verdicts(found, "results")
    document = verdicts_document(found)
    assert Path("results/verdicts.md").read_text(encoding="utf-8") == document.markdown()
    assert Path("results/verdicts.csv").read_text(encoding="utf-8") == document.csv()


@pytest.mark.parametrize(
    ("page", "profile"),
    [
        ("README.md", "params.yaml"),
        ("docs/jhmdb.md", "params/jhmdb.yaml"),
        ("docs/lineage.md", "params/lineage.yaml"),
        ("docs/jhmdb-lineage.md", "params/jhmdb_lineage.yaml"),
    ],
)
def test_results_block_equals_the_committed_score_files(monkeypatch, page, profile):
    monkeypatch.chdir(ROOT)
    params = load(profile)
    results = Run.of(params).paths.results
    block = between(page, RESULTS)
    figures = os.path.relpath(results / "tables", Path(page).parent)
    assert block == readme_block(results, layout_of(params), figures).strip()


@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "CONTRIBUTING.md",
        "results/verdicts.md",
        *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md"))),
    ],
)
def test_pictures_and_links_exist(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    targets = [t for t in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in t]
    assert targets or page != "README.md"
    assert [t for t in targets if not (ROOT / page).parent.joinpath(t).exists()] == []


def test_make_targets_exist():
    text, makefile = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "Makefile"))
    named = set(re.findall(r"\bmake ([a-z-]+)", text))
    assert {"repro", "test"} <= named
    assert [name for name in named if not re.search(rf"^{name}:", makefile, re.M)] == []


def test_recipes_name_files_and_registries_that_exist():
    """Every path and every NAME in CONTRIBUTING.md, but those that a reader is to write (`my...`)."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    paths = {path for path in re.findall(r"`((?:repro|tests)/[\w/]+\.py)`", text) if not re.search(r"\bmy|_my", path)}
    assert len(paths) > 10 and [path for path in sorted(paths) if not (ROOT / path).is_file()] == []
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "repro").rglob("*.py"))
    names = set(re.findall(r"`([A-Z][A-Z_]{2,})`", text))
    assert {"LAYOUTS", "KINDS", "VIEWS", "DOCUMENTS"} <= names
    assert [name for name in sorted(names) if not re.search(rf"^{name}(: [^=]+)? = ", code, re.M)] == []
    classes = set(re.findall(r"`([A-Z][a-z]+[A-Z]\w+)`", text))
    assert {"SplitLists", "VideoNetwork", "ReportLayout"} <= classes
    assert [name for name in sorted(classes - {"ValueError"}) if not re.search(rf"^class {name}\b", code, re.M)] == []
