"""Whatever happens to a job over the videos of a dataset, a finished store stays until its successor is whole."""

import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from small import start, write_clip, write_params

from repro import cli
from repro.datasets.own import write_splits
from repro.stages import preview
from repro.video.store import ClipStore

EXTRACT, STORE = ("extract", "--dataset", "mine"), Path("data/mine/store")


def containers(folder=STORE):
    found = sorted(folder.rglob("*.zip"))
    for path in found:
        ClipStore(path).verify()
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


@pytest.fixture
def extracted(project):
    assert cli.main(EXTRACT) == 0
    assert len(containers()) == 8
    return containers()


def test_videos_that_are_gone_do_not_cost_the_store(extracted, refused):
    """An unmounted disk: `prepare` refuses, and `extract` on an index of nothing but problems does so too."""
    Path("data/mine/raw/videos/jump").rename("away")
    assert "1 of the 2 classes of mine have no video that can be used" in refused("prepare", "mine")
    Path("data/mine/raw/videos/wave").rename("away2")
    refused("prepare", "mine")
    refused(*EXTRACT)
    assert containers() == extracted


def test_a_store_on_another_disk_by_a_link(extracted, tmp_path):
    disk = tmp_path / "disk"
    shutil.move(STORE, disk / "store")
    STORE.symlink_to(disk / "store")
    write_params(Path(), flow={"backend": "farneback"})
    assert cli.main(EXTRACT) == 0
    assert STORE.is_symlink() and containers(disk / "store").keys() == extracted.keys() and containers() != extracted


def test_a_store_that_is_copied_in_part_stays_as_it_was_and_the_work_waits(extracted, refused, other_disk, monkeypatch):
    """The other disk is full after some containers."""
    shutil.move(STORE, other_disk / "store")
    STORE.symlink_to(other_disk / "store")
    write_params(Path(), flow={"backend": "farneback"})
    real, left = shutil.copyfile, [3]

    def copyfile(source, target, **more):
        left[0] -= 1
        if left[0] < 0:
            raise OSError(28, "No space left on device", str(target))
        return real(source, target, **more)

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfile", copyfile)
        line = refused(*EXTRACT)
    assert f"cannot write: {other_disk}/store ([Errno 28] No space left on device" in line
    assert "check the folder and the free space; the finished work waits in work/extract-" in line
    assert containers() == extracted and [path.name for path in other_disk.iterdir()] == ["store"]
    begun = time.time_ns()
    assert cli.main(EXTRACT) == 0 and not list(Path("work").iterdir())
    assert containers().keys() == extracted.keys() and containers() != extracted
    assert all(path.stat().st_mtime_ns < begun for path in STORE.rglob("*.zip")), "computed once"


def test_a_file_or_a_dead_link_where_the_store_belongs(project, refused):
    STORE.write_text("mine")
    assert "a file lies where a folder belongs: data/mine/store; move it away" in (line := refused(*EXTRACT))
    assert "the finished work waits in work/extract-" in line and STORE.read_text() == "mine"
    STORE.unlink()
    STORE.symlink_to("/nowhere/store")
    assert "a link to nowhere: data/mine/store" in refused(*EXTRACT)
    STORE.unlink()
    begun = time.time_ns()
    assert cli.main(EXTRACT) == 0
    assert len(containers()) == 8 and all(path.stat().st_mtime_ns < begun for path in STORE.rglob("*.zip")), "nothing made again"


def test_a_cut_container_in_the_work_folder_is_made_again(extracted):
    shutil.rmtree(STORE)
    job = start(*EXTRACT)
    while not (made := sorted(Path("work").glob("extract-*/store/*/*.zip"))):
        assert job.poll() is None
        time.sleep(0.01)
    job.kill(), job.communicate()
    assert len(made) < 8
    os.truncate(made[0], made[0].stat().st_size // 2)
    assert cli.main(EXTRACT) == 0
    assert containers() == extracted


def test_a_killed_worker_is_one_videos_failure(project):
    job = start(*EXTRACT)
    worker = None
    while worker is None:
        assert job.poll() is None
        children = Path(f"/proc/{job.pid}/task/{job.pid}/children").read_text().split()
        worker = int(children[0]) if children else None
    os.kill(worker, signal.SIGKILL)
    _, err = job.communicate()
    last = err.decode().splitlines()[-1]
    assert job.returncode == 2, err.decode()
    assert "1 of 8 videos failed" in last and "its process died (SIGKILL" in last
    assert cli.main(EXTRACT) == 0 and len(containers()) == 8


def test_a_pipe_that_took_a_videos_place_is_told(project, refused):
    path = Path("data/mine/raw/videos/jump/jump1.avi")
    path.unlink()
    os.mkfifo(path)
    assert "jump1.avi (a pipe or a device)" in refused(*EXTRACT)


def test_names_as_long_as_a_file_system_takes(project, refused):
    """255 bytes: a container's ending is as long as most videos'. In place of a shorter one it has no room, which is told."""
    raw = Path("data/mine/raw")
    fits = write_clip(raw / "videos" / "jump" / f"{'y' * 251}.avi")
    longer = write_clip(raw / "videos" / "jump" / f"{'ü' * 126}.ts", codec="mpeg2video")
    shutil.rmtree(raw / "splits")
    write_splits(raw / "videos", raw / "splits", splits=1)
    assert cli.main(["prepare", "mine"]) == 0
    line = refused(*EXTRACT)
    assert f"1 of 10 videos failed, the first: {longer} (cannot write" in line and "File name too long" in line
    assert "finished ones are kept" in line and len(list(Path("work").glob("extract-*/store/*/*.zip"))) == 9
    for video, stem in ((fits, "y" * 251), (longer, "ü" * 125)):
        assert cli.main(["extract", "--preview", str(video)]) == 0 and Path(f"{stem}.png").stat().st_size > 1000
    assert preview.picture_name(longer, ".prediction.png") == f"{'ü' * 120}.prediction.png"
    assert preview.picture_name("clips/a.b.avi", ".prediction.png") == "a.b.prediction.png"
    longer.rename("away.ts")
    assert cli.main(["prepare", "mine"]) == 0 and cli.main(EXTRACT) == 0
    assert f"jump/{'y' * 251}.zip" in containers() and len(containers()) == 9


@pytest.mark.slow  # compiles the inner loops twice
def test_a_killed_trajectory_writer_leaves_nothing_that_stops_the_next(project):
    """What a worker leaves that is killed while it writes: a folder of its own, beside the file it was to become."""
    command = ("idt-features", "--dataset", "mine", "--system", "idt")
    folder = Path("work/x")
    assert cli.main(command) == 0
    before = {path.name: path.read_bytes() for path in Path("data/mine/idt").rglob("*.npz")}
    job = start(*command)
    while not (made := sorted(Path("work").glob("idt-features-idt-*/idt/*/*.npz"))):
        assert job.poll() is None
        time.sleep(0.01)
    job.kill(), job.communicate()
    folder = made[0].parent
    (folder / ".jump2.npz.abcdefgh.part" / "new").mkdir(parents=True)
    (folder / ".jump2.npz.abcdefgh.part" / "new" / "jump2.npz").write_text("half")
    made[0].write_bytes(made[0].read_bytes()[:-9])
    assert cli.main(command) == 0
    assert {path.name: path.read_bytes() for path in Path("data/mine/idt").rglob("*.npz")} == before
    assert not list(Path("data/mine").rglob(".*"))


def test_the_advice_on_a_video_that_cannot_be_extracted_works(project, refused):
    """It decodes, so that `prepare` has nothing against it, but is wider than a picture may be."""
    path = write_clip(Path("data/mine/raw/videos/jump/jump1.avi"), size=(2, 4000), frames=2)
    assert cli.main(["prepare", "mine"]) == 0
    line = refused(*EXTRACT)
    assert "jump1.avi (frames too large for a container" in line
    assert "move them away, set exclude_bad for the dataset and prepare it again" in line
    path.rename("away.avi")
    assert cli.main(["prepare", "mine"]) == 0 and cli.main(EXTRACT) == 0
    assert len(containers()) == 7
