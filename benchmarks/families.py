"""A training step and the scoring of a clip, for the full-size network of every system of the lineage, against plain ResNet-50s.

    python benchmarks/families.py [--device cuda] [--systems NAME ...]

Every network that a system of params/lineage_paper.yaml or params/paper.yaml has, each once, on clips of its own training
length at 224 x 224: as many as make eight frames or more, on a GPU 96, and no more than a sub-batch of its recipe. Beside it, in
turns, torchvision's ResNet-50 on as many RGB pictures as the clips have frames, once per stream: what the field counts in. fp32
on a CPU, bf16 autocast on a GPU; a step of the optimizer is timed by itself. Writes results/benchmarks/families.json, from which
`repro plan` takes its prices; the part of a device that is not there keeps what was measured before.
"""

import argparse
import json
from pathlib import Path

import torch
import torchvision
from measure import CLASSES, FOLDER, in_turns, machine, ratio, write
from result import version
from torch import nn

from repro.engine.device import autocast
from repro.models.batchnorm import collect_statistics
from repro.models.freeze import freeze_norms
from repro.models.registry import Inputs, family
from repro.params import load
from repro.profile.networks import network_of
from repro.profile.run import Run
from repro.training.groups import parameter_groups
from repro.training.loss import summed_loss

PARAMS = Path(__file__).resolve().parents[1] / "params"
PROFILES = {"lineage_paper": "ucf101", "paper": "ucf101"}
LEAST = {"cpu": 8, "cuda": 96}  # frames


def networks():
    """{profile/system: (Run, [profile/system, ...])}: the first system of each network, and all that have the same."""
    found = {}
    for profile, dataset in PROFILES.items():
        params = load(PARAMS / f"{profile}.yaml")
        for name in params.get("run")["systems"]:
            run = Run.of(params, dataset, 1, 0, name)
            found.setdefault(json.dumps(network_of(run)), (run, []))[1].append(f"{profile}/{name}")
    return {names[0]: (run, names) for run, names in found.values()}


def chosen(wanted):
    """Those of `networks` that stand for one of ``wanted`` (system, or profile/system; None: all). ValueError for others."""
    found = networks()
    words = {name: {word for each in names for word in (each, each.partition("/")[2])} for name, (_, names) in found.items()}
    if unknown := set(wanted or ()) - set().union(*words.values()):
        raise ValueError(f"no system {sorted(unknown)[0]!r}; there: {', '.join(found)}")
    return {name: each for name, each in found.items() if wanted is None or words[name] & set(wanted)}


def compare(run, side, clips, device, precision, rounds):
    """What families.json keeps of a network: the clips, bytes, and milliseconds with their ratio to ``plain``."""
    inputs = Inputs({stream: modality.channels for stream, modality in run.streams.items()}, {"any": CLASSES}, side)
    with device:
        network = family(run.settings.family).build(run.model, inputs)
        plain = torchvision.models.resnet50(num_classes=CLASSES).to(memory_format=torch.channels_last)
    network = network.to(device, memory_format=network.memory_format)
    frames = max(run.recipe.frames, network.min_frames)
    count = clips or min(-(-LEAST[device.type] // frames), run.recipe.clips_per_batch_norm)
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
    freeze_norms(network, run.recipe.frozen_norms)
    optimizer = torch.optim.SGD(parameter_groups(network, run.recipe), lr=1e-6, momentum=0.9)
    row = {"clips": count, "frames": frames}
    row["checkpoint_bytes"] = sum(tensor.nbytes for tensor in network.state_dict().values())
    row["training_step"] = told(in_turns({"network": step, "plain": plain_step}, rounds, device))
    row["optimizer_ms"] = told(in_turns({"network": optimizer.step}, rounds, device))["ms"][rounds // 2]
    network.eval(), plain.eval()
    optimizer.zero_grad(set_to_none=True)
    row["scoring"] = told(in_turns({"network": scored, "plain": plain_scored}, rounds, device))
    return row


def told(seconds):
    """Sorted milliseconds of a network and, where it was timed beside ``plain``, their ratio."""
    row = {"ms": [round(1000 * s, 2) for s in sorted(seconds["network"])]}
    return row | ({"ratio_to_plain": ratio(seconds, "network", "plain")} if "plain" in seconds else {})


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2, help="of a CPU")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--clips", type=int, help="default: as the first lines of this script say")
    parser.add_argument("--systems", nargs="+", help="default: all; those left out keep what was measured in the same way")
    parser.add_argument("--target", type=Path, default=FOLDER / "families.json")
    arguments = parser.parse_args()
    try:
        todo = chosen(arguments.systems)
    except ValueError as error:
        parser.error(str(error))
    torch.set_num_threads(arguments.threads)
    device = torch.device(arguments.device)
    precision, part = ("bf16", "gpu") if device.type == "cuda" else ("fp32", "cpu")
    same = {**machine(device), "script": version(__file__), "precision": precision, "side": arguments.side}
    before = json.loads(arguments.target.read_text()).get(part) if arguments.target.exists() else None
    kept = arguments.systems and isinstance(before, dict) and same.items() <= before.items()
    rows = before["networks"] if kept else {}
    for name, (run, names) in todo.items():
        print(name, flush=True)
        row = compare(run, arguments.side, arguments.clips, device, precision, arguments.rounds)
        rows[name] = {"stands_for": names, "network": network_of(run), **row}
        write(
            arguments.target,
            device,
            __file__,
            {"precision": precision, "side": arguments.side, "networks": rows},
            times="of all clips together, without the optimizer, whose step is timed by itself; plain: ResNet-50 on as many RGB "
            "pictures, once per stream; ratios are medians over rounds",
        )


if __name__ == "__main__":
    main()
