"""``repro plan``: hours and disk by hand from made-up rates; what nobody measured gets no number; done runs cost nothing."""

import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from tiny import PARAMS, changed

from repro import cli
from repro.evaluation.protocol import views
from repro.evaluation.settings import VIEWS
from repro.params import Params, load
from repro.profile.costs import Cost, instances
from repro.profile.networks import network_of, scored_frames
from repro.profile.rates import Rates
from repro.profile.run import Run
from repro.profile.schedule import Schedule, side_by_side
from repro.profile.settings import RunSettings
from repro.profile.sizes import FRAMES, data_of
from repro.stages.plan import Finished, plan
from repro.video.store import ClipStore

ROOT = Path(__file__).resolve().parents[2]
PAPER = load(ROOT / "params" / "paper.yaml")
STAGE, DATASET, RUNS, DONE, CPU, GPU, WALL, DISK = range(8)
UNKNOWN = "not measured"
UCF101 = 27 * 3600 * 25  # frames
TRAIN = {"ucf101": (9537, 9586, 9624), "hmdb51": (3570,) * 3}


@pytest.fixture
def benchmarks(tmp_path):
    """Rates that are easy to reckon with, on frames of the size that the paper profile stores: 256 x 341.3."""

    def write(name, **content):
        (tmp_path / f"{name}.json").write_text(json.dumps(content))

    size = "320x256"  # the stored frame has 16/15 as many pixels
    authors = {"tvl1_cpu": {"cpu_ms_per_pair": 1500.0}}  # the profile's method; that of the other preset must not be taken
    flow = {"device": "old cpu", "size": size, "tvl1_cpu": {"cpu_ms_per_pair": 100.0}, "authors": authors}
    write("flow_tvl1", cpu=flow, gpu="not measured")
    write("store_layouts", device="old cpu", size=size, layouts={"container, quality 95/95": {"bytes_per_frame": 15000}})
    write("idt_clips", device="old cpu", size="320x240", frames_per_cpu_second=10.0, bytes_per_frame=20000)
    clips = {
        "pixels_per_frame": 320 * 240,
        "bytes_per_frame": {"all": 1, "sample": 2000},
        "bytes_per_video_and_codebook": 400_000,
        "encoding_cpu_ms_per_frame_and_codebook": 4.0,
    }
    write("idt_storage", device="old", gaussians=256, ucf101=clips)
    write(
        "train_step",
        cpu="not measured",
        gpu={
            "device": "NVIDIA H100 80GB",
            "side": 224,
            "methods": {"st_resnet": {"frames_per_s": 500.0}, "plain": {"frames_per_s": 640.0}},
        },
    )
    write(
        "inference",
        gpu="not measured",
        cpu={
            "device": "old cpu",
            "threads": 2,
            "size": [256, 340],
            "methods": {"st_resnet_star": {"ms_per_video": [30e3, 36e3, 99e3]}, "plain": {"ms_per_video": [18e3, 18e3, 18e3]}},
        },
    )
    return tmp_path


def rows(benchmarks, gpu="none", params=PAPER, cores=10, gpus=1, done=lambda name, outs: False):
    found, assumed = plan(Run.of(params), Rates(benchmarks, gpu), cores, gpus, done)
    return {row[:2]: row for row in found}, assumed


@pytest.fixture
def project(monkeypatch):
    monkeypatch.chdir(ROOT)


def test_flow_containers_and_trajectories_by_hand(benchmarks, project):
    table, _ = rows(benchmarks)
    hours = (UCF101 - 13320) * 1.5 * 16 / 15 / 3600  # a pair less than frames in every video
    extract = table["extract", "ucf101"]
    assert extract[RUNS] == 1 and extract[CPU] == f"{hours:,.0f}" == "1,074" and extract[GPU] == "0"
    assert extract[WALL] == f"{hours / 10:,.0f}" and extract[DISK] == f"{UCF101 * 15000 * 16 / 15 / 1e9:.1f}" == "38.9"
    trajectories = table["idt-features idt", "ucf101"]
    assert (
        trajectories[CPU] == f"{UCF101 / 10 / 3600:.1f}" == "67.5"
        and trajectories[DISK] == f"{UCF101 * 2e3 / 1e9:.1f}" == "4.9"  # a sample of them
    )


def trajectories_of(**settings):
    entry = {"features": {"keep": "sample"}, "codebook": {"gaussians": 256}, "svm_c": 100.0, **settings}
    return Params({**PAPER.mapping, "idt": {"idt": entry}}, PAPER.path)


def test_fisher_vectors_by_hand(benchmarks, project):
    """Under the codebooks of three splits: after a sample everything is extracted again."""
    hours = UCF101 * (0.1 + 3 * 0.004) / 3600
    row = rows(benchmarks)[0]["idt-fisher idt", "ucf101"]
    assert row[RUNS] == 1 and row[CPU] == f"{hours:.1f}" == "75.6" and row[WALL] == f"{hours / 10:.1f}" and row[GPU] == "0"
    assert row[DISK] == f"{13320 * 3 * 400e3 / 1e9:.1f}" == "16.0"
    table, _ = rows(benchmarks, params=trajectories_of(features={}))
    assert table["idt-features idt", "ucf101"][DISK] == f"{UCF101 * 20e3 / 1e9:.1f}" == "48.6"
    assert table["idt-fisher idt", "ucf101"][CPU] == f"{UCF101 * 3 * 0.004 / 3600:.1f}" == "8.1"
    fewer = rows(benchmarks, params=trajectories_of(codebook={"gaussians": 64}))[0]["idt-fisher idt", "ucf101"]
    assert fewer[CPU] == fewer[WALL] == UNKNOWN and fewer[DISK] == "4.0"  # a quarter of the numbers


def test_trajectories_of_the_papers_datasets_take_less_than_60_gb(project):
    """By what was measured, with what the plan knows of the datasets' sizes."""
    table, _ = rows(ROOT / "results" / "benchmarks")
    disk = [number(table[f"idt-{stage} idt", dataset][DISK]) for stage in ("features", "fisher") for dataset in TRAIN]
    assert len(disk) == 4 and 20 < sum(disk) < 60


def test_training_on_a_gpu_by_hand(benchmarks, project):
    table, assumed = rows(benchmarks, "h100", gpus=2)
    # ST-ResNet: 80 passes of 5 frames over the training videos, each schedule entry rounded to whole steps of 128 videos
    steps = sum(sum(round(passes * n / 128) for passes in (30, 30, 20)) for n in TRAIN["ucf101"])
    hours = steps * 128 * 5 / 500 / 3600
    joint = table["train st_resnet", "ucf101"]
    assert joint[RUNS] == 3 and joint[CPU] == "0" and joint[GPU] == f"{hours:.1f}" and joint[WALL] == f"{hours / 2:.1f}"
    # streams one by one at twice the pair's rate; HMDB51 has an appearance recipe of its own
    motion = 3 * 4 * round(100 * 3570 / 128) * 128
    appearance = 3 * sum(round(passes * 3570 / 256) for passes in (20, 10, 10)) * 256
    assert table["train motion", "hmdb51"][GPU] == f"{motion / 1280 / 3600:.2g}"
    assert table["train appearance", "hmdb51"][GPU] == f"{appearance / 1280 / 3600:.2g}"
    assert table["evaluate motion", "ucf101"][GPU] == table["evaluate motion", "ucf101"][WALL] == UNKNOWN  # on no GPU
    assert any("train_step.json: measured on NVIDIA H100" in line for line in assumed)


def test_scoring_on_a_cpu_by_hand(benchmarks, project):
    table, _ = rows(benchmarks)
    videos = 3783 + 3734 + 3696
    for system, core_seconds in (("st_resnet", 2 * 36), ("motion", 2 * 9)):  # 2 threads; the median of two streams, one of two
        assert table[f"evaluate {system}", "ucf101"][CPU] == f"{videos * core_seconds / 3600:,.{1 if system == 'motion' else 0}f}"
    assert table["train st_resnet", "ucf101"][CPU] == UNKNOWN


def test_more_threads_than_cores_make_no_run_longer(benchmarks, project):
    """The profile asks for eight threads."""
    row = rows(benchmarks, cores=2)[0]["evaluate st_resnet", "ucf101"]
    assert number(row[WALL]) == pytest.approx(number(row[CPU]) / 2, abs=1)


def test_a_checkpoint_is_as_large_in_a_part_of_the_profile(project):
    folder = ROOT / "results" / "benchmarks"
    whole, assumed = rows(folder)
    part, _ = rows(folder, params=load(ROOT / "params" / "hmdb51.yaml"))
    for system in ("appearance", "st_resnet"):
        assert part[f"train {system}", "hmdb51"][DISK] == whole[f"train {system}", "hmdb51"][DISK] != UNKNOWN
    assert not any("stages of paper itself" in line for line in assumed)  # of which the sizes alone are known
    thin = Params({**PAPER.mapping, "profile": "thin", "families": {"st_resnet": {"layout": "caffe", "width": 32}}}, PAPER.path)
    assert rows(folder, params=thin)[0]["train st_resnet", "hmdb51"][DISK] == UNKNOWN


def test_another_gpu_than_the_measured_one_gets_no_number(benchmarks, project):
    table, assumed = rows(benchmarks, "a100")
    assert table["train st_resnet", "ucf101"][GPU] == UNKNOWN and not any("H100" in line for line in assumed)


def test_another_network_gets_no_number(benchmarks, project):
    thin = Params({**PAPER.mapping, "families": {"st_resnet": {"layout": "caffe", "width": 32}}}, PAPER.path)
    assert rows(benchmarks, "h100", thin)[0]["train st_resnet", "ucf101"][GPU] == UNKNOWN
    assert rows(benchmarks, "none", thin)[0]["evaluate st_resnet", "ucf101"][CPU] == UNKNOWN


def test_another_protocol_gets_no_number(benchmarks, project):
    crops = Params({**PAPER.mapping, "evaluation": {"protocol": "crops10"}}, PAPER.path)
    chunks = Params({**PAPER.mapping, "evaluation": {"frames_per_chunk": 5}}, PAPER.path)
    assert rows(benchmarks, "none", crops)[0]["evaluate st_resnet", "ucf101"][CPU] == UNKNOWN
    assert rows(benchmarks, "none", chunks)[0]["evaluate st_resnet", "ucf101"][CPU] != UNKNOWN


def test_without_benchmarks_there_is_no_number_at_all(tmp_path, project):
    table, assumed = rows(tmp_path / "none")
    cells = [cell for row in table.values() for cell in row[CPU : DISK + 1]]
    assert set(cells) == {UNKNOWN, "0", "incomplete"} and not any("measured on" in line for line in assumed)


def number(text):
    return float(text.replace(",", ""))


def test_what_is_done_costs_nothing(benchmarks, project):
    whole, _ = rows(benchmarks)
    left, _ = rows(benchmarks, done=lambda name, outs: name.startswith("extract@ucf101"))
    done = left["extract", "ucf101"]
    assert done[DONE] == 1 and done[CPU:] == ("", "", "", "") and left["extract", "hmdb51"] == whole["extract", "hmdb51"]


def test_a_sum_that_leaves_something_out_is_none(benchmarks, project):
    *_, name = (row[0] for row in rows(benchmarks, "h100")[0].values())
    assert name.startswith("incomplete: ") and name.endswith(" not measured")
    assert {"prepare", "train", "evaluate"} <= set(name.removeprefix("incomplete: ").removesuffix(" not measured").split(", "))
    last = rows(benchmarks, "h100")[0][name, ""]
    assert last[CPU:] == ("incomplete",) * 4
    trained = lambda stage, outs: not stage.startswith(("extract", "idt_features"))  # noqa: E731
    table, _ = rows(benchmarks, "h100", done=trained)  # what is left was measured
    parts = [table[kind, dataset] for kind in ("extract", "idt-features idt") for dataset in ("ucf101", "hmdb51")]
    for column, slack in ((CPU, 1.5), (WALL, 1.0), (DISK, 1.5)):  # cells are rounded
        assert number(table["sum", ""][column]) == pytest.approx(sum(number(row[column]) for row in parts), abs=slack)


@pytest.fixture
def measured(tmp_path):
    """Every stage of the tiny profile measured: a second to begin with, and one per unit; fusion takes 2 s a run."""
    kinds = ["draw", "prepare", "extract", "fuse", "report"]
    kinds += [f"{command} {system}" for command in ("train", "evaluate") for system in PARAMS["run"]["systems"]]
    stages = {kind: {"start_s": 1.0, "cpu_s": 1.0, "bytes": 1000, "bytes_per_run": 5000} for kind in kinds}
    content = {"device": "old cpu", "profiles": {"tiny": stages}}
    (tmp_path / "profiles.json").write_text(json.dumps(content))
    return tmp_path


def test_a_measured_profile_by_hand(measured, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    params = Params(changed(run__splits=[1, 2, 3]), Path("params.yaml"))
    table, assumed = rows(measured, params=params, cores=2)
    videos, frames, test = 48, 48 * 62, 16  # 8 classes of 6 groups, 60 to 64 frames, two groups held out
    assert number(table["draw", "toy"][CPU]) == pytest.approx((1 + videos) / 3600, abs=0.005)
    assert number(table["extract", "toy"][CPU]) == pytest.approx((1 + frames) / 3600, abs=0.005)
    units = {"appearance": 16, "motion": 16, "st_resnet": 48, "st_resnet_star": 112}  # 4 steps of 4 videos, frames
    for system, count in units.items():
        assert number(table[f"train {system}", "toy"][CPU]) == pytest.approx(3 * (1 + count) / 3600, abs=0.005)
        assert number(table[f"evaluate {system}", "toy"][CPU]) == pytest.approx(3 * (1 + test) / 3600, abs=0.005)
    chain = sum(1 + count for count in units.values()) + 4 * (1 + test) + 2  # and its fusion
    data, rest = (1 + videos) + 2 * (1 + frames), 2
    assert number(table["sum", ""][CPU]) == pytest.approx((data + 3 * chain + rest) / 3600, abs=0.05)
    # two chains side by side on two cores, the third after one of them; data by two processes
    assert number(table["sum", ""][WALL]) == pytest.approx((data / 2 + 2 * chain + rest) / 3600, abs=0.05)
    disk = videos * 1000 + frames * 1000 + 12 * 5000
    assert table["sum", ""][DISK] == f"{disk / 1e9:.2g}"
    assert any("3 chains (dataset, split, seed), 2 in parallel" in line for line in assumed)


def test_chains_start_as_soon_as_a_place_is_free():
    assert side_by_side([3, 1, 1, 1], 2) == 3 and side_by_side([1, 1, 1, 3], 2) == 4 and side_by_side([], 4) == 0


def test_codebooks_are_fitted_side_by_side_before_the_chains_begin():
    block = lambda command: SimpleNamespace(command=command)  # noqa: E731
    place = {"dataset": "toy", "split": 1, "seed": 0}
    runs = [(block("idt-codebook"), {**place, "split": split}, Cost(cpu=3.0)) for split in (1, 2, 3)]
    runs += [(block("idt-fisher"), {"dataset": "toy"}, Cost(cpu=4.0)), (block("train"), place, Cost(cpu=5.0))]
    total = Schedule(cores=2, processes=2, jobs=2, threads=1).total(runs, {"toy-1-0"})
    assert total == pytest.approx(6.0 + 4.0 / 2 + 5.0)  # two codebooks, then the third


def test_core_time_of_flow_is_compared_within_a_preset(tmp_path, project):
    spent = {"tvl1": 1000.0, "tvl1_cpu": 100.0}
    cpu = {"device": "old cpu", "size": "320x256", **{name: {"cpu_ms_per_pair": ms} for name, ms in spent.items()}}
    cpu["authors"] = {"tvl1_cpu": {"cpu_ms_per_pair": 20.0}, "tvl1_torch": {"cpu_ms_per_pair": 50.0}}
    (tmp_path / "flow_tvl1.json").write_text(json.dumps({"cpu": cpu}))
    _, assumed = rows(tmp_path)
    assert "flow by tvl1_cpu, preset authors; tvl1_torch takes 2.50 times its core time" in assumed
    opencv = Params({**PAPER.mapping, "flow": {"backend": "tvl1"}}, PAPER.path)
    _, assumed = rows(tmp_path, params=opencv)
    assert "flow by tvl1, preset opencv; tvl1_cpu takes 0.10 times its core time" in assumed


def test_sizes_say_where_they_come_from(benchmarks, project):
    _, assumed = rows(benchmarks)
    told = {line.split(":")[0]: line for line in assumed}
    assert "13,320 videos (official count), 2,430,000 frames (published" in told["ucf101"]
    assert FRAMES["hmdb51"][1] == "recalled, unverified" and "(recalled, unverified)" in told["hmdb51"]


def test_an_index_counts_better_than_any_publication(finished, monkeypatch):
    monkeypatch.chdir(finished)
    data = data_of(Run.of(Params(PARAMS, Path("params.yaml")), "toy"))
    frames = sum(ClipStore(path).frames for path in Path("data/toy/store").rglob("*.zip"))
    assert (data.videos, data.frames, data.aspect, data.height) == (48, frames, pytest.approx(1), pytest.approx(48))
    assert data.subsets[1] == (32, 16) and "its index" in data.source


def test_runs_are_named_as_dvc_names_them(project):
    named = [name for _, _, name, _ in instances(PAPER)]
    assert "train_st_resnet@hmdb51-2-0" in named and "report" in named and len(named) == len(set(named))
    stages = yaml.safe_load((ROOT / "pipelines" / "paper" / "dvc.yaml").read_text())["stages"]
    assert {re.sub("@.*", "", name) for name in named} == set(stages) - {"code"}
    outs = {out for _, _, _, outs in instances(PAPER) for out in outs}
    assert "models/paper/ucf101/split3/seed0/st_resnet_star" in outs and not any("$" in out for out in outs)


def test_done_without_dvc_is_what_exists(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text("profile: x\n")
    finished = Finished(load("params.yaml"))
    (tmp_path / "a").mkdir()
    assert finished("s", ["a"]) and not finished("s", ["a", "b"]) and "exist" in finished.how


@pytest.mark.parametrize("path", sorted((ROOT / "params").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_profile_has_a_plan(path, tmp_path, monkeypatch, capsys):
    """In an empty folder; a row for every training."""
    monkeypatch.chdir(tmp_path)
    assert cli.main(["--params", str(path), "plan"]) == 0
    told = capsys.readouterr().out
    for system in load(path).section("run", RunSettings).systems:
        assert f"| train {system} " in told


def test_the_command_prints_a_table_and_changes_nothing(tmp_path, monkeypatch, capsys):
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(changed()))
    monkeypatch.chdir(tmp_path)
    assert cli.main(["--params", str(ROOT / "params" / "paper.yaml"), "plan", "--cores", "16", "--gpu", "h100"]) == 0
    text = capsys.readouterr().out
    assert "profile paper on 16 CPU cores and 1 GPU h100" in text and "| evaluate motion" in text and "Free on this disk" in text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["params.yaml"]
    assert cli.main(["plan", "--cores", "0"]) == 2 and "at least one core" in capsys.readouterr().err


LINEAGE = load(ROOT / "params" / "lineage_paper.yaml")
CLIP_MS = 640.0  # of a training step of two clips of eight frames; scoring takes a quarter


@pytest.fixture
def lineage(tmp_path):
    """Every network of the profile measured on an H100: 40 ms per training frame, 10 ms per scored frame; optimizer 500 ms."""
    networks = {}
    for name in LINEAGE.get("run.systems"):
        row = {"clips": 2, "frames": 8, "checkpoint_bytes": 4_000_000, "optimizer_ms": 500.0}
        row |= {"training_step": {"ms": [1.0, CLIP_MS, 9e9]}, "scoring": {"ms": [1.0, CLIP_MS / 4, 9e9]}}
        networks[name] = {"network": network_of(Run.of(LINEAGE, "ucf101", 1, 0, name)), **row}
    content = {"gpu": {"device": "NVIDIA H100 80GB", "side": 224, "networks": networks}, "cpu": "not measured"}
    (tmp_path / "families.json").write_text(json.dumps(content))
    return tmp_path


def of_networks(table):
    return {place: row for place, row in table.items() if place[0].startswith(("train ", "evaluate "))}


def test_every_network_of_the_lineage_has_a_price_that_follows_by_hand(lineage, project):
    table, assumed = rows(lineage, "h100", LINEAGE)
    priced = of_networks(table)
    assert len(priced) == 2 * 2 * len(LINEAGE.get("run.systems"))  # training and scoring, two datasets
    for row in priced.values():
        assert number(row[GPU]) > 0 and number(row[WALL]) > 0 and row[CPU] == "0" and UNKNOWN not in row
    # TSN: 3,500 steps of 128 videos of three frames on each split; 25 ticks in ten crops
    training = 3 * 3500 * (128 * 3 * 0.04 + 0.5)
    videos = 3783 + 3734 + 3696
    assert number(table["train tsn_rgb", "ucf101"][GPU]) == pytest.approx(training / 3600, abs=0.05)
    assert number(table["evaluate tsn_rgb", "ucf101"][GPU]) == pytest.approx(videos * 250 * 0.01 / 3600, abs=0.05)
    # C3D: passes of four rates in steps of 30 clips of 16 frames; 20 clips of the centre crop
    steps = sum(4 * round(23 * n / 30) for n in TRAIN["hmdb51"])
    assert number(table["train c3d", "hmdb51"][GPU]) == pytest.approx(steps * (30 * 16 * 0.04 + 0.5) / 3600, abs=0.5)
    assert number(table["evaluate c3d", "ucf101"][GPU]) == pytest.approx(videos * 320 * 0.01 / 3600, abs=0.05)
    assert table["train c3d", "ucf101"][DISK] == "0.012"  # three checkpoints of four megabytes
    assert any("families.json: measured on NVIDIA H100" in line for line in assumed)


def test_networks_that_nobody_measured_have_no_price(lineage, benchmarks, project):
    for folder, gpu in ((lineage / "none", "h100"), (lineage, "a100"), (lineage, "none")):
        priced = of_networks(rows(folder, gpu, LINEAGE)[0])
        assert {row[WALL] for place, row in priced.items() if "c3d" in place[0] or "lstm" in place[0]} == {UNKNOWN}
    other = Params({**LINEAGE.mapping, "families": {"c3d": {"width": 0.5}}}, LINEAGE.path)
    table = rows(lineage, "h100", other)[0]
    assert table["train c3d", "ucf101"][GPU] == UNKNOWN and table["train conv_lstm", "ucf101"][GPU] != UNKNOWN


def test_frames_of_a_protocol_by_hand(project):
    """Of a video of 182 frames of 4:3, in squares of 224."""
    data = data_of(Run.of(LINEAGE, "ucf101"))
    frames = {name: scored_frames(Run.of(LINEAGE, "ucf101", 1, 0, name), data) for name in LINEAGE.get("run.systems")}
    assert frames["i3d_rgb"] == 182 and frames["c3d"] == 20 * 16 and frames["tsn_rgb"] == 250
    assert frames["conv_lstm"] == len(range(5, 182 - 5, 5))  # every fifth around which ten fields fit
    assert frames["appearance"] == pytest.approx(2 * 25 * 256 * (256 * 4 / 3) / 224**2)
    whole = {**LINEAGE.get("systems")["c3d"], "evaluation": {"protocol": "centre", "sampling": "whole"}}
    params = Params({**LINEAGE.mapping, "systems": {"c3d": whole}}, LINEAGE.path)
    assert scored_frames(Run.of(params, "ucf101", 1, 0, "c3d"), data) == 21 * 16  # windows that begin at 0, 8, .. 160


@pytest.mark.parametrize("protocol", VIEWS)
def test_views_and_sides_are_those_of_the_protocol(protocol, project):
    """A stored frame of 4:3, which is 256 x 341.3 on the mean."""
    mapping = {**LINEAGE.mapping, "evaluation": {"protocol": protocol}}
    one = Run.of(Params(mapping, LINEAGE.path), "ucf101", 1, 0, "motion")
    pixels = sum(view.height * view.width for view in views(protocol, 256, 341, 224))
    assert scored_frames(one, data_of(one)) == pytest.approx(25 * pixels / 224**2, rel=0.002)
