"""Recipes against the tables of the paper and of the authors' scripts."""

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro.clips.augment import TSN_SCALES, CropSettings
from repro.training.presets import PRESETS, preset
from repro.training.recipe import Recipe

UCF101, HMDB51 = 9537, 3570  # training videos of split 1


def test_passes_become_the_authors_steps():
    # stage 1 on UCF101 is 3 x 745 + 3 x 745 + 2 x 745 steps of 128 videos
    assert PRESETS["code"]["st_resnet"].phases(UCF101) == ((1e-3, 2235), (1e-4, 2235), (1e-5, 1490))
    assert [steps for _, steps in PRESETS["code"]["st_resnet_star"].phases(UCF101)] == [75, 1490]
    assert PRESETS["paper"]["st_resnet"].phases(UCF101) == ((1e-3, 30_000), (1e-4, 30_000), (1e-5, 20_000))


# Typed from the papers and the authors' scripts, not from the code. First what the recipes of a script share.
MATCONVNET = {
    "weight_decay": 5e-4,
    "bias_lr": 2,
    "gamma_lr": 2,
    "beta_lr": 1,
    "batch_norm_momentum": 0.05,
    "frozen_norms": "none",
}
MULTI_TASK = {"weight_decay": 5e-4, "bias_lr": 2, "order": "class_uniform"}  # neither decay nor multipliers are printed
CAFFE = {"weight_decay": 5e-4, "bias_lr": 2, "gamma_lr": 1, "beta_lr": 1, "frozen_norms": "all_but_first"}
TSN = {**CAFFE, "sampling": "segments", "consensus": "average"}
INCEPTION = {"weight_decay": 1e-7, "bias_lr": 1, "gamma_lr": 1, "beta_lr": 1, "frozen_norms": "none", "sampling": "dense"}
ONE = (1, 1)
# preset: rates and amounts, unit; videos a step, clips a sub-batch; frames, stride; largest gradient; what is shared; crops
TABLE = {
    # ST-ResNet, Sec. 4; steps recalled
    "paper/motion": ("1e-2 30000, 1e-3 10000", "steps", 256, 86, 1, ONE, None, MATCONVNET, "corners"),
    "paper/appearance": ("1e-2 10000, 1e-3 10000", "steps", 256, 8, 1, ONE, None, MATCONVNET, "borders"),
    "paper/st_resnet": ("1e-3 30000, 1e-4 30000, 1e-5 20000", "steps", 128, 4, 5, (5, 15), None, MATCONVNET, "borders"),
    "paper/st_resnet_star": ("1e-4 2000, 1e-5 2000", "steps", 128, 4, 11, (1, 15), None, MATCONVNET, "borders"),
    # its scripts: epochs of ten passes, of one in the last phase, whose end is ours
    "code/motion": ("1e-2 100, 1e-3 100, 1e-4 100, 1e-5 100", "passes", 128, 32, 1, ONE, None, MATCONVNET, "corners"),
    "code/appearance": ("1e-2 20, 1e-3 20, 1e-4 20", "passes", 256, 32, 1, ONE, None, MATCONVNET, "borders"),
    "code/appearance_hmdb51": ("1e-2 20, 1e-3 10, 1e-4 10", "passes", 256, 32, 1, ONE, None, MATCONVNET, "borders"),
    "code/st_resnet": ("1e-3 30, 1e-4 30, 1e-5 20", "passes", 128, 4, 5, (5, 15), None, MATCONVNET, "borders"),
    "code/st_resnet_star": ("1e-4 1, 1e-5 20", "passes", 128, 4, 11, (1, 15), None, MATCONVNET, "borders"),
    # ST-MulNet's script: epochs of five passes, two at 1e-3; 128 videos in 32 sub-batches
    "code/st_mulnet": ("1e-3 10, 1e-4 5, 1e-5 5, 1e-6 5", "passes", 128, 4, 5, (5, 35), None, MATCONVNET, "borders"),
    # Two-Stream Fusion's script: epochs of ten passes, two at 1e-3; 96 videos in 96 sub-batches
    "code/fusion": ("1e-3 20, 1e-4 10, 1e-5 10, 1e-6 10", "passes", 96, 1, 5, (5, 15), None, MATCONVNET, "borders"),
    # Two-Stream 2014: 1e-3 after 50k, 1e-4 after 70k, stop 80k; fine-tuning: 1e-3 after 14k, stop 20k. Sub-batches are ours
    "paper/two_stream_temporal": ("1e-2 50000, 1e-3 20000, 1e-4 10000", "steps", 256, 32, 1, ONE, None, MULTI_TASK, "random"),
    "paper/two_stream_spatial": ("1e-2 14000, 1e-3 6000", "steps", 256, 32, 1, ONE, None, MULTI_TASK, "random"),
    # TSN's paper: colours /10 every 2000, stop 4500; flow /10 at 12k and 18k, stop 20k. Sub-batches are the solvers'
    "paper/tsn_rgb": ("1e-3 2000, 1e-4 2000, 1e-5 500", "steps", 256, 32, 3, ONE, None, TSN, "tsn"),
    "paper/tsn_flow": ("5e-3 12000, 5e-4 6000, 5e-5 2000", "steps", 256, 32, 3, ONE, None, TSN, "tsn"),
    # its solvers, 4 x 32 videos: /10 every 1500, stop 3500; at 10k, 16k, stop 18k; every 1000, stop 2500; at 4k, 6k, stop 7k
    "code/tsn_rgb_ucf101": ("1e-3 1500, 1e-4 1500, 1e-5 500", "steps", 128, 32, 3, ONE, 40, TSN, "tsn"),
    "code/tsn_flow_ucf101": ("5e-3 10000, 5e-4 6000, 5e-5 2000", "steps", 128, 32, 3, ONE, 20, TSN, "tsn"),
    "code/tsn_rgb_hmdb51": ("1e-3 1000, 1e-4 1000, 1e-5 500", "steps", 128, 32, 3, ONE, 40, TSN, "tsn"),
    "code/tsn_flow_hmdb51": ("5e-3 4000, 5e-4 2000, 5e-5 1000", "steps", 128, 32, 3, ONE, 20, TSN, "tsn"),
    # Xie et al.: 56 GPUs x 6; .1, .01 at 60k, .001 at 70k, 80k steps; fine-tuning: 8 GPUs, .01 for 6k, then .001 for 2k
    "paper/s3d": ("0.1 60000, 0.01 10000, 0.001 10000", "steps", 336, 6, 64, ONE, None, INCEPTION, "random"),
    "paper/s3d_fine_tuning": ("0.01 6000, 0.001 2000", "steps", 48, 6, 64, ONE, None, INCEPTION, "random"),
    # I3D: 6 x 64; colours .01 at 97k, .001 at 108k, 115k steps; flow .1 to 97k, .01 to 104.5k, .001 to 115k, then the same three
    # again to 140k, 150k and 155k
    "code/i3d_rgb": ("0.1 97000, 0.01 11000, 0.001 7000", "steps", 384, 6, 64, ONE, None, INCEPTION, "random"),
    "code/i3d_flow": (
        "0.1 97000, 0.01 7500, 0.001 10500, 0.1 25000, 0.01 10000, 0.001 5000",
        *("steps", 384, 6, 64, ONE, None, INCEPTION, "random"),
    ),
}


def test_every_preset_is_in_the_table():
    assert set(TABLE) == {f"{source}/{phase}" for source, phases in PRESETS.items() for phase in phases}


@pytest.mark.parametrize("name", TABLE)
def test_presets_are_the_tables(name):
    schedule, unit, batch, norm, frames, stride, largest, shared, kind = TABLE[name]
    recipe = preset(*name.split("/"))
    assert recipe.schedule == tuple(tuple(map(float, part.split())) for part in schedule.split(","))
    assert (recipe.unit, recipe.decay, recipe.warm_up, recipe.rates) == (unit, "constant", 0, {})
    assert (recipe.videos_per_step, recipe.clips_per_batch_norm, recipe.frames, recipe.stride) == (batch, norm, frames, stride)
    assert (recipe.momentum, recipe.clip_gradient, recipe.crop.kind) == (0.9, largest, kind)
    assert {field: getattr(recipe, field) for field in shared} == shared
    if shared is MATCONVNET:
        assert recipe.crop.antialias == (kind == "borders") and (recipe.crop.scale, recipe.crop.border) == ((0.75, 1.25), 0.25)
    if shared is TSN:
        assert (recipe.crop.scales or TSN_SCALES) == (1, 0.875, 0.75, 0.66)[: 4 if "rgb" in name else 3]


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
