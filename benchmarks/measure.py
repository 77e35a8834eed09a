"""What the benchmarks of the network share: networks to compare, timing in turns, counted arithmetic, the JSON they leave."""

import json
import platform
import statistics
import time
from pathlib import Path

import torch
import torchvision
from result import processor, save, version
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from repro.clips.modality import Modality
from repro.models.network import VideoNetwork
from repro.models.registry import Inputs, family
from repro.models.st_resnet.settings import STResNetSettings

FOLDER = Path(__file__).resolve().parents[1] / "results" / "benchmarks"
CLASSES = 101
STREAMS = {"appearance": Modality("rgb", beside_flow=10), "motion": Modality("flow", length=10)}
CHANNELS = {name: modality.channels for name, modality in STREAMS.items()}


def st_resnet(side=224, **switches):
    """ST-ResNet-50 with motion residuals and temporal convolutions, nothing pooled over time unless ``switches`` say so."""
    settings = STResNetSettings(temporal="average", injection="add", **switches)
    return family("st_resnet").build(settings, Inputs(CHANNELS, {"any": CLASSES}, side))


class PlainPair(VideoNetwork):
    """Two of torchvision's ResNet-50s in the paper's layout (stride in the first 1x1), one with a 20-channel conv1; frames are
    images to it. Called like ours, answers like ours."""

    heads = tuple(STREAMS)

    def __init__(self):
        super().__init__(None, Inputs(CHANNELS, {"any": CLASSES}))
        self.appearance, self.motion = (_plain(channels) for channels in CHANNELS.values())

    def forward(self, inputs, dataset=None):  # {stream: (B, T, C, H, W)}
        return {
            name: getattr(self, name)(x.flatten(0, 1).contiguous(memory_format=torch.channels_last)).unflatten(0, x.shape[:2])
            for name, x in inputs.items()
        }  # {stream: (B, T, classes)}


def _plain(channels):
    net = torchvision.models.resnet50(num_classes=CLASSES)
    net.conv1 = nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False)
    net.maxpool = nn.MaxPool2d(3, 2, ceil_mode=True)
    for module in net.modules():
        if isinstance(module, torchvision.models.resnet.Bottleneck):
            module.conv1.stride, module.conv2.stride = module.conv2.stride, (1, 1)
    return net


def random_inputs(clips, frames, height, width, device="cpu"):
    """Normalised-looking inputs of both streams, {stream: (clips, frames, C, height, width)}."""
    return {name: torch.randn(clips, frames, channels, height, width, device=device) for name, channels in CHANNELS.items()}


def counted(make, run, shape):
    """(FLOPs, bytes that every kernel reads and writes) of ``run(model, inputs)`` with ``make()``'s network, counted on tensors
    without data. A multiply-add is two FLOPs; the bytes are of unfused kernels in 4-byte floats."""
    with torch.device("meta"):
        model, inputs = make(), random_inputs(*shape, device="meta")
        with FlopCounterMode(display=False) as flops:
            run(model, inputs)
        with _Traffic() as traffic:
            run(model, inputs)
    return flops.get_total_flops(), traffic.bytes


class _Traffic(TorchDispatchMode):
    """Adds up the bytes of all tensors that go into and come out of operations which move data."""

    def __init__(self):
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        if not function.is_view:
            leaves = torch.utils._pytree.tree_leaves((args, kwargs, out))
            self.bytes += sum(leaf.nbytes for leaf in leaves if isinstance(leaf, torch.Tensor))
        return out


def synchronise(device):
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)


def in_turns(methods, rounds, device):
    """Seconds of each of {name: function}, a list per name, after one call of each to warm up. Methods take turns, so that a
    machine that changes its pace changes it for all of them."""
    seconds = {name: [] for name in methods}
    for number in range(rounds + 1):
        for name, method in methods.items():
            synchronise(device)
            start = time.perf_counter()
            method()
            synchronise(device)
            if number:
                seconds[name].append(time.perf_counter() - start)
        print(f"round {number} of {rounds}", {n: round(s[-1], 3) for n, s in seconds.items() if s} or "warm-up", flush=True)
    return seconds


def ratio(seconds, of, to):
    """Median over rounds of the ratio of two methods' times in the same round, with the least and the greatest."""
    ratios = sorted(a / b for a, b in zip(seconds[of], seconds[to], strict=True))
    return {"median": round(statistics.median(ratios), 3), "least": round(ratios[0], 3), "greatest": round(ratios[-1], 3)}


def matmul_rate(device, dtype=torch.float32):
    """FLOPs per second of a large square matrix product: what the arithmetic could at best run at."""
    n = 2048 if torch.device(device).type == "cpu" else 8192
    a, b = (torch.randn(n, n, device=device, dtype=dtype) for _ in range(2))
    return 2 * n**3 / min(in_turns({"matmul": lambda: a @ b}, 5, device)["matmul"])


def copy_rate(device):
    """Bytes per second, read and written, of copying a large tensor: what memory could at best run at."""
    a = torch.empty(2**28 if torch.device(device).type == "cuda" else 2**25, device=device)
    b = torch.zeros_like(a)
    return 2 * a.nbytes / min(in_turns({"copy": lambda: b.copy_(a)}, 5, device)["copy"])


def machine(device):
    """What the times of this device depend on."""
    if torch.device(device).type == "cuda":
        return {
            "device": torch.cuda.get_device_name(device),
            **_versions(),
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),
        }
    return {"device": processor(), "threads": torch.get_num_threads(), **_versions()}


def _versions():
    return {"torch": str(torch.__version__), "torchvision": torchvision.__version__, "python": platform.python_version()}


def write(path, device, script, measured, **common):
    """Put what ``script`` measured under ``cpu`` or ``gpu`` of the JSON file; the other device's part stays, or says "not
    measured"."""
    path = Path(path)
    before = json.loads(path.read_text()) if path.exists() else {}
    parts = {name: before.get(name, "not measured") for name in ("cpu", "gpu")}
    parts["gpu" if torch.device(device).type == "cuda" else "cpu"] = {**machine(device), "script": version(script), **measured}
    save(path, {**common, **parts})
    print(path.read_text())
