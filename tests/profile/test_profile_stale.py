"""Under the real DVC: a stage is stale when, and only when, something that it rests on changed.

Nothing is trained here: see the fixture ``project``.
"""

import json
import re
import subprocess

import pytest
import yaml
from dvc_project import call, dvc, environment

pytest.importorskip("dvc")
TRAINED = {f"train_{system}@toy-1-3" for system in ("appearance", "motion", "st_resnet", "st_resnet_star")}
SCORED = {name.replace("train", "evaluate") for name in TRAINED}


def stale(folder):
    """Names of stale stages after `repro code` has been run; without ``code``, which is run whenever any file changed."""
    call(folder, "repro", "code")
    command = ["dvc", "status", "--json"]
    told = subprocess.run(command, cwd=folder, env=environment(folder), check=True, capture_output=True, text=True)
    return set(json.loads(told.stdout)) - {"code"}


def edit(path, old, new):
    text = path.read_text()
    assert re.search(old, text), f"{path} has changed: no {old}"
    path.write_text(re.sub(old, new, text, count=1))


def test_comments_docstrings_and_downloads_train_nothing_again(project):
    assert dvc(project, "status").strip().endswith("up to date.")
    edit(project / "repro" / "datasets" / "download.py", '"""', '"""Now in other words. ')
    edit(project / "repro" / "training" / "loop.py", "\n\n\n", "\n\n\n# a remark\n")
    assert stale(project) == set()
    edit(project / "repro" / "datasets" / "download.py", r"(?m)^import (\w+)$", r"import \1\nSAID = 1")
    assert stale(project) == {"prepare@toy"}


def test_the_training_loop_concerns_exactly_the_trainings(project):
    edit(project / "repro" / "training" / "loop.py", r"(?m)^import (\w+)$", r"import \1\nADDED = 1")
    assert stale(project) == TRAINED


def test_swapped_start_weights_concern_exactly_who_starts_from_them(project):
    (project / "weights" / "m.safetensors").write_text("other weights")
    assert stale(project) == {"train_motion@toy-1-3"}
    edit(
        project / "repro" / "training" / "presets.py",
        r'(?m)^        "motion": Recipe\(\(\(1e-2, 100\)',
        r'        "motion": Recipe(((2e-2, 100)',
    )
    assert stale(project) == {"train_motion@toy-1-3"}  # which names that preset
    edit(project / "repro" / "models" / "registry.py", r"(?m)^import (\w+)$", r"import \1\nADDED = 1")
    assert TRAINED | SCORED <= stale(project)


@pytest.mark.slow
def test_params_concern_exactly_who_reads_them(project):
    params = project / "params" / "tiny.yaml"
    mapping = yaml.safe_load(params.read_text())

    def after(**changes):
        changed = json.loads(json.dumps(mapping))
        for key, value in changes.items():
            *parents, last = key.split("__")
            place = changed
            for part in parents:
                place = place[part]
            place[last] = value
        params.write_text(yaml.safe_dump(changed, sort_keys=False))
        call(project, "repro", "pipeline")
        return stale(project)

    assert after(engine__processes=1, engine__training__checkpoint_steps=9, systems__motion__evaluation={}) == {
        "evaluate_motion@toy-1-3"  # whose protocol is now said twice
    }
    assert after(datasets__toy__title="Other words") == {"report"}
    assert after(systems__st_resnet__recipe__frames=4) == {"train_st_resnet@toy-1-3"}
    assert after(evaluation={"protocol": "crops10"}) == SCORED
    assert after(fusions__two_stream__weights=[1.0, 2.0]) == {"fuse@toy-1-3"}


def test_a_pipeline_of_other_params_is_told(project):
    edit(project / "params" / "tiny.yaml", r"systems:\n  - appearance\n  - motion\n", "systems:\n  - motion\n  - appearance\n")
    done = subprocess.run(["dvc", "repro"], cwd=project, env=environment(project), capture_output=True, text=True)
    said = done.stdout + done.stderr
    assert done.returncode and "the pipeline is not what today's params give: dvc.yaml; run `repro pipeline`, then again" in said
    assert "Running stage 'train" not in said


def test_dvc_shows_metrics_and_plots(project):
    (project / "results" / "tiny" / "metrics.json").write_text(json.dumps({"toy": {"motion": 50.0}}))
    curves = project / "results" / "tiny" / "curves" / "toy" / "split1" / "seed3" / "motion.csv"
    curves.write_text("step,learning_rate,loss,accuracy_motion,fallback_share\n0,0.1,3.0,0.1,0.0\n1,0.1,2.0,0.2,0.0\n")
    assert json.loads(dvc(project, "metrics", "show", "--json"))[""]["data"]["results/tiny/metrics.json"]["data"]["toy"]
    shown = dvc(project, "plots", "show", "--json", "-o", "plots")
    assert "motion on toy, training loss" in shown
