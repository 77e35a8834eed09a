"""Profiles: every one is understood by the checks and by DVC; a slip of the pen is named with what it should have been."""

import copy
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from tiny import PARAMS

from repro import cli
from repro.errors import ReproError
from repro.params import Params, load
from repro.stages.profile import check
from repro.stages.systems import recipe_of
from repro.training.recipe import PRESETS

ROOT = Path(__file__).resolve().parents[2]
PROFILES = sorted((ROOT / "params").glob("*.yaml"))
REPORT = {"systems": [{"name": "motion", "title": "Motion"}]}


def changed(**changes):
    """The tiny profile; ``changes`` maps dotted keys (dots as two underscores) to values."""
    mapping = {**copy.deepcopy(PARAMS), "report": copy.deepcopy(REPORT)}
    for key, value in changes.items():
        *parents, last = key.split("__")
        place = mapping
        for part in parents:
            place = place[part]
        place[last] = value
    return Params(mapping, "p.yaml")


@pytest.mark.parametrize("path", PROFILES, ids=lambda p: p.stem)
def test_a_profile_is_understood_and_named_after_its_file(path):
    assert check(load(path)).get("profile") == path.stem


def test_the_params_in_place_are_those_of_their_profile():
    there = load(ROOT / "params.yaml").get("profile")
    assert (ROOT / "params.yaml").read_text() == (ROOT / "params" / f"{there}.yaml").read_text()


@pytest.mark.parametrize("name", ["ucf101", "hmdb51"])
def test_one_dataset_of_the_paper_differs_in_nothing_else(name):
    whole, part = (yaml.safe_load((ROOT / "params" / f"{profile}.yaml").read_text()) for profile in ("paper", name))
    for key in ("prepared", "datasets", "idt"):
        whole["run"][key] = [name]
    whole["profile"], whole["datasets"] = name, {name: whole["datasets"][name]}
    own = whole["systems"]["appearance"].pop("recipe_for")
    whole["systems"]["appearance"]["recipe"] |= own.get(name, {})
    assert part == whole


@pytest.mark.parametrize(
    "key, value, told",
    [
        ("sistems", {}, "unknown key `sistems` in p.yaml .*did you mean `systems`"),
        ("seed", 0, "unknown key `seed` in p.yaml"),
        ("run__split", [1], "unknown key `split` in p.yaml: run .*did you mean `splits`"),
        ("run__datasets", ["toi"], "unknown name `toi` in p.yaml: run.datasets .there: toy.*did you mean `toy`"),
        ("run__idt", ["other"], "unknown name `other` in p.yaml: run.idt"),
        ("run__streams", ["motions"], "unknown name `motions` .*did you mean `motion`"),
        ("run__starred", ["motion"], "unknown system `motion_star` in p.yaml: run.starred"),
        ("run__seeds", 3, "run.seeds must be a list"),
        ("run__idt_systems", ["itd"], "unknown name `itd` in p.yaml: run.idt_systems .*did you mean `idt`"),
        ("idt__idt__codebok", {}, "unknown key `codebok` in p.yaml: idt.idt .*did you mean `codebook`"),
        ("idt__idt__features", {"trak_length": 9}, "unknown key `trak_length` in p.yaml: idt.*did you mean `track_length`"),
        ("engine__proceses", 2, "unknown key `proceses` in p.yaml: engine .*did you mean `processes`"),
        ("report__system", [], "unknown key `system` in p.yaml: report .*did you mean `systems`"),
        ("fusions__two_stream__inputs", ["appearance", "motoin"], "unknown system `motoin` .*inputs .*did you mean `motion`"),
        ("fusions__two_stream__weigths", [1], "unknown key `weigths` .*did you mean `weights`"),
        ("systems__motion__recipe_for", {"toi": {}}, "unknown dataset `toi` .*motion.recipe_for .*did you mean `toy`"),
        ("systems__motion__recipe_for", {"toy": {"momentun": 0.5}}, "unknown key `momentun` .*did you mean `momentum`"),
        ("systems__st_resnet__init_from", ["motio"], "unknown system `motio` .*st_resnet.init_from .*did you mean `motion`"),
        ("systems__motion__recipe__fames", 3, "unknown key `fames` .*did you mean `frames`"),
        ("datasets__toy__tittle", "x", "unknown key `tittle` .*did you mean `title`"),
        ("embedded__toy__gruops", 3, "unknown key `gruops` .*did you mean `groups`"),
        ("store__flow_bond", 3.0, "unknown key `flow_bond` .*did you mean `flow_bound`"),
        ("flow__bakend", "dis", "unknown key `bakend` .*did you mean `backend`"),
    ],
)
def test_what_nobody_knows_is_named_with_the_nearest(key, value, told):
    with pytest.raises(ReproError, match=told) as error:
        check(changed(**{key: value}))
    assert "\n" not in str(error.value)


def test_every_command_checks_first(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(yaml.safe_dump({**PARAMS, "stor": {}}))
    for command in (["where"], ["train", "--dataset", "toy", "--split", "1", "--system", "motion"]):
        assert cli.main(command) == 2
        assert "unknown key `stor` in params.yaml" in capsys.readouterr().err


def test_the_check_knows_of_imported_scores():
    report = {"systems": [*REPORT["systems"], {"name": "theirs", "title": "Theirs"}]}
    fusions = {"with_theirs": {"inputs": ["motion", "theirs"]}}
    assert check(changed(report=report, fusions=fusions))


def test_a_recipe_may_differ_by_dataset():
    params = load(ROOT / "params" / "paper.yaml")
    recipes = PRESETS["code"]
    assert recipe_of(params, "appearance") == recipe_of(params, "appearance", "ucf101") == recipes["appearance"]
    assert recipe_of(params, "appearance", "hmdb51") == recipes["appearance_hmdb51"] != recipes["appearance"]
    own = changed(systems__motion__recipe_for={"toy": {"momentum": 0.5}})
    assert (recipe_of(own, "motion", "toy").momentum, recipe_of(own, "motion", "other").momentum) == (0.5, 0.9)
    assert recipe_of(own, "motion", "toy").crop == recipe_of(own, "motion").crop


@pytest.fixture
def folder(tmp_path):
    shutil.copytree(ROOT / "params", tmp_path / "params")
    shutil.copy(ROOT / "Makefile", tmp_path / "Makefile")
    shutil.copy(ROOT / "params" / "embedded.yaml", tmp_path / "params.yaml")
    return tmp_path


@pytest.mark.skipif(not shutil.which("make"), reason="needs make")
def test_make_chooses_a_profile_but_overwrites_no_work(folder):
    def choose(name):
        done = subprocess.run(["make", "-s", "choose", f"PROFILE={name}"], cwd=folder, capture_output=True, text=True)
        return done.returncode, done.stderr.splitlines()

    params = folder / "params.yaml"
    assert choose("paper") == (0, []) and params.read_text() == (ROOT / "params" / "paper.yaml").read_text()
    assert choose("embedded") == (0, []) and params.read_text() == (ROOT / "params" / "embedded.yaml").read_text()
    status, lines = choose("papr")
    assert status and lines[0].startswith('no profile "papr"; there: ') and "paper" in lines[0]
    params.write_text(params.read_text().replace("seeds: [0]", "seeds: [0, 1]"))
    edited = params.read_text()
    status, lines = choose("paper")
    assert status and "edited by hand: it equals none of params/*.yaml" in lines[0] and params.read_text() == edited


def test_dvc_understands_every_profile(folder):
    dvc = pytest.importorskip("dvc.repo")
    dvc.Repo.init(str(folder), no_scm=True).close()
    shutil.copy(ROOT / "dvc.yaml", folder / "dvc.yaml")
    for path in PROFILES:
        shutil.copy(path, folder / "params.yaml")
        with dvc.Repo(str(folder)) as repo:
            names = [stage.name for stage in repo.index.stages]
        run = load(path).get("run")
        runs = len(run["splits"]) * len(run["seeds"])  # of every trained system on every dataset
        trained = len(run["streams"]) + len(run["joint"]) + len(run["starred"])
        assert sum(name.startswith("train_") for name in names) == len(run["datasets"]) * runs * trained
        assert sum(name.startswith("fuse@") for name in names) == len(run["datasets"]) * runs
        assert len(set(names)) == len(names) and "report" in names
        if path.stem == "ucf101":  # prepare, extract, 12 trained, 12 evaluated, idt 1 + 3 + 3, 3 fused, report, 8 notebooks
            assert len(names) == 45
