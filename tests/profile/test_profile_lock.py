"""`repro locks` on a lock that the real DVC wrote: what it says of every result, and its exit status."""

import json
import re
import shutil
import time

import pytest
import yaml
from dvc_project import dvc

from repro import cli
from repro.evaluation.scores import Scores
from repro.params import load
from repro.profile.blocks import versions_of
from repro.profile.code import version_of
from repro.profile.lock import digest, findings, made_by_older_code, read
from repro.profile.lock_entries import mend, prune

pytest.importorskip("dvc")
SCORES = "results/tiny/scores/toy/split1/seed3"


@pytest.fixture
def judged(project, monkeypatch):
    """{path: (verdict, why)} of the project as it is."""
    monkeypatch.chdir(project)

    def judge():
        params = load("params.yaml")
        return {each.path: (each.verdict, each.why) for each in findings(params, versions_of(params))}

    return judge


def in_lock(project, old, new, count=1):
    lock = project / "dvc.lock"
    text, found = re.subn(old, new, lock.read_text(), count=count)
    assert found
    lock.resolve().write_text(text)


def test_all_is_current_in_seconds(judged, capsys):
    found = judged()
    assert set(found.values()) == {("current", "")}
    assert {f"{SCORES}/motion.npz", "results/tiny/tables", "results/tiny/metrics.json"} <= set(found)
    begin = time.monotonic()
    assert cli.main(["locks"]) == 0
    assert time.monotonic() - begin < 5
    assert f"tiny: {len(found)} current" in capsys.readouterr().out


def test_a_file_that_was_changed_since(judged, project, capsys):
    (project / SCORES / "motion.npz").write_text("by hand")
    (project / "results" / "tiny" / "tables" / "inside" / "file").write_text("by hand")
    (project / "results" / "tiny" / "curves" / "toy" / "split1" / "seed3" / "motion.csv").unlink()
    found = judged()
    assert found[f"{SCORES}/motion.npz"] == ("changed since", "not what evaluate_motion@toy-1-3 made")
    assert found["results/tiny/tables"][0] == "changed since"
    assert found["results/tiny/curves/toy/split1/seed3/motion.csv"] == ("missing", "train_motion@toy-1-3 made it")
    assert cli.main(["locks", "--profile", "tiny"]) == 2
    assert re.search(r"\d+ of \d+ results are not current", capsys.readouterr().err)


def test_older_code_is_named_wherever_results_rest_on_it(judged, project):
    in_lock(project, r"train\.st_resnet: \w+", "train.st_resnet: abcdefabcdef", count=2)  # of two systems
    older = [name for name, stage in read("tiny").items() if "abcdefabcdef" in str(stage)]
    assert len(older) == 2
    systems = {name.removeprefix("train_").partition("@")[0] for name in older}
    found = judged()
    for system in systems:
        assert found[f"{SCORES}/{system}.npz"] == ("older code", f"train.st_resnet of train_{system}@toy-1-3")
    assert {verdict for verdict, _ in (found["results/tiny/tables"], found["results/tiny/fused/toy/split1/seed3"])} == {
        "older code"
    }
    params = load("params.yaml")
    told = made_by_older_code(params, versions_of(params))
    assert {f"{SCORES}/{system}.npz" for system in systems} <= set(told)


def test_other_params_are_named(judged, project):
    params = project / "params" / "tiny.yaml"
    mapping = yaml.safe_load(params.read_text())
    mapping["systems"]["st_resnet"]["recipe"]["frames"] = 4
    params.write_text(yaml.safe_dump(mapping, sort_keys=False))
    found = judged()
    assert found[f"{SCORES}/st_resnet.npz"] == ("other params", "systems.st_resnet.recipe of train_st_resnet@toy-1-3")
    assert found[f"{SCORES}/motion.npz"][0] == "current" and found[f"{SCORES}/st_resnet_star.npz"][0] == "other params"


def test_other_inputs_are_named(judged, project):
    (project / "weights" / "m.safetensors").write_text("others")
    assert judged()[f"{SCORES}/motion.npz"] == ("other inputs", "weights/m.safetensors of train_motion@toy-1-3")
    (project / "weights" / "m.safetensors").unlink()  # a clone need not have them
    assert judged()[f"{SCORES}/motion.npz"] == ("current", "")
    for name in ("data", "models"):
        shutil.rmtree(project / name)
    assert set(judged().values()) == {("current", "")}


def test_an_input_that_its_own_stage_made_anew_is_named(judged, project):
    entry = r"(train_motion@toy-1-3:(?:\n    .*)*?\n    outs:\n    - path: models/\S+\n      hash: md5\n      md5: )\w+"
    in_lock(project, entry, r"\g<1>00000000000000000000000000000000")
    found = judged()
    assert found[f"{SCORES}/motion.npz"][0] == "other inputs" and found[f"{SCORES}/appearance.npz"][0] == "current"


def test_without_a_lock_score_files_speak_for_themselves(judged, project):
    (project / "dvc.lock").resolve().write_text("schema: '2.0'\n")
    header = {"dataset": "toy", "split": 1, "system": "motion", "protocol": "x", "seed": 3, "device": "CPU", "params_hash": "0"}

    def write(system, **more):
        Scores(("v",), [0], ("a", "b"), ("h",), [[[1.0, 0.0]]], {**header, "system": system, **more}).save(
            f"{SCORES}/{system}.npz"
        )

    judged()  # in the project's folder from here on
    write("motion", code_version=version_of("evaluate", "st_resnet"), family="st_resnet")
    write("appearance", code_version="0123456789ab", family="st_resnet")
    found = judged()
    assert found[f"{SCORES}/motion.npz"] == ("no lock", "its header names today's code")
    assert found[f"{SCORES}/appearance.npz"] == ("no lock", "made before locks were kept, by older code")
    assert found["results/tiny/metrics.json"] == ("no lock", "made before locks were kept")
    params = load("params.yaml")
    assert f"{SCORES}/motion.npz" not in made_by_older_code(params, versions_of(params))


def test_digests_are_those_of_dvc(project, monkeypatch):
    monkeypatch.chdir(project)
    outs = {out["path"]: out["md5"] for stage in read("tiny").values() for out in stage["outs"]}
    assert {path: digest(path) for path in outs} == outs and any(md5.endswith(".dir") for md5 in outs.values())


def test_dead_entries_are_taken_out(project, monkeypatch):
    monkeypatch.chdir(project)
    before = read("tiny")
    params = project / "params" / "tiny.yaml"
    mapping = yaml.safe_load(params.read_text())
    mapping["run"]["systems"].remove("st_resnet_star")
    mapping["run"]["evaluated"].remove("st_resnet_star")
    params.write_text(yaml.safe_dump(mapping, sort_keys=False))
    dead = {f"{stage}_st_resnet_star@toy-1-3" for stage in ("train", "evaluate")}
    assert set(prune(load("params.yaml"))) == dead and prune(load("params.yaml")) == []
    assert read("tiny") == {name: stage for name, stage in before.items() if name not in dead}


def test_numbers_as_dvc_writes_them_are_numbers(judged, project):
    params = project / "params" / "tiny.yaml"
    params.write_text(params.read_text().replace("- 0.02\n", "- 1.0e-05\n"))
    dvc(project, "commit", "-q", "-f")
    assert "1e-05" in (project / "dvc.lock").read_text()
    assert {verdict for verdict, _ in judged().values()} == {"current"}


def test_a_lock_that_is_none_is_told(project, monkeypatch, capsys):
    monkeypatch.chdir(project)
    for text in ("a: [1", "- 1", json.dumps([1]), "a: 2026-13-45"):
        (project / "dvc.lock").resolve().write_text(text)
        assert cli.main(["locks"]) == 2
        assert "not a DVC lock file: pipelines/tiny/dvc.lock" in capsys.readouterr().err


@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 0.7, 0.999])
def test_a_lock_that_was_cut_short_keeps_its_whole_entries(project, monkeypatch, capsys, share):
    monkeypatch.chdir(project)
    lock, before = (project / "dvc.lock").resolve(), read("tiny")
    text = lock.read_text()
    lock.write_text(text[: int(share * len(text))].rstrip("\n"))
    assert cli.main(["pipeline"]) == 0
    assert "pipelines/tiny/dvc.lock: cut short while DVC wrote it" in capsys.readouterr().out
    kept = read("tiny")
    assert kept == dict(list(before.items())[: len(kept)]) and (share < 0.3 or kept)
    assert len(kept) == max(len(re.findall(r"(?m)^  \S+:$", text[: int(share * len(text))])) - 1, 0)
    dvc(project, "status")  # DVC can read it
    assert mend("tiny") is None
