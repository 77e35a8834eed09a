"""Parameters and multiply-adds at 64 x 224 x 224, 400 classes, counted on meta tensors.

The figures are those of an independent computation from the published layer tables, made before this code. No layout
gives all the figures that Xie et al. print.
"""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from repro.models.inception3d.network import build_model
from repro.models.inception3d.settings import VARIANTS
from repro.models.registry import Inputs
from repro.params import load
from repro.profile.run import Run

ROOT = Path(__file__).resolve().parents[2]
WITH_GAMMA = {name: replace(settings, norm_scale=True) for name, settings in VARIANTS.items()}


def count(settings, classes=400, frames=64, size=224):
    """(multiply-adds, parameters)."""
    total = 0

    def add(module, inputs, output):
        nonlocal total
        per_output = module.weight[0].numel()
        total += per_output * output.numel()

    with torch.device("meta"):
        model = build_model(settings, Inputs({"rgb": 3}, {"toy": classes}, size))
        parameters = sum(p.numel() for p in model.parameters())
        for module in model.modules():
            if isinstance(module, nn.Conv3d | nn.Linear):
                module.register_forward_hook(add)
            elif isinstance(module, nn.BatchNorm3d):
                module.forward = lambda x: x  # nothing to count, slow on meta tensors
        model({"rgb": torch.empty(1, frames, 3, size, size)})
    return total, parameters


@pytest.mark.parametrize(
    "name, multiply_adds, with_gamma, without",
    [
        ("i2d", 36_891_058_176, 6_009_904, 6_002_624),
        ("i3d", 111_153_143_808, 12_697_264, 12_689_984),
        ("s3d_torchvision", 71_916_314_624, 8_320_048, 8_309_440),
        ("s3d_separable_stem", 71_916_314_624, 8_320_048, 8_309_440),
        ("s3d_four_branches", 75_916_746_752, 9_708_048, 9_695_024),
        ("s3d_g_four_branches", 75_917_966_080, 10_933_056, 10_920_032),
    ],
)
def test_published_networks(name, multiply_adds, with_gamma, without):
    assert count(WITH_GAMMA[name]) == (multiply_adds, with_gamma)
    assert count(replace(VARIANTS[name], norm_scale=False)) == (multiply_adds, without)


@pytest.mark.parametrize(
    "name, multiply_adds, normed, released",
    [("s3d", 64_183_590_912, 8_310_064, 8_299_520), ("s3d_g", 64_184_810_240, 9_529_392, 9_518_848)],
)
def test_released_s3d(name, multiply_adds, normed, released):
    """A bias behind the temporal half costs as much as a norm without gamma; a norm with gamma twice that."""
    assert count(VARIANTS[name]) == (multiply_adds, released)
    assert count(replace(WITH_GAMMA[name], temporal_norm=True)) == (multiply_adds, normed)


@pytest.mark.parametrize(
    "name, classes, parameters",
    [("i3d", 101, 12_390_789), ("i3d", 51, 12_339_539), ("s3d_torchvision", 101, 8_013_573), ("s3d_torchvision", 51, 7_962_323)],
)
def test_other_class_counts(name, classes, parameters):
    assert count(WITH_GAMMA[name], classes, 16, 32)[1] == parameters


@pytest.mark.parametrize(
    "name, width, frames, side, giga, parameters",
    [
        ("i2d", 0.25, 16, 64, 0.066, 408_037),
        ("i3d", 0.25, 16, 64, 0.252, 867_397),
        ("s3d_separable_stem", 0.25, 16, 64, 0.125, 554_605),
        ("i2d", 0.25, 16, 112, 0.201, None),
        ("i3d", 0.25, 16, 112, 0.771, None),
        ("s3d_separable_stem", 0.25, 16, 112, 0.383, None),
        ("i2d", 0.5, 16, 64, 0.209, None),
        ("i3d", 0.5, 16, 64, 0.705, None),
        ("s3d_separable_stem", 0.5, 16, 64, 0.407, None),
        ("i3d", 1, 16, 112, 6.9, None),
        ("s3d_separable_stem", 1, 16, 112, 4.5, None),
    ],
)
def test_narrow_networks(name, width, frames, side, giga, parameters):
    settings = replace(WITH_GAMMA[name], width=width, padding="symmetric")  # tells at 112: maps of 3, SAME has 4
    multiply_adds, counted = count(settings, 101, frames, side)
    digits = 1 if giga > 1 else 3
    assert round(multiply_adds / 1e9, digits) == giga
    assert parameters in (None, counted)


SWEEP = """
1  88.494/12.641 59.550/6.066  56.631/8.291 52.177/6.039
2  66.298/12.420 81.746/6.288  45.533/8.180 63.275/6.150
3  60.518/12.189 87.526/6.518  44.222/8.128 64.585/6.202
4  48.033/11.692 100.012/7.016 40.754/7.989 68.053/6.341
5  46.862/11.318 101.182/7.389 40.326/7.852 68.482/6.478
6  45.359/10.839 102.685/7.868 39.815/7.688 68.992/6.642
7  43.423/10.222 104.621/8.486 39.160/7.479 69.648/6.851
8  40.966/9.438  107.078/9.269 38.341/7.217 70.466/7.113
9  37.845/8.443  110.199/10.264 37.223/6.860 71.584/7.470
10 37.455/7.448  110.590/11.260 37.084/6.502 71.724/7.828
"""
"""Row K: G multiply-adds / M parameters of I3D with layers >= K over time, < K over time; S3D likewise."""


@pytest.fixture(scope="module")
def sweep():
    """{variant: (multiply-adds, parameters)} of both sweeps."""
    return {name: count(settings) for name, settings in WITH_GAMMA.items() if "heavy" in name}


def test_sweeps(sweep):
    for row in SWEEP.split("\n")[1:-1]:
        k, *cells = row.split()
        for cell, (kind, side) in zip(cells, [("i3d", "top"), ("i3d", "bottom"), ("s3d", "top"), ("s3d", "bottom")]):
            layers = 11 - int(k) if side == "top" else int(k)
            multiply_adds, parameters = sweep[f"{kind}_{side}_heavy_{layers}"]
            assert f"{multiply_adds / 1e9:.3f}/{parameters / 1e6:.3f}" == cell, (row, kind, side)


@pytest.mark.parametrize("kind", ["i3d", "s3d"])
def test_top_heavy_is_cheaper_with_as_many_layers_over_time(sweep, kind):
    for n in range(1, 11):
        assert sweep[f"{kind}_top_heavy_{n}"][0] < sweep[f"{kind}_bottom_heavy_{n}"][0]


def test_the_full_size_profile_has_the_released_s3d_g():
    model = Run.of(load(ROOT / "params" / "lineage_paper.yaml"), "ucf101", 1, 0, "s3d_g").model
    assert replace(model, initialisation="truncated_normal") == VARIANTS["s3d_g"]  # it starts from other weights
