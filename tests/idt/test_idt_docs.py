"""The numbers in docs/idt.md are those of the benchmark's file."""

import json
from pathlib import Path

from repro.idt.settings import descriptor_layout
from repro.report.text import markdown_table

ROOT = Path(__file__).resolve().parents[2]


def fidelity_table():
    """The measured fidelity as docs/idt.md shows it."""
    measured = json.loads((ROOT / "results" / "benchmarks" / "idt_fidelity.json").read_text())
    types = list(descriptor_layout())
    rows = [
        (case, f"{row['matched']} of {row['reference']}", row["found"], *(f"{row['mean_cosine'][name]:.4f}" for name in types))
        for case, row in measured.items()
    ]
    return markdown_table(("against the release", "matched", "found", *(f"cosine {name}" for name in types)), rows)


def test_measured_fidelity_in_the_docs_is_the_benchmarks():
    text = (ROOT / "docs" / "idt.md").read_text(encoding="utf-8")
    begin, end = "<!-- fidelity:begin -->\n", "\n<!-- fidelity:end -->"
    assert text[text.index(begin) + len(begin) : text.index(end)] == fidelity_table()
