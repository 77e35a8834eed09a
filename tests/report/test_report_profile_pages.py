"""The pages of the profiles that nobody has run here: on made-up scores of all systems, or of some,
every listed page can be made."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from toy_profile import score_file

from repro.params import load
from repro.profile.layout import layout_of
from repro.profile.run import Run
from repro.stages import notebook

ROOT = Path(__file__).parents[2]
CLASSES = tuple(f"class{number}" for number in range(8))


@pytest.mark.slow
@pytest.mark.parametrize(
    "systems", [None, ("appearance", "motion", "two_stream", "idt")], ids=["all systems", "no joint network yet"]
)
@pytest.mark.parametrize("profile", ["ucf101", "paper", "jhmdb"])
def test_every_page_can_be_made(tmp_path, monkeypatch, profile, systems):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "notebooks", "notebooks")
    shutil.copytree(ROOT / "params", "params")
    for other in ("jhmdb_rehearsal", "jhmdb_seeds"):  # which page 10 shows too
        shutil.copytree(ROOT / "results" / other, Path("results") / other)
    params = load(f"params/{profile}.yaml")
    shown = layout_of(params)
    for dataset in shown.datasets:
        for system in (each for each in shown.systems_of(dataset) if systems is None or each.name in systems):
            for split in dataset.splits:
                names = [f"{name}/v{split}_{number}" for name in CLASSES for number in range(4)]
                rights = np.random.default_rng(split).random(len(names)) < 0.8
                kind = "fused" if system.name in params.get("fusions") else "scores"
                folder = Path("results", profile)
                score_file(
                    folder, system.name, split, names, rights, dataset.name, kind, CLASSES, seed=shown.seeds[0], profile=profile
                )
    run = Run.of(params)
    for name in run.fanned_out.notebooks:
        notebook.run(run, name)
        assert Path("results", profile, "notebooks", f"{name}.ipynb").is_file()
