"""The compact array file and the release's text."""

import gzip

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_idt_trajectories import panning

from repro.errors import ReproError
from repro.idt.arrays import read_arrays, write_arrays
from repro.idt.extract import Video, descriptors_of, extract_features
from repro.idt.features import (
    FORMAT,
    NoTrajectories,
    Trajectories,
    count_features,
    load_descriptors,
    load_features,
    read_text,
    save_features,
    save_sample,
    write_text,
)
from repro.idt.settings import IdtSettings
from repro.idt.trajectories import extract_trajectories


def made(count, columns=426, seed=0):
    rng = np.random.default_rng(seed)
    geometry = rng.random((count, 9)).astype(np.float32) * [320, 240, 9, 9, 60, 6, 0.9, 0.9, 0.9]
    return Trajectories(
        40,
        240,
        320,
        np.sort(rng.integers(15, 40, count)).astype(np.int32),
        geometry.astype(np.float32),
        rng.random((count, columns)).astype(np.float32),
    )


def assert_same(a, b, atol=0.0):
    assert (a.frames, a.height, a.width, len(a)) == (b.frames, b.height, b.width, len(b))
    np.testing.assert_array_equal(a.end, b.end)
    np.testing.assert_allclose(a.geometry, b.geometry, atol=atol)
    np.testing.assert_allclose(a.descriptors, b.descriptors, atol=atol)


@given(st.integers(0, 30), st.sampled_from([15, 9]), st.integers(0, 99))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_array_and_text_files_give_back_what_was_written(tmp_path, count, steps, seed):
    found = made(count, 396 + 2 * steps, seed)
    save_features(tmp_path / "a.npz", found, "float32")
    assert_same(load_features(tmp_path / "a.npz"), found)
    assert count_features(tmp_path / "a.npz") == (count, 396 + 2 * steps)
    for name in ("a.txt", "a.txt.gz"):
        write_text(tmp_path / name, found)
        if count:
            assert_same(read_text(tmp_path / name, frames=40, height=240, width=320), found, atol=1e-6)


def test_half_precision_is_close_and_half_as_large(tmp_path):
    found = made(200)
    for precision in ("float16", "float32"):
        save_features(tmp_path / precision, found, precision)
    half = load_features(tmp_path / "float16")
    assert half.descriptors.dtype == np.float16
    np.testing.assert_allclose(half.descriptors, found.descriptors, rtol=5e-4, atol=1e-6)
    np.testing.assert_array_equal(half.geometry, found.geometry)
    assert (tmp_path / "float16").stat().st_size < 0.55 * (tmp_path / "float32").stat().st_size


def test_bytes_depend_on_the_content_alone(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        save_features(tmp_path / folder / "v.npz", made(5))
        write_text(tmp_path / folder / "v.gz", made(5))
    for name in ("v.npz", "v.gz"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_the_authors_own_lines(shared_data, tmp_path):
    path = shared_data / "idt-anchor" / "person01_boxing_d1_uncomp.authors.idt.gz"
    found = read_text(path, frames=360, height=120, width=160)
    assert len(found) == 2001 and found.descriptors.shape == (2001, 426)
    assert found.end[0] == 15 and found.geometry[0].tolist() == pytest.approx(
        [61.100849, 29.099087, 4.769538, 2.993338, 38.848591, 1.0, 0.381880, 0.242492, 0.020833]
    )
    first = Trajectories(360, 120, 160, found.end[:200], found.geometry[:200], found.descriptors[:200])
    write_text(tmp_path / "again.txt", first)
    with gzip.open(path, "rt") as file:
        expected = [file.readline() for _ in range(200)]
    written = (tmp_path / "again.txt").read_text().splitlines(keepends=True)
    assert len(written) == 200 and {line.count("\t") for line in written} == {436}
    assert written[0].split()[:10] == expected[0].split()[:10] and written[0].endswith("\t\n")
    np.testing.assert_allclose(
        [list(map(float, line.split())) for line in written], [list(map(float, line.split())) for line in expected], atol=1e-5
    )


def test_files_that_are_no_trajectories(tmp_path):
    with pytest.raises(ReproError, match="no such file"):
        load_features(tmp_path / "none.npz")
    (tmp_path / "text.npz").write_text("not an archive")
    with pytest.raises(ReproError, match="not a readable array file"):
        load_features(tmp_path / "text.npz")
    np.savez(tmp_path / "pickled.npz", header=np.array([{"a": 1}], object))
    with pytest.raises(ReproError, match="not a readable array file"):
        load_features(tmp_path / "pickled.npz")
    np.savez(tmp_path / "foreign.npz", scores=np.zeros(3))
    with pytest.raises(ReproError, match="not a readable array file"):
        load_features(tmp_path / "foreign.npz")
    write_arrays(tmp_path / "other.npz", {"format": "other"}, {})
    with pytest.raises(ReproError, match="another kind.*'other'"):
        load_features(tmp_path / "other.npz")
    save_features(tmp_path / "cut.npz", made(50))
    whole = (tmp_path / "cut.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ReproError, match="not a readable array file"):
        load_features(tmp_path / "cut.npz")
    header = {"format": FORMAT, "frames": 3, "height": 9, "width": 9, "trajectories": 2, "columns": 426}
    write_arrays(
        tmp_path / "odd.npz",
        header,
        {"end": np.zeros(1, np.int32), "geometry": np.zeros((1, 9)), "descriptors": np.zeros((1, 426))},
    )
    with pytest.raises(ReproError, match="array shapes"):
        load_features(tmp_path / "odd.npz")
    write_arrays(tmp_path / "less.npz", header, {"end": np.zeros(2, np.int32)})
    with pytest.raises(ReproError, match="no 'geometry'"):
        load_features(tmp_path / "less.npz")


def test_text_that_is_no_trajectories(tmp_path):
    size = {"frames": 40, "height": 240, "width": 320}
    path = tmp_path / "t.txt"
    with pytest.raises(ReproError, match="no such trajectory file"):
        read_text(path, **size)
    for text, why in {
        "15 a b\n": "could not convert",
        "1 2 3\n1 2\n": r"lines of \[2, 3\]",
        "1 2 3 4 5 6 7 8 9 10 11 12\n": "2 columns, expected 426",
    }.items():
        path.write_text(text)
        with pytest.raises(ReproError, match=why):
            read_text(path, **size)
    path.write_text("\n")
    assert len(read_text(path, **size)) == 0
    path.write_text("")
    with pytest.raises(ReproError, match="not a text file.*it is empty"):
        read_text(path, **size)
    fine = made(3)
    write_text(path, fine)
    line = path.read_text().splitlines()[1]
    for cell, value, why in (
        (0, "40", "another video.*to 40, the video has 40"),
        (0, "1.5", "another video"),
        (9, "nan", "no number"),
    ):
        cells = line.split()
        path.write_text("\t".join([*cells[:cell], value, *cells[cell + 1 :]]) + "\n")
        with pytest.raises(ReproError, match=why):
            read_text(path, **size)
    (tmp_path / "t.gz").write_bytes(b"no gzip")
    with pytest.raises(ReproError, match="not a text file"):
        read_text(tmp_path / "t.gz", **size)


def write_video(path, video):
    """Lossless: what is decoded is what was written."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.height, stream.width = video.shape[1:]
        stream.pix_fmt = "gray"
        for frame in video:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="gray")))
        container.mux(stream.encode(None))


def test_from_a_video_file_to_an_array_file(tmp_path):
    video = panning(18)
    write_video(tmp_path / "v.mkv", video)
    plain = IdtSettings(compensate=False, precision="float32")
    count = extract_features(tmp_path / "v.mkv", tmp_path / "out" / "v.npz", plain)
    found = load_features(tmp_path / "out" / "v.npz")
    assert count == len(found) > 100
    assert_same(found, extract_trajectories(video, plain))
    assert found.paths is None and found.steps is None


def test_a_video_without_trajectories_warns_and_leaves_an_empty_file(tmp_path):
    write_video(tmp_path / "v.mkv", panning(9))
    with pytest.warns(NoTrajectories, match="no trajectories in .*v.mkv"):
        assert extract_features(tmp_path / "v.mkv", tmp_path / "v.npz", IdtSettings()) == 0
    assert len(load_features(tmp_path / "v.npz")) == 0
    assert load_features(tmp_path / "v.npz").descriptors.shape == (0, 426)


def test_nothing_is_left_of_a_failed_extraction(tmp_path):
    (tmp_path / "v.avi").write_bytes(b"no video")
    with pytest.raises(ReproError):
        extract_features(tmp_path / "v.avi", tmp_path / "out" / "v.npz", IdtSettings())
    assert not (tmp_path / "out" / "v.npz").exists()


def test_a_video_smaller_than_the_patch_has_none(tmp_path):
    write_video(tmp_path / "tiny.mkv", panning(20, height=24, width=40))
    with pytest.warns(NoTrajectories, match="no trajectories in .*tiny.mkv"):
        assert extract_features(tmp_path / "tiny.mkv", tmp_path / "v.npz", IdtSettings()) == 0
    found = load_features(tmp_path / "v.npz")
    assert (found.frames, found.height, found.width) == (20, 24, 40)


# a sample in place of all


def sampled(path, found, step=1000):
    batches = (found.descriptors[i : i + step] for i in range(0, len(found), step))
    return save_sample(path, batches, found.descriptors.shape[1])


def test_a_sample_is_a_share_of_the_descriptors_and_the_count_of_all(tmp_path):
    for count, fewest, most in ((0, 0, 0), (1, 1, 1), (256, 256, 256), (257, 256, 256), (5000, 256, 256), (20_000, 320, 480)):
        found = made(count)
        assert sampled(tmp_path / "s.npz", found) == count
        rows = load_descriptors(tmp_path / "s.npz")
        assert fewest <= len(rows) <= most and rows.shape[1] == 426  # the last: four deviations about 400
        assert count_features(tmp_path / "s.npz") == (count, 426)
        with pytest.raises(ReproError, match=r"a sample of a video's trajectories: .*s.npz .*keep: all"):
            load_features(tmp_path / "s.npz")
        save_features(tmp_path / "all.npz", found)
        whole = load_descriptors(tmp_path / "all.npz")
        assert whole.shape == (count, 426) and rows.dtype == whole.dtype == np.float16
        place = {row.tobytes(): number for number, row in enumerate(whole)}
        order = [place[row.tobytes()] for row in rows]
        assert order == sorted(set(order)), "in order, none twice"
        if count >= 5000:  # uniform: the mean place within four deviations, whatever came first or last
            assert np.mean(order) == pytest.approx(count / 2, abs=4 * count / np.sqrt(12 * len(order)))
    first = (tmp_path / "s.npz").read_bytes()
    sampled(tmp_path / "s.npz", found)
    assert (tmp_path / "s.npz").read_bytes() == first and len(first) < 0.03 * (tmp_path / "all.npz").stat().st_size


def test_a_sampled_video_has_the_descriptors_of_a_whole_one(tmp_path):
    write_video(tmp_path / "v.mkv", panning(40))
    whole, sample = IdtSettings(compensate=False), IdtSettings(compensate=False, keep="sample")
    count = extract_features(tmp_path / "v.mkv", tmp_path / "all.npz", whole)
    assert extract_features(tmp_path / "v.mkv", tmp_path / "s.npz", sample) == count > 256
    rows = {row.tobytes() for row in load_features(tmp_path / "all.npz").descriptors}
    assert len(load_descriptors(tmp_path / "s.npz")) >= 256
    assert {row.tobytes() for row in load_descriptors(tmp_path / "s.npz")} <= rows
    read = np.concatenate(list(descriptors_of(Video(tmp_path / "v.mkv"), sample)))
    assert np.array_equal(read.astype(np.float16), load_features(tmp_path / "all.npz").descriptors)


def test_a_sample_of_none(tmp_path):
    write_video(tmp_path / "v.mkv", panning(9))
    with pytest.warns(NoTrajectories):
        assert extract_features(tmp_path / "v.mkv", tmp_path / "s.npz", IdtSettings(keep="sample")) == 0
    assert load_descriptors(tmp_path / "s.npz").shape == (0, 426) and count_features(tmp_path / "s.npz") == (0, 426)
    (tmp_path / "no.avi").write_bytes(b"no video")
    with pytest.raises(ReproError, match="no.avi"):
        extract_features(tmp_path / "no.avi", tmp_path / "no.npz", IdtSettings(keep="sample"))
    assert not (tmp_path / "no.npz").exists()


def test_a_sample_is_not_taken_for_all(tmp_path):
    sampled(tmp_path / "s.npz", made(300))
    with pytest.raises(ReproError, match="a sample.*s.npz.*256 of 300.*keep: all"):
        load_features(tmp_path / "s.npz")


def test_damaged_samples(tmp_path):
    path = tmp_path / "s.npz"
    sampled(path, made(300))
    whole, (header, arrays) = path.read_bytes(), read_arrays(path, FORMAT)
    for cut in (len(whole) // 2, len(whole) - 9, 10, 0):
        path.write_bytes(whole[:cut])
        with pytest.raises(ReproError, match="not a readable array file.*s.npz"):
            load_descriptors(path)
    for place in (whole.index(arrays["descriptors"].tobytes()) + 1000, whole.index(b'"stored": 256') + 11):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(ReproError, match="s.npz"):
            load_descriptors(path)
    for wrong in ({"stored": 255}, {"columns": 414}, {"trajectories": 255}):
        write_arrays(path, {**header, **wrong}, arrays)
        with pytest.raises(ReproError, match="damaged trajectory file.*s.npz"):
            load_descriptors(path)
    write_arrays(path, header, {})
    with pytest.raises(ReproError, match="damaged trajectory file.*s.npz"):
        load_descriptors(path)
