"""The authors' TV-L1 (OpenCV 2.4 on a GPU): both backends against a plain transcription, each part, known motion."""

import cv2
import numpy as np
import pytest
import torch

from repro.flow import FlowSettings, make_flow, tvl1_kernel, tvl1_warp
from repro.flow import tvl1_parts as parts
from repro.flow.known import found, moved_patch
from repro.video.decode import frames, gray, resize_short_side

OURS = ["tvl1_cpu", "tvl1_torch"]


def settings(backend, **changes):
    return FlowSettings(backend=backend, preset="authors", **changes)


def end_point_difference(a, b):
    return np.hypot(*np.moveaxis(a - b, -1, 0))


# --- OpenCV 2.4's modules/gpu/src/tvl1flow.cpp and its kernels, pixel by pixel as they stand there, in float64 ---


def oracle(first, second, tau=0.25, lambda_=0.15, theta=0.3, scales=5, warps=5, epsilon=0.01, iterations=300):
    levels = [(first.astype(float), second.astype(float))]
    for _ in range(1, scales):
        smaller = [cv2.pyrDown(frame) for frame in levels[-1]]
        if min(smaller[0].shape) < 16:
            break
        levels.append(smaller)
    u1, u2 = np.zeros((2, *levels[-1][0].shape))
    for number, (i0, i1) in reversed(list(enumerate(levels))):
        u1, u2 = _one_scale(i0, i1, u1, u2, tau, lambda_, theta, warps, epsilon, iterations)
        if number:
            u1, u2 = (2 * _gpu_resize(u, levels[number - 1][0].shape) for u in (u1, u2))
    return np.stack([u1, u2], -1)


def _gpu_resize(source, shape):
    out = np.empty(shape)
    rows, columns = source.shape
    for y in range(shape[0]):
        for x in range(shape[1]):
            ycoo, xcoo = y * rows / shape[0], x * columns / shape[1]
            y1, x1 = int(np.floor(ycoo)), int(np.floor(xcoo))
            y2, x2 = min(y1 + 1, rows - 1), min(x1 + 1, columns - 1)  # a texture clamps
            a, b = ycoo - y1, xcoo - x1
            out[y, x] = (1 - a) * ((1 - b) * source[y1, x1] + b * source[y1, x2]) + a * (
                (1 - b) * source[y2, x1] + b * source[y2, x2]
            )
    return out


def _bicubic(x):
    x = abs(x)
    if x <= 1:
        return x * x * (1.5 * x - 2.5) + 1
    return x * (x * (-0.5 * x + 2.5) - 4) + 2 if x < 2 else 0.0


def _warp_backward(i1, i1x, i1y, u1, u2):
    rows, columns = i1.shape
    out = np.empty((3, rows, columns))
    for y in range(rows):
        for x in range(columns):
            wx, wy = x + u1[y, x], y + u2[y, x]
            sums, weights = np.zeros(3), 0.0
            for cy in range(int(np.ceil(wy - 2)), int(np.floor(wy + 2)) + 1):
                for cx in range(int(np.ceil(wx - 2)), int(np.floor(wx + 2)) + 1):
                    w = _bicubic(wx - cx) * _bicubic(wy - cy)
                    place = min(max(cy, 0), rows - 1), min(max(cx, 0), columns - 1)
                    sums += w * np.array([i1[place], i1x[place], i1y[place]])
                    weights += w
            out[:, y, x] = sums / weights
    return out


def _divergence(v1, v2):
    left, above = np.zeros_like(v1), np.zeros_like(v2)
    left[:, 1:], above[1:] = v1[:, :-1], v2[:-1]
    return v1 - left + v2 - above


def _one_scale(i0, i1, u1, u2, tau, lambda_, theta, warps, epsilon, iterations):
    scaled_epsilon = epsilon * epsilon * i0.size
    padded = np.pad(i1, 1, mode="edge")
    i1x, i1y = (padded[1:-1, 2:] - padded[1:-1, :-2]) / 2, (padded[2:, 1:-1] - padded[:-2, 1:-1]) / 2
    p11, p12, p21, p22 = np.zeros((4, *i0.shape))
    l_t, taut = lambda_ * theta, tau / theta
    for _ in range(warps):
        i1w, i1wx, i1wy = _warp_backward(i1, i1x, i1y, u1, u2)
        grad = i1wx**2 + i1wy**2
        rho_c = i1w - i1wx * u1 - i1wy * u2 - i0
        error, previous, n = np.inf, 0.0, 0
        while error > scaled_epsilon and n < iterations:
            calculate = n % 2 == 1 and previous < scaled_epsilon
            rho = rho_c + i1wx * u1 + i1wy * u2
            flat = np.where(grad > np.finfo(np.float32).eps, -rho / np.where(grad > 0, grad, 1), 0)
            along = np.where(rho < -l_t * grad, l_t, np.where(rho > l_t * grad, -l_t, flat))
            new1 = u1 + along * i1wx + theta * _divergence(p11, p12)
            new2 = u2 + along * i1wy + theta * _divergence(p21, p22)
            if calculate:
                error = previous = ((new1 - u1) ** 2 + (new2 - u2) ** 2).sum()
            else:
                error, previous = np.inf, previous - scaled_epsilon
            u1, u2 = new1, new2
            for u, p, q in ((u1, p11, p12), (u2, p21, p22)):
                x = np.diff(u, axis=1, append=u[:, -1:])
                y = np.diff(u, axis=0, append=u[-1:])
                norm = 1 + taut * np.hypot(x, y)
                p[:], q[:] = (p + taut * x) / norm, (q + taut * y) / norm
            n += 1
    return u1, u2


def scene(height, width, seed=0):
    wide = np.random.default_rng(seed).uniform(0, 255, (height, width)).astype(np.float32)
    return cv2.normalize(cv2.GaussianBlur(wide, (0, 0), 1.5), None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)


@pytest.mark.parametrize(
    "change", [{}, {"epsilon": 0.1, "warps": 3}, {"lambda_": 0.05, "tau": 0.2, "theta": 0.4, "scales": 1}, {"inner": 7}]
)
def test_as_the_gpu_code_says(change):
    wide = scene(60, 70)
    first, second = wide[8:53, 8:60], wide[7:52, 5:57]  # 45 x 52: two levels, sides of a vector and more, odd and even
    named = {"iterations" if name == "inner" else name: value for name, value in change.items()}
    expected = oracle(first, second, **named)
    for backend in OURS:
        difference = end_point_difference(make_flow(settings(backend, **change))(first, second), expected)
        assert difference.mean() < 2e-3 and np.quantile(difference, 0.99) < 0.05, backend


def test_it_is_another_flow_than_opencvs_with_the_same_numbers():
    wide = scene(60, 70)
    first, second = wide[8:53, 8:60], wide[7:52, 5:57]
    numbers = {"scale_step": 0.5, "median": 1, "outer": 1, "inner": 300}
    theirs = make_flow(FlowSettings(backend="tvl1_cpu", **numbers))(first, second)
    assert end_point_difference(make_flow(settings("tvl1_cpu"))(first, second), theirs).mean() > 0.01


@pytest.mark.parametrize("shape", [(61, 83), (64, 80), (45, 44)])
def test_pyramid_is_opencvs(shape):
    a = np.random.default_rng(0).uniform(0, 255, shape).astype(np.float32)
    assert np.allclose(parts.halve(torch.from_numpy(a)[None])[0].numpy(), cv2.pyrDown(a), atol=1e-3)


@pytest.mark.parametrize("large", [(61, 83), (64, 80)])
def test_flow_for_the_next_level(large):
    height, width = large
    small = (height + 1) // 2, (width + 1) // 2
    flow = np.random.default_rng(0).normal(0, 4, small).astype(np.float32)
    expected = _gpu_resize(flow.astype(float), large)
    assert np.allclose(parts.enlarge(torch.from_numpy(flow), *large).numpy(), expected, atol=1e-4)
    (source,), (target,) = tvl1_kernel.planes(1, *small), tvl1_kernel.planes(1, *large)
    tvl1_kernel.picture(source, *small)[:] = flow
    tvl1_warp.grow(source, *small, tvl1_kernel.pitch_of(small[1]), target, *large, tvl1_kernel.pitch_of(width))
    assert np.allclose(tvl1_kernel.picture(target, *large), 2 * expected, atol=1e-4)


@pytest.mark.parametrize("reach", [0.4, 30])
def test_warp(reach):
    height, width = 23, 34
    rng = np.random.default_rng(0)
    first, second = rng.uniform(0, 255, (2, height, width)).astype(np.float32)
    flow = rng.uniform(-reach, reach, (2, height, width)).astype(np.float32)
    padded = np.pad(second, 1, mode="edge")
    slopes = (padded[1:-1, 2:] - padded[1:-1, :-2]) / 2, (padded[2:, 1:-1] - padded[:-2, 1:-1]) / 2
    expected = _warp_backward(second, *slopes, *flow)
    pictures = torch.from_numpy(np.stack([second, *slopes]))[None]
    assert np.allclose(parts.warp(pictures, torch.from_numpy(flow)[None], -0.5, black=False)[0].numpy(), expected, atol=0.01)
    u, v, *target = tvl1_kernel.planes(6, height, width)
    for plane, values in ((u, flow[0]), (v, flow[1])):
        tvl1_kernel.picture(plane, height, width)[:] = values
    tvl1_warp.linearise(first, tvl1_warp.with_slopes(second), u, v, tuple(target), tvl1_kernel.pitch_of(width))
    along_x, along_y, rest, inverse = (tvl1_kernel.picture(plane, height, width) for plane in target)
    assert np.allclose(along_x, expected[1], atol=0.01) and np.allclose(along_y, expected[2], atol=0.01)
    assert np.allclose(rest, expected[0] - expected[1] * flow[0] - expected[2] * flow[1] - first, atol=0.05)
    assert np.allclose(inverse, 1 / (along_x**2 + along_y**2), rtol=1e-3)


@pytest.mark.parametrize("backend", OURS)
@pytest.mark.parametrize("distance", [10, 14, 18])
def test_a_fast_patch_is_found(backend, distance):
    first, second, inside = moved_patch(distance)
    u, v = found(make_flow(settings(backend))(first, second), inside)
    assert abs(u - distance) <= 0.5 and abs(v) <= 0.5


def test_opencvs_parameters_lose_the_fast_patch():
    first, second, inside = moved_patch(18)
    assert abs(found(make_flow(FlowSettings(backend="tvl1_cpu"))(first, second), inside)[0] - 18) > 5


@pytest.mark.parametrize("backend", OURS)
def test_still_small_and_deterministic(backend):
    estimate = make_flow(settings(backend))
    first, second = scene(40, 41), scene(41, 43)[1:, 2:]
    assert np.array_equal(estimate(first, second), estimate(first, second))
    assert not estimate(first, first).any()
    assert estimate(first[:17, :20], second[:17, :20]).shape == (17, 20, 2)
    assert np.isfinite(estimate(np.full((40, 41), 77, np.uint8), second)).all()


def test_a_batch_gives_what_its_pairs_give():
    pairs = [(scene(40, 44, 1), scene(40, 46, 1)[:, 2:]), (scene(40, 44, 2), scene(41, 44, 2)[1:]), (scene(40, 44),) * 2]
    estimate = make_flow(settings("tvl1_torch", warps=2))
    together = estimate(*(np.stack(side) for side in zip(*pairs)))
    assert np.allclose(together, np.stack([estimate(*pair) for pair in pairs]), atol=1e-4)


def real_pairs(shared_data, count, side=None):
    clips = sorted((shared_data / "jhmdb" / "clips").glob("*/*.avi"))
    for number in range(count):
        two = [frame for _, frame in zip(range(8), frames(clips[number * len(clips) // count]))][-2:]
        yield tuple(gray(resize_short_side(frame, side) if side else frame) for frame in two)


def backends_differ(pairs):
    """Mean end-point difference of the two backends on pairs of any sizes, px."""
    one, other = (make_flow(settings(backend)) for backend in OURS)
    return float(np.mean([end_point_difference(one(*pair), other(*pair)).mean() for pair in pairs]))


def test_backends_agree():
    drawn = [moved_patch(distance, seed=distance)[:2] for distance in (3, 12)]
    assert backends_differ([tuple(frame[60:200, 80:260] for frame in pair) for pair in drawn]) <= 0.1


def test_backends_agree_on_fifty_real_pairs(shared_data):
    assert backends_differ(real_pairs(shared_data, 50, 74)) <= 0.1


@pytest.mark.slow
def test_backends_agree_on_fifty_real_pairs_of_full_size(shared_data):
    assert backends_differ(real_pairs(shared_data, 50)) <= 0.1
