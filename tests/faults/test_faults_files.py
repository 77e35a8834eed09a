"""Files with flipped bits, cut, zeroed or made up: each is read as what it was, or refused in a line; no code in one runs."""

import contextlib
import io
import os
import pickle
import random
import resource
import signal
import socket
import struct
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from repro import params
from repro.datasets.archives import open_archive
from repro.datasets.index import DatasetIndex
from repro.datasets.manifest import content_of
from repro.datasets.splits import read_splits
from repro.errors import ReproError
from repro.evaluation.foreign import Official, read_classes, read_scores
from repro.evaluation.scores import Scores
from repro.idt.arrays import write_arrays
from repro.idt.codebook import Codebook, Mixture
from repro.idt.features import Trajectories, load_features, read_text, save_features, write_text
from repro.idt.vectors import FORMAT as VECTORS
from repro.idt.vectors import load_vector
from repro.models.matconvnet import read_matconvnet
from repro.models.weights import TORCHVISION, load_weights, read_state_dict
from repro.profile.inputs import check_index
from repro.training.checkpoint import content_hash, load_checkpoint, load_partial, save_checkpoint
from repro.training.exported import load_exported
from repro.video.decode import probe
from repro.video.layout import import_video
from repro.video.store import ClipStore, StoreSettings, StoreWriter

CONTENT = {
    "model": {
        "weight": torch.arange(300.0).reshape(3, 100),
        "count": torch.tensor(7),
        "half": torch.ones(4, dtype=torch.bfloat16),
    },
    "meta": {"split": 1, "classes": ["a", "b"], "rate": 1e-3, "nothing": None, "on": True, "sizes": (1, 2)},
}
HEADER = {
    "dataset": "d",
    "split": 1,
    "system": "s",
    "protocol": "p",
    "seed": 0,
    "device": "c",
    "params_hash": "x",
    "code_version": "0",
}


def rng(seed):
    return np.random.default_rng(seed)


def checkpoint(path):
    save_checkpoint(path, CONTENT)


def container(path):
    with StoreWriter(path, StoreSettings(short_side=16), {"name": "a"}) as writer:
        for k in range(4):
            writer.rgb(rng(k).integers(0, 256, (16, 24, 3), np.uint8))
        for k in range(3):
            writer.flow(rng(k).integers(0, 256, (16, 24, 2), np.uint8))


def scores(path):
    Scores(("a", "b"), np.array([0, 1]), ("x", "y"), ("h",), rng(0).normal(size=(1, 2, 2)), HEADER).save(path)


def features(path):
    table = rng(0).random((5, 426)).astype(np.float32)
    save_features(path, Trajectories(40, 24, 32, np.arange(15, 20).astype(np.int32), table[:, :9], table))


def codebook(path):
    sizes = {"centre": (5,), "axes": (2, 5), "weights": (3,), "means": (3, 2), "variances": (3, 2)}
    Codebook(426, {"hog": Mixture(**{k: rng(1).random(size) for k, size in sizes.items()})}).save(path, dataset="d", split=1)


def vectors(path):
    header = {"format": VECTORS, "codebooks": {"split1": "a", "split2": "b"}, "source": "x/a.avi", "frames": 40}
    write_arrays(path, header, {name: rng(2).random(30).astype(np.float32) for name in header["codebooks"]})


def read_vector(path):
    """As for scores: one of the file's vectors, for which no more than that one is read."""
    return load_vector(path, "split2", "b", 30, source="x/a.avi", frames=40)


def whole_container(path):
    store = ClipStore(path)
    store.verify()
    return store.rgb(range(store.frames)), store.flow(range(store.fields)), store.meta


def read_container(path):
    """As for training, but that all of it is read."""
    store = check_index(path)
    return store.rgb(range(store.frames)), store.flow(range(store.fields)), store.settings, store.meta


def same(a, b):
    """Equal to the last bit, arrays and tensors within included."""
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and np.array_equal(a, b)
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if hasattr(a, "__dataclass_fields__"):
        return same(vars(a), vars(b))
    return a == b


KINDS = {
    "checkpoint": (checkpoint, load_checkpoint),
    "container": (container, whole_container),
    "container in use": (container, read_container),
    "scores": (scores, Scores.load),
    "features": (features, load_features),
    "codebook": (codebook, Codebook.load),
    "Fisher vectors": (vectors, read_vector),
}


def harm(data, random):
    copy = bytearray(data)
    kind = random.choice(("flip", "flip", "zero", "cut", "grow", "splice"))
    place = random.randrange(len(copy))
    if kind == "flip":
        copy[place] ^= 1 << random.randrange(8)
    elif kind == "zero":
        copy[place : place + 64] = bytes(len(copy[place : place + 64]))
    elif kind == "cut":
        del copy[place:]
    elif kind == "grow":
        copy[place:place] = bytes(random.randrange(1, 40))
    else:
        copy[place : place + 40] = copy[:40]
    return bytes(copy)


@pytest.mark.parametrize("kind", KINDS)
def test_a_harmed_file_is_refused_or_read_as_it_was(tmp_path, kind):
    write, read = KINDS[kind]
    path, dice = tmp_path / "file", random.Random(kind)
    write(path)
    good, data = read(path), path.read_bytes()
    write(path)
    assert path.read_bytes() == data, "equal content, equal bytes"
    refused = 0
    for _ in range(300):
        path.write_bytes(harm(data, dice))
        try:
            found = read(path)
        except ReproError as error:
            assert str(path) in str(error) and len(str(error).splitlines()) == 1
            refused += 1
        else:
            assert same(found, good), "believed, and not what was written"
    assert refused > 150


def test_a_checkpoint_says_when_a_single_bit_is_wrong(tmp_path):
    path = tmp_path / "checkpoint.pt"
    checkpoint(path)
    data = path.read_bytes()
    place = data.index(struct.pack("<f", 250.0))
    path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
    with pytest.raises(ReproError, match="damaged checkpoint: .*checkpoint.pt .checksum differs.; train it again"):
        load_checkpoint(path)
    torch.save(CONTENT, path)
    with pytest.raises(ReproError, match="a checkpoint without a checksum"):
        load_checkpoint(path)
    with pytest.raises(ReproError, match="no checkpoint: .*a folder.; name the file: "):
        load_checkpoint(tmp_path)


def test_partial_work_that_is_damaged_is_done_without(tmp_path, capsys):
    path = tmp_path / "checkpoint.pt"
    assert load_partial(path) is None and capsys.readouterr().out == ""
    checkpoint(path)
    assert same(load_partial(path), CONTENT)
    path.write_bytes(path.read_bytes()[:-900])
    assert load_partial(path) is None and not path.exists()
    assert "cannot read checkpoint" in (said := capsys.readouterr().out) and said.endswith("the run begins again\n")
    path.mkdir()
    assert load_partial(path) is None and not path.exists()


def test_a_disk_that_is_full_in_training_is_one_line_and_the_older_checkpoint_stays(tmp_path):
    path = tmp_path / "checkpoint.pt"
    checkpoint(path)
    data = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))  # a larger file cannot be written
    try:
        with pytest.raises(ReproError, match="cannot write: .*checkpoint.pt .*; make room and run again") as caught:
            save_checkpoint(path, {**CONTENT, "model": {"weight": torch.rand(100_000)}})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "\n" not in str(caught.value) and path.read_bytes() == data and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_neither_written_nor_read(tmp_path, monkeypatch, value):
    path, bad = tmp_path / "checkpoint.pt", {**CONTENT["model"], "weight": torch.tensor([1.0, value])}
    with pytest.raises(ReproError, match="not finite: .*checkpoint.pt .*1 tensors, the first weight"):
        save_checkpoint(path, {**CONTENT, "model": bad})
    assert not path.exists()
    torch.save({**CONTENT, "model": bad, "sha256": content_hash({**CONTENT, "model": bad})}, path)
    with pytest.raises(ReproError, match="not finite: .*checkpoint.pt .*first weight.; train it again"):
        load_checkpoint(path)


@pytest.mark.parametrize(
    "start, told",
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n", "a Git LFS pointer: run `git lfs pull`"),
        (b"\n<!DOCTYPE html>\n<html><body>Sign in</body></html>", "a web page: download the file itself"),
    ],
)
def test_what_came_in_place_of_a_checkpoint_is_named(tmp_path, start, told):
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(start)
    with pytest.raises(ReproError, match=f"cannot read checkpoint: .*{told}"):
        load_checkpoint(path)


def test_the_hash_sees_content_and_nothing_else():
    base = content_hash(CONTENT)
    strided = {**CONTENT, "model": {**CONTENT["model"], "weight": CONTENT["model"]["weight"].t().contiguous().t()}}
    assert content_hash(strided) == base
    for change in (
        {"meta": {**CONTENT["meta"], "split": 2}},
        {"meta": {**CONTENT["meta"], "split": True}},
        {"meta": {**CONTENT["meta"], "classes": ["ab"]}},
        {"model": {**CONTENT["model"], "weight": CONTENT["model"]["weight"].reshape(100, 3)}},
        {"model": {**CONTENT["model"], "weight": CONTENT["model"]["weight"].to(torch.float64)}},
    ):
        assert content_hash({**CONTENT, **change}) != base


class Canary:
    def __reduce__(self):
        return (_fire, ())


FIRED = []


def _fire():
    FIRED.append(1)


def pickled_checkpoint(path):
    """The pickle inside a checkpoint exchanged for another."""
    checkpoint(path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, pickle.dumps(Canary(), 2) if name.endswith("data.pkl") else data)


def pickled_npz(path):
    np.savez(
        path.with_suffix(".npz"), names=np.array([Canary()], object), scores=np.zeros((1, 1)), header=np.array([Canary()], object)
    )
    path.with_suffix(".npz").rename(path)


TAKERS = {  # what reads files that others may have made: name of the file, reader
    **{kind: ("file", read) for kind, (_, read) in KINDS.items()},
    "scores of others": ("scores.npz", lambda path: read_scores(path, HEADER)),
    "exported network": ("network.safetensors", load_exported),
    "state dict": ("net.pth", lambda path: read_state_dict(path, "caffe", TORCHVISION)),
    "bare tensors": ("net.safetensors", lambda path: read_state_dict(path, "caffe", TORCHVISION)),
    "imported weights": ("net.safetensors", lambda path: load_weights(path, ("caffe",))),
    "MATLAB": ("net.mat", read_matconvnet),
}


@pytest.mark.parametrize("make", [pickled_checkpoint, pickled_npz, lambda path: path.write_bytes(pickle.dumps(Canary()))])
@pytest.mark.parametrize("name, read", TAKERS.values(), ids=TAKERS)
def test_no_code_in_a_file_ever_runs(tmp_path, make, name, read):
    make(tmp_path / name)
    with pytest.raises((ReproError, ValueError)):  # the latter of weights, for `import-weights` to tell
        read(tmp_path / name)
    assert not FIRED
    canary = pickle.dumps(Canary())
    pickle.loads(canary)
    assert FIRED.pop() and not FIRED, "it sings where it is let"


def test_announced_sizes_are_not_believed(tmp_path):
    """An array of a petabyte in a file of a kilobyte: nothing is allocated for it."""
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "<f4", "fortran_order": False, "shape": (2**25, 2**25)})
    for name in ("scores", "names"):
        with zipfile.ZipFile(tmp_path / "big.npz", "w") as archive:
            archive.writestr(f"{name}.npy", head.getvalue() + bytes(64))
        for read in (Scores.load, load_features, lambda path: read_scores(path, HEADER)):
            with pytest.raises(ReproError, match="announces shape .33554432, 33554432. and has"):
                read(tmp_path / "big.npz")


@pytest.fixture
def in_seconds():
    """Fail where a test waits for a pipe's writer, who never comes."""

    def end(*_):
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


PIPES = {  # what reads a file that a user names, or that lies in a folder or stands in a list of a user's: its name, the reader
    "class index": ("classInd.txt", lambda path: read_splits(path.parent)),
    "list of a class": ("wave_test_split1.txt", lambda path: read_splits(path.parent)),
    "classes": ("classes.txt", read_classes),
    "manifest": ("wave.avi", content_of),
    "archive": ("UCF101.zip", lambda path: open_archive(path).__enter__()),
    "video": ("wave.avi", probe),
    "picture": ("frame000001.jpg", lambda path: import_video(path.parents[1], path.parents[1], "v", "x.zip", StoreSettings())),
    "container": ("wave.zip", ClipStore),
    "scores": ("scores.npz", Scores.load),
    "scores of others": ("scores.npz", lambda path: read_scores(path, HEADER)),
    "table of scores": ("scores.csv", lambda path: read_scores(path, HEADER)),
    "trajectories": ("wave.npz", load_features),
    "trajectory text": ("wave.txt", lambda path: read_text(path, frames=9, height=32, width=32)),
    "packed trajectory text": ("wave.txt.gz", lambda path: read_text(path, frames=9, height=32, width=32)),
    "params": ("params.yaml", params.load),
    "checkpoint": ("checkpoint.pt", load_checkpoint),
}


@pytest.mark.parametrize("kind", ["pipe", "socket"])
@pytest.mark.parametrize("name, read", PIPES.values(), ids=PIPES)
def test_a_pipe_where_a_file_belongs_is_told_and_not_waited_for(tmp_path, monkeypatch, in_seconds, name, read, kind):
    folder = tmp_path / "v"
    for place in (folder, tmp_path / "u" / "v", tmp_path / "v" / "v"):
        place.mkdir(parents=True)
    monkeypatch.chdir(folder)
    if kind == "pipe":
        os.mkfifo(name)
    else:
        socket.socket(socket.AF_UNIX).bind(name)
    with pytest.raises(ReproError, match="a pipe or a device"):
        read(folder / name)


LIKELY = ["1 a", "2 b", "a/x.avi 1", "b/y.avi", "x.avi 2", "a/../x.avi 1"]
LINES = st.lists(st.text(max_size=30) | st.sampled_from(LIKELY), max_size=6)
HMDB51 = ("a_test_split1.txt", "b_test_split1.txt", "c_test_split2.txt")
UCF101 = ("classInd.txt", "trainlist01.txt", "testlist01.txt")


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(LINES, LINES, LINES, st.booleans())
def test_split_lists_of_anything(tmp_path_factory, classes, train, test, hmdb):
    folder = tmp_path_factory.mktemp("lists")
    names = HMDB51 if hmdb else UCF101
    for name, lines in zip(names, (classes, train, test)):
        (folder / name).write_bytes("\n".join(lines).encode("utf-8", "surrogatepass"))
    try:
        lists = read_splits(folder)
    except ReproError as error:
        assert len(str(error).splitlines()) == 1
    else:
        assert all(entry.class_name in lists.classes for entries in lists.splits.values() for entry in entries)
    with contextlib.suppress(ReproError):
        assert all(isinstance(name, str) and name for name in read_classes(folder / names[0]))


OFFICIAL = Official(("x/a", "y/b"), np.array([0, 1]), ("x", "y"))
CELLS = st.lists(
    st.sampled_from(["name", "label", "x", "y", "a", "b", "x/a", "1", "0.5", "nan", "1e400", "", '"', "\0", "é"]), max_size=5
)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(CELLS, max_size=5), st.sampled_from(",;\t"), st.booleans())
def test_score_tables_of_anything(tmp_path_factory, rows, delimiter, checked):
    path = tmp_path_factory.mktemp("scores") / "f.csv"
    path.write_text("\n".join(delimiter.join(row) for row in rows), encoding="utf-8")
    try:
        found = read_scores(path, HEADER, OFFICIAL if checked else None)
    except ReproError as error:
        assert str(path) in str(error) or "in scores" in str(error) or "scores" in error.what
    else:
        assert np.isfinite(found.scores).all() and (not checked or found.names == OFFICIAL.names)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60), st.integers(0, 10**6), st.booleans())
def test_trajectory_text_of_anything(tmp_path_factory, junk, place, gz):
    path = tmp_path_factory.mktemp("text") / ("t.txt.gz" if gz else "t.txt")
    table = rng(0).random((3, 426)).astype(np.float32)
    write_text(path, Trajectories(40, 24, 32, np.array([15, 16, 17], np.int32), table[:, :9], table))
    data = bytearray(path.read_bytes())
    place %= len(data)
    data[place : place + len(junk)] = junk
    path.write_bytes(data)
    try:
        found = read_text(path, frames=40, height=24, width=32)
    except ReproError as error:
        assert str(path) in str(error)
    else:
        assert np.isfinite(found.descriptors).all() and ((found.end >= 0) & (found.end < 40)).all()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.randoms(use_true_random=False))
def test_an_index_of_anything(prepared, tmp_path_factory, dice):
    folder = tmp_path_factory.mktemp("index")
    for name in ("index.csv", "classes.txt", "SHA256SUMS"):
        (folder / name).write_bytes((prepared / "data/mine/index" / name).read_bytes())
    harmed = folder / dice.choice(("index.csv", "classes.txt", "SHA256SUMS"))
    harmed.write_bytes(harm(harmed.read_bytes(), dice))
    try:
        found = DatasetIndex.load(folder)
    except ReproError as error:
        assert str(folder) in str(error)
    else:
        assert found.table.equals(DatasetIndex.load(prepared / "data/mine/index").table)


def test_a_flipped_bit_in_a_picture_is_found_when_that_picture_is_read(tmp_path):
    path = tmp_path / "a.zip"
    container(path)
    store = ClipStore(path)
    data = bytearray(path.read_bytes())
    data[store._offsets[4 + 1] + store._sizes[4 + 1] // 2] ^= 4  # of the second field
    path.write_bytes(data)
    assert store.rgb(range(4)).shape == (4, 16, 24, 3) and store.flow([0, 2]).shape == (2, 16, 24, 2)
    with pytest.raises(ReproError, match="damaged container: .*a.zip .flow/000002.jpg is not as it was written"):
        store.flow([1])


@pytest.mark.slow
def test_a_long_video_is_one_container(tmp_path):
    """More pictures than a plain zip's directory counts: 22 minutes at 25 frames per second."""
    picture, field = np.zeros((2, 2, 3), np.uint8), np.full((2, 2, 2), 128, np.uint8)
    with StoreWriter(tmp_path / "long.zip", StoreSettings(short_side=2), {}) as writer:
        for k in range(33_000):
            writer.rgb(picture)
            if k:
                writer.flow(field)
    store = ClipStore(tmp_path / "long.zip")
    store.verify()
    assert (store.frames, store.fields) == (33_000, 32_999) and store.flow([32_998]).shape == (1, 2, 2, 2)
    with zipfile.ZipFile(tmp_path / "long.zip") as archive:
        assert len(archive.namelist()) == 66_000 and archive.testzip() is None


@pytest.mark.parametrize("shape, planes", [((33_000, 2), ("rgb", "flow")), ((2, 66_000), ("rgb",))])
def test_frames_larger_than_jpeg_are_told_before_any_flow_is_computed(tmp_path, shape, planes):
    with pytest.raises(ReproError, match="frames too large for a container: .*a.zip"):
        with StoreWriter(tmp_path / "a.zip", StoreSettings(short_side=2, planes=planes), {}) as writer:
            writer.rgb(np.zeros((*shape, 3), np.uint8))
    assert not (tmp_path / "a.zip").exists()
