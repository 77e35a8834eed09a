"""The README and the page on J-HMDB show what the committed score files say; commands and links that they name exist."""

import os
import re
from pathlib import Path

import pytest

from repro.params import load
from repro.profile.layout import layout_of
from repro.profile.run import Run
from repro.report import readme_block
from repro.report.readme import BEGIN, END

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(("page", "profile"), [("README.md", "params.yaml"), ("docs/jhmdb.md", "params/jhmdb.yaml")])
def test_results_block_equals_the_committed_score_files(monkeypatch, page, profile):
    monkeypatch.chdir(ROOT)
    params = load(profile)
    results = Run.of(params).paths.results
    block = Path(page).read_text(encoding="utf-8").split(BEGIN)[1].split(END)[0].strip()
    figures = os.path.relpath(results / "tables", Path(page).parent)
    assert block == readme_block(results, layout_of(params), figures).strip()


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md")))])
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
