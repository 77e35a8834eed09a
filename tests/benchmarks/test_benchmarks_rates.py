"""The benchmark of a profile's stages: what it measures is still a profile."""

import sys
from pathlib import Path

import pytest
import yaml

from repro.params import Params
from repro.profile.check import check

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))
import profile_rates  # noqa: E402


@pytest.mark.parametrize("profile, dataset", [("embedded", "diagnostic-h"), ("jhmdb", "jhmdb")])
def test_a_shortened_profile_passes_the_check(profile, dataset, monkeypatch):
    monkeypatch.chdir(ROOT)
    path = ROOT / "params" / f"{profile}.yaml"
    params = check(Params(profile_rates.shortened(yaml.safe_load(path.read_text()), [dataset], 4), path))
    assert params.get("run")["idt"] == [dataset]
