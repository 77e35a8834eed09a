"""The score file: what is written is read back, equal content gives equal bytes, and nothing broken gets
in."""

import io
import json
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repro.errors import ReproError
from repro.evaluation.scores import Scores

HEADER = {
    "dataset": "toy",
    "split": 1,
    "system": "s",
    "protocol": "p",
    "seed": 0,
    "device": "cpu",
    "params_hash": "x",
    "code_version": "0",
}


def make(**changes):
    fields = {
        "names": ("a/1", "b/2", "b/#[3]"),
        "labels": np.array([0, 1, 1]),
        "classes": ("a", "b"),
        "heads": ("appearance", "motion"),
        "scores": np.arange(12, dtype=np.float32).reshape(2, 3, 2),
        "header": dict(HEADER),
    }
    return Scores(**{**fields, **changes})


def test_read_back_as_written(tmp_path):
    path = tmp_path / "deep" / "s.npz"
    written = make(header={**HEADER, "extra": {"weights": [1, 1.5]}})
    written.save(path)
    read = Scores.load(path)
    assert (read.names, read.classes, read.heads, read.header) == (
        written.names,
        written.classes,
        written.heads,
        written.header,
    )
    assert np.array_equal(read.labels, written.labels) and np.array_equal(read.scores, written.scores)
    assert read.scores.dtype == np.float32 and read.labels.dtype == np.int64


def test_equal_content_gives_equal_bytes(tmp_path, monkeypatch):
    make(header=dict(reversed(HEADER.items()))).save(tmp_path / "one.npz")
    monkeypatch.setattr("time.time", lambda: 2e9)
    make().save(tmp_path / "two.npz")
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.npz") as archive:
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=12),
        min_size=1,
        max_size=6,
        unique=True,
    )
)
def test_any_names_survive_the_file(tmp_path_factory, names):
    path = tmp_path_factory.mktemp("names") / "s.npz"
    make(names=names, labels=np.zeros(len(names), int), scores=np.zeros((2, len(names), 2))).save(path)
    assert Scores.load(path).names == tuple(names)


def test_mean_over_heads_by_hand():
    assert np.array_equal(make().mean(), [[3, 4], [5, 6], [7, 8]])


def test_arrays_are_read_only_and_apart_from_what_was_given():
    given_scores = np.zeros((2, 3, 2), np.float32)
    scores = make(scores=given_scores)
    given_scores[:] = 7
    assert scores.scores.max() == 0
    with pytest.raises(ValueError):
        scores.scores[0, 0, 0] = 1


@pytest.mark.parametrize(
    "changes, told",
    [
        ({"names": ("a/1", "b/2", "a/1")}, "duplicated names.*a/1"),
        ({"names": (), "labels": np.zeros(0, int), "scores": np.zeros((2, 0, 2))}, "without names"),
        ({"classes": ("a", "a")}, "duplicated classes"),
        ({"heads": ("x", "x")}, "duplicated heads"),
        ({"labels": np.array([0, 1])}, "labels of the wrong shape"),
        ({"labels": np.array([0.0, 1.0, 1.0])}, "labels of the wrong shape or type"),
        ({"labels": np.array([0, 1, 2])}, "label outside the classes.*2 for"),
        ({"labels": np.array([0, -1, 1])}, "label outside the classes"),
        ({"scores": np.zeros((3, 2))}, r"wrong shape.*\(2, 3, 2\).*\(3, 2\)"),
        ({"scores": np.full((2, 3, 2), np.nan)}, "NaN or infinite.*12 of them.*appearance.*a/1"),
        ({"scores": np.full((2, 3, 2), 1e300)}, "NaN or infinite"),
        ({"header": {"dataset": "toy"}}, "incomplete header.*split"),
        ({"header": {**HEADER, "x": float("nan")}}, "JSON cannot hold"),
        ({"header": "text"}, "must be a mapping"),
    ],
)
def test_broken_scores_are_refused(changes, told):
    with pytest.raises(ReproError, match=told):
        make(**changes)


def members(tmp_path):
    make().save(tmp_path / "good.npz")
    with zipfile.ZipFile(tmp_path / "good.npz") as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rewritten(path, content):
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return path


def npy(array, **options):
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


def test_a_pickle_is_never_loaded(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (_explode, ())

    content = {
        **members(tmp_path),
        "names.npy": npy(np.array([Bomb(), Bomb(), Bomb()], dtype=object), allow_pickle=True),
    }
    with pytest.raises(ReproError, match="pickled objects"):
        Scores.load(rewritten(tmp_path / "bad.npz", content))
    np.array([Bomb()], dtype=object).dump(tmp_path / "bare.npz")
    with pytest.raises(ReproError, match="pickled objects"):
        Scores.load(tmp_path / "bare.npz")


def _explode():
    raise AssertionError("the pickle was executed")


@pytest.mark.parametrize(
    "change, told",
    [
        (lambda m: m.pop("labels.npy"), "not a score file.*labels"),
        (lambda m: m.update({"scores.npy": npy(np.full((2, 3, 2), np.inf))}), "NaN or infinite"),
        (lambda m: m.update({"header.npy": npy(np.array("{broken"))}), "broken header"),
        (lambda m: m.update({"header.npy": npy(np.array(json.dumps([1])))}), "must be a mapping"),
        (lambda m: m.update({"scores.npy": m["scores.npy"][:-5]}), "not a readable npz"),
        (lambda m: m.update({"surprise.npy": npy(np.zeros(1))}), "unknown `surprise`"),
    ],
)
def test_broken_files_are_refused_with_their_path(tmp_path, change, told):
    content = members(tmp_path)
    change(content)
    with pytest.raises(ReproError, match=told) as caught:
        Scores.load(rewritten(tmp_path / "bad.npz", content))
    assert "bad.npz" in str(caught.value)


def test_missing_truncated_and_foreign_files(tmp_path):
    with pytest.raises(ReproError, match="no score file"):
        Scores.load(tmp_path / "absent.npz")
    make().save(tmp_path / "good.npz")
    (tmp_path / "cut.npz").write_bytes((tmp_path / "good.npz").read_bytes()[:200])
    (tmp_path / "empty.npz").write_bytes(b"")
    np.save(tmp_path / "array.npy", np.zeros(3))
    for name in ("cut.npz", "empty.npz", "array.npy"):
        with pytest.raises(ReproError, match="not a readable npz"):
            Scores.load(tmp_path / name)


def test_nothing_is_left_behind_when_writing_fails(tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("zipfile.ZipFile.writestr", fail)
    with pytest.raises(ReproError, match="No space left"):
        make().save(tmp_path / "s.npz")
    assert list(tmp_path.iterdir()) == []
