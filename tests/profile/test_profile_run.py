"""A Run: everything that follows from a params file, dataset, split, seed and system; wrong names are told with the nearest."""

import dataclasses
from pathlib import Path

import pytest
from tiny import changed

from repro.errors import ReproError
from repro.params import Params
from repro.profile.run import Run
from repro.profile.settings import short_side

OTHER = {"datasets__other": {"title": "Other", "layout": "ucf101"}}


def make(dataset="toy", split=1, seed=None, system="st_resnet", kind="systems", **changes):
    return Run.of(Params(changed(**changes), "p.yaml"), dataset, split, seed, system, kind)


def test_a_run_knows_its_places():
    run = make()
    assert str(run) == "toy split 1 st_resnet" and run.seed == 3 and run.profile == "tiny"  # the first of run.seeds
    place = Path("toy/split1/seed3")
    assert run.checkpoint == "models/tiny" / place / "st_resnet/checkpoint.pt"
    assert run.curves == "results/tiny/curves" / place / "st_resnet.csv"
    assert run.scores() == "results/tiny/scores" / place / "st_resnet.npz"
    assert run.scores("train") == "results/tiny/scores" / place / "train/st_resnet.npz"
    assert (run.raw, run.index, run.store) == tuple(Path("data/toy") / name for name in ("raw", "index", "store"))
    idt = make(system="idt", kind="idt")
    assert idt.trajectories == Path("data/toy/idt") and idt.codebook == "models/tiny" / place / "idt/codebook.npz"


def test_a_run_knows_its_settings():
    run = make()
    assert {name: (m.modality, m.length, m.channels) for name, m in run.streams.items()} == {
        "appearance": ("rgb", 1, 3),
        "motion": ("flow", 10, 20),
    }
    assert (run.model.width, run.model.temporal, run.model.injection) == (4, "average", "add")  # families, then model
    assert run.recipe.frames == 3 and run.input_size == 32
    assert run.store_settings.short_side == short_side(32) == 36 and short_side(224) == 256
    assert run.evaluation.protocol == "full" and run.machine.processes == 2 and run.engine.threads == 1
    assert run.weights == {} and run.datasets == ("toy",)


def test_parents_are_runs_of_the_same_split_and_seed():
    star = make(system="st_resnet_star", split=2, seed=5)
    (parent,) = star.parents
    assert parent == star.with_system("st_resnet") and [each.system for each in parent.parents] == ["appearance", "motion"]
    assert {(each.split, each.seed) for each in parent.parents} == {(2, 5)}


def test_a_parent_may_be_of_another_dataset():
    run = make(**OTHER, systems__st_resnet__init_from=["other/appearance", "motion"])
    assert [(each.dataset, each.system) for each in run.parents] == [("other", "appearance"), ("toy", "motion")]
    assert run.parents[0].checkpoint in run.training_inputs()


def test_start_weights_are_one_file_or_one_per_stream():
    assert make(system="motion", systems__motion__weights="w.safetensors").weights == {"": Path("w.safetensors")}
    run = make(system="motion", systems__motion__weights={"motion": "w.safetensors"})
    assert run.weights == {"motion": Path("w.safetensors")} and Path("w.safetensors") in run.training_inputs()


def test_several_datasets_are_trained_on_at_once():
    changes = {**OTHER, "systems__motion__also_on": ["other"]}
    run = make(system="motion", **changes)
    assert run.datasets == ("toy", "other") and Path("data/other/store") in run.training_inputs()
    assert make(dataset="other", system="motion", **changes).datasets == ("other",)


def test_a_system_may_be_tested_otherwise():
    run = make(system="motion", systems__motion__evaluation={"protocol": "crops10"}, evaluation__frames_per_chunk=5)
    assert (run.evaluation.protocol, run.evaluation.frames_per_chunk) == ("crops10", 5)
    assert run.with_system("appearance").evaluation.protocol == "full"


def test_what_a_training_is_keyed_by():
    values = make().training_values()
    same = ("engine__processes", 1), ("engine__training__checkpoint_steps", 7), ("datasets__toy__title", "Another")
    assert all(make(**{key: value}).training_values() == values for key, value in same)
    other = (
        ("families__st_resnet__width", 8),
        ("systems__st_resnet__recipe__frames", 4),
        ("systems__st_resnet__recalibrate", 1),
        ("systems__st_resnet__init_from", ["motion", "appearance"]),
        ("systems__st_resnet__streams__motion", {"modality": "flow", "subtract_mean": True}),
        ("engine__training__threads", 2),
        ("input_size", 64),
    )
    assert all(make(**{key: value}).training_values() != values for key, value in other)
    assert make(split=2).training_values() != values != make(seed=4).training_values()


def test_a_default_spelt_out_changes_no_key():
    assert make(systems__st_resnet__recipe__momentum=0.9).training_values() == make().training_values()


@pytest.mark.parametrize(
    "names, told",
    [
        ({"dataset": "toi"}, "unknown dataset `toi` in p.yaml .*did you mean `toy`"),
        ({"system": "st_resnt"}, "unknown system `st_resnt` in p.yaml: systems .*did you mean `st_resnet`"),
        ({"system": "itd", "kind": "idt"}, "unknown system `itd` in p.yaml: idt .*did you mean `idt`"),
        ({"system": "../../x", "kind": None}, "a system has a name that cannot be used .got '../../x'"),
        ({"system": "a;rm", "kind": None}, "a system has a name that cannot be used"),
        ({"dataset": "-x"}, "a dataset has a name that cannot be used"),
        ({"split": 0}, "splits are numbered from 1 on .got 0"),
        ({"seed": -1}, "seeds are whole numbers from 0 on .got -1"),
    ],
)
def test_wrong_names_are_told(names, told):
    with pytest.raises(ReproError, match=told):
        make(**names)


def test_scores_of_others_need_no_entry():
    assert make(system="theirs+idt", kind=None).scores().name == "theirs+idt.npz"


def test_a_run_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        make().split = 2
