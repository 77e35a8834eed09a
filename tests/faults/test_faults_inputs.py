"""What a network is about to be trained or tested on: damage and mix-ups that the readers themselves would believe."""

import dataclasses
import os
import random
import shutil
import struct
import subprocess
import zipfile
from pathlib import Path

import pytest
import torch
from small import PARAMS, enter_copy, write_clip, write_params

from repro import cli
from repro.clips.dataset import VideoReader
from repro.datasets import manifest
from repro.datasets.index import DatasetIndex
from repro.datasets.local import prepare_folder
from repro.datasets.own import write_splits
from repro.errors import ReproError
from repro.params import load
from repro.profile import inputs
from repro.profile.run import Run
from repro.stages import rehearse, report, train
from repro.video.store import ClipStore, StoreWriter

STORE = Path("data/mine/store")
PLACE = ("--dataset", "mine", "--split", "1", "--system", "appearance")
SYSTEM = {
    "family": "st_resnet",
    "streams": {"appearance": {"modality": "rgb"}},
    "recipe": {"schedule": [[0.01, 6]], "videos_per_step": 4, "clips_per_batch_norm": 2},
}
TRAINED = {
    "run": {"datasets": ["mine"], "splits": [1], "seeds": [0], "systems": ["appearance"], "evaluated": ["appearance"]},
    "families": {"st_resnet": {"layout": "caffe", "blocks": [1, 1, 1, 1], "width": 4}},
    "systems": {"appearance": SYSTEM},
    "flow": {"backend": "farneback"},
    "engine": {"processes": 2, "training": {"device": "cpu", "threads": 1, "checkpoint_steps": 1}},
}


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A project with containers of two classes whose videos are called alike and last alike. Don't write into it."""
    folder = tmp_path_factory.mktemp("stored")
    videos = folder / "clips"
    for number, name in enumerate(("jump", "wave")):
        for k in range(4):
            write_clip(videos / name / f"{k}.avi", 10 * number + k)
    write_splits(videos, folder / "lists", splits=1)
    prepare_folder(videos, folder / "data/mine/raw", folder / "lists")
    write_params(folder, **TRAINED)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert cli.main(["prepare", "mine"]) == 0 and cli.main(["extract", "--dataset", "mine"]) == 0
    return folder


@pytest.fixture
def project(stored, tmp_path, monkeypatch):
    """A copy; the working directory for the rest of the test. Its raw videos are links to the first one's."""
    return enter_copy(stored, tmp_path / "project", monkeypatch)


def run_of(system="appearance"):
    return Run.of(load("params.yaml"), "mine", 1, system=system)


def containers(subset):
    return [STORE / f"{video}.zip" for video in DatasetIndex.load(Path("data/mine/index")).subset(1, subset)["video"]]


def test_a_harmed_index_of_a_container_is_refused_or_read_as_it_was(project):
    """A bit of every byte before the first picture. The reader alone believes some of these."""
    path, dice = containers("train")[0], random.Random(0)
    data, good = path.read_bytes(), vars(ClipStore(path))
    believed = refused = 0
    for place in range(data.index(b"rgb/000001.jpg")):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1 << dice.randrange(8)]) + data[place + 1 :])
        try:
            believed += vars(ClipStore(path)) != good
        except ReproError:
            pass
        try:
            assert vars(inputs.check_index(path)) == good, f"byte {place}"
        except ReproError as error:
            assert str(path) in str(error)
            refused += 1
    assert believed > 20 and refused > believed


@pytest.mark.parametrize("command", ["train", "rehearse", "evaluate", "preview"])
def test_an_index_that_was_altered_is_told_before_anything_begins(project, refused, command):
    path = containers("test" if command == "evaluate" else "train")[-1]
    data = path.read_bytes()
    path.write_bytes(data.replace(b'"flow_bound": 6.0', b'"flow_bound": 7.0'))
    assert ClipStore(path).settings.flow_bound == 7
    line = refused("extract", "--preview", path) if command == "preview" else refused(command, *PLACE)
    assert f"damaged container: {path} (index.json is not as it was written); extract it again" in line
    assert not list(Path("work").glob("*train*")) and not Path("models").exists()


def test_only_containers_that_are_read_are_looked_at(project):
    containers("test")[0].write_bytes(b"")
    inputs.check_inputs("train", run_of())
    inputs.check_inputs("evaluate", run_of(), "train")
    for command in ("evaluate", "rehearse"):
        with pytest.raises(ReproError, match="not a container"):
            inputs.check_inputs(command, run_of())


def pooled(**run):
    """Params of a network over five frames, tested on every other frame of whole videos: on four of eight."""
    model, recipe = {"temporal_pool": "max"}, {**SYSTEM["recipe"], "frames": 5}
    evaluation = {"sampling": "whole", "stride": 2}
    system = {**SYSTEM, "model": model, "recipe": recipe}
    changes = {"systems": {"appearance": system}, "evaluation": evaluation, "run": TRAINED["run"] | run}
    write_params(Path(), **TRAINED | changes)


@pytest.mark.parametrize("command", ["train", "rehearse"])
def test_a_video_too_short_to_be_tested_on_is_told_before_the_training(project, refused, command):
    pooled()
    line = refused(command, *PLACE)
    video = containers("test")[0].relative_to(STORE).with_suffix("")
    assert (
        f"a test video too short for the network: {video} (of its 8 frames sampling whole takes 4, the network needs 5)" in line
    )
    assert not list(Path("work").glob("*train*")) and not Path("models").exists()


def test_only_videos_that_are_scored_must_be_long_enough(project):
    pooled(evaluated=[])
    inputs.check_inputs("train", run_of())
    pooled(evaluated=[], svm_inputs=["appearance"])
    with pytest.raises(ReproError, match="a train video too short for the network"):
        inputs.check_inputs("train", run_of())
    pooled()
    index = DatasetIndex.load(Path("data/mine/index"))
    index.table.loc[index.table["split1"] == "test", "frames"] = 9  # takes five
    index.save(Path("data/mine/index"))
    inputs.check_inputs("train", run_of())


def test_a_container_without_a_plane_is_told_before_the_training(project):
    """Of a further dataset too, and not of its first video alone."""
    shutil.copytree("data/mine", "data/other", symlinks=True)
    mine = PARAMS["datasets"]["mine"]
    system = {**SYSTEM, "streams": {"motion": "flow"}, "also_on": ["other"]}
    write_params(Path(), **TRAINED | {"datasets": {"mine": mine, "other": mine}, "systems": {"appearance": system}})
    inputs.check_inputs("train", run_of())
    path = "data/other" / containers("train")[-1].relative_to("data/mine")
    store = ClipStore(path)
    with StoreWriter(path, dataclasses.replace(store.settings, planes=("rgb",)), store.meta) as writer:
        for frame in store.rgb(range(store.frames)):
            writer.rgb(frame)
    told = f"a container without a plane that a stream needs: {path} .motion, flow, reads flow; there: rgb."
    for command in ("train", "rehearse"):
        with pytest.raises(ReproError, match=told):  # the stage says the same, once it draws that video
            inputs.check_inputs(command, run_of())


def swap():
    """The containers of two videos of one name, one length and two classes."""
    one, other = STORE / "jump/0.zip", STORE / "wave/0.zip"
    content = one.read_bytes()
    one.write_bytes(other.read_bytes()), other.write_bytes(content)


@pytest.mark.parametrize("listed", [True, False])
def test_containers_of_two_classes_that_changed_places(project, refused, listed):
    """Told by the list of checksums that `prepare` wrote, or by the videos themselves. The reader alone believes them."""
    if not listed:
        (Path("data/mine/raw") / manifest.NAME).unlink()
    inputs.check_inputs("rehearse", run_of())
    swap()
    table = DatasetIndex.load(Path("data/mine/index")).table
    reader = VideoReader(STORE, run_of().streams, 0, table)
    assert all(reader.store(video) for video in table["video"])
    why = "made of a file 0.avi with another sha256 than data/mine/raw/videos/jump/0.avi"
    line = refused("rehearse", *PLACE)
    assert f"a container of another video: data/mine/store/jump/0.zip ({why}); run `repro extract`" in line
    shutil.rmtree("data/mine/raw")  # nothing to compare with
    inputs.check_inputs("rehearse", run_of())


def test_a_video_that_was_brought_and_is_away_is_known_by_its_checksum(project):
    shutil.rmtree("data/mine/raw/videos")
    inputs.check_inputs("rehearse", run_of())
    swap()
    with pytest.raises(ReproError, match="a container of another video"):
        inputs.check_inputs("rehearse", run_of())


def test_videos_of_names_or_lengths_of_their_own_are_not_read(project, monkeypatch):
    """Only what is equal in both is compared by content; a manifest that is damaged is no reason to stop."""
    (Path("data/mine/raw") / manifest.NAME).write_text("[")
    read = []
    monkeypatch.setattr(inputs, "content_of", lambda path: read.append(path) or manifest.content_of(path))
    inputs.check_inputs("rehearse", run_of())
    assert len(read) == 8
    index = DatasetIndex.load(Path("data/mine/index"))
    index.table["frames"] += index.table["label"] * 10
    index.save(Path("data/mine/index"))
    inputs.check_inputs("rehearse", run_of())
    assert len(read) == 8


def weights():
    """An imported file for the small network, and its checksum."""
    from repro.models.registry import Inputs, family

    run = run_of()
    torch.manual_seed(0)
    model = family("st_resnet").build(run.model, Inputs({"appearance": 3}, {"mine": 2}, 32))
    state = {key.removeprefix("appearance."): tensor for key, tensor in model.state_dict().items() if "fc" not in key}
    torch.save(state, "net.pth")
    assert cli.main(["import-weights", "net.pth", "weights/net.safetensors"]) == 0
    return Path("weights/net.safetensors"), Path("weights/net.safetensors.sha256")


def test_imported_weights_are_those_of_the_checksum_beside_them(project, refused):
    path, listed = weights()
    if shutil.which("sha256sum"):
        subprocess.run(["sha256sum", "--check", "--strict", listed.name], cwd="weights", check=True, capture_output=True)
    write_params(Path(), **TRAINED | {"systems": {"appearance": {**SYSTEM, "weights": str(path)}}})
    inputs.check_inputs("train", run_of())
    data = path.read_bytes()
    place = len(data) - 4000  # a float
    path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
    for command in ("train", "rehearse"):
        line = refused(command, *PLACE)
        assert f"weights that are not as they were imported: {path} (its sha256 is " in line and line.endswith(
            "import them again"
        )
    listed.unlink()  # imported before there were any
    inputs.check_weights(path)
    listed.write_text("")
    with pytest.raises(ReproError, match="net.safetensors.sha256 says nothing"):
        inputs.check_weights(path)
    assert cli.main(["import-weights", "net.pth", str(path)]) == 0 and path.read_bytes() == data
    inputs.check_weights(path)
    listed.write_text(listed.read_text().upper().replace("NET.SAFETENSORS", f"*{path}"))
    inputs.check_weights(path)


def stop_at(step):
    def watch(done, model, normalisation):
        if done == step:
            raise KeyboardInterrupt

    return watch


def half_done(step=3):
    """The curves of a training that is stopped after ``step``, with that many rows."""
    with pytest.raises(KeyboardInterrupt):
        train.run(run_of(), stop_at(step))
    (path,) = Path("work").glob("train-appearance-*/curves.csv")
    assert len(path.read_text().splitlines()) == step + 1
    return path


def damaged(text, how):
    lines = text.splitlines()
    return {
        "cut": "\n".join(lines[:2]),
        "header": text.replace("learning_rate", "learning_rbte"),
        "row": text.replace("\n2,", "\n2;"),
        "whole": text,
    }[how]


@pytest.mark.parametrize(
    "how, told",
    [("lost", "steps 1 to 3"), ("cut", "steps 2 to 3"), ("header", "steps 1 to 3"), ("row", "step 2"), ("whole", None)],
)
def test_curves_that_lack_the_steps_before_a_stop_are_told(project, monkeypatch, capsys, how, told):
    path = half_done()
    path.unlink() if how == "lost" else path.write_text(damaged(path.read_text(), how))
    assert cli.main(["train", *PLACE]) == 0
    said, curves = capsys.readouterr().out, run_of().curves
    assert (f"{curves} lacks the rows of {told}, lost or damaged while" in said) if told else "lacks" not in said
    monkeypatch.setattr(report, "run", lambda run, readme: None)
    assert cli.main(["report"]) == 0
    assert (f"{curves} lacks the rows of {told}, " in capsys.readouterr().out) == (told is not None)


def test_curves_that_are_no_text_are_told_before_the_training_goes_on(project, refused):
    path = half_done()
    path.write_bytes(path.read_bytes().replace(b"step", b"\xffstep", 1))
    line = refused("train", *PLACE)
    assert f"damaged curves of a half-done training: {path}" in line and "delete this file alone and run again" in line


def test_what_is_no_file_among_the_curves_is_passed_over(tmp_path, monkeypatch, capsys):
    """The look at the curves comes after the stage, which it must not fail, nor wait for a pipe's writer."""
    monkeypatch.chdir(tmp_path)
    write_params(tmp_path, **TRAINED)
    run = run_of()
    inputs.tell_lost_steps("train", run)
    folder = run.paths.results / "curves"
    (folder / "folder.csv").mkdir(parents=True)
    os.mkfifo(folder / "pipe.csv")
    (folder / "lost.csv").write_text("step,loss\n2,1.0\n")
    inputs.tell_lost_steps("report", run)
    assert "lost.csv lacks the rows of step 1, " in (said := capsys.readouterr().out) and said.count("\n") == 1


@pytest.mark.parametrize("lost", [True, False])
def test_a_rehearsal_tells_the_rows_that_it_lost(project, monkeypatch, capsys, lost):
    """Of six videos, four a step: passes end with steps 2, 3, 5 and 6; stopped after step 4."""
    mine = PARAMS["datasets"]["mine"]
    datasets = {"mine": {**mine, "held_out": {"of": "whole"}}, "whole": mine}
    write_params(Path(), **TRAINED | {"datasets": datasets, "evaluation": {"protocol": "centre", "frames": 2}})
    real, stop = train.run, stop_at(4)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(train, "run", lambda run, watch: real(run, lambda *step: watch(*step) or stop(*step)))
        rehearse.run(run_of(), 1)
    path = run_of().paths.validation("mine", 1, 0, "appearance")
    assert [line.split(",")[0] for line in path.read_text().splitlines()] == ["step", "2", "3"]
    if lost:
        path.write_text(path.read_text().replace("\n2,", "\n2;"))
    capsys.readouterr()
    assert cli.main(["rehearse", *PLACE]) == 0
    assert (f"{path} lacks 1 of 4 rows" in capsys.readouterr().out) == lost
    assert [line.split(",")[0] for line in path.read_text().splitlines()] == ["step", *([] if lost else ["2"]), "3", "5", "6"]


def test_the_header_that_is_read_is_that_of_a_zip(project):
    """Against Python's own names for its parts."""
    path = containers("train")[0]
    with zipfile.ZipFile(path) as archive:
        info = archive.infolist()[0]
    head = path.read_bytes()[:30]
    assert inputs._LOCAL_HEADER.unpack(head) == (info.CRC, info.compress_size, len(info.filename), 0)
    assert struct.calcsize(zipfile.structFileHeader) == inputs._LOCAL_HEADER.size


def test_a_training_beside_this_one_may_end_at_any_moment(project, monkeypatch):
    """Its curves are gone between the listing and the reading."""
    monkeypatch.setattr(Path, "glob", lambda *_: [Path("work/train-appearance-0/curves.csv")])
    inputs.check_inputs("train", run_of())
