"""Small real videos in the datasets' layouts."""

import threading

import pytest
import rar4
from builders import rar_of, write_video
from cutting_server import Server

from repro.datasets.scan import build_index


@pytest.fixture(scope="session")
def video_bytes(tmp_path_factory):
    """The bytes of a 4-frame 32x24 video at 25 fps."""
    return write_video(tmp_path_factory.mktemp("video") / "a.avi").read_bytes()


@pytest.fixture
def ucf101(tmp_path, video_bytes):
    """(videos, splits): two classes, four groups of two clips, three splits, in the original UCF101 spelling."""
    classes, videos, splits = ("HandstandPushups", "Biking"), tmp_path / "videos", tmp_path / "splits"
    names = [
        f"{name}/v_{name.replace('Handstand', 'HandStand')}_g{group:02d}_c{clip:02d}.avi"
        for name in classes
        for group in range(1, 5)
        for clip in (1, 2)
    ]
    splits.mkdir()
    for name in names:
        (videos / name).parent.mkdir(parents=True, exist_ok=True)
        (videos / name).write_bytes(video_bytes)
    (splits / "classInd.txt").write_text("".join(f"{label} {name}\n" for label, name in enumerate(classes, 1)))
    for split in (1, 2, 3):
        test = [name for name in names if f"_g{split:02d}_" in name]
        train = [f"{name} {1 + classes.index(name.split('/')[0])}" for name in names if name not in test]
        (splits / f"testlist{split:02d}.txt").write_text("\n".join(test))
        (splits / f"trainlist{split:02d}.txt").write_text("\n".join(train))
    return videos, splits


@pytest.fixture
def hmdb51(tmp_path, video_bytes):
    """(list of videos, list of split files) as (name, bytes), in HMDB51's naming."""
    stems = ("a_#_[1];x", "b", "c")
    videos = [(f"{name}/{stem}.avi", video_bytes) for name in ("climb", "climb_stairs") for stem in stems]
    lists = [
        (
            f"{name}_test_split{split}.txt",
            "".join(f"{stem}.avi {2 if number + 1 == split else 1} \n" for number, stem in enumerate(stems)).encode(),
        )
        for name in ("climb", "climb_stairs")
        for split in (1, 2, 3)
    ]
    return videos, lists


@pytest.fixture
def hmdb51_archives(tmp_path, hmdb51):
    """The RAR of RARs and the split RAR."""
    videos, lists = hmdb51
    inner = [
        (
            f"{name}.rar",
            rar4.archive(
                rar4.member(name, mode=0o040755, flags=rar4.FOLDER),
                *[row for row in videos if row[0].startswith(f"{name}/")],
            ),
        )
        for name in ("climb", "climb_stairs")
    ]
    return [
        rar_of(tmp_path / "hmdb51_org.rar", inner),
        rar_of(
            tmp_path / "test_train_splits.rar",
            [(f"testTrainMulti_7030_splits/{name}", data) for name, data in lists] + [("._junk", b"x")],
        ),
    ]


@pytest.fixture(scope="session")
def ucf101_26(shared_data):
    """Index of 26 real UCF101 clips with the official lists: the other 13,294 videos are absent."""
    return build_index(
        "UCF101",
        "ucf101",
        shared_data / "ucf101-clips",
        shared_data / "official-splits/ucf101_splits",
        exclude_bad=True,
    )


@pytest.fixture
def server(monkeypatch):
    """A running Server."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()
