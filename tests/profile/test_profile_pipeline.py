"""The pipeline follows from the params: who needs what, in which block, under which name."""

import os
from pathlib import Path

import pytest
import yaml
from tiny import changed

from repro import cli
from repro.errors import ReproError
from repro.params import Params, load
from repro.profile.blocks import fill, trained_on, versions_of
from repro.profile.check import check
from repro.profile.dvcfile import EMPTY_LOCK, link, load_profile, text_of, write
from repro.profile.pipeline import blocks

ROOT = Path(__file__).resolve().parents[2]
OTHER = {"datasets__other": {"title": "Other", "layout": "ucf101"}, "run__prepared": ["toy", "other"]}


def params(**changes):
    return check(Params(changed(**changes), "p.yaml"))


def made(**changes):
    """{name of a stage as DVC has it: (Block, item)}"""
    return {name: (block, item) for block in blocks(params(**changes)) for item, name in block.items()}


def deps(stages, name):
    block, item = stages[name]
    return [fill(place, item) for place in block.deps]


@pytest.mark.parametrize("path", sorted((ROOT / "params").glob("*.yaml")), ids=lambda p: p.stem)
def test_committed_pipelines_are_what_their_params_give(path):
    assert (ROOT / "pipelines" / path.stem / "dvc.yaml").read_text(encoding="utf-8") == text_of(check(load(path)))


@pytest.mark.parametrize("path", sorted((ROOT / "params").glob("*.yaml")), ids=lambda p: p.stem)
def test_a_pipeline_is_yaml_of_lines_that_fit_and_of_keys_that_exist(path):
    text, mapping = text_of(check(load(path))), load(path)
    assert max(map(len, text.splitlines())) <= 130
    written = yaml.safe_load(text)
    stages = {name: (block, item) for block in blocks(mapping) for item, name in block.items()}
    assert set(written["stages"]) == {block.name for block, _ in stages.values()}
    for block, item in stages.values():
        for key in block.params:
            mapping.get(fill(key, item))
        ((key, code),) = [
            next(iter(p.items())) for p in written["stages"][block.name].get("params", ()) if isinstance(p, dict)
        ] or [("results/code.yaml", list(block.code))]
        assert key == "results/code.yaml" and tuple(code) == block.code
        outs = [next(iter(out)) if isinstance(out, dict) else out for out in written["stages"][block.name]["outs"]]
        assert outs == [*block.outs, *block.results, *block.metrics]


def test_pages_run_again_where_params_change_that_they_read_and_only_then():
    def of_pages(**changes):
        return versions_of(params(**changes))["params"]["notebook"]

    assert of_pages() == of_pages(engine__processes=7)
    others = {"datasets__toy__title": "Other", "evaluation__frames": 9, "store__rgb_quality": 80}
    assert len({of_pages(), *(of_pages(**{key: value}) for key, value in others.items())}) == 1 + len(others)


def test_a_network_needs_its_parents_data_and_weights():
    stages = made(systems__motion__weights={"motion": "weights/m.safetensors"})
    data = ["data/toy/index", "data/toy/store"]
    assert deps(stages, "train_appearance@toy-1-3") == data
    assert deps(stages, "train_motion@toy-1-3") == [*data, "weights/m.safetensors"]
    assert deps(stages, "train_st_resnet@toy-1-3") == [
        "models/tiny/toy/split1/seed3/appearance",
        "models/tiny/toy/split1/seed3/motion",
        *data,
    ]
    assert deps(stages, "train_st_resnet_star@toy-1-3") == ["models/tiny/toy/split1/seed3/st_resnet", *data]
    assert deps(stages, "evaluate_motion@toy-1-3") == ["models/tiny/toy/split1/seed3/motion", *data]


def test_parents_of_any_number_depth_and_dataset():
    chain = {"family": "st_resnet", "streams": {"motion": "flow"}, "recipe": {"preset": "code/motion"}}
    stages = made(
        **OTHER,
        systems__a=chain,
        systems__b={**chain, "init_from": ["other/a"]},
        systems__c={**chain, "init_from": ["b", "other/b", "a"]},
        run__systems=["c"],
        run__evaluated=["c"],
        fusions={},
    )
    trained = {name for name in stages if name.startswith("train")}
    b = "train_b_on_toy@toy-1-3", "train_b_on_other@other-1-3"  # for one of the two, its parent is of its own dataset
    assert trained == {"train_c@toy-1-3", *b, "train_a@toy-1-3", "train_a@other-1-3"}
    assert deps(stages, "train_c@toy-1-3")[:3] == [
        "models/tiny/toy/split1/seed3/b",
        "models/tiny/other/split1/seed3/b",
        "models/tiny/toy/split1/seed3/a",
    ]
    assert {tuple(deps(stages, name)[:1]) for name in b} == {("models/tiny/other/split1/seed3/a",)}
    assert list(trained_on(params(**OTHER, systems__a=chain, run__systems=["a"], run__evaluated=[], fusions={}))) == ["a"]
    order = list(stages)
    assert order.index("train_a@other-1-3") < order.index(b[0]) < order.index("train_c@toy-1-3")
    assert "extract@other" in stages  # which only a parent is trained on


def test_what_is_trained_on_must_be_prepared():
    with pytest.raises(ReproError, match="`other` is trained on but not prepared: p.yaml; add other to run.prepared"):
        made(datasets__other={"title": "O", "layout": "ucf101"}, systems__motion__also_on=["other"])


def test_several_datasets_at_once_are_dependencies():
    stages = made(**OTHER, systems__motion__also_on=["other"])
    assert deps(stages, "train_motion@toy-1-3") == [f"data/{d}/{part}" for d in ("toy", "other") for part in ("index", "store")]


def test_fisher_vectors_wait_for_the_codebooks_of_all_splits_and_read_what_was_kept():
    changes = {"run__idt": ["toy"], "run__idt_systems": ["idt"], "run__splits": [1, 2], "run__seeds": [3, 4]}
    stages = made(**changes)
    codebooks = [f"models/tiny/toy/split{split}/seed{seed}/idt" for split in (1, 2) for seed in (3, 4)]
    assert deps(stages, "idt_fisher_idt@toy") == [*codebooks, "data/toy/idt", "data/toy/index"]
    sampled = made(**changes, idt__idt__features={"keep": "sample"})
    assert deps(sampled, "idt_fisher_idt@toy") == [*codebooks, "data/toy/raw", "data/toy/index"]
    for one in (stages, sampled):
        assert deps(one, "idt_scores_idt@toy-2-3") == [
            "models/tiny/toy/split2/seed3/idt",
            "models/tiny/toy/fisher/idt",
            "data/toy/index",
        ]
        order = list(one)
        assert order.index("idt_codebook_idt@toy-2-4") < order.index("idt_fisher_idt@toy") < order.index("idt_scores_idt@toy-1-3")


def test_trajectories_are_run_on_their_datasets_alone():
    changes = {**OTHER, "run__datasets": ["toy", "other"], "run__idt": ["toy", "other"], "run__idt_systems": ["idt"]}
    changes["idt__idt__datasets"] = ["other"]
    stages = made(**changes)
    assert {name for name in stages if name.startswith("idt_")} == {
        *("idt_features_idt@other", "idt_codebook_idt@other-1-3", "idt_fisher_idt@other", "idt_scores_idt@other-1-3")
    }


def test_a_recipe_of_one_dataset_concerns_that_one_alone():
    stages = made(**OTHER, run__datasets=["toy", "other"], systems__motion__recipe_for={"other": {"preset": "code/motion"}})
    toy, other = (stages[f"train_motion_on_{name}@{name}-1-3"][0] for name in ("toy", "other"))
    assert other.params[-3] == "systems.motion.recipe_for.${item.dataset}" and not any("recipe_for" in key for key in toy.params)
    assert other.code == ("train.st_resnet", "presets.code/motion") and toy.code == ("train.st_resnet",)
    assert len({name for name in stages if name.startswith("train_appearance")}) == 2  # one block of two


def test_how_a_system_is_tested_does_not_concern_its_training():
    stages = made(systems__motion__evaluation={"protocol": "crops10"})
    assert "systems.motion.evaluation" in stages["evaluate_motion@toy-1-3"][0].params
    assert not any("evaluation" in key for key in stages["train_motion@toy-1-3"][0].params)
    assert "engine.training.checkpoint_steps" not in stages["train_motion@toy-1-3"][0].params


def test_names_that_dvc_does_not_take_are_respelt_and_never_meet():
    chain = {"family": "st_resnet", "streams": {"motion": "flow"}, "recipe": {"preset": "code/motion"}}
    plus = {"systems__a+b": chain, "run__systems": ["a+b"], "run__evaluated": ["a+b"], "fusions": {}}
    stages = made(**plus)
    assert {"train_a_plus_b@toy-1-3", "evaluate_a_plus_b@toy-1-3"} <= set(stages)
    assert fill(stages["train_a_plus_b@toy-1-3"][0].outs[0], stages["train_a_plus_b@toy-1-3"][1]).endswith("seed3/a+b")
    with pytest.raises(ReproError, match="two stages would be called `train_a_plus_b`"):
        made(**{**plus, "systems__a_plus_b": chain, "run__systems": ["a+b", "a_plus_b"]})


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("one", "two"):
        (tmp_path / "params").mkdir(exist_ok=True)
        (tmp_path / "params" / f"{name}.yaml").write_text(yaml.safe_dump(changed(profile=name)))
    return tmp_path


def in_use(folder, name):
    chosen = load_profile(name)
    write(chosen)
    link(chosen)
    return {place: os.readlink(folder / place) for place in ("params.yaml", "dvc.yaml", "dvc.lock")}


def test_a_profile_is_in_use_by_three_links(folder):
    for name in ("one", "two", "one"):
        assert in_use(folder, name) == {
            "params.yaml": f"params/{name}.yaml",
            "dvc.yaml": f"pipelines/{name}/dvc.yaml",
            "dvc.lock": f"pipelines/{name}/dvc.lock",
        }
        assert (folder / "dvc.lock").read_text() == EMPTY_LOCK
    (folder / "dvc.lock").write_text("schema: '2.0'\nstages: {}\n")  # as DVC would
    in_use(folder, "two")
    in_use(folder, "one")
    assert "stages" in (folder / "pipelines" / "one" / "dvc.lock").read_text()
    assert not [path.name for path in folder.iterdir() if path.name.startswith(".")]


def test_a_file_of_ones_own_is_never_replaced(folder):
    own = folder / "params.yaml"
    own.write_text("profile: mine\n")
    with pytest.raises(
        ReproError, match="params.yaml is a file of its own, not a link.*move it to params/<name of its own>.yaml"
    ):
        link(load_profile("one"))
    assert own.read_text() == "profile: mine\n" and not own.is_symlink()


def test_a_profile_with_a_mistake_is_not_put_in_use(folder, capsys):
    in_use(folder, "one")
    (folder / "params" / "two.yaml").write_text(yaml.safe_dump(changed(profile="two", evaluation__protocol="ful")))
    assert cli.main(["use", "two"]) == 2 and "got 'ful'" in capsys.readouterr().err
    assert os.readlink("params.yaml") == "params/one.yaml" and cli.main(["pipeline"]) == 0


def test_a_profile_that_is_not_there_or_calls_itself_otherwise(folder):
    with pytest.raises(ReproError, match="unknown profile `on` in params .there: one, two.*did you mean `one`"):
        load_profile("on")
    with pytest.raises(ReproError, match="a profile has a name that cannot be used"):
        load_profile("../one")
    (folder / "params" / "two.yaml").write_text(yaml.safe_dump(changed(profile="one")))
    with pytest.raises(ReproError, match="a params file with another profile name: params/two.yaml .profile: one"):
        load_profile("two")
