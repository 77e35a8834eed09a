"""TV-L1 on a CUDA device against the same on a CPU. Imports no more than benchmarks/gpu.sh finds or brings: no PyAV, no Numba."""

import numpy as np
import pytest
import torch

from repro.flow import FlowSettings, make_flow
from repro.flow.known import moved_patch


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("preset", ["opencv", "authors"])
def test_cuda_as_cpu(preset, compiled):
    first, second = (frame[60:200, 80:260] for frame in moved_patch(5)[:2])
    settings = FlowSettings(backend="tvl1_torch", preset=preset)
    found, expected = make_flow(settings, "cuda", compiled)(first, second), make_flow(settings)(first, second)
    assert np.hypot(*np.moveaxis(found - expected, -1, 0)).mean() < 0.02
