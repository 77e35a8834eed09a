"""ConvNet + LSTM against the LSTM's equations written out, and what it starts from."""

from dataclasses import replace

import pytest
import torch

from repro.models.conv_lstm.network import FAMILY, build_model
from repro.models.conv_lstm.settings import ConvLSTMSettings
from repro.models.registry import Inputs, family, settings_of

NARROW = ConvLSTMSettings(width=1 / 32, units=6, dropout=0.0)
INPUTS = Inputs({"rgb": 3, "flow": 20}, {"toy": 5}, 32)


def make(settings=NARROW, inputs=INPUTS, seed=0):
    torch.manual_seed(seed)
    return build_model(settings, inputs).double()


def clip(frames=4, clips=3):
    torch.manual_seed(1)
    return {name: torch.randn(clips, frames, c, 32, 32, dtype=torch.float64) for name, c in INPUTS.channels.items()}


def by_hand(stream, x):
    """Scores of every step from the equations of an LSTM, gates in torch's order, on torchvision-like features."""
    features = x.flatten(0, 1)
    seen = {}
    super(type(stream), stream).forward(features, x.shape[1], None, lambda layer, y: seen.setdefault(layer, y))
    y = seen["relu7"].mean((2, 3))
    mean, var = (y.mean(0), y.var(0, unbiased=False)) if stream.training else (stream.norm.running_mean, stream.norm.running_var)
    y = ((y - mean) / (var + 1e-5).sqrt() * stream.norm.weight + stream.norm.bias).view(*x.shape[:2], -1)
    (wx, wh, bx, bh), steps = stream.lstm.parameters(), []
    h = c = y.new_zeros(len(x), stream.lstm.hidden_size)
    for t in range(x.shape[1]):
        i, f, g, o = (y[:, t] @ wx.T + bx + h @ wh.T + bh).chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        steps.append(h @ stream.fc["toy"].weight.T + stream.fc["toy"].bias)
    return torch.stack(steps, 1)


@pytest.mark.parametrize("training", [True, False])
def test_equals_the_equations_step_by_step(training):
    """A loss at every step in training, the last output at test, unless all are asked for."""
    model, every = make().train(training), make(replace(NARROW, last_output=False)).train(training)
    with torch.no_grad():
        logits, all_steps = model(clip()), every(clip())
        for name, y in logits.items():
            expected = by_hand(getattr(model, name), clip()[name])
            torch.testing.assert_close(y, expected if training else expected[:, -1:])
            torch.testing.assert_close(all_steps[name], expected)


def test_every_parameter_gets_a_gradient_and_the_last_score_depends_on_the_order():
    model = make(replace(NARROW, width=1 / 16)).train()
    sum(y.square().sum() for y in model(clip()).values()).backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().max() > 0] == []
    model.eval()
    forward, backward = model(clip()), model({name: x.flip(1) for name, x in clip().items()})
    assert all((forward[name] - backward[name]).abs().max() > 1e-6 for name in model.heads)


def test_starts_from_streams_and_from_its_own_kind():
    settings = settings_of("two_stream_fusion")(fusion="none", temporal_pool=1, width=1 / 32)
    torch.manual_seed(5)
    source = family("two_stream_fusion").build(settings, INPUTS).double().state_dict()
    model = make()
    report = FAMILY.start(model, source)
    assert {key.split(".")[1] for key in report.new} == {"norm", "lstm", "fc"}
    assert all(".fc8." in key for key in report.unused) and len(report.unused) == 4
    for key, tensor in source.items():
        assert ".fc8." in key or torch.equal(model.state_dict()[key], tensor)
    again = make(seed=3)
    report = FAMILY.start(again, model.state_dict())
    assert not report.new and not report.unused and torch.equal(again.flow.lstm.weight_hh_l0, model.flow.lstm.weight_hh_l0)


def test_counts_of_the_full_size():
    """VGG-16's trunk to fc7, and four gates of 4096 + 512 + 2 to each of 512 units."""
    with torch.device("meta"):
        model = build_model(replace(ConvLSTMSettings(), norm=False), Inputs({"rgb": 3}, {"ucf101": 101}))
    trunk = 14_714_688 + (25_088 + 1) * 4096 + (4096 + 1) * 4096
    assert sum(p.numel() for p in model.parameters()) == trunk + 4 * 512 * (4096 + 512 + 2) + 513 * 101


@pytest.mark.parametrize("field, value", [("units", 0), ("backbone", "vgg19"), ("width", 0), ("dropout", 1.0)])
def test_bad_settings_name_field_and_value(field, value):
    with pytest.raises(ValueError) as caught:
        ConvLSTMSettings(**{field: value})
    assert str(caught.value).startswith(field) and repr(value) in str(caught.value)


def test_pictures_too_small_for_the_backbone_are_told():
    with pytest.raises(ValueError, match="input_size must be larger: vgg_m leaves nothing of its maps, got 32"):
        make(replace(NARROW, backbone="vgg_m"))
