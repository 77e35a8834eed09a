"""`repro prepare` and `repro extract` on what real folders hold: awkward names, odd sizes, broken files, full disks, two jobs."""

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import PurePosixPath

import av
import cv2
import numpy as np
import pytest
from tiny import write_params

from repro.datasets.index import DatasetIndex
from repro.datasets.own import write_splits
from repro.stages import extract
from repro.video.layout import export_video
from repro.video.store import ClipStore
from repro.workfolder import WorkFolder

EXTRACT = ("extract", "--dataset", "toy")
NAMES = ["two words", "a[1](2){3}", "#1 & co; x=y!", "schön_日本", "%03d", "'q`$", "-x", "odd", "one frame", "changing size"]


def write_video(path, count, height, width, seed):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"XVID"), 30, (width, height))
    noise = np.random.default_rng(seed).integers(0, 256, (height + count, width + count, 3), np.uint8)
    picture = cv2.GaussianBlur(noise, (0, 0), 2)
    for k in range(count):
        writer.write(np.ascontiguousarray(picture[k : k + height, k : k + width]))
    writer.release()


def write_sound(path):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        stream.layout = "mono"
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
        container.mux(stream.encode())


@pytest.fixture(scope="module")
def prepared(stages, tmp_path_factory):
    """A folder with the index of two classes of awkward videos. Don't write into it."""
    folder = tmp_path_factory.mktemp("prepared")
    videos = folder / "data" / "toy" / "raw" / "videos"
    for number, class_name in enumerate(("Make tea; #2", "wave")):
        (videos / class_name).mkdir(parents=True)
        for k, name in enumerate(NAMES):
            size = (47, 63) if name == "odd" else (48, 64)
            path = videos / class_name / f"{name}.avi"
            plain = videos / "plain.avi"  # OpenCV's writer does not take every name
            write_video(plain, 1 if name == "one frame" else 6, *size, 100 * number + k)
            plain.rename(path)
        small, large = (cv2.imencode(".jpg", np.full((*size, 3), 90, np.uint8))[1].tobytes() for size in ((48, 64), (96, 128)))
        (videos / class_name / "changing size.avi").write_bytes(small + large + small)  # MJPEG without a container
    write_splits(videos, folder / "data" / "toy" / "raw" / "splits")
    write_params(folder, datasets__toy__layout="folders", datasets__toy__exclude_bad=True, flow={"backend": "dis"})
    assert stages.repro(folder, "prepare", "toy") == 0
    return folder


@pytest.fixture
def ready(prepared, tmp_path):
    shutil.copytree(prepared, tmp_path / "run")  # times of change are kept: they are part of the key of partial work
    return tmp_path / "run"


def check(folder):
    """Every sound video of the index has a readable container of its length, and nothing else is there."""
    index = DatasetIndex.load(folder / "data" / "toy" / "index").table
    sound = index[index["problems"] == ""]
    store = folder / "data" / "toy" / "store"
    assert {path.relative_to(store).as_posix() for path in store.rglob("*") if path.is_file()} == {
        f"{video}.zip" for video in sound["video"]
    }
    for row in sound.itertuples():
        found = ClipStore(store / f"{row.video}.zip")
        found.verify()
        assert (found.frames, found.fields) == (row.frames, row.frames - 1)
        assert min(found.height, found.width) == 36 and max(found.height, found.width) == 48
    assert not list((folder / "work").iterdir())
    return sound


def test_awkward_names_and_sizes_go_through(ready, stages):
    assert stages.repro(ready, *EXTRACT) == 0
    sound = check(ready)
    assert len(sound) == 2 * len(NAMES)
    frames = {video.split("/")[1]: count for video, count in zip(sound["video"], sound["frames"])}
    assert (frames["one frame"], frames["changing size"], frames["@1 @ co; x=y!"]) == (1, 3, 6)


def test_broken_videos_are_left_out_by_name_and_the_others_are_extracted(ready, stages, capfd):
    videos = ready / "data" / "toy" / "raw" / "videos" / "wave"
    for name in ("odd", "%03d", "one frame"):
        (videos / f"{name}.avi").unlink()
    (videos / "odd.avi").touch()
    (videos / "%03d.avi").write_bytes((videos / "-x.avi").read_bytes()[:2000])
    write_sound(videos / "one frame.avi")
    assert stages.repro(ready, "prepare", "toy") == 0
    index = DatasetIndex.load(ready / "data" / "toy" / "index").table.set_index("video")
    told = {name: index.loc[f"wave/{name}", "problems"] for name in ("odd", "%03d", "one frame")}
    assert "empty file" in told["odd"] and "no video stream" in told["one frame"] and told["%03d"]
    assert stages.repro(ready, *EXTRACT) == 0
    assert len(check(ready)) == 2 * len(NAMES) - 3


def test_a_video_that_breaks_after_the_index_is_in_the_table_of_failures(ready, stages, capfd):
    videos = ready / "data" / "toy" / "raw" / "videos" / "wave"
    (videos / "odd.avi").write_bytes(b"")
    (videos / "-x.avi").unlink()
    assert stages.repro(ready, *EXTRACT) == 2
    out, err = capfd.readouterr()
    assert "2 of 20 videos failed" in err.splitlines()[-1] and "-x.avi" in err.splitlines()[-1]
    assert "empty file" in out and "odd.avi" in out
    assert not (ready / "data" / "toy" / "store").exists()


def test_finished_containers_outlive_a_disk_that_is_not_mounted(ready, stages, capfd):
    raw = ready / "data" / "toy" / "raw"
    odd = raw / "videos" / "wave" / "odd.avi"
    odd.rename(ready / "odd.avi")
    assert stages.repro(ready, *EXTRACT) == 2
    made = {path: path.stat().st_mtime_ns for path in (ready / "work").rglob("*.zip")}
    assert len(made) == 2 * len(NAMES) - 1
    raw.rename(ready / "elsewhere")
    assert stages.repro(ready, *EXTRACT) == 2
    assert "not one video is there: data/toy/raw/videos; is the disk" in capfd.readouterr().err
    assert {path: path.stat().st_mtime_ns for path in (ready / "work").rglob("*.zip")} == made
    (ready / "elsewhere").rename(raw), (ready / "odd.avi").rename(odd)
    assert stages.repro(ready, *EXTRACT) == 0
    kept = {path.stat().st_mtime_ns for path in (ready / "data" / "toy" / "store").rglob("*.zip")}
    assert set(made.values()) <= kept and len(check(ready)) == 2 * len(NAMES)


def test_a_full_disk_is_one_line_and_the_job_resumes(ready, stages):
    """Files cannot grow beyond a limit, as on a full disk: the small containers fit, the others don't."""
    sizes = sorted(path.stat().st_size for path in _extracted(ready, stages).rglob("*.zip"))
    limit = sizes[len(sizes) // 2]
    code = (
        "import resource, sys; from repro.cli import main\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n"
        f"sys.exit(main({list(EXTRACT)!r}))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ready, capture_output=True, text=True)
    assert done.returncode == 2 and "videos failed" in done.stderr.splitlines()[-1] and "Traceback" not in done.stderr
    assert "cannot write" in done.stderr and "File too large" in done.stderr
    kept = list((ready / "work").rglob("*.zip"))
    assert kept and all(path.stat().st_size <= limit for path in kept) and not list((ready / "work").rglob(".*.part"))
    for path in kept:
        ClipStore(path).verify()
    times = {path.parts[-2:]: path.stat().st_mtime_ns for path in kept}
    assert stages.repro(ready, *EXTRACT) == 0
    check(ready)
    now = {path.parts[-2:]: path.stat().st_mtime_ns for path in (ready / "data" / "toy" / "store").rglob("*.zip")}
    assert times.items() <= now.items()  # what fitted was not made again


def _extracted(ready, stages):
    """The store of an undisturbed run elsewhere."""
    other = ready.with_name("undisturbed")
    shutil.copytree(ready, other)
    assert stages.repro(other, *EXTRACT) == 0
    return other / "data" / "toy" / "store"


def test_a_place_that_cannot_be_written_is_one_line(ready, stages, capfd):
    shutil.rmtree(ready / "work")
    (ready / "work").write_text("a file where the folder should be")
    assert stages.repro(ready, *EXTRACT) == 2
    assert "repro extract: cannot write: work/store-toy " in capfd.readouterr().err
    if os.geteuid():  # the administrator may write anywhere
        (ready / "work").unlink()
        ready.chmod(0o500)
        assert stages.repro(ready, *EXTRACT) == 2
        ready.chmod(0o700)
        assert "cannot write" in capfd.readouterr().err


def test_two_jobs_on_one_folder(ready, stages, capfd, monkeypatch):
    stages.killed_when(lambda: list(ready.glob("work/extract-*/store/*/*.zip")), ready, *EXTRACT)
    monkeypatch.setattr(WorkFolder.__init__, "__defaults__", ("work", 0.3))
    with open(next(ready.glob("work/extract-*.lock")), "a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert stages.repro(ready, *EXTRACT) == 2
        assert "repro extract: another process is at work on this" in capfd.readouterr().err
        assert not (ready / "data" / "toy" / "store").exists()
    assert stages.repro(ready, *EXTRACT) == 0
    check(ready)


def test_the_authors_pictures_instead_of_computing(ready, stages, capfd):
    """Pictures exported from our own containers, in the authors' layout, come back as containers."""
    write_params(ready, datasets__toy__layout="folders", flow={"backend": "dis"}, store={"flow_bound": 20.0})
    for video in (ready / "data" / "toy" / "raw" / "videos" / "wave").iterdir():  # the authors' folders do without the class
        video.rename(video.with_stem(f"{video.stem} w"))
    shutil.rmtree(ready / "data" / "toy" / "raw" / "splits")
    write_splits(ready / "data" / "toy" / "raw" / "videos", ready / "data" / "toy" / "raw" / "splits")
    assert stages.repro(ready, "prepare", "toy") == 0
    store = _extracted(ready, stages)
    for row in DatasetIndex.load(ready / "data" / "toy" / "index").table.itertuples():
        export_video(
            ClipStore(store / f"{row.video}.zip"),
            ready / "theirs" / "jpegs_256",
            ready / "theirs" / "tvl1_flow",
            PurePosixPath(row.path).stem,
        )
    capfd.readouterr()
    assert stages.repro(ready, *EXTRACT, "--pictures", "theirs") == 2  # a video of one frame has no folders u and v
    assert "one frame" in (err := capfd.readouterr().err) and "2 of 20 videos failed" in err
    for name in ("one frame", "one frame w"):
        for channel in "uv":
            (ready / "theirs" / "tvl1_flow" / channel / name).mkdir()
    several = next(row for row in DatasetIndex.load(ready / "data" / "toy" / "index").table.itertuples() if row.frames > 1)
    for picture in (ready / "theirs" / "jpegs_256" / PurePosixPath(several.path).stem).iterdir():  # unpacked again, corrected
        cv2.imwrite(str(picture), np.full_like(cv2.imread(str(picture)), 200))
    assert stages.repro(ready, *EXTRACT, "--pictures", "theirs") == 0
    assert (ClipStore(ready / "data" / "toy" / "store" / f"{several.video}.zip").rgb([0]) == 200).all()
    check(ready)
    for path in store.rglob("*.zip"):
        ours, back = ClipStore(path), ClipStore(ready / "data" / "toy" / "store" / path.relative_to(store))
        assert back.meta["flow"] == {"backend": "imported"}
        difference = np.abs(back.flow(range(back.fields)).astype(int) - ours.flow(range(ours.fields)))
        assert difference.sum() <= difference.size  # one step each, on average: JPEG again
    assert stages.repro(ready, "doctor", "flow", "--dataset", "toy") in (0, 2)
    assert "imported pictures" in (ready / "data" / "toy" / "survey" / "checks.csv").read_text()


def test_pictures_in_the_authors_spelling_of_a_class(tmp_path):
    """Archives hold v_HandStandPushups_*, the authors' pictures v_HandstandPushups_*."""
    for name in ("v_HandstandPushups_g01_c01", "v_Basketball_g01_c01"):
        (tmp_path / "jpegs_256" / name).mkdir(parents=True)
    found = [
        extract._picture_name(tmp_path, f"{stem}.avi")
        for stem in ("v_HandStandPushups_g01_c01", "v_Basketball_g01_c01", "v_Archery_g01_c01")
    ]
    assert found == ["v_HandstandPushups_g01_c01", "v_Basketball_g01_c01", "v_Archery_g01_c01"]
