"""Vectors of eight floats against NumPy."""

import numba
import numpy as np

from repro.flow import lanes


@numba.njit
def every_operation(a, b, out):
    x, y = lanes.load(a, 1), lanes.load(b, 3)
    lanes.store(out, 0, x + y)
    lanes.store(out, 8, x - y)
    lanes.store(out, 16, x * y)
    lanes.store(out, 24, x / y)
    lanes.store(out, 32, lanes.least(x, y))
    lanes.store(out, 40, lanes.greatest(x, y))
    lanes.store(out, 48, lanes.root(x * x))
    lanes.store(out, 56, lanes.splat(a[0]))
    lanes.store(out, 64, lanes.pair(a[0], b[0]))
    return lanes.total(x), lanes.lane(x, 5)


def test_every_operation():
    a, b = np.random.default_rng(0).uniform(-3, 3, (2, 16)).astype(np.float32)
    out = np.zeros(80, np.float32)
    total, lane = every_operation(a, b, out)
    x, y = a[1:9], b[3:11]
    expected = [
        x + y,
        x - y,
        x * y,
        x / y,
        np.minimum(x, y),
        np.maximum(x, y),
        np.abs(x),
        np.full(8, a[0]),
        np.repeat([a[0], b[0]], 4),
    ]
    assert np.allclose(out[:72].reshape(9, 8), expected, rtol=1e-5) and not out[72:].any()
    assert np.isclose(total, x.sum(), rtol=1e-5) and lane == x[5]
