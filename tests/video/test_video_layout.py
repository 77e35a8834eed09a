"""The authors' layout in and out, and the survey of a folder of containers."""

import cv2
import numpy as np
import pytest

from repro.errors import ReproError
from repro.video.layout import export_video, import_video
from repro.video.store import ClipStore, StoreSettings, StoreWriter
from repro.video.survey import mean_difference, store_digest, survey

SETTINGS = StoreSettings(short_side=32, rgb_quality=95, flow_quality=95)


def write(path, count=5, seed=0, settings=SETTINGS, meta=None, still=False):
    rng = np.random.default_rng(seed)
    path.parent.mkdir(parents=True, exist_ok=True)

    def smooth(channels):
        return cv2.resize(rng.integers(60, 200, (4, 5, channels), np.uint8), (48, 32), interpolation=cv2.INTER_CUBIC)

    with StoreWriter(path, settings, meta or {"flow": {"backend": "dis"}}) as writer:
        for index in range(count):
            writer.rgb(smooth(3))
            if index:
                writer.flow(np.full((32, 48, 2), 128, np.uint8) if still else smooth(2))
    return ClipStore(path)


@pytest.fixture
def loose(tmp_path):
    store = write(tmp_path / "in.zip")
    export_video(store, tmp_path / "jpegs_256", tmp_path / "tvl1_flow", "Cls/v [1] & #2")
    return tmp_path, store


def test_export_is_the_authors_layout(loose):
    folder, store = loose
    names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.jpg"))
    assert names == sorted(
        [f"jpegs_256/Cls/v [1] & #2/frame{i:06d}.jpg" for i in range(1, 6)]
        + [f"tvl1_flow/{c}/Cls/v [1] & #2/frame{i:06d}.jpg" for c in "uv" for i in range(1, 5)]
    )
    u = cv2.imread(str(folder / "tvl1_flow/u/Cls/v [1] & #2/frame000003.jpg"), cv2.IMREAD_UNCHANGED)
    assert np.abs(u.astype(int) - store.flow([2])[0, ..., 0]).max() <= 4


def test_there_and_back(loose):
    folder, store = loose
    count = import_video(folder / "jpegs_256", folder / "tvl1_flow", "Cls/v [1] & #2", folder / "out.zip", SETTINGS)
    back = ClipStore(folder / "out.zip")
    assert count == back.frames == 5 and back.meta["flow"] == {"backend": "imported"}
    assert np.abs(back.rgb(range(5)).astype(int) - store.rgb(range(5))).mean() < 2
    assert np.abs(back.flow(range(4)).astype(int) - store.flow(range(4))).mean() < 1
    rgb, flow = mean_difference(folder / "out.zip", folder / "in.zip")
    assert 0 < rgb < 2 and flow < 1
    assert mean_difference(folder / "in.zip", folder / "in.zip") == (0, 0)


@pytest.mark.parametrize(
    "damage,message",
    [
        (lambda rgb, u: (u / "frame000002.jpg").unlink(), "pictures are missing"),
        (lambda rgb, u: (u / "frame000004.jpg").unlink(), "5 frames, 3 u, 4 v"),
        (lambda rgb, u: (rgb / "frame000002.jpg").write_bytes(b""), "unreadable"),
        (lambda rgb, u: cv2.imwrite(str(u / "frame000001.jpg"), np.zeros((32, 46), np.uint8)), "another size"),
        (lambda rgb, u: u.rename(u.with_name("elsewhere")), "no such folder"),
    ],
)
def test_damaged_layouts_are_named_and_leave_no_container(loose, damage, message):
    folder, _ = loose
    damage(folder / "jpegs_256/Cls/v [1] & #2", folder / "tvl1_flow/u/Cls/v [1] & #2")
    with pytest.raises(ReproError, match=message):
        import_video(folder / "jpegs_256", folder / "tvl1_flow", "Cls/v [1] & #2", folder / "out.zip", SETTINGS)
    assert not (folder / "out.zip").exists()


def test_other_short_side_is_refused(loose):
    folder, _ = loose
    with pytest.raises(ReproError, match="short_side is 64"):
        import_video(
            folder / "jpegs_256", folder / "tvl1_flow", "Cls/v [1] & #2", folder / "out.zip", StoreSettings(short_side=64)
        )


def test_other_bound_is_refused(loose):
    folder, _ = loose
    with pytest.raises(ReproError, match="bound of 20 px.*flow_bound is 6"):
        import_video(
            folder / "jpegs_256",
            folder / "tvl1_flow",
            "Cls/v [1] & #2",
            folder / "out.zip",
            StoreSettings(short_side=32, flow_bound=6.0),
        )


def test_survey_of_sound_containers(tmp_path):
    stores = {f"a/v{k}": write(tmp_path / f"a/v{k}.zip", 4 + k, k) for k in range(3)}
    found = survey(tmp_path, {name: store.frames for name, store in stores.items()})
    assert found.sound and (found.containers, found.frames, found.fields) == (3, 15, 12)
    assert found.size_bytes == sum(p.stat().st_size for p in tmp_path.rglob("*.zip"))
    everything = np.concatenate([store.flow(range(store.fields)).reshape(-1, 2) for store in stores.values()])
    for channel in (0, 1):
        assert np.array_equal(found.histogram[channel], np.bincount(everything[:, channel], minlength=256))
    assert not any("problem" in line for line in found.lines())
    assert found.histogram.tolist() == survey(tmp_path, processes=2).histogram.tolist()
    assert found.clipped == found.histogram[:, [0, 255]].sum() / found.histogram.sum()


def test_containers_without_their_flow_are_a_problem(tmp_path):
    with StoreWriter(tmp_path / "a.zip", SETTINGS, {}) as writer:
        for _ in range(3):
            writer.rgb(np.full((32, 48, 3), 90, np.uint8))
    assert survey(tmp_path).problems == {"a": "0 flow fields for 3 frames"}


def test_a_digest_is_of_names_and_content(tmp_path):
    for folder, seed, name in (("a", 0, "v"), ("same", 0, "v"), ("content", 1, "v"), ("name", 0, "w")):
        write(tmp_path / folder / f"{name}.zip", seed=seed)
    digests = {folder: store_digest(tmp_path / folder) for folder in ("a", "same", "content", "name")}
    assert digests["a"] == digests["same"] and len(set(digests.values())) == 3


def test_survey_names_what_is_wrong(tmp_path):
    write(tmp_path / "a/good.zip")
    write(tmp_path / "a/still.zip", still=True)
    write(tmp_path / "a/short.zip", 3)
    write(tmp_path / "a/extra.zip")
    write(tmp_path / "a/other.zip", meta={"flow": {"backend": "tvl1"}})
    path = tmp_path / "a/damaged.zip"
    write(path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    (tmp_path / "a/.x.part").write_bytes(b"")
    found = survey(tmp_path, {f"a/{name}": 5 for name in ("good", "still", "short", "other", "damaged", "absent")})
    assert not found.sound and len(found.settings) == 2 and found.still == ("a/still",) and found.leftovers == ("a/.x.part",)
    assert set(found.problems) == {"a/short", "a/extra", "a/damaged", "a/absent"}
    assert "3 frames, expected 5" in found.problems["a/short"] and "checksum" in found.problems["a/damaged"]
    text = "\n".join(found.lines())
    assert all(word in text for word in ("a/short", "a/absent", "no motion at all: a/still", ".x.part", "tvl1"))


def test_survey_of_an_empty_folder(tmp_path):
    assert survey(tmp_path).containers == 0 and not survey(tmp_path).sound


def test_golden_of_another_size(tmp_path):
    write(tmp_path / "a.zip", 3)
    write(tmp_path / "b.zip", 4)
    with pytest.raises(ReproError, match="not comparable"):
        mean_difference(tmp_path / "a.zip", tmp_path / "b.zip")


def test_further_planes_are_surveyed_and_compared(tmp_path):
    settings = StoreSettings(short_side=32, planes=("rgb", "backward_flow"))
    for name, level in (("a", 128), ("b", 138)):
        with StoreWriter(tmp_path / f"{name}.zip", settings, {}) as writer:
            for index in range(4):
                writer.rgb(np.full((32, 48, 3), 90, np.uint8))
                if index:
                    writer.flow(np.full((32, 48, 2), level, np.uint8), "backward_flow")
    found = survey(tmp_path)
    assert found.sound and (found.frames, found.fields, found.histogram.sum(), found.still) == (8, 6, 0, ())
    assert '"planes": ["rgb", "backward_flow"]' in next(iter(found.settings))
    assert mean_difference(tmp_path / "a.zip", tmp_path / "b.zip") == (0, 10)
    write(tmp_path / "c.zip", 4, settings=StoreSettings(short_side=32))
    with pytest.raises(ReproError, match="not comparable"):
        mean_difference(tmp_path / "a.zip", tmp_path / "c.zip")


def test_containers_of_frames_alone_lack_nothing(tmp_path):
    with StoreWriter(tmp_path / "a.zip", StoreSettings(short_side=32, planes=("rgb",)), {}) as writer:
        for _ in range(3):
            writer.rgb(np.full((32, 48, 3), 90, np.uint8))
    assert survey(tmp_path).sound and survey(tmp_path).fields == 0


def test_loose_pictures_hold_no_further_planes(loose):
    folder, _ = loose
    settings = StoreSettings(short_side=32, planes=("rgb", "flow", "warped_flow"))
    with pytest.raises(ReproError, match="frames and flow.*store.planes asks for rgb, flow, warped_flow"):
        import_video(folder / "jpegs_256", folder / "tvl1_flow", "Cls/v [1] & #2", folder / "out.zip", settings)
