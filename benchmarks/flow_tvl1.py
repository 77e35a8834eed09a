"""TV-L1 three times: how much ours differ from OpenCV's, and what each costs.

    python benchmarks/flow_tvl1.py CLIPS [--pairs 50] [--device cuda]

CLIPS is a folder of videos (J-HMDB's clips for the committed numbers). Writes
results/benchmarks/flow_tvl1.json. On a CPU the times are of one thread; the cells of devices that were not
there keep what was measured before, or say "not measured".
"""

import argparse
import json
import platform
import time
from pathlib import Path

import cv2
import numpy as np
import torch

from repro.flow import FlowSettings, make_flow
from repro.video.decode import frames, gray, resize_short_side

TARGET = Path(__file__).resolve().parents[1] / "results" / "benchmarks" / "flow_tvl1.json"
STATE_BYTES = 88  # an unfused inner iteration reads and writes 22 float32 per pixel


def pairs_of(folder, count):
    """One pair of consecutive grey frames from each of ``count`` clips spread over the folder."""
    clips = sorted(Path(folder).rglob("*.avi"))
    for number in range(count):
        clip = clips[number * len(clips) // count]
        two = [gray(frame) for _, frame in zip(range(8), frames(clip))][-2:]
        if two[0].shape == (240, 320):
            yield two


def synthetic():
    """(name, first, second, exact flow) of motions known in closed form, 120x160."""
    y, x = np.mgrid[:120, :160].astype(float)

    def scene(x, y):
        return 128 + 40 * np.sin(0.31 * x + 0.1 * y) + 35 * np.sin(0.23 * y - 0.12 * x + 1) + 30 * np.cos(0.17 * x - 0.29 * y)

    for name, matrix, shift in (("shift", [[1, 0], [0, 1]], (2.3, -1.6)), ("rotation", [[1, -.03], [.03, 1]], (0, 0)),
                                ("zoom", [[1.04, 0], [0, 1.04]], (0, 0))):
        centre = np.array([80, 60.0])[:, None, None]
        place = np.stack([x, y]) - centre
        back = np.einsum("ij,jhw->ihw", np.linalg.inv(matrix), place - np.array(shift)[:, None, None]) + centre
        exact = np.einsum("ij,jhw->ihw", np.array(matrix), place) + np.array(shift)[:, None, None] - place
        yield name, *(np.round(scene(*at)).clip(0, 255).astype(np.uint8) for at in ((x, y), back)), exact.transpose(1, 2, 0)


def distance(a, b):
    return np.hypot(*np.moveaxis(a - b, -1, 0))


def timed(estimate, first, second, batch):
    """(flow of all pairs, CPU ms per pair, wall ms per pair), after one call to warm up."""
    estimate(first[:1, :40, :40], second[:1, :40, :40])
    cpu, wall = time.process_time(), time.perf_counter()
    flow = np.concatenate([estimate(first[k:k + batch], second[k:k + batch]) for k in range(0, len(first), batch)])
    return (flow, *(round(1000 * spent / len(first), 1) for spent in (time.process_time() - cpu, time.perf_counter() - wall)))


def agreement(flow, reference):
    difference = distance(flow, reference)
    return {"mean_px": round(float(difference.mean()), 5), "share_over_1_px": round(float((difference > 1).mean()), 6),
            "worst_pair_mean_px": round(float(difference.mean((1, 2)).max()), 5)}


def measure_cpu(first, second):
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    methods = {backend: make_flow(FlowSettings(backend=backend)) for backend in ("tvl1", "tvl1_cpu", "tvl1_torch")}
    parts = {backend: [] for backend in methods}
    for start in range(0, len(first), 5):  # in turns, so that a busy machine slows all of them alike
        for backend, estimate in methods.items():
            parts[backend].append(timed(estimate, first[start:start + 5], second[start:start + 5], 5))
        print(f"{start + 5} pairs", {backend: part[-1][1] for backend, part in parts.items()}, flush=True)
    flow = {backend: np.concatenate([part[0] for part in each]) for backend, each in parts.items()}
    rows = {}
    for backend, estimate in methods.items():
        cpu, wall = (round(float(np.median([part[k] for part in parts[backend]])), 1) for k in (1, 2))
        errors = {name: round(float(distance(estimate(a, b), exact)[10:-10, 10:-10].mean()), 5)
                  for name, a, b, exact in synthetic()}
        rows[backend] = {"cpu_ms_per_pair": cpu, "wall_ms_per_pair": wall, "synthetic_error_px": errors,
                         "against_opencv": agreement(flow[backend], flow["tvl1"])}
        ratios = [theirs[1] / ours[1] for theirs, ours in zip(parts["tvl1"], parts[backend])]
        rows[backend]["times_opencv"] = round(float(np.median(ratios)), 2)
    return {"device": _processor(), "threads": 1, "size": "320x240", "pairs": len(first),
            "times": "medians over groups of five pairs", **rows}


def measure_gpu(first, second, device, cpu):
    """Rate at 340x256 for growing batches, plain and compiled; agreement with the CPU's OpenCV at 320x240."""
    settings = FlowSettings(backend="tvl1_torch")
    rows = {"device": torch.cuda.get_device_name(device), "size": "340x256"}
    grown = [np.stack([gray(resize_short_side(np.repeat(f[..., None], 3, 2), 256)) for f in side]) for side in (first, second)]
    for compiled in (False, True):
        estimate = make_flow(settings, device, compiled)
        for batch in (16, 64, 256):
            many = [np.concatenate([side] * (1 + batch // len(side)))[:batch] for side in grown]
            _, _, wall = timed(estimate, *many, batch)
            rows[f"{'compiled' if compiled else 'plain'}_batch_{batch}_pairs_per_s"] = round(1000 / wall, 1)
    flow = make_flow(settings, device, True)(first, second)
    rows["against_opencv"] = agreement(flow, make_flow(FlowSettings())(first, second))
    rows["unfused_bytes_per_pixel_and_iteration"] = STATE_BYTES
    rows["opencv_ms_per_pair_one_core"] = cpu["tvl1"]["cpu_ms_per_pair"]
    return rows


def _processor():
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else ():
        if line.startswith("model name"):
            return line.split(":")[1].strip()
    return platform.processor() or platform.machine()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips")
    parser.add_argument("--pairs", type=int, default=50)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    before = json.loads(TARGET.read_text()) if TARGET.exists() else {"gpu": "not measured"}
    first, second = (np.stack(side) for side in zip(*pairs_of(arguments.clips, arguments.pairs)))
    cpu = measure_cpu(first, second)
    gpu = before["gpu"] if arguments.device == "cpu" else measure_gpu(first, second, arguments.device, cpu)
    settings = FlowSettings().used()
    del settings["backend"]
    result = {"parameters": settings, "versions": {"opencv": cv2.__version__, "torch": torch.__version__}, "cpu": cpu, "gpu": gpu}
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
