"""Committed figures are those of today's benchmarks: every file names the version of the script that measured it."""

import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))
import result  # noqa: E402

FILES = sorted((ROOT / "results" / "benchmarks").glob("*.json"))


def scripts(content):
    """Every script that a benchmark's file names, in its parts too."""
    for key, value in content.items():
        if key == "script":
            yield from value.values() if isinstance(value, dict) else [value]
        elif isinstance(value, dict):
            yield from scripts(value)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_file_is_no_older_than_its_script(file):
    named = set(scripts(json.loads(file.read_text(encoding="utf-8"))))
    assert named and named == {result.version(ROOT / "benchmarks" / name.split()[0]) for name in named}, "run the script again"


def test_every_device_that_was_measured_names_its_script():
    for file in FILES:
        content = json.loads(file.read_text(encoding="utf-8"))
        for part in (content.get(name) for name in ("cpu", "gpu")):
            assert not isinstance(part, dict) or "script" in part, file.name


def test_a_version_is_of_what_measures(tmp_path, monkeypatch):
    """The script and what it imports beside it; not words, nor how the file is written."""
    monkeypatch.setattr(result, "HERE", tmp_path)
    script, beside = tmp_path / "speed.py", tmp_path / "turns.py"
    script.write_text('"""Speed."""\nfrom json import dumps\n\nfrom turns import turns\n\nprint(dumps(turns(3)))\n')
    beside.write_text("def turns(count):\n    return count\n")
    first = result.version(script)
    assert first.startswith("speed.py ")
    script.write_text(script.read_text().replace("Speed.", "Speed, in turns.").replace("print", "# aloud\nprint"))
    assert result.version(script) == first
    beside.write_text("def turns(count):\n    return count + 1\n")
    second = result.version(script)
    assert second != first
    script.write_text(script.read_text().replace("turns(3)", "turns(4)"))
    third = result.version(script)
    assert third not in (first, second)
    script.write_text(script.read_text().replace("from turns import turns", "import turns").replace("turns(4)", "turns.turns(4)"))
    fourth = result.version(script)
    beside.write_text("def turns(count):\n    return count + 2\n")
    assert result.version(script) != fourth
