"""A training step of ST-ResNet-50 against two plain ResNet-50s: same images, same precision.

    python benchmarks/train_step.py [--device cuda] [--compile none]

The paper's sub-batch: 4 clips of 5 frames at 224 x 224, forward, summed loss, backward; and the optimizer, of which a sub-batch
bears one 32nd (128 videos a step). fp32 on a CPU, bf16 autocast on a GPU, there also compiled; channels_last everywhere.
Writes results/benchmarks/train_step.json; the part of a device that is not there keeps what was measured before.
"""

import argparse

import torch
from measure import FOLDER, PlainPair, copy_rate, counted, in_turns, matmul_rate, random_inputs, ratio, st_resnet, write

from repro.engine.device import autocast
from repro.models.batchnorm import collect_statistics
from repro.training.groups import parameter_groups
from repro.training.loss import summed_loss
from repro.training.presets import preset

RECIPE = preset("paper", "st_resnet")


def sub_batch(model, inputs, precision="fp32"):
    """Forward, loss and backward of one sub-batch; gradients add up as in training."""
    device = next(iter(inputs.values())).device
    labels = torch.zeros(len(inputs["appearance"]), dtype=torch.long, device=device)
    with autocast(device, precision):
        summed_loss(model(inputs), labels, RECIPE.videos_per_step).backward()
    collect_statistics(model)


def kept_for_backward(model, inputs):
    """Bytes of activations that autograd keeps between forward and backward, every storage counted once."""
    storages = {}

    def keep(tensor):
        storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    parameters = sum(p.nbytes for p in model.parameters())
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        logits = model(inputs)
    del logits
    return sum(storages.values()) - parameters


def peak_memory(model, inputs, precision):
    """Greatest bytes allocated on the GPU during a sub-batch."""
    torch.cuda.reset_peak_memory_stats()
    sub_batch(model, inputs, precision)
    return torch.cuda.max_memory_allocated()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2, help="of a CPU")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clips", type=int, default=RECIPE.clips_per_batch_norm)
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--compile", metavar="BACKEND", help="of torch.compile, or none (default: inductor on a GPU)")
    parser.add_argument("--target", default=FOLDER / "train_step.json")
    arguments = parser.parse_args()
    device, gpu = arguments.device, arguments.device != "cpu"
    torch.set_num_threads(arguments.threads)
    precision, backend = "bf16" if gpu else "fp32", arguments.compile or ("inductor" if gpu else "none")
    shape = (arguments.clips, RECIPE.frames, arguments.side, arguments.side)
    networks = {"st_resnet": lambda: st_resnet(side=arguments.side), "plain": PlainPair}
    arithmetic = {name: counted(make, sub_batch, shape) for name, make in networks.items()}
    models = {name: make().to(device, memory_format=torch.channels_last).train() for name, make in networks.items()}
    inputs = random_inputs(*shape, device=device)
    methods, optimizers = {}, {}
    for name, model in models.items():
        optimizers[name] = torch.optim.SGD(parameter_groups(model, RECIPE), lr=1e-6, momentum=0.9)
        methods[name] = lambda model=model: sub_batch(model, inputs, precision)
        if backend != "none":
            compiled = torch.compile(model, backend=backend)
            methods[f"{name}_compiled"] = lambda compiled=compiled: sub_batch(compiled, inputs, precision)
    memory = {
        name: peak_memory(model, inputs, precision) if gpu else kept_for_backward(model, inputs) for name, model in models.items()
    }
    seconds = in_turns(methods, arguments.rounds, device)
    steps = in_turns({name: optimizer.step for name, optimizer in optimizers.items()}, arguments.rounds, device)
    whole = {
        name: [a + b / RECIPE.sub_batches() for a, b in zip(seconds[name], steps[name.removesuffix("_compiled")])]
        for name in seconds
    }
    flops_rate, bytes_rate = matmul_rate(device, torch.bfloat16 if gpu else torch.float32), copy_rate(device)
    rows = {}
    for name, spent in whole.items():
        flops, traffic = arithmetic[name.removesuffix("_compiled")]
        best = min(spent)
        rows[name] = {
            "ms_per_sub_batch": [round(1000 * s, 2) for s in sorted(spent)],
            "frames_per_s": round(arguments.clips * RECIPE.frames / best, 2),
            "share_of_matmul_rate": round(flops / best / flops_rate, 3),
            "share_of_copy_rate": round(traffic / (2 if gpu else 1) / best / bytes_rate, 3),
            "ratio_to_plain": ratio(whole, name, "plain"),
        }
    memory_name = "peak_bytes" if gpu else "bytes_kept_for_backward"
    write(
        arguments.target,
        device,
        __file__,
        {
            "precision": precision,
            "clips": arguments.clips,
            "frames": RECIPE.frames,
            "side": arguments.side,
            "optimizer_ms": {name: round(1000 * min(s), 2) for name, s in steps.items()},
            memory_name: memory,
            "memory_ratio": round(memory["st_resnet"] / memory["plain"], 3),
            "matmul_gflops": round(flops_rate / 1e9, 1),
            "copy_gbytes_per_s": round(bytes_rate / 1e9, 1),
            "methods": rows,
        },
        arithmetic={
            **{
                name: {"gflop_per_sub_batch": round(flops / 1e9, 2), "unfused_gbytes_fp32": round(traffic / 1e9, 2)}
                for name, (flops, traffic) in arithmetic.items()
            },
            "ratio": round(arithmetic["st_resnet"][0] / arithmetic["plain"][0], 3),
        },
        times="optimizer included with one 32nd; ratios are medians over rounds; shares are of the fastest round, bf16 traffic "
        "counted as half of fp32's",
    )


if __name__ == "__main__":
    main()
