"""`make demo`: the kept networks and score files belong together, and what is said of a score file that differs."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from repro import cli
from repro.errors import ReproError
from repro.evaluation.scores import Scores
from repro.params import load
from repro.profile.check import check
from repro.profile.run import Run
from repro.stages import demo
from repro.training.checkpoint import check_origin, load_trained, save_checkpoint
from repro.training.exported import load_exported
from repro.training.trained import Trained

ROOT = Path(__file__).resolve().parents[2]
SYSTEMS = ("appearance", "motion", "st_resnet", "st_resnet_star")


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with what the demonstration needs, and one of its score files where a run leaves it."""
    shutil.copytree(ROOT / "demo", tmp_path / "demo")
    (tmp_path / "params").symlink_to(ROOT / "params")
    monkeypatch.chdir(tmp_path)
    made = Path("made/results/demo/scores/motion.npz")
    made.parent.mkdir(parents=True)
    shutil.copy("demo/scores/motion.npz", made)
    return made


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_kept_networks_are_those_of_the_params_and_of_the_score_files(system, monkeypatch):
    monkeypatch.chdir(ROOT)
    params = check(load(demo.PARAMS))
    run = Run.of(params, "diagnostic-demo", 1, system=system)
    path = demo.KEPT / f"{system}.safetensors"
    trained, scores = Trained.load(path), Scores.load(demo.KEPT / "scores" / f"{system}.npz")
    origin = {"dataset": run.dataset, "split": 1, "seed": run.seed, "system": system}
    check_origin(trained.meta, path, **origin, profile="demo", input_size=run.input_size)
    assert scores.header.items() >= origin.items() and trained.classes[run.dataset] == scores.classes
    assert scores.header["params_hash"] == trained.meta["params_hash"]
    assert scores.heads == tuple(trained.model.heads)


def test_the_params_file_says_their_accuracies():
    text = (ROOT / "params" / "demo.yaml").read_text(encoding="utf-8")
    for title, system in (("ST-ResNet", "st_resnet"), ("ST-ResNet*", "st_resnet_star")):
        scores = Scores.load(ROOT / "demo" / "scores" / f"{system}.npz")
        right = scores.scores.mean(axis=0).argmax(axis=1) == scores.labels
        assert f"{title} {100 * right.mean():.1f} %" in text and f"of {len(right)} test videos" in text


def test_they_are_small():
    assert sum(path.stat().st_size for path in (ROOT / "demo").rglob("*") if path.is_file()) < 4_000_000


def test_equal_bytes_equal_scores_and_others(project):
    assert demo.compare(project) == demo.Compared("motion", True, "byte for byte demo/scores/motion.npz")
    kept = Scores.load("demo/scores/motion.npz")

    def made(scores, **header):
        Scores(kept.names, kept.labels, kept.classes, kept.heads, scores, kept.header | header).save(project)
        return demo.compare(project)

    later = made(kept.scores, code_version="later")
    assert not later.same and "bit for bit" in later.told and "older code" in later.told
    shifted = kept.scores.copy()
    shifted[:, 0, (shifted[0, 0].argmax() + 1) % len(kept.classes)] += 100  # another class wins one video
    other = made(shifted)
    assert not other.same and other.told.startswith(f"1 of {len(kept.names)} videos decided otherwise")
    assert "differ by up to 1e+02" in other.told
    Path("demo/scores/motion.npz").unlink()
    assert demo.compare(project).told == "demo/scores/motion.npz is missing"


def test_without_a_network_nothing_is_drawn(project):
    Path("demo/st_resnet.safetensors").unlink()
    with pytest.raises(ReproError, match="no network for the demonstration: .*st_resnet.safetensors"):
        demo.made("work/demo")
    assert not Path("work").exists()


@pytest.mark.parametrize("place", [".", "demo", "params/demo.yaml"])
def test_a_folder_of_something_else_is_not_cleared(project, place, capsys):
    assert cli.main(["demo", "--out", place]) == 2 and "not a folder that the demo made" in capsys.readouterr().err
    assert Path("demo/motion.safetensors").is_file() and Path("params/demo.yaml").is_file()


DRAWN = ("data/diagnostic-demo/raw/a.avi", "results/demo/metrics.json", "work/draw-0/a")


@pytest.mark.parametrize(
    "own, others",
    [
        *((own, ()) for own in ("data/holiday/a.avi", "work/thesis.txt", "models/a.pt", "results/demo/a.csv", "prediction.png")),
        *((own, DRAWN) for own in ("data/holiday/a.avi", "models/a.pt", "results/mine/a.csv", "a.txt")),
    ],
)
def test_names_that_a_demonstration_uses_too_are_no_reason_to_clear_a_folder(project, own, others, capsys):
    for name in (own, *others):
        (path := Path("out", name)).parent.mkdir(parents=True, exist_ok=True)
        path.write_text("precious")
    assert cli.main(["demo", "--out", "out"]) == 2 and "not a folder that the demo made" in capsys.readouterr().err
    assert all(Path("out", name).read_text() == "precious" for name in (own, *others))


@pytest.mark.parametrize(
    "left", [(), ("work/draw-0/raw/a",), ("data/diagnostic-demo/raw/a", "results/demo/a", ".prediction.png.x.part/a")]
)
def test_what_a_demonstration_left_is_cleared_before_the_next(project, tmp_path, left, monkeypatch):
    (tmp_path / "disk").mkdir()
    Path("out").symlink_to(tmp_path / "disk")
    for name in left:
        (path := Path("out", name)).parent.mkdir(parents=True)
        path.touch()
    monkeypatch.setattr(demo.draw, "run", lambda run: (_ for _ in ()).throw(ReproError("stopped")))
    assert cli.main(["demo", "--out", "out"]) == 2
    assert Path("out").is_symlink() and not list((tmp_path / "disk").iterdir())


def test_export_model_writes_what_evaluate_reads(project, capsys):
    content = load_exported("demo/motion.safetensors")
    save_checkpoint("checkpoint.pt", content)
    assert load_trained("checkpoint.pt")["meta"] == content["meta"]
    assert cli.main(["export-model", "checkpoint.pt", "again.safetensors"]) == 0
    assert Path("again.safetensors").read_bytes() == Path("demo/motion.safetensors").read_bytes()
    assert cli.main(["export-model", "checkpoint.pt", "again.pt"]) == 2
    assert "end its name in .safetensors" in capsys.readouterr().err


def test_half_the_bits_are_the_nearest_ones_and_make_a_network_again(project, capsys):
    content = load_exported("demo/motion.safetensors")
    # numbers that 16 bits cannot hold: 1/3 of each
    whole = {name: tensor.float() / 3 if tensor.is_floating_point() else tensor for name, tensor in content["model"].items()}
    save_checkpoint("checkpoint.pt", {**content, "model": whole})
    assert cli.main(["export-model", "checkpoint.pt", "whole.safetensors"]) == 0
    assert cli.main(["export-model", "checkpoint.pt", "half.safetensors", "--half"]) == 0
    assert Path("half.safetensors").stat().st_size < 0.6 * Path("whole.safetensors").stat().st_size
    model = Trained.load("half.safetensors").model.state_dict()
    for name, tensor in whole.items():
        assert model[name].dtype == tensor.dtype
        np.testing.assert_array_equal(
            model[name].numpy(), tensor.numpy().astype(np.float16 if tensor.is_floating_point() else int)
        )
    whole[next(name for name in whole if name.endswith("running_var"))][0] = 1e6  # more than 16 bits hold
    save_checkpoint("checkpoint.pt", {**content, "model": whole})
    capsys.readouterr()
    assert cli.main(["export-model", "checkpoint.pt", "large.safetensors", "--half"]) == 2
    assert "running_var is too large for 16 bits" in capsys.readouterr().err and not Path("large.safetensors").exists()


@pytest.mark.slow
def test_the_whole_demonstration_decides_every_video_as_the_kept_scores_do(project, capsys):
    assert cli.main(["demo", "--out", "work/demo"]) == 0
    shown = capsys.readouterr().out
    for system in SYSTEMS:
        (path,) = Path("work/demo/results/demo/scores").rglob(f"{system}.npz")
        now, kept = Scores.load(path), Scores.load(f"demo/scores/{system}.npz")
        assert now.names == kept.names and np.allclose(now.scores, kept.scores, atol=1e-2)
    assert "| ST-ResNet " in shown and Path("work/demo/prediction.png").is_file()
    assert not (Path("data").exists() or Path("results").exists())
