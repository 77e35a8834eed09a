"""A training step and the scoring of a clip, for the full-size network of every system of the lineage, against plain ResNet-50s.

    python benchmarks/families.py [--device cuda] [--systems NAME ...]

Every network that a system of params/lineage_paper.yaml or params/paper.yaml has, each once, on clips of its own training
length at 224 x 224, as many as make eight frames or more. Beside it, in turns, torchvision's ResNet-50 on as many RGB pictures
as the clips have frames, once per stream: what the field counts in. fp32 on a CPU, bf16 autocast on a GPU; the optimizer is left
out. Writes results/benchmarks/families.json; the part of a device that is not there keeps what was measured before.
"""

import argparse
import json
from pathlib import Path

import torch
import torchvision
from measure import CLASSES, FOLDER, in_turns, ratio, write
from torch import nn

from repro.engine.device import autocast
from repro.models.batchnorm import collect_statistics
from repro.models.registry import Inputs, family
from repro.params import load
from repro.profile.run import Run
from repro.training.loss import summed_loss

PARAMS = Path(__file__).resolve().parents[1] / "params"
PROFILES = {"lineage_paper": "ucf101", "paper": "ucf101"}
LEAST = 8  # frames


def systems():
    """{name: Run}, the first system of each network; networks differ in family, settings, or channels of a stream."""
    found = {}
    for profile, dataset in PROFILES.items():
        params = load(PARAMS / f"{profile}.yaml")
        for name in params.get("run")["systems"]:
            run = Run.of(params, dataset, 1, 0, name)
            found.setdefault(repr((run.settings.family, run.model, channels(run))), (name, run))
    return dict(found.values())


def channels(run):
    return {stream: modality.channels for stream, modality in run.streams.items()}


def compare(run, side, clips, device, precision, rounds):
    """{kind: seconds of `network` and `plain` by round} for a training step and for scoring, and the clips' frames."""
    inputs = Inputs(channels(run), {"any": CLASSES}, side)
    network = family(run.settings.family).build(run.model, inputs)
    network = network.to(device, memory_format=network.memory_format)
    plain = torchvision.models.resnet50(num_classes=CLASSES).to(device, memory_format=torch.channels_last)
    frames = max(run.recipe.frames, network.min_frames)
    count = clips or -(-LEAST // frames)
    clip = {name: torch.randn(count, frames, depth, side, side, device=device) for name, depth in inputs.channels.items()}
    labels = torch.zeros(count, dtype=torch.long, device=device)
    pictures = torch.randn(count * frames, 3, side, side, device=device).contiguous(memory_format=torch.channels_last)
    answers = torch.zeros(count * frames, dtype=torch.long, device=device)

    def step():
        with autocast(device, precision):
            summed_loss(network(clip), labels, count, run.recipe.loss).backward()
        collect_statistics(network)

    def plain_step():
        for _ in clip:
            with autocast(device, precision):
                nn.functional.cross_entropy(plain(pictures), answers).backward()

    @torch.inference_mode()
    def scored():
        with autocast(device, precision):
            network(clip)

    @torch.inference_mode()
    def plain_scored():
        for _ in clip:
            with autocast(device, precision):
                plain(pictures)

    network.train(), plain.train()
    training = in_turns({"network": step, "plain": plain_step}, rounds, device)
    network.eval(), plain.eval()
    network.zero_grad(set_to_none=True)
    scoring = in_turns({"network": scored, "plain": plain_scored}, rounds, device)
    return {"training_step": training, "scoring": scoring}, count, frames


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2, help="of a CPU")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--clips", type=int, help=f"default: as many as make {LEAST} frames")
    parser.add_argument("--systems", nargs="*", help="default: all; those left out keep what was measured on the same device")
    parser.add_argument("--target", type=Path, default=FOLDER / "families.json")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    device, gpu = torch.device(arguments.device), arguments.device != "cpu"
    precision, part = "bf16" if gpu else "fp32", "gpu" if gpu else "cpu"
    before = json.loads(arguments.target.read_text()) if arguments.target.exists() else {}
    rows = before[part]["systems"] if arguments.systems and isinstance(before.get(part), dict) else {}
    for name, run in systems().items():
        if arguments.systems and name not in arguments.systems:
            continue
        print(name, flush=True)
        seconds, clips, frames = compare(run, arguments.side, arguments.clips, device, precision, arguments.rounds)
        rows[name] = {"family": run.settings.family, "streams": len(run.streams), "clips": clips, "frames": frames}
        for kind, spent in seconds.items():
            rows[name][kind] = {
                "ms": [round(1000 * s, 1) for s in sorted(spent["network"])],
                "ratio_to_plain": ratio(spent, "network", "plain"),
            }
        write(
            arguments.target,
            device,
            {"precision": precision, "side": arguments.side, "systems": rows},
            times="of all clips together, without the optimizer; plain: ResNet-50 on as many RGB pictures, once per stream; "
            "ratios are medians over rounds",
        )


if __name__ == "__main__":
    main()
