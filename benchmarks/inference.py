"""Scoring one video by the paper's protocol: ST-ResNet-50 against plain ResNet-50s, a naive loop, and what arithmetic allows.

    python benchmarks/inference.py [--device cuda] [--compile none]

25 frames of 256 x 340 and their flips through both streams, fully convolutional: 173 images of 224 x 224 worth of work. Three
ways in turns: `repro.evaluation.protocol` with ST-ResNet*; the same with two plain ResNet-50s; the same pair in a naive loop, one
frame of one stream at a time. fp32 on a CPU, bf16 autocast on a GPU, there also compiled. Writes
results/benchmarks/inference.json; the part of a device that is not there keeps what was measured before.
"""

import argparse

import torch
from measure import CHANNELS, FOLDER, STREAMS, PlainPair, copy_rate, counted, in_turns, matmul_rate, ratio, st_resnet, write

from repro.clips.dataset import Clip
from repro.engine.device import autocast
from repro.evaluation.protocol import score_video
from repro.evaluation.settings import FRAMES
from repro.models.weights import FROM_SCRATCH

NORMALISATION = dict.fromkeys(STREAMS, FROM_SCRATCH)


@torch.inference_mode()
def frame_by_frame(model, clip, device, context):
    """Each frame of each stream by itself, as a loop that never heard of batches would do it; the same mean of logits."""
    total = 0.0
    for flip in (False, True):
        for stream, planes in clip.planes.items():
            for frame in planes:
                x = STREAMS[stream].to_input(frame[None].to(device), NORMALISATION[stream], flip)
                with context:
                    total = total + getattr(model, stream)(x).float()
    return (total / (4 * FRAMES)).cpu()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2, help="of a CPU")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--height", type=int, default=256)
    parser.add_argument("--width", type=int, default=340)
    parser.add_argument("--compile", metavar="BACKEND", help="of torch.compile, or none (default: inductor on a GPU)")
    parser.add_argument("--target", default=FOLDER / "inference.json")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    device, gpu = torch.device(arguments.device), arguments.device != "cpu"
    size = (arguments.height, arguments.width)
    side = 32 * (7 * min(size) // 256)  # 224 of 256
    planes = {name: torch.randint(256, (FRAMES, *size, count), dtype=torch.uint8) for name, count in CHANNELS.items()}
    clip, precision = Clip(planes, 0, "video"), "bf16" if gpu else "fp32"
    networks = {"st_resnet_star": lambda: st_resnet(side=side, temporal_pool="max").eval(), "plain": lambda: PlainPair().eval()}
    models = {name: make().to(device, memory_format=torch.channels_last) for name, make in networks.items()}
    context = autocast(device, precision)

    def by_protocol(model):
        return score_video(model, [clip], STREAMS, NORMALISATION, side, device, context)

    methods = {name: lambda model=model: by_protocol(model) for name, model in models.items()}
    methods["plain_frame_by_frame"] = lambda: frame_by_frame(models["plain"], clip, device, context)
    backend = arguments.compile or ("inductor" if gpu else "none")
    for name, model in models.items() if backend != "none" else ():
        compiled = torch.compile(model, backend=backend)
        methods[f"{name}_compiled"] = lambda compiled=compiled: by_protocol(compiled)
    shape = (1, FRAMES, *size)
    counts = {name: counted(make, lambda model, inputs: model(inputs), shape) for name, make in networks.items()}
    flops, traffic = ({name: 2 * count[k] for name, count in counts.items()} for k in range(2))  # a clip and its flip
    seconds = in_turns(methods, arguments.rounds, device)
    rate, bandwidth = matmul_rate(device, torch.bfloat16 if gpu else torch.float32), copy_rate(device)
    rows = {}
    for name, spent in seconds.items():
        network = "st_resnet_star" if name.startswith("st_") else "plain"
        floor, moved = flops[network] / rate, traffic[network] / (2 if gpu else 1)
        rows[name] = {
            "ms_per_video": [round(1000 * s, 2) for s in sorted(spent)],
            "frames_per_s": round(FRAMES / min(spent), 2),
            "floor_ms": round(1000 * floor, 2),
            "times_floor": round(min(spent) / floor, 2),
            "share_of_matmul_rate": round(floor / min(spent), 3),
            "share_of_copy_rate": round(moved / min(spent) / bandwidth, 3),
            "ratio_to_plain": ratio(seconds, name, "plain"),
            "ratio_to_frame_by_frame": ratio(seconds, name, "plain_frame_by_frame"),
        }
    write(
        arguments.target,
        device,
        __file__,
        {
            "precision": precision,
            "frames": FRAMES,
            "size": list(size),
            "matmul_gflops": round(rate / 1e9, 1),
            "copy_gbytes_per_s": round(bandwidth / 1e9, 1),
            "methods": rows,
        },
        arithmetic={
            **{f"{name}_gflop_per_video": round(f / 1e9, 1) for name, f in flops.items()},
            "ratio": round(flops["st_resnet_star"] / flops["plain"], 3),
        },
        times="bytes in memory to scores; ratios are medians over rounds; floor: FLOPs over the rate of a large matrix product; "
        "traffic of unfused kernels, in bf16 half of fp32's",
    )


if __name__ == "__main__":
    main()
