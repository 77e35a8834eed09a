"""Table 1 regenerated from the live network: what the paper prints, found by gradients and by running it."""

import dataclasses

import pytest
import torch
import torchvision
from networks import Spec, build_model
from torch.utils.flop_counter import FlopCounterMode

from repro.models.st_resnet.receptive import receptive_fields
from repro.models.st_resnet.table1 import PAPER_TABLE_1, markdown, table1

STAR = Spec(temporal="average", injection="add", temporal_pool="max")
STAR_WITHOUT_POOL = dataclasses.replace(STAR, temporal_pool="none")


@pytest.fixture(scope="module")
def rows():
    return table1(STAR, STAR.inputs(101))


def test_output_sizes_are_the_papers(rows):
    assert {r.layer: r.output for r in rows[:-1]} == {layer: cell for layer, (cell, _) in PAPER_TABLE_1.items()}
    assert rows[-1].output == "101x4"


def test_receptive_fields_are_the_papers_but_for_47t(rows):
    paper = {layer: cell for layer, (_, cell) in PAPER_TABLE_1.items()}
    assert {r.layer: r.field for r in rows[:-1]} == paper | {"pool5": "675x675x21t"}


def test_printed_x2_in_conv2_would_not_give_35():
    fields = receptive_fields(dataclasses.replace(STAR, blocks=(2, 4, 6, 3)))
    assert fields["conv2_x"][:2] == (27, 27)


def test_torchvisions_layout_misses_the_papers_fields():
    fields = receptive_fields(dataclasses.replace(STAR, layout="torchvision"))
    assert fields["conv2_x"] == (35, 35, 5) and fields["conv3_x"][:2] == (91, 91) and fields["pool5"][:2] == (619, 619)


def test_no_temporal_convolution_sees_one_frame():
    fields = receptive_fields(dataclasses.replace(STAR, temporal="none", temporal_pool="none"))
    assert {frames for _, _, frames in fields.values()} == {1}


def test_parameters_are_two_resnets_and_the_surgery(rows):
    with torch.device("meta"):
        plain = sum(p.numel() for p in torchvision.models.resnet50(num_classes=101).parameters())
    second_blocks = sum(2 * 64 * 2**i * 256 * 2**i for i in range(4))  # kernels of 1x1, each gains two taps
    assert sum(r.parameters for r in rows) == 2 * plain + 64 * 17 * 49 + 2 * 2 * second_blocks


def test_markdown_shows_both_and_reports_the_oddities(rows):
    text = markdown(rows)
    assert "| pool5 | 1x1x4 | 1x1x4 | 675x675x21t | 675x675x47t |" in text
    assert "only 3 give 35x35" in text and "21t" in text and "no parameter counts" in text
    thin = Spec(width=8, layout="torchvision")
    plain = markdown(table1(thin, thin.inputs(7)))
    assert "| conv3_x | 28x28x11 | 28x28x11 | 91x91x1 | 99x99x9t |" in plain


def test_every_parameter_is_in_one_row():
    spec = dataclasses.replace(
        STAR, width=4, temporal_filter="centre", injection="multiply", injection_scale=0.1, direction="both"
    )
    inputs = spec.inputs({"ucf101": 101, "hmdb51": 51})
    with torch.device("meta"):
        model = build_model(spec, inputs.classes)
    rows = table1(spec, inputs)
    assert sum(r.parameters for r in rows) == sum(p.numel() for p in model.parameters())
    assert rows[-1].output == "101x4, 51x4"


def test_the_field_of_temporal_filters_is_counted():
    """Three frames each: 7 with the convolutions before and behind the filter, four stages of it, then a window of 5."""
    both = receptive_fields(dataclasses.replace(STAR, temporal_filter="centre"))
    assert [both[f"conv{stage}_x"][2] for stage in (2, 3, 4, 5)] == [7, 13, 19, 25] and both["pool5"][2] == 29
    alone = receptive_fields(dataclasses.replace(STAR, temporal="none", temporal_filter="difference", injection="multiply"))
    assert [alone[f"conv{stage}_x"][2] for stage in (2, 3, 4, 5)] == [3, 5, 7, 9] and alone["pool5"][2] == 13


def test_fields_of_streams_of_other_names():
    spec = dataclasses.replace(STAR, streams=("rgb", "flow"), direction="flow_to_rgb", dropout={"flow": 0.5}, width=2)
    assert receptive_fields(spec) == receptive_fields(STAR)


def multiplications(spec):
    """Multiply-adds of one frame pair at 224x224, counted while it runs."""
    with torch.device("meta"):
        model = build_model(spec, 101).eval()
        clip = {name: torch.empty(1, 1, spec.in_channels(name), 224, 224) for name in spec.streams}
        with FlopCounterMode(display=False) as counter:
            model(clip)
    return counter.get_total_flops() / 2


def test_arithmetic_is_a_fifth_more_than_two_resnets():
    extra = sum(2 * 64 * 2**i * 256 * 2**i * (56 // 2**i) ** 2 for i in range(4))  # two more taps: x 2, streams: x 2
    plain, joint = multiplications(Spec()), multiplications(STAR_WITHOUT_POOL)
    assert joint - plain == 2 * 2 * extra
    assert plain / 1e9 == pytest.approx(8.38, abs=0.005) and joint / plain == pytest.approx(1.20, abs=0.005)
