"""How much motion each flow method finds, what is left after warping, and what a pair costs.

    python benchmarks/flow_displacement.py [--ucf101 FOLDER] [--jhmdb FOLDER] [--out FILE]

Writes results/benchmarks/flow_displacement.json. Three questions, frames of 340x256 throughout, one thread:

* made motion: a textured square moves 1 to 24 px a frame over another texture (``repro.flow.known``). Is the median
  motion inside it found within half a pixel? Squares of 20 to 100 px, several textures each.
* real clips: the mean difference in grey levels between a frame and the next one warped back. Three pairs of each
  clip of UCF101, one pair of clips spread over J-HMDB.
* time: the methods one after the other on each pair, so that a machine that changes its pace changes it for all of
  them; read the ratios. The machine's load is written beside them.

``tvl1`` and ``tvl1_torch`` give the flow of ``tvl1_cpu`` (results/benchmarks/flow_tvl1.json) and cost 20 times as
much: they are measured on fewer pairs. Needs about six minutes of one core.
"""

import argparse
import os
import time
from pathlib import Path

import cv2
import numba
import numpy as np
import torch
from result import processor, save, version

from repro.flow import FlowSettings, lanes, make_flow, tvl1_cpu
from repro.flow.known import found, moved_patch, residual
from repro.video.decode import frames, gray, resize_short_side

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "results" / "benchmarks" / "flow_displacement.json"
SIZES, DISTANCES, TEXTURES = (20, 40, 70, 100), (1, 2, 4, 6, 8, 10, 12, 14, 18, 24), 3
NEAR = 0.5  # px
METHODS = {
    "tvl1_cpu, opencv": FlowSettings("tvl1_cpu"),
    "tvl1_cpu, authors": FlowSettings("tvl1_cpu", "authors"),
    "dis": FlowSettings("dis"),
    "farneback": FlowSettings("farneback"),
}
SLOW = {
    "tvl1, opencv": FlowSettings("tvl1"),
    "tvl1_torch, opencv": FlowSettings("tvl1_torch"),
    "tvl1_torch, authors": FlowSettings("tvl1_torch", "authors"),
}
# vector operations of one inner iteration on eight pixels, counted in repro.flow.tvl1_kernel: what the two units for
# products do (fused ones count once; each reciprocal takes two), and square roots; sums run beside them
PRODUCTS, ROOTS = 21, 2


def estimators(methods):
    made = {name: make_flow(settings) for name, settings in methods.items()}
    for estimate in made.values():
        estimate(*np.zeros((2, 32, 32), np.uint8))  # to warm up
    return made


def made_motion(methods, sizes, textures):
    """{method: {size: {distance: median found of each texture}}}, px."""
    rows = {name: {str(size): {} for size in sizes} for name in methods}
    for size in sizes:
        for distance in DISTANCES:
            for seed in range(textures):
                first, second, inside = moved_patch(distance, size, seed)
                for name, estimate in methods.items():
                    u, v = found(estimate(first, second), inside)
                    rows[name][str(size)].setdefault(str(distance), []).append((round(u, 2), round(v, 2)))
        print(f"squares of {size} px", flush=True)
    return {
        name: {
            "found_px": {size: {d: [u for u, _ in each] for d, each in of.items()} for size, of in sizes.items()},
            "share_within_half_px": {
                size: {d: round(float(np.mean([np.hypot(u - int(d), v) <= NEAR for u, v in each])), 2) for d, each in of.items()}
                for size, of in sizes.items()
            },
        }
        for name, sizes in rows.items()
    }


def pairs_of(clip, places):
    """(first, second) grey frames with a shorter side of 256 at these fractions of a clip."""
    shown = [gray(resize_short_side(frame, 256)) for frame in frames(clip)]
    for place in places:
        number = int(place * (len(shown) - 1))
        yield shown[number : number + 2]


def real_motion(methods, pairs):
    """What each method leaves of the difference between two frames, and how far it says things move."""
    rows = {name: [] for name in ("no motion", *methods)}
    for first, second in pairs:
        rows["no motion"].append((residual(first, second, np.zeros((*first.shape, 2))), 0.0, 0.0))
        for name, estimate in methods.items():
            flow = estimate(first, second)
            length = np.hypot(flow[..., 0], flow[..., 1])
            rows[name].append((residual(first, second, flow), float(length.mean()), float((length > 8).mean())))
    still = np.array(rows["no motion"])[:, 0]
    fast = np.argsort(still)[-max(1, len(still) // 10) :]  # the tenth of the pairs with the most to explain
    return {
        "pairs": len(still),
        **{
            name: {
                "residual_grey_levels": round(float(values[:, 0].mean()), 2),
                "residual_of_the_fastest_tenth": round(float(values[fast, 0].mean()), 2),
                "mean_flow_px": round(float(values[:, 1].mean()), 2),
                "share_over_8_px": round(float(values[:, 2].mean()), 4),
            }
            for name, values in ((name, np.array(each)) for name, each in rows.items())
        },
    }


def costs(methods, pairs, against="tvl1_cpu, opencv"):
    """CPU ms per pair, and how many times the fields per second of ``against``, methods in turns on each pair."""
    spent = {name: [] for name in methods}
    for number, pair in enumerate(pairs):
        order = list(methods.items())
        for name, estimate in order if number % 2 else order[::-1]:
            start = time.process_time()
            estimate(*pair)
            spent[name].append(time.process_time() - start)
    return {
        "pairs": len(pairs),
        **{
            name: {
                "cpu_ms_per_pair": round(1000 * float(np.mean(each)), 1),
                "times_fields_per_second": round(float(np.median(np.array(spent[against]) / each)), 3),
                "times_of_means": round(sum(spent[against]) / sum(each), 3),
            }
            for name, each in spent.items()
        },
    }


@numba.njit(fastmath=True)
def _products(count, memory):
    a, b, c, d = lanes.load(memory, 0), lanes.load(memory, 8), lanes.load(memory, 16), lanes.load(memory, 24)
    e, f, g, h = lanes.load(memory, 32), lanes.load(memory, 40), lanes.load(memory, 48), lanes.load(memory, 56)
    part = lanes.splat(np.float32(0.5))
    for _ in range(count):
        a, b, c, d = a * part + b, b * part + c, c * part + d, d * part + e
        e, f, g, h = e * part + f, f * part + g, g * part + h, h * part + part
    lanes.store(memory, 0, a + b + c + d + e + f + g + h)


@numba.njit(fastmath=True)
def _roots(count, memory):
    a, b, c, d = lanes.load(memory, 0), lanes.load(memory, 8), lanes.load(memory, 16), lanes.load(memory, 24)
    for _ in range(count):
        a, b, c, d = lanes.root(a), lanes.root(b), lanes.root(c), lanes.root(d)
    lanes.store(memory, 0, a + b + c + d)


def floor(pairs):
    """What the arithmetic of the inner iterations alone would cost, against what they and the whole pair cost."""
    memory = np.ones(64, np.float32)
    seconds = {}
    for name, function, each in (("product", _products, 8), ("root", _roots, 4)):
        function(1, memory)
        times = []
        for _ in range(5):
            start = time.process_time()
            function(1_000_000, memory)
            times.append(time.process_time() - start)
        seconds[name] = min(times) / 1_000_000 / each
    inner, updates = 0.0, 0
    minimise = tvl1_cpu.minimise

    def counted(*arguments):
        nonlocal inner, updates
        start = time.process_time()
        done = minimise(*arguments)
        inner, updates = inner + time.process_time() - start, updates + done * arguments[5] * arguments[6]
        return done

    tvl1_cpu.minimise = counted
    start = time.process_time()
    for pair in pairs:
        make_flow(METHODS["tvl1_cpu, authors"])(*pair)
    whole = time.process_time() - start
    tvl1_cpu.minimise = minimise
    least = (PRODUCTS * seconds["product"] + ROOTS * seconds["root"]) / lanes.LANES
    return {
        "pixel_updates_per_pair": round(updates / len(pairs)),
        "ns_per_vector_product": round(1e9 * seconds["product"], 3),
        "ns_per_vector_root": round(1e9 * seconds["root"], 3),
        "floor_ns_per_pixel_update": round(1e9 * least, 3),
        "inner_iterations_ns_per_pixel_update": round(1e9 * inner / updates, 3),
        "inner_iterations_times_floor": round(inner / updates / least, 2),
        "inner_iterations_share_of_pair": round(inner / whole, 2),
        "pair_times_floor": round(whole / updates / least, 2),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ucf101", type=Path, default=ROOT.parent / "shared" / "data" / "ucf101-clips")
    parser.add_argument("--jhmdb", type=Path, default=ROOT.parent / "shared" / "data" / "jhmdb" / "clips")
    parser.add_argument("--out", type=Path, default=TARGET)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    before = os.getloadavg()
    fast, slow = estimators(METHODS), estimators(SLOW)
    result = {
        "device": processor(),
        "script": version(__file__),
        "threads": 1,
        "size": "340x256",
        "versions": {"opencv": cv2.__version__, "torch": torch.__version__, "numba": numba.__version__},
        "made_motion": made_motion(fast, SIZES, TEXTURES) | made_motion(slow, (70,), 1),
    }
    real = {}
    for name, folder, count, places in (
        ("ucf101", arguments.ucf101, 26, (0.25, 0.5, 0.75)),
        ("jhmdb", arguments.jhmdb, 42, (0.5,)),
    ):
        clips = sorted(folder.rglob("*.avi"))
        if not clips:
            result[f"real_{name}"] = "not measured"
            continue
        chosen = [clips[k * len(clips) // count] for k in range(min(count, len(clips)))]
        real[name] = [pair for clip in chosen for pair in pairs_of(clip, places)]
        result[f"real_{name}"] = real_motion(fast, real[name])
        print(name, result[f"real_{name}"], flush=True)
    timed = real.get("ucf101") or [moved_patch(k)[:2] for k in range(1, 25)]
    result["time"] = costs(fast, timed[::2]) | {"on_fewer_pairs": costs({**fast, **slow}, timed[1::16])}
    result["floor"] = floor(timed[::6])
    loads = [round(load, 1) for load in (before[0], os.getloadavg()[0])]
    result["load_before_and_after"] = loads
    busy = "shared with other work" if max(loads) > 1.3 else "otherwise idle"
    result["notes"] = f"the machine was {busy}; CPU times of one thread, methods in turns on each pair: read the ratios"
    save(arguments.out, result)


if __name__ == "__main__":
    main()
