"""Other locales, and an installation that nobody may write to."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from small import PARAMS, write_clip

ROOT = Path(__file__).resolve().parents[2]


def run(folder, *command, **environment):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run([sys.executable, *map(str, command)], cwd=folder, env=environment, capture_output=True)


@pytest.mark.parametrize("coerce", ["0", "1"])
def test_names_are_utf8_in_any_locale(tmp_path, coerce):
    """Files, lists, params and what is printed: Python alone would take them for ASCII here."""
    for name in ("Übung", "jump"):
        for k in range(2):
            write_clip(tmp_path / "clips" / name / f"größer {k}.avi", k)
    params = {**PARAMS, "datasets": {"übung": {}}, "engine": {"processes": 1}}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params, allow_unicode=True), encoding="utf-8")
    locale = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": coerce}
    done = run(tmp_path, "-m", "repro", "splits", "clips", "lists", "--splits", "1", **locale)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "lists" / "classInd.txt").read_bytes() == "1 jump\n2 Übung\n".encode()
    done = run(tmp_path, "-m", "repro", "prepare", "übung", "--from-local", "clips", "--splits", "lists", **locale)
    assert done.returncode == 2 and "got 'übung'" in done.stderr.decode("utf-8")
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(PARAMS), encoding="utf-8")
    done = run(tmp_path, "-m", "repro", "prepare", "mine", "--from-local", "clips", "--splits", "lists", **locale)
    assert done.returncode == 0, done.stderr
    assert "Übung/größer 0" in (tmp_path / "data/mine/index/index.csv").read_text(encoding="utf-8")


def test_compiled_code_finds_a_place_where_neither_package_nor_home_can_be_written(tmp_path):
    code = """
import os, sys
from numba.core import caching
from repro import cli
real = os.access
os.access = lambda path, mode: "repro" not in str(path) and real(path, mode)
def refuse(self):
    raise OSError(30, "Read-only file system")
for kind in (caching.InTreeCacheLocator, caching.UserWideCacheLocator):
    kind.ensure_cache_path = refuse
cli.main(["where"])  # any command
import numba
numba.config.reload_config()  # numba, imported early here for the sake of the test, reads the environment on import
from repro.flow import tvl1_cpu
print(tvl1_cpu.minimise._cache.cache_path)
"""
    done = run(tmp_path, "-c", code)
    assert done.returncode == 0, done.stderr.decode()
    assert Path(done.stdout.decode().splitlines()[-1]).is_relative_to(tmp_path / "work" / "numba")
