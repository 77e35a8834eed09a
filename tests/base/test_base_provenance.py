"""The code version of a stage, and a command line that imports nothing it does not need."""

import subprocess
import sys

import pytest

from repro import provenance


def forget():
    """Sources are read once in a process; here they change."""
    for cached in (provenance.sources, provenance.code_version, provenance._imported, provenance.essence):
        cached.cache_clear()


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of its own, in the shape of ours, to change sources in."""
    root = tmp_path / "repro"
    for name, text in {
        "__init__.py": "",
        "base.py": "",
        "a/__init__.py": "",
        "a/x.py": "from repro.base import f\n",
        "a/y.py": "",
        "b/__init__.py": "from .z import g\n",
        "b/z.py": "def late():\n    import repro.a.x\n",
        "main.py": "from repro import b\nimport numpy\n",
        "other.py": "from repro.a import y\n",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    monkeypatch.setattr(provenance, "PACKAGE", root)
    forget()
    yield root
    forget()


def version(module):
    forget()
    return provenance.code_version(module)


def test_sources_are_all_that_is_imported_directly_or_not(package):
    found = {str(file.relative_to(package)) for file in provenance.sources("repro.main")}
    assert found == {"__init__.py", "main.py", "b/__init__.py", "b/z.py", "a/__init__.py", "a/x.py", "base.py"}
    assert {str(f.relative_to(package)) for f in provenance.sources("repro.other")} == {
        "__init__.py",
        "other.py",
        "a/__init__.py",
        "a/y.py",
    }


def test_the_code_version_follows_what_is_imported_and_nothing_else(package):
    before, other = version("repro.main"), version("repro.other")
    (package / "base.py").write_text("f = 1\n")
    assert version("repro.main") != before and version("repro.other") == other
    (package / "base.py").write_text("")
    assert version("repro.main") == before


def test_help_is_quick_and_imports_nothing_heavy():
    code = (
        "import sys; from repro import cli\ntry: cli.main(['--help'])\nexcept SystemExit: pass\n"
        "assert not {'torch', 'cv2', 'pandas', 'sklearn', 'matplotlib'} & set(sys.modules), sorted(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "evaluate" in done.stdout
