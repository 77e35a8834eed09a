"""Params files: every one is understood; a slip of the pen is named with what it should have been, before anything runs."""

import contextlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from tiny import PARAMS, changed

from repro import cli
from repro.errors import ReproError
from repro.models import registry
from repro.models.registry import Inputs, families, family, settings_of
from repro.params import Params, load
from repro.profile.check import ONE_SIZE, check, output_steps
from repro.profile.systems import recipe_of
from repro.training.presets import PRESETS

ROOT = Path(__file__).resolve().parents[2]
PROFILES = sorted((ROOT / "params").glob("*.yaml"))


def params(**changes):
    return Params(changed(**changes), "p.yaml")


@pytest.mark.parametrize("path", PROFILES, ids=lambda p: p.stem)
def test_a_profile_is_understood_and_named_after_its_file(path, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert check(load(path)).get("profile") == path.stem


@pytest.mark.parametrize("path", PROFILES, ids=lambda p: p.stem)
def test_a_profile_opens_with_its_command_time_and_accuracy(path):
    opening = path.read_text(encoding="utf-8").split("\nprofile:")[0]
    assert f"make repro PROFILE={path.stem}" in opening
    assert re.search(r"[Tt]ime: ", opening) and re.search(r"[Aa]ccuracy: ", opening)


def test_the_embedded_rehearsal_trains_and_tests_what_the_embedded_profile_does():
    rehearsal, profile = (load(ROOT / "params" / f"{name}.yaml") for name in ("embedded_rehearsal", "embedded"))
    for key in ("input_size", "store", "flow", "families", "systems", "engine", "evaluation"):
        assert rehearsal.get(key) == profile.get(key), key
    for name, drawn in rehearsal.get("embedded").items():  # the same scenes, other seeds
        assert {**drawn, "seed": 0} == {**profile.get("embedded")[name], "seed": 0}
        assert drawn["seed"] not in [each["seed"] for each in profile.get("embedded").values()]


@pytest.mark.parametrize("name", ["jhmdb", "embedded"])
def test_other_seeds_differ_in_nothing_else(name):
    seeds, profile = (load(ROOT / "params" / f"{each}.yaml") for each in (f"{name}_seeds", name))
    for key in ("input_size", "store", "flow", "families", "engine", "evaluation"):
        assert seeds.get(key) == profile.get(key), key
    for name, system in seeds.get("systems").items():
        assert system == profile.get("systems")[name], name
    assert seeds.get("fusions").items() <= profile.get("fusions").items()
    assert (seeds.get("embedded") or {}).items() <= (profile.get("embedded") or {}).items()
    assert not set(seeds.get("run.seeds")) & set(profile.get("run.seeds"))


@pytest.mark.parametrize("name", ["ucf101", "hmdb51"])
def test_one_dataset_of_the_paper_differs_in_nothing_else(name):
    whole, part = (yaml.safe_load((ROOT / "params" / f"{profile}.yaml").read_text()) for profile in ("paper", name))
    for key in ("prepared", "datasets", "idt"):
        whole["run"][key] = [name]
    whole["profile"], whole["datasets"] = name, {name: whole["datasets"][name]}
    own = whole["systems"]["appearance"].pop("recipe_for")
    whole["systems"]["appearance"]["recipe"] |= own.get(name, {})
    assert part == whole


def test_checking_params_imports_no_torch():
    code = "import sys; from repro.params import load; from repro.profile.check import check; check(load('params/jhmdb.yaml'));"
    code += "print(*(m for m in ('torch', 'torchvision', 'timm', 'sklearn', 'matplotlib', 'numba') if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, env={"PYTHONPATH": str(ROOT)})
    assert done.stdout.strip() == "" and done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "key, value, told",
    [
        ("sistems", {}, "unknown key `sistems` in p.yaml .*did you mean `systems`"),
        ("seed", 0, "unknown key `seed` in p.yaml"),
        ("systems", [1], "systems must be a mapping"),
        ("run__split", [1], "unknown key `split` in p.yaml: run .*did you mean `splits`"),
        ("run__datasets", ["toi"], "unknown name `toi` in p.yaml: run.datasets .there: toy.*did you mean `toy`"),
        ("run__idt", ["other"], "unknown name `other` in p.yaml: run.idt"),
        ("run__systems", ["motions"], "unknown name `motions` .*did you mean `motion`"),
        ("run__evaluated", ["st_resnet_sta"], "unknown name `st_resnet_sta` .*run.evaluated .*did you mean `st_resnet_star`"),
        ("run__notebooks", ["00; rm"], "a notebook has a name that cannot be used .got '00; rm'"),
        ("run__seeds", 3, "run.seeds must be a list"),
        ("run__seeds", [], "seeds must be whole numbers from 0 on, at least one"),
        ("run__seeds", [3, 3], "seeds must be distinct, got 3, 3"),
        ("run__splits", [0], "splits must be whole numbers from 1 on"),
        ("run__idt_systems", ["itd"], "unknown name `itd` in p.yaml: run.idt_systems .*did you mean `idt`"),
        ("idt__idt__codebok", {}, "unknown key `codebok` in p.yaml: idt.idt .*did you mean `codebook`"),
        ("idt__idt__features", {"trak_length": 9}, "unknown key `trak_length` in p.yaml: idt.*did you mean `track_length`"),
        ("idt__idt__features", {"detector": "sifd"}, "detector must be one of sift, orb, got 'sifd'.*did you mean `sift`"),
        ("idt__idt__svm_c", 0.0, "svm_c must be above 0"),
        ("idt__idt__datasets", ["toy"], "unknown dataset `toy` in p.yaml: idt.idt.datasets"),  # not in run.idt
        ("idt__store", {}, "an IDT system cannot be called `store`"),
        ("idt__motion", {}, "`motion` is under both systems and idt"),
        ("engine__proceses", 2, "unknown key `proceses` in p.yaml: engine .*did you mean `processes`"),
        ("engine__training__precision", "fp15", "precision must be one of .*'fp15'.*did you mean `fp16`"),
        ("engine__training__thread", 1, "unknown key `thread` .*did you mean `threads`"),
        ("report__draws", 0, "bad value in p.yaml: report.draws .it must be at least 1, got 0"),
        ("report__seed", -3, "bad value in p.yaml: report.seed .it must be at least 0, got -3"),
        ("report__system", [], "unknown key `system` in p.yaml: report .*did you mean `systems`"),
        ("report__comparisons", [["motion", "apearance"]], "'apearance'|did you mean `appearance`"),
        ("fusions__two_stream__inputs", ["appearance", "motoin"], "unknown system `motoin` .*inputs .*did you mean `motion`"),
        ("fusions__two_stream__inputs", ["motion", "with_idt"], "unknown system `with_idt` .*inputs"),  # which stands behind it
        ("fusions__two_stream__weigths", [1], "unknown key `weigths` .*did you mean `weights`"),
        ("fusions__two_stream__weights", [1.0], "weights must be one per input, got 1 for 2"),
        ("fusions__two_stream__space", "logit", "space must be one of .*did you mean `logits`"),
        ("families__st_resnt", {}, "unknown family `st_resnt` .*did you mean `st_resnet`"),
        ("families__st_resnet__widht", 4, "unknown key `widht` .*families.st_resnet.*did you mean `width`"),
        ("families__st_resnet__width", 0, "width must be at least 1"),
        ("systems__motion__family", "st_resnt", "family must be one of .*'st_resnt'.*did you mean"),
        ("systems__motion__model", {"temporal": "averag"}, "motion.model .*temporal must be .*'averag'.*did you mean `average`"),
        ("systems__motion__model", {"injection": "add"}, "motion.model .*injection must be 'none' with a single stream"),
        ("systems__motion__model", None, "model must be a mapping"),
        ("systems__motion__streams", {}, "streams must hold at least one stream"),
        ("systems__motion__streams", {"motion": "flwo"}, "unknown modality `flwo` .*motion.streams.motion .*did you mean `flow`"),
        ("systems__motion__streams", {"motion": {"modality": "flow", "lenght": 5}}, "unknown key `lenght` .*`length`"),
        ("systems__motion__streams", {"m/n": "flow"}, "a stream in .* has a name that cannot be used .got 'm/n'"),
        ("systems__motion__streams", {"motion": "warped_flow"}, "needs a plane that `store.planes` does not name: p.yaml"),
        ("systems__motion__recipe_for", {"toi": {}}, "unknown dataset `toi` .*motion.recipe_for .*did you mean `toy`"),
        ("systems__motion__recipe_for", {"toy": {"momentun": 0.5}}, "unknown key `momentun` .*did you mean `momentum`"),
        ("systems__motion__also_on", ["toi"], "unknown dataset `toi` .*motion.also_on .*did you mean `toy`"),
        ("systems__motion__also_on", ["toy", "toy"], "also_on must be distinct datasets, a head for each, got toy, toy"),
        (
            "systems__motion__also_on",
            ["toy"],
            "motion.also_on .beside toy, where it is trained, it adds no dataset.; name another",
        ),
        ("systems__st_resnet_star__recipe__frames", 4, "star.recipe.frames .clips of 4 frames; family st_resnet .*at least 5"),
        ("systems__st_resnet_star__recipe_for", {"toy": {"frames": 3}}, "star.recipe.frames .clips of 3 frames"),
        ("systems__st_resnet_star__evaluation", {"frames": 4}, "star.evaluation.frames .clips of 4 frames"),
        ("systems__st_resnet_star__evaluation", {"frame_by_frame": True}, "star.evaluation.frame_by_frame .clips of 1 frames"),
        (
            "systems__st_resnet_star__evaluation",
            {"frame_by_frame": True, "sampling": "whole"},
            "frame_by_frame .clips of 1 frames",
        ),
        (
            "systems__st_resnet_star__recipe__consensus",
            "weighted",
            "star.recipe.consensus .weighted has a weight for each of 7 frames; family st_resnet as set makes 2 output steps",
        ),
        (
            "systems__st_resnet_star__recipe_for",
            {"toy": {"consensus": "weighted"}},
            "star.recipe.consensus .weighted has a weight",
        ),
        ("systems__motion__evaluation", {"protocol": "crop10"}, "motion.evaluation .*protocol must be .*did you mean"),
        ("systems__motion__weights", {"motin": "a"}, "weights must be for streams, one of motion, got 'motin'.*`motion`"),
        ("systems__motion__weights", 3, "weights must be a file"),
        ("systems__st_resnet__weights", "a", "weights must be left out where init_from names systems"),
        ("systems__st_resnet__init_from", ["motio"], "unknown system `motio` .*st_resnet.init_from .*did you mean `motion`"),
        ("systems__st_resnet__init_from", ["toi/motion"], "unknown dataset `toi` .*st_resnet.init_from .*did you mean `toy`"),
        (
            "systems__motion__init_from",
            ["st_resnet"],
            "start from each other in a circle.*toy/motion from toy/st_resnet from toy/",
        ),
        ("systems__motion__recipe__fames", 3, "unknown key `fames` .*did you mean `frames`"),
        ("systems__motion__recipe__preset", "code/motoin", "no recipe preset `code/motoin` .*did you mean `code/motion`"),
        ("systems__motion__recipe__schedule", [["1e-3", 3]], "schedule must be of type float .got '1e-3'.; write 1.0e-3"),
        ("systems__motion__recipe__momentum", float("nan"), "momentum must be a finite number"),
        (
            "systems__motion__recipe__clips_per_batch_norm",
            1,
            "motion.recipe .sub-batches of one clip .*clips_per_batch_norm 1.* 2",
        ),
        ("systems__motion__recipe__videos_per_step", 5, "motion.recipe .sub-batches of one clip .*videos_per_step 5 and .* 2:"),
        ("systems__motion__recipe__schedule", [[0.1, -3]], "schedule must hold .*amounts of at least 1"),
        ("engine__training__checkpoint_steps", 0, "checkpoint_steps must be at least 1, got 0"),
        ("engine__training__threads", -1, "threads must be at least 1, got -1"),
        ("engine__training__cache_gib", -1, "cache_gib must be at least 0, got -1"),
        ("engine__training__workers", -1, "workers must be at least 0, got -1"),
        ("systems__a b", {}, "an entry of systems has a name that cannot be used .got 'a b'"),
        ("datasets__../x", {}, "an entry of datasets has a name that cannot be used .got '../x'"),
        ("datasets__toy__tittle", "x", "unknown key `tittle` .*did you mean `title`"),
        ("datasets__toy__layout", "ucf10", "unknown layout `ucf10` .*did you mean `ucf101`"),
        ("datasets__toy__stands_beside", "UFC101", "unknown dataset `UFC101` .*stands_beside .*did you mean `UCF101`"),
        ("datasets__toy__stands_beside", "UCF101", "bad value in .*toy.stands_beside .*never beside an embedded benchmark"),
        ("datasets__toy__held_out", {"of": "toy"}, "unknown dataset `toy` in p.yaml: datasets.toy.held_out.of .there: nothing"),
        ("datasets__toy__held_out", {"of": "../toy"}, "unknown dataset `../toy` in p.yaml: datasets.toy.held_out.of"),
        ("datasets__toy__archives", [{"url": f"http://x.org/{'y' * 242}.zip"}], "too long a name: .* .246 bytes, 245 at most"),
        ("datasets__toy__archives", [{"url": "http://[x.org/a.zip"}], "not an http address: .*a.zip .Invalid IPv6 URL"),
        ("datasets__toy__group_pattern", "(", "group_pattern .no regular expression"),
        (
            "datasets__toy__mechanisms",
            [{"name": "motion", "groups": [["SwingAcros", "SwingUpright"]]}],
            "unknown class `SwingAcros` .*did you mean `SwingAcross`",
        ),
        ("embedded__toy__gruops", 3, "unknown key `gruops` .*did you mean `groups`"),
        ("embedded__toy__size", -3, "bad value in p.yaml: embedded.toy.size .it must be at least 2, .*got -3"),
        ("embedded__toy__clips_per_group", 0, "bad value in p.yaml: embedded.toy.clips_per_group .it must be at least 1"),
        ("embedded__toy__frames", [64, 60], "bad value in p.yaml: embedded.toy.frames .*a range from low to high, got .64, 60."),
        ("embedded__toy__pause", [-1, 13], "bad value in p.yaml: embedded.toy.pause .it must be at least 0, .*got .-1, 13."),
        ("embedded__tox", {}, "unknown dataset `tox` in p.yaml: embedded .*did you mean `toy`"),
        ("evaluation__protocol", "ful", "protocol must be one of full, .*, got 'ful'.*did you mean .?full"),
        ("store__flow_bond", 3.0, "unknown key `flow_bond` .*did you mean `flow_bound`"),
        ("flow__bakend", "dis", "unknown key `bakend` .*did you mean `backend`"),
        ("flow__backend", "tvl2", "backend must be one of .*'tvl2'.*did you mean `tvl1`"),
        ("input_size", 50, "systems.appearance.model .input_size must be a positive multiple of 32.*50"),
        ("input_size", 0, "input_size must be positive: p.yaml .got 0"),
        ("profile", "a;b", "p.yaml: profile has a name that cannot be used .got 'a;b'"),
        ("profile", 3, "profile must be of type str"),
        ("plugins", ["no_such_module"], "cannot import plug-in `no_such_module`: p.yaml .ModuleNotFoundError"),
    ],
)
def test_what_is_wrong_is_named_with_the_nearest_word(key, value, told):
    with pytest.raises(ReproError, match=told) as error:
        check(params(**{key: value}))
    assert "\n" not in str(error.value)


def test_a_weight_per_frame_suits_a_network_with_an_output_per_frame():
    assert check(params(systems__st_resnet__recipe__consensus="weighted"))


TOWERS = {"backbone": "vgg_m", "width": 0.02}
STEPS = [  # family, settings, frames of a clip, output steps of it
    ("st_resnet", {"blocks": (2, 2, 2, 2), "width": 2}, 3, 3),
    ("st_resnet", {"blocks": (2, 2, 2, 2), "width": 2, "temporal_pool": "max"}, 11, 4),
    ("st_resnet", {"blocks": (2, 2, 2, 2), "width": 2, "temporal_pool": "average", "pool_stride": 1}, 7, 3),
    ("two_stream_fusion", {**TOWERS, "temporal_pool": 5}, 11, 2),
    ("two_stream_fusion", {**TOWERS, "temporal_pool": 1, "fusion": "none"}, 4, 4),
    ("inception3d", {"width": 0.02, "min_width": 1}, 9, 1),
    ("inception3d", {"width": 0.02, "min_width": 1, "average_logits": False}, 24, 2),
    ("c3d", {"width": 0.02}, 32, 3),
    ("conv_lstm", {**TOWERS, "units": 2}, 4, 4),
    ("cnn_m", {"width": 0.02}, 3, 3),
    ("bn_inception", {"width": 0.02}, 3, 3),
    ("timm_backbone", {"backbone": "resnet10t"}, 3, 3),
]


def test_every_family_has_its_output_steps_counted():
    assert {row[0] for row in STEPS} == set(registry._own())


@pytest.mark.parametrize("family, settings, frames, steps", STEPS, ids=lambda value: value if isinstance(value, str) else "")
def test_output_steps_are_those_of_the_network(family, settings, frames, steps):
    import torch

    settings = registry.settings_of(family)(**settings)
    network = registry.family(family).build(settings, registry.Inputs({"appearance": 3, "motion": 3}, {"toy": 2}, 64))
    clip = {stream: torch.zeros(2, frames, 3, 64, 64) for stream in ("appearance", "motion")}
    with torch.no_grad():
        assert {y.shape for y in network.train()(clip).values()} == {(2, steps, 2)}
    assert output_steps(family, settings, frames) == steps


def test_a_network_of_several_datasets_has_several_wherever_it_is_trained():
    two = {"datasets__other": {"title": "Other", "layout": "ucf101"}, "run__datasets": ["toy", "other"], "fusions": {}}
    with pytest.raises(ReproError, match="motion.also_on .beside other, where it is trained, it adds no dataset"):
        check(params(**two, systems__motion__also_on=["other"]))
    assert check(params(**two, systems__motion__also_on=["toy", "other"]))
    parent = {"systems__motion__also_on": ["other"], "systems__st_resnet__init_from": ["toy/motion"]}
    assert check(params(**two, **parent, run__systems=["st_resnet"], run__evaluated=["st_resnet"]))  # there on toy alone


C3D = {
    "family": "c3d",
    "streams": {"rgb": "rgb"},
    "recipe": {"schedule": [[0.01, 1]], "videos_per_step": 2, "clips_per_batch_norm": 2, "frames": 16},
}


def with_c3d(evaluation, evaluated=("c3d",)):
    return params(systems__c3d={**C3D, "evaluation": evaluation}, run__systems=["c3d"], run__evaluated=list(evaluated))


def test_whole_frames_for_a_network_of_one_size_are_refused_before_it_is_trained():
    told = (
        "bad value in p.yaml: systems.c3d.evaluation.protocol (full scores whole frames; family c3d takes only squares of "
        "input_size); set it to centre or crops10"
    )
    with pytest.raises(ReproError, match=f"^{re.escape(told)}$"):
        check(with_c3d({}))
    assert check(with_c3d({"protocol": "centre"})) and check(with_c3d({"protocol": "crops10"})) and check(with_c3d({}, ()))


@pytest.mark.parametrize("name", sorted(families()))
def test_the_check_knows_which_networks_take_one_size(name):
    """By running them on whole frames, without data."""
    channels = {"appearance": 3, "motion": 20}
    with torch.device("meta"), torch.no_grad():
        network = family(name).build(settings_of(name)(), Inputs(channels, {"any": 2}, 224)).eval()
        clip = {stream: torch.empty(1, max(network.min_frames, 5), depth, 256, 340) for stream, depth in channels.items()}
        with pytest.raises(ValueError, match="takes no other size") if name in ONE_SIZE else contextlib.nullcontext():
            network(clip)


def test_a_misspelt_notebook_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "00_overview.ipynb").write_text("{}")
    with pytest.raises(ReproError, match="unknown name `00_overviw` in p.yaml: run.notebooks .*did you mean `00_overview`"):
        check(params(run__notebooks=["00_overviw"]))
    assert check(params(run__notebooks=["00_overview"]))


def test_every_command_checks_first(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(yaml.safe_dump({**PARAMS, "stor": {}}))
    for command in (["where"], ["train", "--dataset", "toy", "--split", "1", "--system", "motion"]):
        assert cli.main(command) == 2
        assert "unknown key `stor` in params.yaml" in capsys.readouterr().err


def test_the_check_knows_of_imported_scores():
    report = {"systems": [*PARAMS["report"]["systems"], {"name": "theirs", "title": "Theirs"}]}
    fusions = {"with_theirs": {"inputs": ["motion", "theirs"]}}
    assert check(params(report=report, fusions=fusions))


def test_a_plug_in_of_the_working_folder_is_imported(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "my_checked_plugin.py").write_text("SEEN = True\n")
    assert check(params(plugins=["my_checked_plugin"])) and sys.modules["my_checked_plugin"].SEEN


def test_a_recipe_may_differ_by_dataset():
    paper = load(ROOT / "params" / "paper.yaml")
    recipes = PRESETS["code"]
    assert recipe_of(paper, "appearance") == recipe_of(paper, "appearance", "ucf101") == recipes["appearance"]
    assert recipe_of(paper, "appearance", "hmdb51") == recipes["appearance_hmdb51"] != recipes["appearance"]
    own = params(systems__motion__recipe_for={"toy": {"momentum": 0.5}})
    assert (recipe_of(own, "motion", "toy").momentum, recipe_of(own, "motion", "other").momentum) == (0.5, 0.9)
    assert recipe_of(own, "motion", "toy").crop == recipe_of(own, "motion").crop
