"""The container: random access, bytes, damage, interruption."""

import io
import json
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import tracemalloc
import zipfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import cv2
import numpy as np
import pytest
from PIL import Image

from repro.errors import ReproError
from repro.video.store import ClipStore, StoreSettings, StoreWriter

FINEST = StoreSettings(rgb_quality=100, flow_quality=100)


def smooth(count, height, width, channels, seed=0):
    """Pictures that JPEG keeps well: (count, H, W, channels) uint8."""
    small = np.random.default_rng(seed).integers(40, 215, (count, 4, 5, channels), np.uint8)
    return np.stack([cv2.resize(picture, (width, height), interpolation=cv2.INTER_CUBIC) for picture in small])


def write(path, count=6, height=32, width=48, settings=FINEST, meta=None, seed=0):
    rgb, flow = smooth(count, height, width, 3, seed), smooth(count - 1 or 1, height, width, 2, seed + 1)[: count - 1]
    with StoreWriter(path, settings, meta or {}) as writer:
        for index, frame in enumerate(rgb):
            writer.rgb(frame)
            if index:
                writer.flow(flow[index - 1])
    return rgb, flow


def close(found, expected, worst=6):
    return found.shape == expected.shape and np.abs(found.astype(int) - expected).max() <= worst


def test_any_index_in_any_order(tmp_path):
    rgb, flow = write(tmp_path / "a.zip", meta={"fps": 25})
    store = ClipStore(tmp_path / "a.zip")
    assert (store.frames, store.fields, store.height, store.width, store.meta) == (6, 5, 32, 48, {"fps": 25})
    assert store.settings == FINEST
    for wanted in ([0], [5, 0, 3], [2, 2, 1, 2], range(5), np.array([4, 1])):
        wanted = list(wanted)
        assert close(store.rgb(wanted), rgb[wanted], 12)
        wanted = [i for i in wanted if i < 5]
        assert close(store.flow(wanted), flow[wanted])
    assert store.rgb([]).shape == (0, 32, 48, 3) and store.flow([]).shape == (0, 32, 48, 2)
    for bad in (-1, 5):
        with pytest.raises(IndexError, match=str(bad)):
            store.flow([0, bad])


def test_order_of_colours_and_of_u_and_v(tmp_path):
    path = tmp_path / "a.zip"
    with StoreWriter(path, FINEST, {}) as writer:
        writer.rgb(np.full((32, 32, 3), (250, 120, 10), np.uint8))
        writer.rgb(np.full((32, 32, 3), (10, 120, 250), np.uint8))
        writer.flow(np.full((32, 32, 2), (200, 60), np.uint8))
    store = ClipStore(path)
    assert np.abs(store.rgb([0])[0, 3, 4].astype(int) - (250, 120, 10)).max() <= 2
    assert tuple(store.flow([0])[0, 3, 4]) == (200, 60)


def test_standard_tools_open_it(tmp_path):
    rgb, flow = write(tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert names[0] == "index.json" and json.loads(archive.read("index.json"))["frames"] == 6
        assert names[1:] == [f"rgb/{i:06d}.jpg" for i in range(1, 7)] + [f"flow/{i:06d}.jpg" for i in range(1, 6)]
        picture = np.asarray(Image.open(io.BytesIO(archive.read("flow/000002.jpg"))))
        assert close(picture, np.concatenate([flow[1, ..., 0], flow[1, ..., 1]]))


def test_equal_input_gives_equal_bytes(tmp_path):
    write(tmp_path / "a.zip")
    write(tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


@pytest.mark.parametrize("count", [1, 900])
def test_one_frame_and_an_index_longer_than_the_first_read(tmp_path, count):
    settings = StoreSettings(rgb_quality=50, flow_quality=50)
    write(tmp_path / "a.zip", count, 16, 16, settings)
    store = ClipStore(tmp_path / "a.zip")
    assert (store.frames, store.fields) == (count, count - 1)
    assert store.rgb([count - 1]).shape == (1, 16, 16, 3)
    store.verify()


ALL = StoreSettings(rgb_quality=100, flow_quality=100, planes=("backward_flow", "rgb", "flow", "warped_flow"))


def test_further_planes(tmp_path):
    """Every picture tells its plane and number; they may be written in any order of planes."""
    with StoreWriter(tmp_path / "a.zip", ALL, {}) as writer:
        for t in range(4):
            writer.rgb(np.full((16, 16, 3), 10 * t, np.uint8))
        for t in range(3):
            for plane, base in (("backward_flow", 200), ("flow", 50), ("warped_flow", 100)):
                writer.flow(np.full((16, 16, 2), (base + t, 255 - base - t), np.uint8), plane)
    store = ClipStore(tmp_path / "a.zip")
    store.verify()
    assert store.planes == ("rgb", "flow", "warped_flow", "backward_flow") and (store.frames, store.fields) == (4, 3)
    for plane, base in (("backward_flow", 200), ("flow", 50), ("warped_flow", 100)):
        assert store.flow([2, 0], plane)[:, 5, 5].tolist() == [[base + 2, 253 - base], [base, 255 - base]]
    assert store.rgb([3])[0, 5, 5].tolist() == [30, 30, 30]
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        names = [f"{plane}/{i:06d}.jpg" for plane in ("flow", "warped_flow", "backward_flow") for i in range(1, 4)]
        assert archive.testzip() is None and archive.namelist()[5:] == names


def test_frames_alone(tmp_path):
    settings = StoreSettings(planes=("rgb",))
    with StoreWriter(tmp_path / "a.zip", settings, {}) as writer:
        for frame in smooth(3, 16, 16, 3):
            writer.rgb(frame)
    store = ClipStore(tmp_path / "a.zip")
    store.verify()
    assert (store.frames, store.fields, store.planes) == (3, 0, ("rgb",))
    with pytest.raises(ReproError, match="a container without flow.*there: rgb"):
        store.flow([0])


def test_default_containers_are_those_of_before_there_were_further_planes(tmp_path):
    write(tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        head = json.loads(archive.read("index.json"))
    assert set(head) == {*("format", "frames", "fields", "height", "width", "settings", "meta", "sha256", "offsets", "sizes")}
    assert head["format"] == "repro-clip-1"
    assert head["settings"] == dict(short_side=256, rgb_quality=100, flow_quality=100, flow_bound=20.0, flow_range=False)
    assert ClipStore(tmp_path / "a.zip").planes == ("rgb", "flow")


def test_every_plane_has_all_its_fields(tmp_path):
    with pytest.raises(ReproError, match="wrong number of backward_flow fields.*0 fields for 2 frames"):
        with StoreWriter(tmp_path / "a.zip", ALL, {}) as writer:
            for frame in smooth(2, 16, 16, 3):
                writer.rgb(frame)
            for plane in ("flow", "warped_flow"):
                writer.flow(smooth(1, 16, 16, 2)[0], plane)
    with pytest.raises(ValueError, match="plane must be one of .*'flow'.*, got 'warped_flow'"):
        with StoreWriter(tmp_path / "a.zip", FINEST, {}) as writer:
            writer.flow(smooth(1, 16, 16, 2)[0], "warped_flow")


def test_without_flow(tmp_path):
    with StoreWriter(tmp_path / "a.zip", FINEST, {}) as writer:
        for frame in smooth(3, 16, 16, 3):
            writer.rgb(frame)
    store = ClipStore(tmp_path / "a.zip")
    assert store.fields == 0 and store.planes == ("rgb",)


def test_odd_sizes(tmp_path):
    rgb, flow = write(tmp_path / "a.zip", height=33, width=51)
    store = ClipStore(tmp_path / "a.zip")
    assert close(store.rgb(range(6)), rgb, 12) and close(store.flow(range(5)), flow)


def test_every_damaged_byte_is_found(tmp_path):
    path = tmp_path / "a.zip"
    write(path, 3, 16, 16, StoreSettings(rgb_quality=30, flow_quality=30))
    ClipStore(path).verify()
    whole = path.read_bytes()
    for position in range(0, len(whole), 7):
        damaged = bytearray(whole)
        damaged[position] ^= 0x10
        path.write_bytes(damaged)
        with pytest.raises(ReproError, match="a.zip"):
            ClipStore(path).verify()
    for cut in (10, 200, len(whole) - 1):
        path.write_bytes(whole[:cut])
        with pytest.raises(ReproError, match="a.zip"):
            ClipStore(path).verify()


def test_unreadable_picture_is_told_when_read(tmp_path):
    path = tmp_path / "a.zip"
    write(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 4])
    with pytest.raises(ReproError, match="not a container.*it is cut short"):
        ClipStore(path)
    path.write_bytes(whole)
    store = ClipStore(path)
    path.write_bytes(whole[: len(whole) // 4])  # while it is being read
    with pytest.raises(ReproError, match="flow/000005.jpg is not as it was written"):
        store.flow([4])


@pytest.mark.parametrize("content", [b"", b"PK", b"no zip" * 100])
def test_not_a_container(tmp_path, content):
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(ReproError, match="not a container"):
        ClipStore(tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr("other.txt", "x" * 100)
    with pytest.raises(ReproError, match="not a container"):
        ClipStore(tmp_path / "b.zip")
    with pytest.raises(ReproError, match="no such container"):
        ClipStore(tmp_path / "c.zip")


@pytest.mark.parametrize(
    "change, told",
    [
        (dict(height=60000, width=60000), "announces more than it holds"),  # 11 GB for a single frame
        (dict(frames=10**15, fields=10**15 - 1), "contradicts itself"),
        (dict(frames=0, fields=0, offsets=[], sizes=[]), "impossible numbers|empty"),
        (dict(sizes=[10**15, 900]), "cut short"),
        (dict(frames=4, sizes=[900] * 4, offsets=[44] * 4), "announces more than it holds"),  # one picture four times
        (dict(sizes=[True, 900]), "impossible numbers"),
        (dict(sizes=[0, 900]), "announces more than it holds"),
        (dict(width=65501), "impossible numbers"),
    ],
)
def test_announced_sizes_are_compared_with_the_file(tmp_path, change, told):
    """A hand-made container of two frames of 16 x 16 px and 900 bytes each, but for one thing."""
    head = {"format": "repro-clip-1", "frames": 2, "fields": 0, "height": 16, "width": 16, "sha256": "", "meta": {}}
    head |= {"settings": {}, "offsets": [44, 988], "sizes": [900, 900]}

    def made(head):
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            archive.writestr("index.json", json.dumps(head))
            for name in ("rgb/000001.jpg", "rgb/000002.jpg"):
                archive.writestr(name, bytes(900))
        return ClipStore(tmp_path / "a.zip")

    assert made(head).frames == 2
    with pytest.raises(ReproError, match=f"not a container.*({told})"):
        made(head | change)


@pytest.mark.parametrize("size", [0xFFFFFFF0, (1 << 26) + 1])
def test_an_index_larger_than_the_file_or_than_any_is_not_read(tmp_path, size):
    """Read as announced, it would take that much memory. The second file is that long, with a hole."""
    write(tmp_path / "a.zip")
    with open(tmp_path / "a.zip", "r+b") as file:
        file.seek(18)  # of the local header: the size of the first member
        file.write(size.to_bytes(4, "little"))
        if size < 1 << 30:
            file.truncate(1 << 27)
    tracemalloc.start()
    try:
        with pytest.raises(ReproError, match=f"not a container.*it announces an index of {size} bytes"):
            ClipStore(tmp_path / "a.zip")
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def _sum(store):
    return int(store.rgb(range(store.frames)).sum()) + int(store.flow(range(store.fields)).sum())


def test_pickle_and_fork(tmp_path):
    write(tmp_path / "a.zip")
    store = ClipStore(tmp_path / "a.zip")
    expected = _sum(store)
    assert _sum(pickle.loads(pickle.dumps(store))) == expected
    with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:
        assert list(pool.map(_sum, [store] * 6)) == [expected] * 6


def test_no_file_is_left_open(tmp_path):
    write(tmp_path / "a.zip")
    before = len(os.listdir("/proc/self/fd"))
    stores = [ClipStore(tmp_path / "a.zip") for _ in range(50)]
    for store in stores:
        store.rgb([0])
    assert len(os.listdir("/proc/self/fd")) == before


def test_an_error_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError):
        with StoreWriter(tmp_path / "a.zip", FINEST, {}) as writer:
            writer.rgb(smooth(1, 16, 16, 3)[0])
            raise RuntimeError("the decoder broke")
    assert list(tmp_path.iterdir()) == []


def test_a_killed_writer_leaves_nothing_and_the_old_file_whole(tmp_path):
    write(tmp_path / "a.zip")
    before = (tmp_path / "a.zip").read_bytes()
    code = f"""
        import sys, time, numpy as np
        from repro.video.store import StoreSettings, StoreWriter
        with StoreWriter({str(tmp_path / "a.zip")!r}, StoreSettings(), {{}}) as writer:
            writer.rgb(np.zeros((16, 16, 3), np.uint8))
            print("writing", flush=True)
            time.sleep(60)
        """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"writing\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert [p.name for p in tmp_path.iterdir()] == ["a.zip"]
    assert (tmp_path / "a.zip").read_bytes() == before


def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch):
    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ReproError, match="No space left"):
        write(tmp_path / "a.zip")
    assert list(tmp_path.iterdir()) == []


def test_a_target_that_cannot_be_written(tmp_path):
    with pytest.raises(ReproError, match="cannot write"):
        write(tmp_path / "no such folder" / "a.zip")
    if os.geteuid():  # the administrator may write anywhere
        tmp_path.chmod(0o500)
        with pytest.raises(ReproError, match="cannot write"):
            write(tmp_path / "a.zip")
        tmp_path.chmod(0o700)


def test_wrong_pictures_are_refused(tmp_path):
    frame = smooth(1, 16, 16, 3)[0]
    for bad in (frame[:8], frame.astype(np.float32), frame[..., :2]):
        with pytest.raises(ValueError, match="expected uint8"):
            with StoreWriter(tmp_path / "a.zip", FINEST, {}) as writer:
                writer.rgb(frame)
                writer.rgb(bad)
    with pytest.raises(ReproError, match="2 fields for 1 frames"):
        with StoreWriter(tmp_path / "a.zip", FINEST, {}) as writer:
            writer.rgb(frame)
            writer.flow(frame[..., :2])
            writer.flow(frame[..., :2])
    with pytest.raises(ReproError, match="at least one frame"):
        with StoreWriter(tmp_path / "a.zip", FINEST, {}):
            pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "bad", [{"short_side": 255}, {"rgb_quality": 0}, {"flow_quality": 101}, {"flow_bound": 0}, {"planes": ("flow",)}]
)
def test_settings_are_checked(bad):
    with pytest.raises(ReproError, match=next(iter(bad))):
        StoreSettings(**bad)


@pytest.mark.parametrize("planes", [("rgb", "flwo"), ("rgb", "rgb"), ()])
def test_unknown_planes_are_named(planes):
    with pytest.raises(ReproError, match="planes must be rgb and any of flow, warped_flow, backward_flow, got"):
        StoreSettings(planes=planes)
