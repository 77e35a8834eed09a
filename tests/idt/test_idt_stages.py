"""From difficult video files to a score file through the stages: systems as entries, and every kind of bad input."""

import contextlib
import csv
import os
import shutil

import av
import numpy as np
import pytest
import yaml
from test_idt_flow import texture
from test_idt_trajectories import panning, with_square

from repro import cli
from repro.evaluation.scores import Scores
from repro.idt.codebook import Codebook, fit_mixture
from repro.params import load
from repro.profile.run import Run
from repro.stages import idt_codebook, prepare

SPLIT = ("--dataset", "toy", "--split", "1")
CODEBOOK = {"gaussians": 2, "samples": 2000, "iterations": 3}
PARAMS = {
    "profile": "tiny",
    "run": {"datasets": ["toy"], "splits": [1], "seeds": [4]},
    "datasets": {"toy": {"title": "Toy", "layout": "ucf101"}},
    "idt": {
        "idt": {"features": {}, "codebook": CODEBOOK, "svm_c": 100.0},
        "plain": {"features": {"compensate": False}, "codebook": CODEBOOK, "svm_c": 100.0},
    },
    "engine": {"processes": 1},
}


def videos():
    """Class, group, frames (T, H, W) or (T, H, W, 3): odd, short, blank, grey, cut and small ones among sound ones."""
    wall, square = panning(20, height=64, width=80), with_square(panning(20, height=64, width=80), size=24)
    still = np.repeat(wall[:1], 20, axis=0)
    crossing, mirrored = with_square(still, size=24), with_square(still, size=24)[:, :, ::-1]
    cut = np.concatenate([crossing[:10], 255 - np.repeat(texture(64, 80, seed=9)[None], 12, axis=0)])
    colour = np.stack([crossing, mirrored, crossing], axis=-1)
    for group in (1, 2):
        yield "Right", group, crossing
        yield "Left", group, mirrored
    yield "Right", 3, square
    yield "Right", 4, crossing[:12]  # shorter than a trajectory
    yield "Right", 5, np.full((20, 64, 80), 90, np.uint8)  # no texture
    yield "Left", 3, cut
    yield "Left", 4, colour
    yield "Left", 5, mirrored[:, :48, :74]  # another size than all others


def write(path, frames):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.height, stream.width = frames.shape[1:3]
        kind = "gray" if frames.ndim == 3 else "rgb24"
        stream.pix_fmt = "gray" if frames.ndim == 3 else "bgr0"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format=kind)))
        container.mux(stream.encode(None))


@contextlib.contextmanager
def inside(folder):
    before = os.getcwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def repro(folder, *arguments):
    with inside(folder):
        return cli.main(list(arguments))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Difficult videos, groups 1, 3, 4 and 5 tested, 2 trained on; both systems run. Don't write into it."""
    folder = tmp_path_factory.mktemp("idt")
    raw = folder / "data" / "toy" / "raw"
    (raw / "splits").mkdir(parents=True)
    lists = {"train": [], "test": []}
    for label, group, frames in videos():
        name = f"{label}/v_{label}_g{group:02d}_c01.avi"
        (raw / "videos" / label).mkdir(parents=True, exist_ok=True)
        write(raw / "videos" / name, frames)
        lists["train" if group in (2, 3) else "test"].append(name)
    (raw / "splits" / "classInd.txt").write_text("1 Left\n2 Right\n")
    for subset, names in lists.items():
        lines = [f"{name} {1 + name.startswith('Right')}\n" if subset == "train" else f"{name}\n" for name in names]
        for split in (1, 2, 3):
            (raw / "splits" / f"{subset}list0{split}.txt").write_text("".join(lines))
    (folder / "params.yaml").write_text(yaml.safe_dump(PARAMS))
    with inside(folder):
        prepare.run(Run.of(load("params.yaml"), "toy"))
    for system in PARAMS["idt"]:
        assert repro(folder, "idt-features", "--dataset", "toy", "--system", system) == 0
        assert repro(folder, "idt-codebook", *SPLIT, "--system", system) == 0
        assert repro(folder, "idt-fisher", "--dataset", "toy", "--system", system) == 0
        assert repro(folder, "idt-scores", *SPLIT, "--system", system) == 0
    return folder


def scores_of(folder, system):
    return Scores.load(folder / "results" / "tiny" / "scores" / "toy" / "split1" / "seed4" / f"{system}.npz")


@pytest.mark.parametrize("system", ["idt", "plain"])
def test_difficult_videos_come_out_as_finite_scores(finished, system):
    scores = scores_of(finished, system)
    assert scores.scores.shape == (1, 6, 2) and np.isfinite(scores.scores).all()
    assert (scores.header["system"], scores.header["seed"]) == (system, 4)
    rows = dict(csv.reader((finished / "data" / "toy" / system / "counts.csv").open()))
    none = [name for name, count in rows.items() if count == "0"]
    assert none == ["Right/v_Right_g04_c01", "Right/v_Right_g05_c01"] and len(rows) == 11  # with its heading
    assert scores.header["without_trajectories"] == 2
    # a zero vector is judged by the machines' biases alone
    both = scores.scores[0, [scores.names.index(name) for name in none]]
    assert np.array_equal(both[0], both[1])


def test_a_system_without_compensation_is_an_entry_not_a_path(finished):
    counts = {system: dict(csv.reader((finished / "data" / "toy" / system / "counts.csv").open())) for system in PARAMS["idt"]}
    panned = "Right/v_Right_g03_c01"
    assert int(counts["plain"][panned]) > 1.3 * int(counts["idt"][panned])  # the wall that the camera moves
    assert scores_of(finished, "idt").header["params_hash"] != scores_of(finished, "plain").header["params_hash"]


def test_what_is_wrong_is_one_line(finished, tmp_path, capfd):
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)

    def refused(*command, **changes):
        mapping = yaml.safe_load((finished / "params.yaml").read_text())
        mapping["idt"]["idt"] |= changes
        (folder / "params.yaml").write_text(yaml.safe_dump(mapping))
        capfd.readouterr()
        assert repro(folder, *command) == 2
        lines = [line for line in capfd.readouterr().err.splitlines() if line.startswith("repro ")]
        assert len(lines) == 1
        return lines[0]

    scores, idt = ("idt-scores", *SPLIT, "--system"), ("--system", "idt")
    for command in ("idt-features", "idt-codebook", "idt-scores"):
        place = ("--split", "1") if command != "idt-features" else ()
        assert "did you mean `toy`" in refused(command, "--dataset", "toys", *place, *idt)
        assert "did you mean `plain`" in refused(command, "--dataset", "toy", *place, "--system", "plane")
    assert "has 2 Gaussians, the settings ask for 3" in refused(*scores, "idt", codebook={**CODEBOOK, "gaussians": 3})
    assert "svm_c must be above 0" in refused(*scores, "idt", svm_c=0.0)
    assert "detector" in refused("idt-features", "--dataset", "toy", *idt, features={"detector": "surf"})
    assert "did you mean `compensate`" in refused("idt-features", "--dataset", "toy", *idt, features={"compensated": False})
    assert "too few descriptors" in refused("idt-codebook", *SPLIT, *idt, codebook={**CODEBOOK, "samples": 1})
    assert "no split 4" in refused("idt-codebook", "--dataset", "toy", "--split", "4", *idt)

    codebook = folder / "models" / "tiny" / "toy" / "split1" / "seed4" / "idt" / "codebook.npz"
    found = Codebook.load(codebook)
    found.mixtures["hof"].means[0, 0] = np.nan
    origin = {"dataset": "toy", "split": 1, "seed": 4, "system": "idt"}
    found.save(codebook, **origin)
    assert "not finite" in refused(*scores, "idt")
    found.save(codebook, **{**origin, "split": 2})  # its training videos are tested here
    assert "a codebook of another split" in (line := refused(*scores, "idt")) and "it says 2, this run is 1" in line
    codebook.unlink()
    assert "codebook.npz" in refused(*scores, "idt")
    (folder / "data" / "toy" / "plain" / "Left" / "v_Left_g01_c01.npz").write_bytes(b"")
    assert "v_Left_g01_c01.npz" in refused(*scores, "plain")


def test_a_name_that_would_overwrite_data_is_refused(finished, tmp_path, capfd):
    shutil.copytree(finished, tmp_path / "run")
    mapping = {**PARAMS, "idt": {"index": PARAMS["idt"]["idt"]}}
    (tmp_path / "run" / "params.yaml").write_text(yaml.safe_dump(mapping))
    assert repro(tmp_path / "run", "idt-features", "--dataset", "toy", "--system", "index") == 2
    assert "cannot be called `index`" in capfd.readouterr().err
    assert (tmp_path / "run" / "data" / "toy" / "index" / "index.csv").is_file()


def test_a_stopped_codebook_goes_on_at_the_next_type(finished, tmp_path, monkeypatch):
    shutil.copytree(finished, tmp_path / "run")
    codebook = tmp_path / "run" / "models" / "tiny" / "toy" / "split1" / "seed4" / "idt" / "codebook.npz"
    straight = codebook.read_bytes()
    codebook.unlink()
    fitted = []

    def stopped(descriptors, name, *others):
        if len(fitted) == 2:
            raise KeyboardInterrupt
        fitted.append(name)
        return fit_mixture(descriptors, name, *others)

    monkeypatch.setattr(idt_codebook, "fit_mixture", stopped)
    assert repro(tmp_path / "run", "idt-codebook", *SPLIT, "--system", "idt") == 130
    assert not codebook.exists() and fitted == ["trajectory", "hog"]

    def counted(descriptors, name, *others):
        fitted.append(name)
        return fit_mixture(descriptors, name, *others)

    monkeypatch.setattr(idt_codebook, "fit_mixture", counted)
    assert repro(tmp_path / "run", "idt-codebook", *SPLIT, "--system", "idt") == 0
    assert fitted == ["trajectory", "hog", "hof", "mbhx", "mbhy"] and codebook.read_bytes() == straight
    assert not list((tmp_path / "run" / "work").iterdir())
