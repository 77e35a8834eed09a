"""TV-L1 three times and in two presets: how much ours differ from OpenCV's and from each other, and what each costs.

    python benchmarks/flow_tvl1.py CLIPS [--pairs 50] [--device cuda] [--only-gpu] [--eager] [--out FILE]

CLIPS is a folder of videos (J-HMDB's clips for the committed numbers), or `drawn`: textures under drawn motions, where there
are no videos (said in the file). Writes
results/benchmarks/flow_tvl1.json. Times are of one thread; on every pair the methods run one after the other,
so that a machine that changes its pace changes it for all of them. Needs about 5 s of one core per pair. The
cells of devices that were not there keep what was measured before, or say "not measured". OpenCV's preset stands
under the backends' names, the authors' under "authors".
"""

import argparse
import importlib.util
import json
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
import torch
from measure import copy_rate, machine
from result import processor, save, version

from repro.flow import FlowSettings, make_flow
from repro.flow.settings import PRESETS
from repro.flow.tvl1 import inner_step, tvl1

TARGET = Path(__file__).resolve().parents[1] / "results" / "benchmarks" / "flow_tvl1.json"
NOT_MEASURED = "not measured"
STATE_BYTES = 88  # an unfused inner iteration reads and writes 22 float32 per pixel
FUSED_BYTES = 64  # at the least: flow and dual variables (6) read and written, gradient, residual, norm (4) read


def pairs_of(folder, count):
    """One pair of consecutive grey frames from each of ``count`` clips spread over the folder."""
    from repro.video.decode import frames, gray  # late: drawn frames need no PyAV

    clips = sorted(Path(folder).rglob("*.avi"))
    for number in range(count):
        clip = clips[number * len(clips) // count]
        two = [gray(frame) for _, frame in zip(range(8), frames(clip))][-2:]
        if two[0].shape == (240, 320):
            yield two


def drawn(count, height=240, width=320):
    """Pairs of drawn grey frames: a rough texture that is shifted and turned a little, with noise."""
    for number in range(count):
        random = np.random.default_rng(number)
        texture = sum(
            cv2.resize(random.uniform(-60, 60, (side, side)).astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
            for side in (6, 20, 60)
        )
        motion = cv2.getRotationMatrix2D((width / 2, height / 2), random.uniform(-3, 3), random.uniform(0.97, 1.03))
        motion[:, 2] += random.uniform(-4, 4, 2)
        moved = cv2.warpAffine(texture, motion, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
        yield [np.clip(128 + f + random.normal(0, 2, f.shape), 0, 255).round().astype(np.uint8) for f in (texture, moved)]


def synthetic():
    """(name, first, second, exact flow) of motions known in closed form, 120x160."""
    y, x = np.mgrid[:120, :160].astype(float)

    def scene(x, y):
        return 128 + 40 * np.sin(0.31 * x + 0.1 * y) + 35 * np.sin(0.23 * y - 0.12 * x + 1) + 30 * np.cos(0.17 * x - 0.29 * y)

    for name, matrix, shift in (
        ("shift", [[1, 0], [0, 1]], (2.3, -1.6)),
        ("rotation", [[1, -0.03], [0.03, 1]], (0, 0)),
        ("zoom", [[1.04, 0], [0, 1.04]], (0, 0)),
    ):
        centre = np.array([80, 60.0])[:, None, None]
        place = np.stack([x, y]) - centre
        back = np.einsum("ij,jhw->ihw", np.linalg.inv(matrix), place - np.array(shift)[:, None, None]) + centre
        exact = np.einsum("ij,jhw->ihw", np.array(matrix), place) + np.array(shift)[:, None, None] - place
        yield name, *(np.round(scene(*at)).clip(0, 255).astype(np.uint8) for at in ((x, y), back)), exact.transpose(1, 2, 0)


def distance(a, b):
    return np.hypot(*np.moveaxis(a - b, -1, 0))


def timed(estimate, first, second):
    """(flow of these pairs, CPU ms per pair, wall ms per pair)."""
    cpu, wall = time.process_time(), time.perf_counter()
    flow = estimate(first, second)
    return (flow, *(1000 * spent / len(first) for spent in (time.process_time() - cpu, time.perf_counter() - wall)))


def agreement(flow, reference):
    difference = distance(flow, reference)
    return {
        "mean_px": round(float(difference.mean()), 5),
        "share_over_1_px": round(float((difference > 1).mean()), 6),
        "worst_pair_mean_px": round(float(difference.mean((1, 2)).max()), 5),
    }


def measure_cpu(first, second):
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    methods = {("opencv", backend): make_flow(FlowSettings(backend)) for backend in ("tvl1", "tvl1_cpu", "tvl1_torch")}
    methods |= {("authors", backend): make_flow(FlowSettings(backend, "authors")) for backend in ("tvl1_cpu", "tvl1_torch")}
    for estimate in methods.values():
        estimate(first[:1, :40, :40], second[:1, :40, :40])  # to warm up
    parts = {name: [] for name in methods}
    for k in range(len(first)):
        order = list(methods.items())
        for name, estimate in order if k % 2 else order[::-1]:
            parts[name].append(timed(estimate, first[k : k + 1], second[k : k + 1]))
        spent = {" ".join(name): round(part[-1][1], 1) for name, part in parts.items()}
        print(f"pair {k + 1} of {len(first)}", spent, flush=True)
    flow = {name: np.concatenate([part[0] for part in each]) for name, each in parts.items()}
    opencv, rows = ("opencv", "tvl1"), {}
    for name, estimate in methods.items():
        cpu, wall = (round(float(np.mean([part[k] for part in parts[name]])), 1) for k in (1, 2))
        errors = {
            kind: round(float(distance(estimate(a, b), exact)[10:-10, 10:-10].mean()), 5) for kind, a, b, exact in synthetic()
        }
        ratios = [theirs[1] / ours[1] for theirs, ours in zip(parts[opencv], parts[name])]
        rows[name] = {
            "cpu_ms_per_pair": cpu,
            "wall_ms_per_pair": wall,
            "synthetic_error_px": errors,
            "against_opencv": agreement(flow[name], flow[opencv]),
            "times_opencv": round(float(np.median(ratios)), 2),
        }
        if name[0] == "authors":  # the other backend: how far two ways of computing the same flow are apart
            rows[name]["against_tvl1_cpu"] = agreement(flow[name], flow["authors", "tvl1_cpu"])
        else:
            worst = max(100 * (error / rows[opencv]["synthetic_error_px"][kind] - 1) for kind, error in errors.items())
            rows[name]["synthetic_error_over_opencv_percent"] = round(worst, 2)
    return {
        "device": processor(),
        "script": version(__file__),
        "threads": 1,
        "size": "320x240",
        "pairs": len(first),
        "times": "means over pairs, methods in turns on every pair, other work on the machine; times_opencv: median over pairs",
        **{backend: row for (preset, backend), row in rows.items() if preset == "opencv"},
        "authors": {backend: row for (preset, backend), row in rows.items() if preset == "authors"},
    }


def measure_gpu(first, second, device, **ways):
    """OpenCV's preset, with OpenCV on all cores of the same machine beside it, and under "authors" theirs."""
    opencv = opencv_on_all_cores(*(grown(side, ways.get("short_side", 256)) for side in (first, second)))
    return rates_of(first, second, device, "opencv", opencv, **ways) | {
        "authors": rates_of(first, second, device, "authors", opencv, **ways)
    }


def grown(grey, short_side=256):
    """Frames (n, H, W) as they are stored: 340x256, by `repro.video.decode.resize_short_side`."""
    height, width = grey.shape[1:]
    size = (2 * (width * short_side // (2 * height)), short_side)
    return np.stack([cv2.resize(frame, size, interpolation=cv2.INTER_CUBIC) for frame in grey])


def rates_of(first, second, device, preset, opencv, short_side=256, batches=(16, 64, 256), compiled=True):
    """Rate at 340x256 for growing batches, plain and compiled, in turns, beside OpenCV's on all cores of the same machine (None:
    this OpenCV has none); agreement."""
    settings = FlowSettings("tvl1_torch", preset)
    larger = [grown(side, short_side) for side in (first, second)]
    methods = {
        name: make_flow(settings, device, name == "compiled") for name in (("plain", "compiled") if compiled else ("plain",))
    }
    rates = {}
    for batch in batches:
        many = [np.concatenate([side] * (1 + batch // len(side)))[:batch] for side in larger]
        for turn in range(3):
            for name, estimate in methods.items():
                wall = timed(estimate, *many)[2]
                if turn:  # the first compiles and warms up
                    rates.setdefault(f"{name}_batch_{batch}_pairs_per_s", []).append(1000 / wall)
    rates = {name: round(max(each), 1) for name, each in rates.items()}
    best = max(rates.values())
    bandwidth, pixels = copy_rate(device), updated_pixels(*larger, settings, device)
    return {
        "device": machine(device)["device"],
        "script": version(__file__),
        "size": f"{larger[0].shape[2]}x{larger[0].shape[1]}",
        **rates,
        "pairs_per_s": best,
        "cores": os.cpu_count(),
        "processor": processor(),
        "opencv_pairs_per_s_all_cores": round(opencv, 2) if opencv else NOT_MEASURED,
        "times_opencv_all_cores": round(best / opencv, 1) if opencv else NOT_MEASURED,
        "against_tvl1_cpu": against_cpu(first, second, preset, methods[name]),
        "unfused_bytes_per_pixel_and_iteration": STATE_BYTES,
        "fused_bytes_per_pixel_and_iteration": FUSED_BYTES,
        "pixel_updates_per_pair": round(pixels),
        "copy_gb_per_s": round(bandwidth / 1e9),
        "floor_pairs_per_s": round(bandwidth / (FUSED_BYTES * pixels), 1),
        "share_of_floor": round(best * FUSED_BYTES * pixels / bandwidth, 3),
    }


def against_cpu(first, second, preset, estimate):
    if not importlib.util.find_spec("numba"):
        return f"{NOT_MEASURED}: no numba here"
    return agreement(estimate(first, second), make_flow(FlowSettings("tvl1_cpu", preset))(first, second))


def updated_pixels(first, second, settings, device):
    """Pixels times inner iterations that one pair needs until it has converged, mean over these pairs."""
    count = 0

    def counting(flow, dual, gradient, rest, inverse, live, *rest_of_arguments):
        nonlocal count
        count += int(live.sum()) * flow.shape[2] * flow.shape[3]
        return inner_step(flow, dual, gradient, rest, inverse, live, *rest_of_arguments)

    with torch.inference_mode():
        tvl1(*(torch.from_numpy(side).to(device) for side in (first, second)), settings, counting)
    return count / len(first)


def opencv_on_all_cores(first, second):
    """Pairs per second of OpenCV's TV-L1 in one process per core, None where this OpenCV was built without it."""
    if not hasattr(cv2, "optflow"):
        return None
    cores = os.cpu_count()
    first, second = (np.concatenate([side] * (1 + 2 * cores // len(side)))[: 2 * cores] for side in (first, second))
    with ProcessPoolExecutor(cores, mp_context=get_context("spawn")) as pool:  # no copy of a process that uses the GPU
        list(pool.map(_opencv, first[:cores, :40, :40], second[:cores, :40, :40]))  # starts the workers
        start = time.perf_counter()
        list(pool.map(_opencv, first, second))
        return len(first) / (time.perf_counter() - start)


def _opencv(first, second):
    cv2.setNumThreads(1)
    return make_flow(FlowSettings())(first, second)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips")
    parser.add_argument("--pairs", type=int, default=50)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--only-gpu", action="store_true", help="what was measured on a CPU stays")
    parser.add_argument("--eager", action="store_true", help="on a GPU nothing is compiled")
    parser.add_argument(
        "--rehearse", action="store_true", help="the GPU's measurement on a CPU, on tiny frames; no figure counts"
    )
    parser.add_argument("--out", type=Path, default=TARGET)
    arguments = parser.parse_args()
    if arguments.clips != "drawn" and not Path(arguments.clips).is_dir():
        sys.exit(f"skipped: no folder of clips at {arguments.clips}")
    before = json.loads(arguments.out.read_text()) if arguments.out.exists() else {"cpu": NOT_MEASURED, "gpu": NOT_MEASURED}
    pairs = drawn(arguments.pairs) if arguments.clips == "drawn" else pairs_of(arguments.clips, arguments.pairs)
    first, second = (np.stack(side) for side in zip(*pairs))
    if arguments.rehearse:
        tiny = {"short_side": 32, "batches": (2,), "compiled": False}
        save(arguments.out, {"rehearsal": measure_gpu(first[:2], second[:2], "cpu", **tiny)})
        return
    cpu = before["cpu"] if arguments.only_gpu else measure_cpu(first, second)
    gpu = before["gpu"]
    if arguments.device != "cpu":
        gpu = measure_gpu(first, second, arguments.device, compiled=not arguments.eager)
        gpu["frames"] = "drawn" if arguments.clips == "drawn" else "of videos"
    parameters = {preset: FlowSettings("tvl1_cpu", preset).used() for preset in PRESETS}
    for each in parameters.values():
        del each["backend"]
    result = {
        "parameters": parameters["opencv"],
        "parameters_authors": parameters["authors"],
        "versions": {"opencv": cv2.__version__, "torch": torch.__version__},
        "cpu": cpu,
        "gpu": gpu,
    }
    save(arguments.out, result)


if __name__ == "__main__":
    main()
