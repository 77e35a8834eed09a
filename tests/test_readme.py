"""The README shows what the committed score files say, and names commands that exist."""

import re
from pathlib import Path

from repro.params import load
from repro.report import readme_block
from repro.report.readme import BEGIN, END
from repro.stages.config import paths_of
from repro.stages.report import layout_of

ROOT = Path(__file__).parents[1]


def test_results_block_equals_the_committed_score_files(monkeypatch):
    monkeypatch.chdir(ROOT)
    params = load("params.yaml")
    results = paths_of(params).results
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    block = text.split(BEGIN)[1].split(END)[0].strip()
    assert block == readme_block(results, layout_of(params), str(results / "tables")).strip()


def test_pictures_and_links_exist():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    targets = [t for t in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in t]
    assert targets
    assert [t for t in targets if not (ROOT / t).exists()] == []


def test_make_targets_exist():
    text, makefile = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "Makefile"))
    named = set(re.findall(r"\bmake ([a-z-]+)", text))
    assert {"repro", "test"} <= named
    assert [name for name in named if not re.search(rf"^{name}:", makefile, re.M)] == []
