"""From difficult video files to a score file through the stages: systems as entries, and every kind of bad input."""

import contextlib
import csv
import dataclasses
import json
import os
import shutil
import subprocess
import sys
import time
import warnings

import av
import numpy as np
import pytest
import yaml
from test_idt_files import made
from test_idt_flow import texture
from test_idt_trajectories import panning, with_square

from repro import cli
from repro.datasets.index import DatasetIndex
from repro.errors import ReproError
from repro.evaluation.scores import Scores
from repro.idt import vectors
from repro.idt.arrays import read_arrays, write_arrays
from repro.idt.codebook import Codebook, Mixture, fit_mixture
from repro.idt.features import NoTrajectories, load_features, save_features
from repro.idt.fisher import encode
from repro.idt.settings import descriptor_layout
from repro.idt.svm import decision_function, train_svm
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
        "sampled": {"features": {"keep": "sample"}, "codebook": CODEBOOK, "svm_c": 100.0},
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


@pytest.mark.parametrize("system", ["idt", "plain", "sampled"])
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

    scores, idt, fisher = ("idt-scores", *SPLIT, "--system"), ("--system", "idt"), ("idt-fisher", "--dataset", "toy", "--system")
    for command in ("idt-features", "idt-codebook", "idt-fisher", "idt-scores"):
        place = ("--split", "1") if command in ("idt-codebook", "idt-scores") else ()
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
    assert "Fisher vectors of another codebook" in (line := refused(*scores, "idt")) and "idt-fisher" in line
    assert repro(folder, *fisher, "idt") == 0
    assert "not finite" in refused(*scores, "idt")
    found.save(codebook, **{**origin, "split": 2})  # its training videos are tested here
    assert "a codebook of another split" in refused(*fisher, "idt")
    assert "a codebook of another split" in (line := refused(*scores, "idt")) and "it says 2, this run is 1" in line
    codebook.unlink()
    assert "codebook.npz" in refused(*scores, "idt")
    assert "idt-codebook --dataset toy --split 1 --seed 4" in refused(*fisher, "idt")
    (folder / "data" / "toy" / "plain" / "Left" / "v_Left_g01_c01.npz").write_bytes(b"")
    assert "v_Left_g01_c01.npz" in refused(*fisher, "plain")
    shutil.rmtree(folder / "data" / "toy" / "plain")
    shutil.copytree(folder / "data" / "toy" / "sampled", folder / "data" / "toy" / "plain")
    assert "a file made with other settings" in (line := refused(*fisher, "plain")) and "idt-features" in line


@pytest.mark.parametrize("system", ["idt", "sampled"])
def test_files_of_another_video_are_refused(finished, tmp_path, capfd, system):
    """Of two videos of equal length one's trajectories, then its Fisher vectors, in place of the other's."""
    folder, left, right = shutil.copytree(finished, tmp_path / "run"), "Left/v_Left_g02_c01", "Right/v_Right_g02_c01"
    readers = [("idt-codebook", *SPLIT), ("idt-fisher", "--dataset", "toy")]
    if system == "sampled":
        del readers[1]  # whose vectors come from the videos
    for place, commands in (("data/toy", readers), ("models/tiny/toy/fisher", [("idt-scores", *SPLIT)])):
        mine, other = (folder / place / system / f"{name}.npz" for name in (left, right))
        kept = mine.read_bytes()
        shutil.copy(other, mine)
        for command in commands:
            capfd.readouterr()
            assert repro(folder, *command, "--system", system) == 2
            line = capfd.readouterr().err.splitlines()[-1]
            assert f"a file made of another video: {mine.relative_to(folder)}" in line
            assert f"made of {right}.avi, 20 frames; the index says {left}.avi, 20 frames" in line
        mine.write_bytes(kept)


@pytest.mark.parametrize("place", ["data/toy", "models/tiny/toy/fisher"])
def test_files_of_another_system_are_refused(finished, tmp_path, capfd, place):
    """The same videos' trajectories, or Fisher vectors, made with other settings, under the system's name."""
    folder = shutil.copytree(finished, tmp_path / "run")
    shutil.rmtree(folder / place / "idt")
    shutil.copytree(folder / place / "plain", folder / place / "idt")
    readers = [("idt-codebook", *SPLIT), ("idt-fisher", "--dataset", "toy")]
    for command in readers if place == "data/toy" else [("idt-scores", *SPLIT)]:
        assert repro(folder, *command, "--system", "idt") == 2
        line = capfd.readouterr().err.splitlines()[-1]
        assert f"a file made with other settings: {place}/idt/" in line and "its settings are not those of the params" in line


def test_trajectories_of_another_length_are_refused(finished, tmp_path, capfd):
    """A file that does not name its video, such as one made from a text, still says how long it is."""
    folder = shutil.copytree(finished, tmp_path / "run")
    path = folder / "data/toy/idt/Left/v_Left_g02_c01.npz"
    found = load_features(path)
    save_features(path, found)
    assert repro(folder, "idt-codebook", *SPLIT, "--system", "idt") == 0
    save_features(path, dataclasses.replace(found, frames=21))
    assert repro(folder, "idt-codebook", *SPLIT, "--system", "idt") == 2
    assert "21 frames; the index says Left/v_Left_g02_c01.avi, 20 frames" in capfd.readouterr().err


def test_trajectories_of_others_are_not_mixed_with_a_sample(finished, tmp_path, capfd):
    """Where a sample alone is stored, the Fisher vectors are of trajectories that are extracted here again."""
    folder = shutil.copytree(finished, tmp_path / "run")
    name = "Left/v_Left_g02_c01.npz"
    save_features(folder / "data/toy/sampled" / name, load_features(folder / "data/toy/idt" / name))
    assert repro(folder, "idt-codebook", *SPLIT, "--system", "sampled") == 2
    line = capfd.readouterr().err.splitlines()[-1]
    assert f"a file of others' trajectories: data/toy/sampled/{name}" in line and "keep: all" in line


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


# the Fisher vectors

FISHER = ("idt-fisher", "--dataset", "toy", "--system")


def vectors_of(folder, system="idt"):
    top = folder / "models" / "tiny" / "toy" / "fisher" / system
    return {path.relative_to(top).as_posix()[:-4]: path for path in sorted(top.rglob("*.npz"))}


def serial(folder, system="idt"):
    """Fisher vectors of the trajectory files, one after another in this process."""
    codebook = Codebook.load(folder / "models" / "tiny" / "toy" / "split1" / "seed4" / system / "codebook.npz")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoTrajectories)
        return {name: encode(folder / "data" / "toy" / system / f"{name}.npz", codebook) for name in vectors_of(folder, system)}


def stored(folder, system="idt"):
    return {name: np.load(path)["split1-seed4"] for name, path in vectors_of(folder, system).items()}


def assert_equal(found, expected):
    assert found.keys() == expected.keys() and len(found) == 10
    for name, vector in expected.items():
        assert found[name].tobytes() == vector.tobytes(), name


@pytest.mark.parametrize("system", ["idt", "plain"])
def test_scores_are_those_of_fisher_vectors_made_one_by_one(finished, system):
    found = serial(finished, system)
    assert_equal(stored(finished, system), found)
    index = DatasetIndex.load(finished / "data" / "toy" / "index")
    train, test = index.subset(1, "train"), index.subset(1, "test")
    machine = train_svm(np.stack([found[name] for name in train["video"]]), train["label"].to_numpy(), 2, 100.0)
    expected = decision_function(machine, np.stack([found[name] for name in test["video"]]))
    assert np.array_equal(scores_of(finished, system).scores[0], expected)


def test_under_one_codebook_vectors_and_scores_do_not_depend_on_what_is_kept(finished, tmp_path):
    shutil.copytree(finished, tmp_path / "run")
    models = tmp_path / "run" / "models" / "tiny" / "toy" / "split1" / "seed4"
    found = Codebook.load(models / "idt" / "codebook.npz")
    found.save(models / "sampled" / "codebook.npz", dataset="toy", split=1, seed=4, system="sampled")
    assert repro(tmp_path / "run", *FISHER, "sampled") == 0
    assert repro(tmp_path / "run", "idt-scores", *SPLIT, "--system", "sampled") == 0
    assert_equal(stored(tmp_path / "run", "sampled"), serial(finished))
    assert np.array_equal(scores_of(tmp_path / "run", "sampled").scores, scores_of(finished, "idt").scores)


def test_a_codebook_of_samples_gives_scores_close_to_one_of_all(finished):
    sizes = {
        system: sum(path.stat().st_size for path in (finished / "data" / "toy" / system).rglob("*.npz"))
        for system in PARAMS["idt"]
    }
    assert sizes["sampled"] < sizes["idt"]
    sampled, whole = scores_of(finished, "sampled"), scores_of(finished, "idt")
    np.testing.assert_allclose(sampled.scores, whole.scores, atol=0.05)  # 256 of the 257 descriptors of one video
    assert np.array_equal(sampled.scores[0].argmax(1), whole.scores[0].argmax(1)) and np.abs(whole.scores).max() > 0.5


@pytest.fixture
def long_job(finished, tmp_path):
    """A copy whose Fisher vectors take a while: 8,000 trajectories a video, 64 Gaussians."""
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    rng, sizes = np.random.default_rng(0), {name: part.stop - part.start for name, part in descriptor_layout().items()}
    mixtures = {
        name: Mixture(
            np.full(size, 0.5),
            np.linalg.qr(rng.normal(size=(size, size // 2)))[0].T,
            np.full(64, 1 / 64),
            rng.normal(size=(64, size // 2)),
            rng.random((64, size // 2)) + 0.5,
        )
        for name, size in sizes.items()
    }
    codebook = folder / "models" / "tiny" / "toy" / "split1" / "seed4" / "idt" / "codebook.npz"
    Codebook(426, mixtures).save(codebook, dataset="toy", split=1, seed=4, system="idt")
    for number, path in enumerate(sorted((folder / "data" / "toy" / "idt").rglob("*.npz"))):
        save_features(path, dataclasses.replace(made(8000, seed=number), frames=load_features(path).frames))
    mapping = yaml.safe_load((folder / "params.yaml").read_text())
    mapping["idt"]["idt"]["codebook"] = {**CODEBOOK, "gaussians": 64}
    mapping["engine"]["processes"] = 2
    (folder / "params.yaml").write_text(yaml.safe_dump(mapping))
    return folder


def recorded(folder):
    """Files that the job remembers as made; one that it was killed over, before it could, is made again."""
    journal = next(iter(folder.glob("work/idt-fisher-idt-*/idt.jsonl")), None)
    lines = journal.read_bytes().splitlines(keepends=True) if journal else []
    return sorted(journal.parent / "idt" / f"{json.loads(line)[0]}.npz" for line in lines if line.endswith(b"\n"))


def test_a_killed_job_goes_on_at_the_next_video_and_ends_in_the_serial_vectors(long_job):
    before = {name: path.read_bytes() for name, path in vectors_of(long_job).items()}
    job = subprocess.Popen([sys.executable, "-m", "repro", *FISHER, "idt"], cwd=long_job)
    while len(recorded(long_job)) < 2:
        assert job.poll() is None
        time.sleep(0.01)
    job.kill(), job.wait()
    made = recorded(long_job)
    assert 2 <= len(made) < 10
    assert {name: path.read_bytes() for name, path in vectors_of(long_job).items()} == before, "the older ones stay"
    os.truncate(made[0], made[0].stat().st_size // 2)
    kept = {f"{path.parent.name}/{path.stem}": path.stat().st_mtime_ns for path in made[1:]}
    assert repro(long_job, *FISHER, "idt") == 0
    assert {name: path.stat().st_mtime_ns for name, path in vectors_of(long_job).items() if name in kept} == kept, "made again"
    assert_equal(stored(long_job), serial(long_job))
    assert not list((long_job / "work").iterdir())


def test_vectors_made_on_a_cluster_are_the_serial_ones(long_job):
    pytest.importorskip("distributed")
    mapping = yaml.safe_load((long_job / "params.yaml").read_text())
    mapping["engine"]["cluster"] = "local"
    (long_job / "params.yaml").write_text(yaml.safe_dump(mapping))
    assert repro(long_job, *FISHER, "idt") == 0
    assert_equal(stored(long_job), serial(long_job))


@pytest.mark.parametrize("damage", ["cut", "flipped", "foreign", "of no split", "short"])
def test_damaged_vectors_are_named_and_refused(finished, tmp_path, capfd, damage):
    shutil.copytree(finished, tmp_path / "run")
    path = vectors_of(tmp_path / "run")["Left/v_Left_g02_c01"]
    whole = bytearray(path.read_bytes())
    header, arrays = read_arrays(path, vectors.FORMAT)
    if damage == "cut":
        path.write_bytes(whole[: len(whole) // 2])
    elif damage == "flipped":
        whole[len(whole) // 2] ^= 1
        path.write_bytes(whole)
    elif damage == "foreign":
        shutil.copy(tmp_path / "run" / "data" / "toy" / "idt" / "Left" / "v_Left_g02_c01.npz", path)
    elif damage == "of no split":
        write_arrays(path, header, {})
    else:
        write_arrays(path, header, {"split1-seed4": arrays["split1-seed4"][:-1]})
    assert repro(tmp_path / "run", "idt-scores", *SPLIT, "--system", "idt") == 2
    assert str(path.relative_to(tmp_path / "run")) in capfd.readouterr().err.splitlines()[-1]
    with pytest.raises(ReproError):
        vectors.load_vector(path, "split1-seed4", header["codebooks"]["split1-seed4"], len(arrays["split1-seed4"]))
