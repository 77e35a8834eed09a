"""`repro doctor flow`, training that asks for it, and the preview, on the tiny benchmark."""

import json
import shutil

import cv2
import numpy as np
import pandas
import pytest
from tiny import write_params

from repro.datasets.index import DatasetIndex
from repro.video.store import ClipStore, StoreSettings, StoreWriter

FLOW = ("doctor", "flow", "--dataset", "toy")


@pytest.fixture(scope="module")
def extracted(stages, tmp_path_factory):
    """A folder in which the chain ran up to the containers. Don't write into it."""
    folder = tmp_path_factory.mktemp("extracted")
    write_params(folder)
    for command in ("draw", "prepare", "extract"):
        where = ("toy",) if command == "prepare" else ("--dataset", "toy")
        assert stages.repro(folder, command, *where) == 0
    return folder


@pytest.fixture
def made(extracted, tmp_path):
    """A copy to damage."""
    shutil.copytree(extracted, tmp_path / "run")
    return tmp_path / "run"


def survey(folder):
    """(checks by name, report) as they were written."""
    place = folder / "data" / "toy" / "survey"
    return pandas.read_csv(place / "checks.csv", index_col="check"), json.loads((place / "report.json").read_text())


def failed(folder):
    return set(survey(folder)[0].query("not ok").index)


def containers(folder):
    return sorted((folder / "data" / "toy" / "store").rglob("*.zip"))


def test_sound_containers_pass_and_are_shown(made, stages):
    assert stages.repro(made, *FLOW) == 0
    checks, report = survey(made)
    index = DatasetIndex.load(made / "data" / "toy" / "index").table
    assert checks["ok"].all() and report["passed"]
    assert (report["containers"], report["frames"], report["fields"]) == (48, index["frames"].sum(), index["frames"].sum() - 48)
    assert report["bytes"] == sum(path.stat().st_size for path in containers(made))
    histogram = pandas.read_csv(made / "data" / "toy" / "survey" / "histogram.csv")
    assert histogram["u"].sum() == histogram["v"].sum() == 48 * 8 * 36 * 36  # eight fields of each video
    at_bound = histogram.loc[[0, 255], ["u", "v"]].to_numpy().sum() / (2 * histogram["u"].sum())
    assert report["share_clipped"] == pytest.approx(at_bound, abs=1e-6)
    assert histogram["px"].iloc[[0, 255]].tolist() == [-6, 6]
    shapes = {
        name: cv2.imread(str(made / "data" / "toy" / "survey" / f"{name}.png")).shape[:2]
        for name in ("contact_sheet", "strip", "histogram")
    }
    assert shapes["contact_sheet"] == (7 * 90 + 6 * 2, 8 * 120 + 7 * 2)  # 48 videos and the wheel, 8 in a row
    assert shapes["strip"] == (4 * 36 + 3 * 2, 4 * 36 + 3 * 2)
    before = stages.tree(made / "data" / "toy" / "survey")
    assert stages.repro(made, *FLOW) == 0
    assert stages.tree(made / "data" / "toy" / "survey") == before


def rewrite(path, settings, change):
    """The container again, with other settings or other flow."""
    store = ClipStore(path)
    with StoreWriter(path, settings, store.meta) as writer:
        for index in range(store.frames):
            writer.rgb(store.rgb([index])[0])
            if index:
                writer.flow(change(store.flow([index - 1])[0]))


def files_come_and_go(made, paths):
    data = bytearray(paths[7].read_bytes())
    data[len(data) // 2] ^= 1
    paths[7].write_bytes(data)
    paths[8].unlink()
    shutil.copy(paths[9], paths[9].with_name("another.zip"))
    paths[9].with_name(".x.part").touch()


def params_change(made, paths):
    write_params(made, store__flow_bound=8.0, flow__backend="dis")


def some_are_made_otherwise_and_still(made, paths):
    rewrite(paths[0], StoreSettings(short_side=36, flow_bound=7.0), lambda flow: np.full_like(flow, 90))
    rewrite(paths[1], TOY, lambda flow: np.full_like(flow, 128))


def all_are_clipped(made, paths):
    for path in paths:
        rewrite(path, TOY, lambda flow: np.where(flow > 129, 255, flow).astype(np.uint8))


GOLDEN, MISSING, MADE, ASKED = (
    "golden clip computed again, mean |difference|",
    "missing, damaged or unexpected containers",
    "settings and library versions in use",
    "settings that params do not ask for",
)
TOY = StoreSettings(short_side=36, rgb_quality=90, flow_quality=90, flow_bound=6.0)


@pytest.mark.parametrize(
    "damage, names, details",
    [
        (
            files_come_and_go,
            {MISSING, "frames", "flow fields", "files left by killed writers"},
            ["checksum differs", "no container", "another: a container nobody asked for", ".x.part"],
        ),
        (params_change, {ASKED}, ["'flow_bound': 6.0", "'farneback'"]),
        (some_are_made_otherwise_and_still, {MADE, ASKED, "videos without motion"}, ["'flow_bound': 7.0"]),
        (all_are_clipped, {"share of values at the bound"}, []),
    ],
)
def test_what_is_wrong_fails_by_name(made, stages, capfd, damage, names, details):
    damage(made, containers(made))
    assert stages.repro(made, *FLOW) == 2
    assert "checks of toy failed: data/toy/survey" in capfd.readouterr().err.splitlines()[-1]
    assert names <= failed(made) <= {*names, GOLDEN}
    assert not survey(made)[1]["passed"]
    told = "\n".join(survey(made)[0]["detail"].dropna())
    assert [detail for detail in details if detail not in told] == []


def test_flow_of_another_video_is_found_by_computing_it_again(made, stages):
    """Sound in itself, of the right length, and not what extraction would write: all containers of one length trade places."""
    index = DatasetIndex.load(made / "data" / "toy" / "index").table
    same = index[index["frames"] == index["frames"].min()]["video"].tolist()
    assert len(same) > 1
    content = [(made / f"data/toy/store/{video}.zip").read_bytes() for video in same]
    for video, other in zip(same, content[1:] + content[:1]):
        (made / f"data/toy/store/{video}.zip").write_bytes(other)
    assert stages.repro(made, *FLOW) == 2
    assert failed(made) == {GOLDEN}


def test_training_can_require_the_report(made, stages, capfd):
    train = ("train", "--dataset", "toy", "--split", 1, "--system", "st_resnet")
    write_params(made, engine__require_doctor=True)

    def told():
        assert stages.repro(made, *train) == 2
        return capfd.readouterr().err.splitlines()[-1]

    assert "no report on the flow: data/toy/survey/report.json" in (line := told()) and "repro doctor flow --dataset toy" in line
    report = made / "data" / "toy" / "survey" / "report.json"
    report.parent.mkdir()
    report.write_text("{}")
    assert "unreadable report on the flow" in told()
    assert stages.repro(made, *FLOW) == 0
    assert "no checkpoint" in told()  # the report is accepted: what is missing next is the network to start from
    rewrite(containers(made)[0], TOY, lambda flow: flow // 2)
    assert "the report is of other flow" in told()
    containers(made)[0].unlink()
    assert stages.repro(made, *FLOW) == 2
    assert "the flow did not pass its checks" in told()


def test_no_containers_yet(made, stages, capfd):
    shutil.rmtree(made / "data" / "toy" / "store")
    assert stages.repro(made, *FLOW) == 2
    assert "run `repro extract --dataset toy`" in capfd.readouterr().err
    assert not (made / "data" / "toy" / "survey").exists()


def test_doctor_of_the_index(made, stages, capfd):
    assert stages.repro(made, "doctor", "data", "--dataset", "toy") == 0
    assert "groups in both train and test" in capfd.readouterr().out


def test_preview_of_a_video_is_the_preview_of_its_container(made, stages):
    container = containers(made)[0]
    video = made / "data/toy/raw/videos" / container.relative_to(made / "data/toy/store").with_suffix(".avi")
    assert stages.repro(made, "extract", "--preview", video, "--out", "deep/of video.png") == 0
    assert stages.repro(made, "extract", "--preview", container) == 0
    one, two = (cv2.imread(str(path)).astype(int) for path in (made / "deep" / "of video.png", made / f"{container.stem}.png"))
    assert one.shape == two.shape == (4 * 36 + 3 * 2, 4 * 36 + 3 * 2, 3)
    grey = slice(2 * 38, None)  # u and v; colours magnify the errors of JPEG
    assert np.abs(one[:, grey] - two[:, grey]).mean() < 1 and np.abs(one[:, :36] - two[:, :36]).mean() < 4


@pytest.mark.parametrize(
    "arguments, told",
    [
        (("--preview", "absent.avi"), "cannot open as a video: absent.avi"),
        (("--preview", "absent.zip"), "no such container: absent.zip"),
        (("--preview", "x.avi", "--pictures", "y"), "--pictures does not go with --preview"),
        (("--dataset", "toy", "--out", "y"), "--out does not go with --dataset"),
    ],
)
def test_a_preview_that_cannot_be_is_one_line(made, stages, capfd, arguments, told):
    assert stages.repro(made, "extract", *arguments) == 2
    assert told in capfd.readouterr().err
    assert not list(made.glob("*.png"))
