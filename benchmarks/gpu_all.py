"""Every figure that needs a GPU, in one go and within a time budget.

    python benchmarks/gpu_all.py [--seconds 480] [--clips FOLDER] [--out results/benchmarks]      # on a machine with a GPU
    python benchmarks/gpu_all.py --rehearse --out FOLDER                                        # anywhere: tiny, no figure counts

Runs, one after the other, each in a process of its own that is ended when its time is up: a training step and the scoring of a
video of ST-ResNet-50 against two plain ResNet-50s (bf16; eager, then compiled), TV-L1 of both presets against OpenCV on all cores
of the same machine, the tests that need CUDA, and the networks of the lineage against plain ResNet-50s. What compiles comes last:
by then its eager figures are written, so that a slow compiler costs no more than the compiled ones. A part for which too little
time is left is skipped and says so.

Writes train_step.json, inference.json, flow_tvl1.json, families.json, and gpu_all.json with the device and how each part went.
benchmarks/gpu.sh brings packages along to a machine without a network.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
TOTAL = 480.0  # seconds, set-up included
CLOSING = 5.0  # kept for the last file
DONE, FAILED, LATE, SKIPPED = "done", "failed", "ended when its time was up", "skipped: no time left"


@dataclasses.dataclass(frozen=True)
class Part:
    """A measurement: a command, the most seconds that it may take, and the least that it is begun with."""

    name: str
    seconds: float
    least: float
    command: tuple


def parts(out, clips="drawn", rehearse=False):
    """All of them, in order. A rehearsal has all the time it needs: a CPU that others use may be any number of times slower."""
    slow = 100 if rehearse else 1
    device = ("--device", "cpu" if rehearse else "cuda")
    step, video = ("--target", str(out / "train_step.json")), ("--target", str(out / "inference.json"))
    small = ("--side", "64", "--clips", "2", "--threads", "1") if rehearse else ()
    frame = ("--height", "64", "--width", "64", "--threads", "1") if rehearse else ()
    rounds = ("--rounds", "1" if rehearse else "7")
    families = ("--rounds", "1" if rehearse else "3", "--target", str(out / "families.json"))
    compiler = "eager" if rehearse else "inductor"
    flow = (clips, "--pairs", "2" if rehearse else "16", "--out", str(out / "flow_tvl1.json"))
    flow += ("--rehearse",) if rehearse else (*device, "--only-gpu")
    tests = ("-q", "-p", "no:cacheprovider", "tests/flow/test_flow_cuda.py", "tests/training/test_training_cuda.py")
    return (
        Part(
            "training step, eager", slow * 60, 20, (HERE / "train_step.py", *device, *small, *rounds, *step, "--compile", "none")
        ),
        Part("scoring, eager", slow * 60, 20, (HERE / "inference.py", *device, *frame, *rounds, *video, "--compile", "none")),
        Part("tests", slow * 70, 15, ("-m", "pytest", *tests)),
        Part("flow, eager", slow * 80, 30, (HERE / "flow_tvl1.py", *flow, "--eager")),
        Part("lineage", slow * 60, 20, (HERE / "families.py", *device, *small, *families)),
        Part(
            "training step, compiled",
            slow * 170,
            60,
            (HERE / "train_step.py", *device, *small, *rounds, *step, "--compile", compiler),
        ),
        Part(
            "scoring, compiled", slow * 120, 40, (HERE / "inference.py", *device, *frame, *rounds, *video, "--compile", compiler)
        ),
        Part("flow, compiled", slow * 120, 40, (HERE / "flow_tvl1.py", *flow)),
    )


def run_all(todo, total, run, clock=time.monotonic, begun=None):
    """Run every Part by ``run(command, seconds)`` -> whether it went well, None: it was ended; returns {name: how it went}.

    ``begun``: the clock's time from which ``total`` counts (default: now). However long parts take, their ends lie within it.
    """
    begun, told = clock() if begun is None else begun, {}
    for part in todo:
        left = total - CLOSING - (clock() - begun)
        allowed = min(part.seconds, left)
        if allowed < part.least:
            told[part.name] = {"state": SKIPPED, "seconds": 0.0}
            continue
        start = clock()
        well = run(part.command, allowed)
        state = LATE if well is None else DONE if well else FAILED
        told[part.name] = {"state": state, "seconds": round(clock() - start, 1)}
        print(f"== {part.name}: {state}, {told[part.name]['seconds']} s", flush=True)
    return told


def process(command, seconds):
    """Run a Python command; after ``seconds`` it is ended with all that it started. True: status 0; None: ended."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))}
    child = subprocess.Popen([sys.executable, *map(str, command)], cwd=ROOT, env=environment, start_new_session=True)
    try:
        return child.wait(seconds) == 0
    except subprocess.TimeoutExpired:
        return None
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=TOTAL, help="for everything but a rehearsal (default: 480)")
    parser.add_argument("--since", type=float, help="time.time() from which they count: of the set-up's start")
    parser.add_argument("--clips", default="drawn", help="folder of videos for the flow (default: drawn frames)")
    parser.add_argument("--rehearse", action="store_true")
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "benchmarks")
    arguments = parser.parse_args()
    begun = time.monotonic() - (time.time() - arguments.since if arguments.since else 0.0)
    device = "rehearsal: no figure counts"
    if not arguments.rehearse:
        import torch

        if not torch.cuda.is_available():
            sys.exit("no CUDA device here; --rehearse runs everything at tiny sizes")
        device = torch.cuda.get_device_name()
    arguments.out.mkdir(parents=True, exist_ok=True)
    todo = parts(arguments.out.absolute(), arguments.clips, arguments.rehearse)
    total = sum(part.seconds for part in todo) + CLOSING if arguments.rehearse else arguments.seconds
    told = run_all(todo, total, process, begun=begun)
    sys.path.insert(0, str(ROOT))  # where `repro` is not installed
    from result import save, version

    result = {"device": device, "script": version(__file__), "cores": os.cpu_count()}
    result |= {"seconds": round(time.monotonic() - begun, 1), "parts": told}
    save(arguments.out / "gpu_all.json", result)
    print(json.dumps(result, indent=1))
    sys.exit(0 if all(each["state"] == DONE for each in told.values()) else 1)


if __name__ == "__main__":
    main()
