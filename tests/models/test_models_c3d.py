"""C3D against its published layer table, counts, and a plain stack of torch layers."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from repro.models.c3d.network import FAMILY, build_model
from repro.models.c3d.settings import C3DSettings
from repro.models.registry import Inputs

NARROW = C3DSettings(width=1 / 16)
RGB = Inputs({"rgb": 3}, {"toy": 7}, 32)


def test_counts_and_sizes_of_the_published_network():
    """38.5 G and 78.4 M at 16 x 112 x 112 and 101 classes (mmaction2's table)."""
    total, sizes = 0, {}

    def add(module, inputs, output):
        nonlocal total
        total += module.weight[0].numel() * output.numel()
        sizes[names[module]] = tuple(output.shape)

    with torch.device("meta"):
        model = build_model(C3DSettings(), Inputs({"rgb": 3}, {"ucf101": 101}, 112))
        names = {module: name for name, module in model.rgb.named_modules()}
        for module in model.modules():
            if isinstance(module, nn.Conv3d | nn.Linear):
                module.register_forward_hook(add)
        model({"rgb": torch.empty(1, 16, 3, 112, 112)})
    assert f"{total / 1e9:.1f}" == "38.5"
    assert f"{sum(p.numel() for p in model.parameters()) / 1e6:.1f}" == "78.4"
    assert sizes["conv5b"] == (1, 512, 2, 7, 7) and model.rgb.fc6.in_features == 512 * 4 * 4


def test_equals_a_plain_stack_on_every_window():
    torch.manual_seed(0)
    model = build_model(NARROW, RGB).eval()
    s = model.rgb
    pool = nn.MaxPool3d(2)
    stack = nn.Sequential(
        *(s.conv1, nn.ReLU(), nn.MaxPool3d((1, 2, 2)), s.conv2, nn.ReLU(), pool),
        *(s.conv3a, nn.ReLU(), s.conv3b, nn.ReLU(), pool, s.conv4a, nn.ReLU(), s.conv4b, nn.ReLU(), pool),
        *(s.conv5a, nn.ReLU(), s.conv5b, nn.ReLU(), nn.MaxPool3d(2, padding=(0, 1, 1)), nn.Flatten()),
        *(s.fc6, nn.ReLU(), s.fc7, nn.ReLU(), s.fc8["toy"]),
    )
    clip = torch.randn(2, 35, 3, 32, 32)
    with torch.inference_mode():
        got = model({"rgb": clip})["rgb"]
        assert got.shape == (2, 3, 7)
        for i, first in enumerate((0, 8, 16)):
            expected = stack(clip[:, first : first + 16].transpose(1, 2))
            torch.testing.assert_close(got[:, i], expected, rtol=1e-4, atol=1e-5)


def test_starts_from_a_bare_network_but_for_the_classifier():
    source, model = build_model(NARROW, RGB), build_model(NARROW, Inputs({"rgb": 3, "flow": 2}, {"a": 4, "b": 5}, 32))
    bare = {name: tensor for name, tensor in source.rgb.state_dict().items() if not name.startswith("fc8")}
    report = FAMILY.start(model, bare)
    assert report.inflated == ("flow.conv1.weight",) and len(report.new) == 2 * 2 * 2 and not report.unused
    assert torch.equal(model.flow.fc7.weight, source.rgb.fc7.weight)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_every_parameter_gets_a_gradient(batch_norm):
    torch.manual_seed(0)
    model = build_model(replace(NARROW, batch_norm=batch_norm), RGB)
    model({"rgb": torch.randn(4, 24, 3, 32, 32)})["rgb"].square().sum().backward()
    assert not [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]


def test_short_clips_and_other_sizes_are_refused():
    model = build_model(NARROW, RGB)
    with pytest.raises(ValueError, match="at least 16 frames for this network, got 15"):
        model({"rgb": torch.randn(1, 15, 3, 32, 32)})
    with pytest.raises(ValueError, match="must be 32x32, .* got 64x32"):
        model({"rgb": torch.randn(1, 16, 3, 64, 32)})


@pytest.mark.parametrize("field, value", [("window", 8), ("window", 24), ("window_stride", 0), ("width", 0), ("dropout", 1.0)])
def test_bad_settings_name_field_and_value(field, value):
    with pytest.raises(ValueError) as caught:
        C3DSettings(**{field: value})
    assert str(caught.value).startswith(field) and repr(value) in str(caught.value)
