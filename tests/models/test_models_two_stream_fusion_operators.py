"""The operators of two-stream fusion, by hand."""

import itertools

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from repro.models.two_stream_fusion.operators import join, pad_alike


def features(*shape):
    torch.manual_seed(2)
    return torch.rand(*shape, dtype=torch.float64), torch.rand(*shape, dtype=torch.float64)


def test_sum_max_and_concatenation_by_hand():
    x_s = torch.tensor([[[[1.0, 2.0]], [[-3.0, 4.0]]]])  # one picture, two channels, 1 x 2
    x_t = torch.tensor([[[[5.0, -1.0]], [[-4.0, 4.5]]]])
    expected = {
        "sum": [[[[6.0, 1.0]], [[-7.0, 8.5]]]],
        "max": [[[[5.0, 2.0]], [[-3.0, 4.5]]]],
        "concatenation": [[[[1.0, 2.0]], [[-3.0, 4.0]], [[5.0, -1.0]], [[-4.0, 4.5]]]],
    }
    for name, values in expected.items():
        assert join(name, 2, "code", True)(x_s, x_t, 1).tolist() == values


def test_bilinear_by_hand():
    """Outer products at two positions: (1, 2)(3, 1)^T + (0, -4)(2, 5)^T = [[3, 1], [-2, -18]]; |y|_1 = 24 under the root."""
    x_s, x_t = torch.tensor([[[[1.0, 0.0]], [[2.0, -4.0]]]]), torch.tensor([[[[3.0, 2.0]], [[1.0, 5.0]]]])
    y = join("bilinear", 2, "code", True)(x_s, x_t, 1)
    expected = torch.tensor([[3**0.5, 1.0, -(2**0.5), -(18**0.5)]]) / 24**0.5
    torch.testing.assert_close(y, expected)
    dead = torch.zeros(1, 2, 1, 2, requires_grad=True)  # behind a ReLU whole channels are zero
    join("bilinear", 2, "code", True)(dead, x_t, 1).sum().backward()
    assert dead.grad.eq(0).all()


@pytest.mark.parametrize("start, weights", [("sum", (1, 1)), ("code", (0.25, 0.75)), ("paper", (1, 3))])
@pytest.mark.parametrize("name", ["conv", "conv3d"])
def test_convolutions_start_as_a_weighted_sum(name, start, weights):
    """Everywhere for 1x1, inside for 3x3x3 on maps that are constant in space and time."""
    operator, (x_s, x_t) = join(name, 4, start, True).double(), features(2, 4, 1, 1)
    frames, side = 5, 6
    x_s, x_t = (x.repeat_interleave(frames, 0).expand(-1, -1, side, side) for x in (x_s, x_t))
    y, expected = operator(x_s, x_t, frames), weights[0] * x_s + weights[1] * x_t
    if name == "conv":
        torch.testing.assert_close(y, expected, rtol=1e-12, atol=0)
        return
    y, expected = (v.unflatten(0, (2, frames)) for v in (y, expected))
    inside = (slice(None), slice(1, -1), slice(None), slice(1, -1), slice(1, -1))
    torch.testing.assert_close(y[inside], expected[inside], rtol=1e-6, atol=0)
    assert (y[:, 0] < 0.99 * expected[:, 0]).all()  # zeros from outside take part


def test_the_gaussian_of_the_3d_start():
    operator = join("conv3d", 3, "code", True)
    taps = operator.weight[1, 1] / 0.25  # spatial channel 1 -> channel 1
    torch.testing.assert_close(taps.sum(), torch.tensor(1.0))
    for offset in itertools.product((-1, 0, 1), repeat=3):
        expected = torch.tensor(-0.5 * sum(o * o for o in offset)).exp()
        torch.testing.assert_close(taps[tuple(o + 1 for o in offset)] / taps[1, 1, 1], expected)
    torch.testing.assert_close(operator.weight[1, 4], 3 * operator.weight[1, 1])  # temporal channel 1
    others = operator.weight.detach().clone()
    for channel in range(3):
        others[channel, [channel, channel + 3]] = 0
    assert others.eq(0).all() and operator.bias.eq(0).all()


def test_convolutions_by_einsum():
    (x_s, x_t), frames = features(8, 3, 4, 5), 4
    flat, deep = join("conv", 3, "random", False).double(), join("conv3d", 3, "random", False).double()
    nn.init.normal_(flat.bias), nn.init.normal_(deep.bias)
    x = torch.cat((x_s, x_t), 1)
    expected = torch.einsum("oi,nihw->nohw", flat.weight[..., 0, 0], x) + flat.bias[:, None, None]
    torch.testing.assert_close(flat(x_s, x_t, frames), expected)
    padded = F.pad(x.view(2, frames, 6, 4, 5), (1, 1, 1, 1, 0, 0, 1, 1))  # (B, T + 2, 2C, H + 2, W + 2)
    windows = padded.unfold(1, 3, 1).unfold(3, 3, 1).unfold(4, 3, 1)  # (B, T, 2C, H, W, 3, 3, 3)
    expected = torch.einsum("oidkl,btihwdkl->btohw", deep.weight, windows) + deep.bias[:, None, None]
    torch.testing.assert_close(deep(x_s, x_t, frames), expected.flatten(0, 1))


@pytest.mark.parametrize("name", ["conv", "conv3d"])
def test_the_relu_is_a_switch(name):
    x_s, x_t = features(4, 3, 4, 4)
    torch.manual_seed(0)
    plain = join(name, 3, "random", False).double()
    rectified = join(name, 3, "random", True).double()
    rectified.load_state_dict(plain.state_dict())
    y = plain(x_s, x_t, 2)
    assert (y < 0).any() and torch.equal(rectified(x_s, x_t, 2), y.relu())


def test_smaller_maps_get_zeros_at_the_far_ends():
    x_s, x_t = pad_alike(torch.ones(1, 2, 14, 14), torch.ones(1, 2, 13, 13))
    assert x_t.shape == x_s.shape == (1, 2, 14, 14) and x_s.eq(1).all()
    assert x_t[..., :13, :13].eq(1).all() and x_t.sum() == 2 * 13 * 13
