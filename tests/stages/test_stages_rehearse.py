"""Rehearsals: a curve on held-out training videos, the same network as without it, and none on test videos."""

import shutil

import pandas
import pytest
import torch
from tiny import PARAMS, changed, write_params

from repro.errors import ReproError
from repro.params import Params
from repro.profile.run import Run
from repro.stages import rehearse
from repro.training.checkpoint import load_checkpoint


def test_curve_on_held_out_videos_of_the_same_network(finished, tmp_path, stages, capsys):
    run = shutil.copytree(finished, tmp_path / "run")
    recipe = {"schedule": [[0.02, 2]], "unit": "passes", "videos_per_step": 4, "clips_per_batch_norm": 2}
    held = {"title": "Held out", "layout": "ucf101", "held_out": {"of": "toy", "split": 1, "fraction": 0.25}}
    write_params(
        run,
        run__datasets=["held"],
        datasets={**PARAMS["datasets"], "held": held},
        systems__appearance={**PARAMS["systems"]["appearance"], "recipe": recipe},
        evaluation={"protocol": "centre", "frames": 5},
    )
    assert stages.repro(run, "hold-out", "--dataset", "held") == 0
    assert "held: 24 training videos of toy's split 1, 8 held out" in capsys.readouterr().out
    place = ("--dataset", "held", "--split", 1, "--system", "appearance")
    assert stages.repro(run, "train", *place) == 0
    checkpoint = run / "models/tiny/held/split1/seed3/appearance/checkpoint.pt"
    alone = load_checkpoint(checkpoint)["model"]
    assert stages.repro(run, "rehearse", *place) == 0
    followed = load_checkpoint(checkpoint)["model"]
    assert all(torch.equal(alone[key], followed[key]) for key in alone)  # looking changes nothing
    curve = pandas.read_csv(run / "results/tiny/validation/held/split1/seed3/appearance.csv")
    assert list(curve.columns) == ["step", "passes", "accuracy_appearance", "accuracy"]
    assert list(curve["step"]) == [6, 12] and list(curve["passes"]) == [1.0, 2.0]
    assert stages.repro(run, "evaluate", *place) == 0
    printed = capsys.readouterr().out.splitlines()[-1]
    assert f"top-1 {100 * curve['accuracy'].iloc[-1]:.1f} % of 8 test videos" in printed


@pytest.mark.parametrize("every", [0, -1])
def test_a_score_after_every_no_passes_is_told_before_any_work(every):
    datasets = {**PARAMS["datasets"], "held": {"title": "Held out", "layout": "ucf101", "held_out": {"of": "toy"}}}
    run = Run.of(Params(changed(datasets=datasets)), "held", 1, system="appearance")
    with pytest.raises(ReproError, match=f"a score after every {every} passes; --every 1 or more"):
        rehearse.run(run, every)


def test_test_videos_are_not_for_rehearsals(finished, stages, capsys):
    assert stages.repro(finished, "rehearse", "--dataset", "toy", "--split", 1, "--system", "appearance") == 2
    assert "test videos of toy are not for choosing schedules" in capsys.readouterr().err
