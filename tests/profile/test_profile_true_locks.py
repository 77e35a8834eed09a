"""No committed lock says what is not so; and what a false one looks like."""

import hashlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from repro.evaluation.scores import Scores
from repro.params import load
from repro.profile.blocks import versions_of
from repro.profile.check import check
from repro.profile.lock import Lock, digest
from repro.stages import verify

pytest.importorskip("dvc")
ROOT = Path(__file__).resolve().parents[2]
PROFILES = [path.stem for path in sorted((ROOT / "params").glob("*.yaml")) if (ROOT / "results" / path.stem / "scores").is_dir()]
STAGE, SCORES = "evaluate_motion@toy-1-3", "results/tiny/scores/toy/split1/seed3/motion.npz"


@pytest.mark.parametrize("profile", PROFILES)
def test_no_committed_lock_claims_what_is_not_so(profile, monkeypatch):
    monkeypatch.chdir(ROOT)
    params = check(load(f"params/{profile}.yaml"))
    assert [f"{each.path}: {each.why}" for each in Lock(params, versions_of(params)).false_claims()] == []


@pytest.fixture
def made(project, monkeypatch):
    """Write score files that name a code version, with or without telling the lock; the params, and today's versions."""
    monkeypatch.chdir(project)
    params = load("params.yaml")

    def write(code_version, told=True):
        before, header = (
            digest(SCORES),
            {"dataset": "toy", "split": 1, "system": "motion", "seed": 3, "code_version": code_version},
        )
        header |= dict.fromkeys(("protocol", "device", "params_hash"), "-")
        Scores(("v",), np.array([0]), ("a", "b"), ("motion",), np.array([[[1.0, 0.0]]], np.float32), header).save(SCORES)
        if told:
            lock = Path("dvc.lock").resolve()
            lock.write_text(lock.read_text().replace(before, digest(SCORES)))

    return write, params, versions_of(params)


def test_a_true_lock_a_file_changed_by_hand_and_a_missing_one(made):
    write, params, versions = made
    assert Lock(params, versions).false_claims() == []
    write(versions["evaluate"]["st_resnet"])
    assert Lock(params, versions).false_claims() == []
    write(versions["evaluate"]["st_resnet"] + "x", told=False)
    (claim,) = Lock(params, versions).false_claims()
    assert (claim.path, claim.why) == (SCORES, f"not what {STAGE} made")
    Path(SCORES).unlink()
    (claim,) = Lock(params, versions).false_claims()
    assert (claim.path, claim.verdict) == (SCORES, "missing")


def test_scores_of_other_code_under_a_lock_that_was_told_otherwise(made):
    write, params, versions = made
    write("abcdefabcdef")
    (claim,) = Lock(params, versions).false_claims()
    assert claim.path == SCORES and claim.why.startswith("its header names code abcdefabcdef, evaluate_motion@toy-1-3 ran with ")


def test_results_of_older_code_are_no_false_claim_and_verify_names_key_and_stage(made):
    _, params, versions = made
    later = {**versions, "train": {**versions["train"], "st_resnet": "000000000000"}}
    assert Lock(params, later).false_claims() == []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verify, "versions_of", lambda params: later)
        true, current = verify.locks(params)
    assert not true.wrong and "older code (train.st_resnet of train_" in current.wrong[0]


def test_verify_reads_a_file_once(made, monkeypatch):
    """As DVC's stages read folders too, a score file stands in several entries of a lock."""
    read, reckoned = Counter(), hashlib.file_digest

    def counted(file, kind):
        read[file.name] += 1
        return reckoned(file, kind)

    monkeypatch.setattr(hashlib, "file_digest", counted)
    true, _ = verify.locks(made[1])
    assert not true.wrong and read[SCORES] == 1 and set(read.values()) == {1}


def test_what_is_false_is_told_once(made):
    """A file changed by hand is no result of the lock, so nothing is said of what it was made by."""
    write, params, versions = made
    write(versions["evaluate"]["st_resnet"] + "x", told=False)
    true, current = verify.locks(params)
    assert true.wrong == (f"{SCORES}: changed since, not what {STAGE} made",) and not any(
        "changed since" in each for each in current.wrong
    )
