"""Bad input: one line on stderr, exit status 2, and not a file more or less than before."""

import re
import shutil

import pytest
import torch
from tiny import write_params

from repro.training.checkpoint import load_checkpoint, save_checkpoint

PLACE = ("--dataset", "toy", "--split", 1)


@pytest.fixture
def refused(stages, capfd):
    """Run a subcommand that must fail; returns the one line it says.

    ``resumable``: finished parts of the work may stay in the work folder for the next run.
    """

    def run(folder, *command, resumable=False):
        before = stages.tree(folder)
        capfd.readouterr()
        status = stages.repro(folder, *command)
        out, err = capfd.readouterr()
        lines = [line for line in err.splitlines() if not re.match(r"[\w ]+: \d+/\d+ ", line)]  # but for progress
        assert status == 2 and len(lines) == 1, err
        assert lines[0].startswith(f"repro {command[0]}: ") and "Traceback" not in out + err
        assert stages.tree(folder, skip=("work",)) == before
        assert resumable or not list(folder.glob("work/*"))
        return lines[0]

    return run


@pytest.fixture
def made(finished, tmp_path):
    """A copy of the finished chain that a test may damage."""
    shutil.copytree(finished, tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture
def raw(finished, tmp_path):
    """The drawn videos and lists alone."""
    write_params(tmp_path / "run")
    shutil.copytree(finished / "data" / "toy" / "raw", tmp_path / "run" / "data" / "toy" / "raw")
    return tmp_path / "run"


@pytest.mark.parametrize(
    "command",
    [
        ("draw",),
        ("extract",),
        ("train", "--split", 1, "--system", "motion"),
        ("evaluate", "--split", 1, "--system", "motion"),
        ("fuse", "--split", 1),
    ],
)
def test_an_unknown_dataset_is_told_with_the_nearest(made, refused, command):
    assert "did you mean `toy`" in refused(made, *command, "--dataset", "toys")
    assert "did you mean `toy`" in refused(made, "prepare", "toys")


@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_an_unknown_system_is_told_with_the_nearest(made, refused, command):
    line = refused(made, command, *PLACE, "--system", "st_resnt")
    assert "unknown system `st_resnt` in params.yaml: systems" in line and "did you mean `st_resnet`" in line


@pytest.mark.parametrize(
    "key, value, command, told",
    [
        ("store__rgb_qualty", 3, ("extract",), "unknown key `rgb_qualty`.*did you mean `rgb_quality`"),
        ("flow__backend", "tvl2", ("extract",), "backend must be one of .*'tvl2'"),
        ("datasets__toy__layot", "x", ("prepare", "toy"), "unknown key `layot`.*did you mean `layout`"),
        ("datasets__toy__layout", "ucf", ("prepare", "toy"), "unknown layout `ucf` .*did you mean `ucf101`"),
        ("embedded__toy__group", 1, ("draw",), "unknown key `group`.*did you mean `groups`"),
        ("embedded__toy__groups", 4, ("draw",), "groups must be at least twice the splits"),
        ("engine__processes", 0, ("draw",), "engine.processes must be at least 1"),
        ("engine__processes", "two", ("extract",), "engine.processes must be of type int"),
        ("input_size", 50, ("extract",), "input_size must be a positive multiple of 32.*50"),
        ("profile", 3, ("draw",), "profile must be of type str"),
    ],
)
def test_wrong_params_of_data_stages_are_told(made, refused, key, value, command, told):
    write_params(made, **{key: value})
    assert re.search(told, refused(made, *command, *([] if command[0] == "prepare" else ["--dataset", "toy"])))


@pytest.mark.parametrize(
    "key, value, told",
    [
        ("systems__motion__recipe__frame", 3, "unknown key `frame`.*did you mean `frames`"),
        ("systems__motion__recipe__stride", [3], "stride must hold 2 values"),
        ("systems__motion__recipe__schedule", [[0.1]], "schedule must hold 2 values"),
        ("systems__motion__recipe__preset", "code/motoin", "no recipe preset `code/motoin`.*code/motion"),
        ("systems__motion__model", {"temporal": "averag"}, "temporal must be .*'averag'"),
        ("systems__motion__model", None, "model must be a mapping"),
        ("systems__motion__recpe", {}, "unknown key `recpe`.*did you mean `recipe`"),
        ("systems__motion__weights", "absent.safetensors", "cannot start from these weights.*absent.safetensors"),
        ("families__st_resnet__widht", 4, "unknown key `widht`.*did you mean `width`"),
        ("engine__training__device", "tpu9", "no device `tpu9` here"),
        ("engine__training__precision", "fp8", "precision must be one of fp32"),
        ("run__seeds", ["three"], "run.seeds must be of type int"),
        ("run__seeds", [], "seeds must be whole numbers"),
        ("run__seeds", [3, 3], "seeds must be distinct.*3, 3"),
        ("input_size", 32.0, "input_size must be of type int"),
    ],
)
def test_wrong_params_of_training_are_told(made, refused, key, value, told):
    write_params(made, **{key: value})
    assert re.search(told, refused(made, "train", *PLACE, "--system", "motion"))


def test_videos_too_short_for_the_network_are_told_before_the_first(made, refused):
    """Every 20th of at most 64 frames: three where the pool over time takes five."""
    write_params(made, systems__st_resnet_star__evaluation={"sampling": "whole", "stride": 20})
    line = refused(made, "evaluate", *PLACE, "--system", "st_resnet_star")
    assert re.search(r"a clip too short for the network: .*_g\d+_c01 .3 frames by this protocol, the network needs 5.", line)


def test_no_params_file(tmp_path, refused):
    assert "no params file" in refused(tmp_path, "draw", "--dataset", "toy")


def test_a_missing_dataset_folder_is_told(raw, refused):
    shutil.rmtree(raw / "data" / "toy" / "raw" / "videos")
    assert re.search("missing input: data/toy/raw/videos.*put or link it there", refused(raw, "prepare", "toy"))
    shutil.rmtree(raw / "data")
    line = refused(raw, "prepare", "toy")
    assert re.search("missing input: data/toy/raw .no videos of this dataset.; `repro prepare toy --from", line)


def test_a_list_that_names_an_absent_video_is_told(raw, refused):
    video = next((raw / "data" / "toy" / "raw" / "videos").rglob("*_g02_*.avi"))
    video.unlink()
    line = refused(raw, "prepare", "toy")
    assert re.search(r"absent video: .*list01.txt:\d+", line) and video.stem in line


@pytest.mark.parametrize("content", [b"", b"no video at all" * 100, None])
def test_a_video_that_cannot_be_decoded_is_told(raw, refused, content):
    video = next((raw / "data" / "toy" / "raw" / "videos").rglob("*_g02_*.avi"))
    video.write_bytes(video.read_bytes()[:2000] if content is None else content)  # the header is there, no frame is
    line = refused(raw, "prepare", "toy", resumable=True)
    assert video.name in line and "exclude_bad" in line


def test_an_excluded_video_is_recorded_and_left_out(raw, stages):
    video = next((raw / "data" / "toy" / "raw" / "videos").rglob("*_g02_*.avi"))
    video.write_bytes(b"")
    write_params(raw, datasets__toy__exclude_bad=True)
    assert stages.repro(raw, "prepare", "toy") == 0
    from repro.datasets.index import DatasetIndex

    index = DatasetIndex.load(raw / "data" / "toy" / "index")
    bad = index.table[index.table["problems"] != ""]
    assert list(bad["path"]) == [f"{video.parent.name}/{video.name}"] and len(index.subset(1, "test")) == 15


@pytest.mark.parametrize(
    "command, missing, told",
    [
        (("extract", "--dataset", "toy"), "data/toy/index", "no dataset index here"),
        (("train", *PLACE, "--system", "motion"), "data/toy/index", "no dataset index here"),
        (
            ("train", *PLACE, "--system", "motion"),
            "data/toy/store",
            "no container for a video of the split: data/toy/store/.*run `repro extract`",
        ),
        (
            ("train", *PLACE, "--system", "st_resnet"),
            "models/tiny/toy/split1/seed3/motion",
            "no checkpoint.*motion.*train it first",
        ),
        (
            ("evaluate", *PLACE, "--system", "motion"),
            "models/tiny/toy/split1/seed3/motion",
            "no checkpoint.*motion.*train it first",
        ),
        (("fuse", *PLACE), "results/tiny/scores", "nothing to fuse.*repro evaluate"),
    ],
)
def test_a_missing_input_is_told(made, refused, command, missing, told):
    shutil.rmtree(made / missing)
    assert re.search(told, refused(made, *command))


@pytest.mark.parametrize("command", [("train", "--system", "motion"), ("evaluate", "--system", "motion")])
def test_an_unknown_split_is_told(made, refused, command):
    assert re.search(r"has no split 9.*\[1, 2, 3\]", refused(made, *command, "--dataset", "toy", "--split", 9))


@pytest.mark.parametrize("command", [("train", "--system", "motion"), ("evaluate", "--system", "motion")])
def test_a_missing_container_is_told(made, refused, command):
    for container in (made / "data" / "toy" / "store").rglob("*.zip"):
        container.unlink()
    line = refused(made, *command, *PLACE)
    assert re.search(r"no container for a video of the split: data/toy/store/\w+/v_\w+.zip; run `repro extract`", line)


@pytest.mark.parametrize("command", [("train", "--system", "motion"), ("evaluate", "--system", "motion")])
def test_a_container_of_another_video_is_told(made, refused, command):
    folders = sorted(path for path in (made / "data" / "toy" / "store").iterdir() if path.is_dir())
    for folder in folders:  # every container is its right neighbour's
        containers = sorted(folder.glob("*.zip"))
        content = [path.read_bytes() for path in containers]
        for path, other in zip(containers, content[1:] + content[:1]):
            path.write_bytes(other)
    line = refused(made, *command, *PLACE)
    assert re.search(
        r"a container of another video: data/toy/store/.*_(g\d\d_c\d\d)\.zip .made of v_\w+\.avi, .*the index says v_\w+_\1\.avi",
        line,
    )


def altered(made, change):
    path = made / "models" / "tiny" / "toy" / "split1" / "seed3" / "motion" / "checkpoint.pt"
    content = load_checkpoint(path)
    change(content)
    save_checkpoint(path, content)


NEEDED = ("family", "streams", "normalisation", "classes")
UNFIT = "another architecture|do not fit the network"


@pytest.mark.parametrize("command", [("train", *PLACE, "--system", "st_resnet"), ("evaluate", *PLACE, "--system", "motion")])
@pytest.mark.parametrize(
    "change, told",
    [
        (lambda c: c["meta"].update(split=2), "checkpoint of another split: .*motion/checkpoint.pt .it says 2, this run is 1"),
        (lambda c: c["meta"].update(seed=4), "checkpoint of another seed: .*motion/checkpoint.pt .it says 4, this run is 3"),
        (lambda c: c["meta"].update(dataset="ucf101"), "checkpoint of another dataset"),
        (lambda c: c["model"].pop("motion.layer1.0.conv1.weight"), UNFIT),
        (lambda c: c["model"].update({"motion.conv1.weight": torch.zeros(8, 20, 7, 7)}), UNFIT),
        (lambda c: c.pop("meta"), "not a checkpoint of this project"),
        (lambda c: c["meta"].update(profile="paper"), "checkpoint of another profile: .*it says paper, this run is tiny"),
        (lambda c: c["meta"].update(input_size=64), "checkpoint of another input size: .*it says 64, this run is 32"),
        (lambda c: c["meta"].update(system="mine"), "checkpoint of another system: .*it says mine, this run is motion"),
        (
            lambda c: c["meta"]["classes"].update(toy=c["meta"]["classes"]["toy"][::-1]),
            "checkpoint of other classes: .*motion/checkpoint.pt .not those of toy's index",
        ),
        *((lambda c, key=key: c["meta"].pop(key), f"motion/checkpoint.pt .its metadata lack `{key}`") for key in NEEDED),
    ],
    ids=[
        *("split", "seed", "dataset", "missing weight", "other width", "no metadata", "profile", "input size", "system"),
        *("classes", *(f"no {key}" for key in NEEDED)),
    ],
)
def test_a_checkpoint_of_something_else_is_refused(made, refused, command, change, told):
    altered(made, change)
    assert re.search(told, refused(made, *command))


def test_a_checkpoint_of_a_family_that_is_not_there_is_refused(made, refused):
    altered(made, lambda c: c["meta"].update(family="st_resnt"))
    line = refused(made, "evaluate", *PLACE, "--system", "motion")
    assert re.search(r"unknown family: .*motion/checkpoint.pt .*did you mean 'st_resnet'", line)


def test_the_trace_is_there_for_those_who_ask(made, stages):
    from repro.errors import ReproError

    with pytest.raises(ReproError):
        stages.repro(made, "--trace", "extract", "--dataset", "toys")
