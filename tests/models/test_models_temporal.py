"""Temporal convolution and pooling against Conv3d and hand-made pictures."""

import pytest
import torch
import torch.nn.functional as F

from repro.models.st_resnet.temporal import TemporalConv, TemporalPool, temporal_kernel


def folded(clip):
    """(B, C, T, H, W) -> (B*T, C, H, W)."""
    return clip.transpose(1, 2).flatten(0, 1)


@pytest.mark.parametrize("frames", [1, 2, 3, 7])
@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
def test_temporal_convolution_is_conv3d(frames, memory):
    torch.manual_seed(frames)
    conv = TemporalConv(6, 5).double().to(memory_format=memory)
    clip = torch.randn(2, 6, frames, 4, 3, dtype=torch.float64, requires_grad=True)
    expected = F.conv3d(clip, conv.weight, padding=(1, 0, 0))
    got = conv(folded(clip).contiguous(memory_format=memory), frames)
    torch.testing.assert_close(got, folded(expected))
    direction = torch.randn_like(expected)
    wanted = torch.autograd.grad(expected, (clip, conv.weight), direction)
    actual = torch.autograd.grad(got, (clip, conv.weight), folded(direction))
    for a, w in zip(actual, wanted, strict=True):
        torch.testing.assert_close(a, w)


def test_temporal_convolution_by_finite_differences():
    torch.manual_seed(0)
    conv = TemporalConv(3, 2).double()
    x = torch.randn(8, 3, 2, 2, dtype=torch.float64, requires_grad=True)

    def run(x, weight):
        return torch.func.functional_call(conv, {"weight": weight}, (x, 4))

    assert torch.autograd.gradcheck(run, (x, conv.weight))


def test_kernel_initialisations():
    kernel = torch.randn(4, 3, 1, 1)
    average, centre = temporal_kernel(kernel, "average"), temporal_kernel(kernel, "centre")
    assert average.shape == centre.shape == (4, 3, 3, 1, 1)
    for tap in range(3):
        torch.testing.assert_close(average[:, :, tap], kernel / 3)
        torch.testing.assert_close(centre[:, :, tap], kernel * (tap == 1))
    with pytest.raises(ValueError, match="how .*'middle'"):
        temporal_kernel(kernel, "middle")


@pytest.mark.parametrize("frames, outputs", [(5, 1), (11, 4), (25, 11)])
def test_temporal_pool(frames, outputs):
    clip = torch.randn(2, 3, frames, 2, 4)
    maximum = F.max_pool3d(clip, (5, 1, 1), stride=(2, 1, 1))
    assert maximum.shape[2] == outputs  # Table 1: 11 -> 4; the test protocol's 25 -> 11
    torch.testing.assert_close(TemporalPool("max")(folded(clip), frames), folded(maximum))
    average = F.avg_pool3d(clip, (5, 1, 1), stride=(2, 1, 1))
    torch.testing.assert_close(TemporalPool("average")(folded(clip), frames), folded(average))
    assert TemporalPool("none")(folded(clip), frames).shape[0] == 2 * frames


def test_temporal_pool_refuses_short_clips():
    with pytest.raises(ValueError, match="frames .* at least 5 .* got 4"):
        TemporalPool("max")(torch.zeros(4, 1, 1, 1), 4)
