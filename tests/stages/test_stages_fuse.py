"""``repro fuse`` and ``repro import-scores`` on score files made by hand: what comes out, and what is refused in one line."""

import csv
import hashlib
import re
import shutil

import numpy as np
import pytest
import yaml
from sklearn.svm import LinearSVC

from repro.evaluation.fusion import in_space
from repro.evaluation.scores import Scores
from repro.profile.paths import Paths

CLASSES = ("a", "b", "c")
SPLIT = ("--dataset", "toy", "--split", 1)
HEADER = {"dataset": "toy", "split": 1, "protocol": "p", "seed": 0, "device": "cpu", "params_hash": "x", "code_version": "0"}


@pytest.fixture
def folder(tmp_path):
    """Two systems' scores of training and test videos; each is sure of another half of them."""
    rng = np.random.default_rng(0)
    for subset in ("train", "test"):
        labels = np.arange(30) % 3
        sure = rng.random(30) < 0.5
        for system, which in (("rgb", sure), ("flow", ~sure)):
            matrix = np.where(which[:, None], 6.0, 0.0) * np.eye(3)[labels] + rng.normal(0, 0.3, (30, 3))
            header = {**HEADER, "system": system, **({"subset": "train"} if subset == "train" else {})}
            Scores([f"{subset}{i}" for i in range(30)], labels, CLASSES, ("h",), matrix[None], header).save(
                Paths("toy", tmp_path).scores("toy", 1, 0, system, subset)
            )
    write(tmp_path)
    return tmp_path


def write(folder, **fusions):
    fusions = fusions or {
        "mean": {"inputs": ["rgb", "flow"], "weights": [1, 1.5]},
        "svm": {"inputs": ["rgb", "flow"], "space": "svm"},
        "both": {"inputs": ["mean", "rgb"], "weights": [0.75, 0.25], "space": "l2"},
        "absent": {"inputs": ["rgb", "idt"], "space": "l2"},
    }
    mapping = {
        "profile": "toy",
        "run": {"datasets": ["toy"], "splits": [1], "seeds": [0]},
        "datasets": {"toy": {"title": "Toy", "layout": "ucf101"}},
        "fusions": fusions,
        "report": {"systems": [{"name": name, "title": name} for name in ("rgb", "flow", "idt")]},
    }
    (folder / "params.yaml").write_text(yaml.safe_dump(mapping, sort_keys=False))


def scores(folder, system, subset="test"):
    return Scores.load(Paths("toy", folder).scores("toy", 1, 0, system, subset))


def fused(folder, name):
    return Scores.load(Paths("toy", folder).fused("toy", 1, 0, name))


def test_means_svm_and_fusions_of_fusions(folder, stages, capsys):
    assert stages.repro(folder, "fuse", *SPLIT) == 0
    assert "absent: not run, no seed0/idt.npz" in capsys.readouterr().out
    rgb, flow = (scores(folder, system).mean() for system in ("rgb", "flow"))
    mean = (rgb + 1.5 * flow) / 2.5
    assert fused(folder, "mean").mean() == pytest.approx(mean, abs=1e-6)
    assert fused(folder, "both").mean() == pytest.approx(0.75 * in_space(mean, "l2") + 0.25 * in_space(rgb, "l2"), abs=1e-6)
    train = [scores(folder, system, "train") for system in ("rgb", "flow")]
    stacks = [
        np.hstack([in_space(in_space(m, "softmax"), "l2") for m in side]) for side in ([s.mean() for s in train], [rgb, flow])
    ]
    oracle = LinearSVC(C=1.0, random_state=0, max_iter=20000).fit(stacks[0], train[0].labels).decision_function(stacks[1])
    assert fused(folder, "svm").mean() == pytest.approx(oracle, abs=1e-5)
    assert fused(folder, "svm").names == scores(folder, "rgb").names
    assert not Paths("toy", folder).fused("toy", 1, 0, "absent").exists()


def test_an_svm_without_training_scores_is_not_run(folder, stages, capsys):
    Paths("toy", folder).scores("toy", 1, 0, "flow", "train").unlink()
    assert stages.repro(folder, "fuse", *SPLIT) == 0
    assert "svm: not run, no train/flow.npz" in capsys.readouterr().out


def test_one_failing_fusion_does_not_cost_the_others(folder, stages, capsys):
    good = {"inputs": ["rgb", "flow"]}
    write(folder, first=good, wrong={"inputs": ["rgb", "idt"]}, on_wrong={"inputs": ["wrong", "rgb"]}, last=good)
    other = scores(folder, "rgb")
    changed(other, split=2, system="idt").save(Paths("toy", folder).scores("toy", 1, 0, "idt"))
    assert stages.repro(folder, "fuse", *SPLIT) == 2
    out, err = capsys.readouterr()
    assert re.search("1 of 4 fusions failed, the first: wrong .score file of another split.*the others are in", err)
    assert "on_wrong: not run, no " in out
    assert fused(folder, "first").mean() == pytest.approx(fused(folder, "last").mean())
    assert not Paths("toy", folder).fused("toy", 1, 0, "wrong").exists()


def changed(item, **header):
    return Scores(item.names, item.labels, item.classes, item.heads, item.scores, {**item.header, **header})


@pytest.mark.parametrize(
    "damage, told",
    [
        (lambda s: changed(s, split=2), "score file of another split.*it says 2, expected 1"),
        (lambda s: changed(s, dataset="other"), "score file of another dataset"),
        (lambda s: changed(s, system="rgb"), "score file of another system"),
        (lambda s: changed(s, seed=5), "score file of another seed"),
        (lambda s: changed(s, profile="tiny"), "score file of another profile: .*flow.npz"),
        (lambda s: changed(s, subset="train"), "different subsets"),
        (lambda s: Scores(s.names[1:], s.labels[1:], s.classes, s.heads, s.scores[:, 1:], s.header), "different videos.*`test0`"),
        (lambda s: Scores(s.names, s.labels, ("a", "b", "d"), s.heads, s.scores, s.header), "different classes.*`c`"),
        (lambda s: Scores(s.names, np.roll(s.labels, 1), s.classes, s.heads, s.scores, s.header), "disagree on a label"),
    ],
)
def test_files_that_do_not_fit_are_refused(folder, stages, capsys, damage, told):
    path = Paths("toy", folder).scores("toy", 1, 0, "flow")
    damage(Scores.load(path)).save(path)
    refused(folder, stages, capsys, told)


def test_broken_score_files_are_refused(folder, stages, capsys):
    path = Paths("toy", folder).scores("toy", 1, 0, "flow")
    arrays = dict(np.load(path))
    for change, told in (
        ({"scores": np.full_like(arrays["scores"], np.nan)}, "NaN"),
        ({"names": np.repeat(arrays["names"][:1], 30)}, "duplicated names"),
        ({"scores": np.array([{}], object)}, "pickled"),
    ):
        np.savez(path, **{**arrays, **change})
        refused(folder, stages, capsys, f"{told}.*" if told != "NaN" else "NaN or infinite.*test0")


def refused(folder, stages, capsys, told, *command):
    before = stages.tree(folder, skip=("work",))
    capsys.readouterr()
    assert stages.repro(folder, *(command or ("fuse", *SPLIT))) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and re.search(told, lines[0]), lines
    assert stages.tree(folder, skip=("work",)) == before


@pytest.mark.parametrize(
    "settings, told",
    [
        ({"inputs": ["rgb"], "space": "cosine"}, "space must be one of logits, softmax, l2, svm, got 'cosine'"),
        ({"inputs": ["rgb", "flow"], "weights": [1]}, "weights must be one per input, got 1 for 2"),
        ({"inputs": ["rgb", "flow"], "weights": [1, 1], "space": "svm"}, "an SVM takes no weights"),
        ({"inputs": ["rgb", "flow"], "space": "svm", "svm_c": 0.0}, "svm_c above 0"),
        ({"input": ["rgb"]}, "did you mean `inputs`"),
    ],
)
def test_settings_that_cannot_be_are_refused(folder, stages, capsys, settings, told):
    write(folder, wrong=settings)
    refused(folder, stages, capsys, told)


def test_scores_of_others_become_a_system(folder, stages, capsys):
    rgb = scores(folder, "rgb")
    order, columns = np.random.default_rng(1).permutation(30), [2, 0, 1]
    names, classes = [f"elsewhere/{rgb.names[i].upper()}.avi" for i in order], [CLASSES[c] for c in columns]
    matrix = rgb.mean()[order][:, columns]
    labels = rgb.labels[order]
    np.savez(folder / "theirs.npz", names=names, classes=classes, labels=[columns.index(k) for k in labels], logits=matrix)
    with open(folder / "theirs.csv", "w", newline="") as file:
        rows = ([name, CLASSES[label], *row] for name, label, row in zip(names, labels, matrix))
        csv.writer(file).writerows([["name", "label", *classes], *rows])
    lists = folder / "lists"
    lists.mkdir()
    (lists / "classInd.txt").write_text("1 a\n2 b\n3 c\n")
    listed = [f"{CLASSES[k]}/{name}.avi" for name, k in zip(rgb.names, rgb.labels)]
    for split, test in ((1, listed), (2, [name.replace("test", "other") for name in listed])):
        (lists / f"testlist0{split}.txt").write_text("\n".join(test))
        (lists / f"trainlist0{split}.txt").write_text("\n".join(f"{c}/train{i}.avi" for i, c in enumerate(CLASSES)))
    for system, source in (("a", ["theirs.npz", "--key", "logits"]), ("b", ["theirs.csv"])):
        command = ("import-scores", *SPLIT, "--system", system, *source)
        refused(folder, stages, capsys, "nothing says which the test videos", *command)
        assert stages.repro(folder, *command, "--lists", "lists") == 0
        found = scores(folder, system)
        assert found.names == tuple(name.removesuffix(".avi") for name in listed) and found.classes == CLASSES
        assert found.header["seed"] is None and found.header["code_version"] == "foreign"
        assert found.mean() == pytest.approx(rgb.mean(), abs=1e-5) and np.array_equal(found.labels, rgb.labels)
        digest = hashlib.sha256((folder / source[0]).read_bytes()).hexdigest()
        assert found.header["imported"] == {"file": source[0], "sha256": digest, "checked": "split lists"}
    take = ("theirs.npz", "--key", "logits", "--lists", "lists", "--dataset", "toy")
    for more, told in (
        (("--split", 2, "--system", "c"), "not the official ones.*they are the test videos of split 1"),
        (("--split", 4, "--system", "c"), "no lists of split 4: lists .there: 1, 2"),
        (("--split", 1, "--system", "../../x"), "a system has a name that cannot be used .got '../../x'"),
        (("--split", 1, "--system", "/tmp/x"), "a system has a name that cannot be used"),
        (("--split", 1, "--system", "mean"), "`mean` is a system of this profile's own"),
    ):
        refused(folder, stages, capsys, told, "import-scores", *take, *more)
    (folder / "theirs.mat").write_bytes(b"MATLAB 5.0 MAT-file")
    told = "from .npz and .csv: theirs.mat .a MATLAB file; in Python"
    refused(folder, stages, capsys, told, "import-scores", "theirs.mat", *take[1:], "--split", 1, "--system", "c")
    command = ("import-scores", "--split", 1, "--system", "c", "--lists", "lists")
    refused(folder, stages, capsys, "no `scores` in the score file", *command, "--dataset", "toy", "theirs.npz")
    refused(folder, stages, capsys, "no score file", *command, "--dataset", "toy", "none.npz")
    refused(folder, stages, capsys, "did you mean `toy`", *command, "--dataset", "toi", "theirs.npz")


def test_scores_of_others_come_in_the_order_of_the_index(finished, stages, tmp_path, capsys):
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    rgb = Scores.load(next((run / "results").glob("*/scores/toy/split1/seed*/motion.npz")))
    order = np.random.default_rng(1).permutation(len(rgb.names))
    np.savez(run / "theirs.npz", names=[rgb.names[i].split("/")[1] for i in order], scores=rgb.mean()[order])
    (run / "list.txt").write_text("".join(f"{name}\n" for name in rgb.classes))
    assert stages.repro(run, "import-scores", *SPLIT, "--system", "theirs", "theirs.npz", "--classes", "list.txt") == 0
    found = Scores.load(next((run / "results").glob("*/scores/toy/split1/seed*/theirs.npz")))
    assert (found.names, found.classes) == (rgb.names, rgb.classes) and np.array_equal(found.labels, rgb.labels)
    assert found.mean() == pytest.approx(rgb.mean(), abs=1e-5)
    command = ("import-scores", *SPLIT, "--system", "c")
    refused(run, stages, capsys, "without a class list", *command, "theirs.npz")
    np.savez(run / "few.npz", names=[rgb.names[0]], scores=rgb.mean()[:1])
    refused(run, stages, capsys, "not the official ones", *command, "few.npz", "--classes", "list.txt")
