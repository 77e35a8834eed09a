"""Recipes against the tables of the paper and of the authors' scripts."""

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro.clips.augment import CropSettings
from repro.training.presets import PRESETS, preset
from repro.training.recipe import Recipe

UCF101, HMDB51 = 9537, 3570  # training videos of split 1


def test_passes_become_the_authors_steps():
    # stage 1 on UCF101 is 3 x 745 + 3 x 745 + 2 x 745 steps of 128 videos
    assert PRESETS["code"]["st_resnet"].phases(UCF101) == ((1e-3, 2235), (1e-4, 2235), (1e-5, 1490))
    assert [steps for _, steps in PRESETS["code"]["st_resnet_star"].phases(UCF101)] == [75, 1490]
    assert PRESETS["paper"]["st_resnet"].phases(UCF101) == ((1e-3, 30_000), (1e-4, 30_000), (1e-5, 20_000))


@pytest.mark.parametrize(
    "name, batch, norm, frames, stride, kind",
    [
        ("paper/motion", 256, 86, 1, (1, 1), "corners"),
        ("paper/appearance", 256, 8, 1, (1, 1), "borders"),
        ("paper/st_resnet", 128, 4, 5, (5, 15), "borders"),
        ("paper/st_resnet_star", 128, 4, 11, (1, 15), "borders"),
        ("code/motion", 128, 32, 1, (1, 1), "corners"),
        ("code/appearance", 256, 32, 1, (1, 1), "borders"),
        ("code/appearance_hmdb51", 256, 32, 1, (1, 1), "borders"),
        ("code/st_resnet", 128, 4, 5, (5, 15), "borders"),
        ("code/st_resnet_star", 128, 4, 11, (1, 15), "borders"),
    ],
)
def test_presets_are_the_tables(name, batch, norm, frames, stride, kind):
    recipe = preset(*name.split("/"))
    assert (recipe.videos_per_step, recipe.clips_per_batch_norm, recipe.frames, recipe.stride) == (batch, norm, frames, stride)
    assert (recipe.momentum, recipe.weight_decay, recipe.batch_norm_momentum) == (0.9, 5e-4, 0.05)
    assert (recipe.bias_lr, recipe.gamma_lr, recipe.beta_lr) == (2, 2, 1)
    assert recipe.crop.kind == kind and recipe.crop.antialias == (kind == "borders")
    assert (recipe.crop.scale, recipe.crop.border) == ((0.75, 1.25), 0.25)


def test_sub_batches():
    assert preset("paper", "st_resnet").sub_batches() == 32
    assert preset("paper", "motion").sub_batches() == 3  # 86 + 86 + 84


@given(
    st.lists(st.tuples(st.floats(1e-5, 1), st.integers(1, 4)), min_size=1, max_size=3),
    st.sampled_from(["steps", "passes"]),
    st.integers(1, 60),
)
def test_the_rate_follows_the_schedule(schedule, unit, videos):
    recipe = Recipe(tuple(schedule), videos_per_step=8, clips_per_batch_norm=2, unit=unit)
    expected = [rate for rate, steps in recipe.phases(videos) for _ in range(steps)]
    assert recipe.total_steps(videos) == len(expected) >= len(schedule)
    assert [recipe.learning_rate(step, videos) for step in range(len(expected))] == expected


def test_warm_up_and_cosine_by_hand():
    recipe = Recipe(((0.4, 4), (0.1, 2)), 8, 2, decay="cosine", warm_up=2)
    half = 0.4 * (1 + math.cos(math.pi / 4)) / 2
    expected = [0.4 / 2, half, 0.2, 0.4 * (1 - math.cos(math.pi / 4)) / 2, 0.1, 0.05]
    assert [recipe.learning_rate(step, 100) for step in range(6)] == pytest.approx(expected)


@pytest.mark.parametrize(
    "change, told",
    [
        ({"loss": "one"}, "loss must be one of per_stream, mean, got 'one'"),
        ({"unit": "epochs"}, "unit must be one of steps, passes, got 'epochs'"),
        ({"stride": (5, 3)}, "stride must be.*5, 3"),
        ({"stride": (0, 3)}, "stride must be"),
        ({"clips_per_batch_norm": 9}, "clips_per_batch_norm must lie in.*9"),
        ({"clips_per_batch_norm": 0}, "clips_per_batch_norm"),
        ({"frames": 0}, "frames"),
        ({"consensus": "averag"}, "got 'averag'; did you mean average"),
        ({"frozen_norms": "first"}, "frozen_norms must be one of none, all, all_but_first"),
        ({"clip_gradient": 0.0}, "clip_gradient"),
        ({"schedule": ((0.1, 0),)}, "amounts of at least 1"),
        ({"schedule": ()}, "schedule"),
    ],
)
def test_impossible_recipes_are_told(change, told):
    with pytest.raises(ValueError, match=told):
        dataclasses.replace(Recipe(((0.1, 5),), 8, 2), **change)


def test_a_preset_can_be_changed_and_an_unknown_one_is_told():
    changed = preset("code", "st_resnet", crop=CropSettings("corners"), frames=3)
    assert changed.frames == 3 and changed.videos_per_step == 128
    with pytest.raises(ValueError, match="no recipe code/starred; there: .*code/st_resnet_star"):
        preset("code", "starred")
