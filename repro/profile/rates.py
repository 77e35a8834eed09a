"""Measured rates, as the benchmarks left them under ``results/benchmarks``; None stands for what was never measured."""

import dataclasses
import json
import statistics
from pathlib import Path

from repro.profile.networks import network_of

FOLDER = Path("results/benchmarks")
_RESNET50 = {"blocks": (3, 4, 6, 3), "width": 64, "layout": "caffe"}  # what training and scoring were measured with


def is_resnet50(one):
    """Whether the network of a Run is the one that the benchmarks measure."""
    return one.settings.family == "st_resnet" and all(getattr(one.model, key) == value for key, value in _RESNET50.items())


@dataclasses.dataclass(frozen=True)
class NetworkRates:
    """Seconds of the device, for a CPU of one core: of a training frame and of a scored frame, both ``input_size`` squares, and
    of one step of the optimizer."""

    training: float
    scoring: float
    optimizer: float


class Rates:
    """Rates of one kind of machine. ``gpu``: part of a GPU's name (``h100``); only what was measured on such a one counts."""

    def __init__(self, folder=FOLDER, gpu="none"):
        self.folder, self.gpu = Path(folder), gpu

    def _part(self, name, part):
        """``cpu`` or ``gpu`` of a benchmark's file as a dict; empty where it was not measured on such a device."""
        path = self.folder / f"{name}.json"
        content = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        found = content.get(part) if part else content
        if not isinstance(found, dict) or (part == "gpu" and self.gpu.lower() not in str(found.get("device", "")).lower()):
            return {}
        return found

    def flow(self, backend, pixels, part="cpu", preset="opencv"):
        """Seconds of one core, or of the GPU (``tvl1_torch``), for one pair of frames of ``pixels`` pixels."""
        found = self._part("flow_tvl1", part)
        rates = found if preset == "opencv" else found.get(preset, {})
        if part == "gpu":
            spent = 1000 / rates["pairs_per_s"] if "pairs_per_s" in rates else None
        else:
            spent = rates.get(backend, {}).get("cpu_ms_per_pair")
        return None if spent is None else spent / 1000 * pixels / _pixels(found["size"])

    def stored(self, rgb_quality, flow_quality, pixels):
        """Bytes of one frame with its flow in a container."""
        found = self._part("store_layouts", None)
        size = found.get("layouts", {}).get(f"container, quality {rgb_quality}/{flow_quality}", {}).get("bytes_per_frame")
        return None if size is None else size * pixels / _pixels(found["size"])

    def trajectories(self, pixels):
        """Seconds of one core for the improved trajectories of one frame of ``pixels`` pixels, mean over the measured clips."""
        found = self._part("idt_clips", None)
        rate = found.get("frames_per_cpu_second")
        return None if rate is None else pixels / _pixels(found["size"]) / rate

    def stored_trajectories(self, pixels, keep="all"):
        """Bytes on disk of the trajectories of one frame of ``pixels`` pixels, mean over the measured clips; ``keep``: all of
        them, or a "sample"."""
        if keep == "sample":
            found = self._fisher()
            return None if not found else found["bytes_per_frame"][keep] * pixels / found["pixels_per_frame"]
        found = self._part("idt_clips", None)
        size = found.get("bytes_per_frame")
        return None if size is None else size * pixels / _pixels(found["size"])

    def encoding(self, pixels, gaussians):
        """Seconds of one core for what a frame of ``pixels`` pixels adds to a Fisher vector under one codebook; None for another
        number of ``gaussians`` than was measured."""
        found = self._fisher()
        if not found or found["gaussians"] != gaussians:
            return None
        return found["encoding_cpu_ms_per_frame_and_codebook"] / 1000 * pixels / found["pixels_per_frame"]

    def vector(self, gaussians):
        """Bytes of the Fisher vector of one video under one codebook, in proportion to its ``gaussians``."""
        found = self._fisher()
        return None if not found else found["bytes_per_video_and_codebook"] * gaussians / found["gaussians"]

    def _fisher(self):
        """What was measured on clips of UCF101: J-HMDB's are short, and a track takes 16 frames."""
        found = self._part("idt_storage", None)
        return {"gaussians": found["gaussians"], **found["ucf101"]} if "ucf101" in found else {}

    def stage(self, profile, kind):
        """What a run of one kind (``train st_resnet``) took in a profile: a dict of ``start_s``, ``cpu_s`` (seconds of cores, to
        begin with and per unit), ``bytes`` per unit or ``bytes_per_run``; empty where nobody measured it."""
        return self._part("profiles", None).get("profiles", {}).get(profile, {}).get(kind, {})

    def any_stage(self, kind):
        """Seconds of one core of one run of a stage, the most that it took in any measured profile."""
        profiles = self._part("profiles", None).get("profiles", {}).values()
        spent = [each[kind]["start_s"] + each[kind]["cpu_s"] for each in profiles if "cpu_s" in each.get(kind, {})]
        return max(spent, default=None)

    def decoding(self, pixels):
        """Seconds of one core for one frame of ``pixels`` pixels to be decoded and looked at (`repro prepare`)."""
        profiles = self._part("profiles", None).get("profiles", {}).values()
        found = [each["prepare"] for each in profiles if "cpu_s" in each.get("prepare", {})]
        if not found:
            return None
        largest = max(found, key=lambda each: each["pixels"])
        return largest["cpu_s"] * pixels / largest["pixels"]

    def kept(self, one):
        """Bytes that a training frame of a Run's network keeps between forward and backward at fp32; None: not measured."""
        found = self._part("train_step", "cpu")
        if not found or not is_resnet50(one) or found["side"] != one.input_size:
            return None
        name = "plain" if len(one.streams) == 1 else "st_resnet"
        return found["bytes_kept_for_backward"][name] * len(one.streams) / 2 / (found["clips"] * found["frames"])

    def checkpoint(self, one):
        """Bytes of what a training of a Run's network leaves: a ResNet-50's by the profile `paper`, others counted beside their
        times on whatever device; None: not measured."""
        kind = "train appearance" if len(one.streams) == 1 else "train st_resnet"
        if is_resnet50(one) and (size := self.stage("paper", kind).get("bytes_per_run")):
            return size
        parts = self._part("families", None)
        rows = (_row(one, parts[part]) for part in ("cpu", "gpu") if isinstance(parts.get(part), dict))
        return next((row["checkpoint_bytes"] for row in rows if row), None)

    def network(self, one, part):
        """`NetworkRates` of a Run's network, medians over rounds; None where this network was not measured at this size."""
        found = self._part("families", part)
        row = _row(one, found)
        if not row:
            return None
        frames = row["clips"] * row["frames"]
        spent = {kind: statistics.median(row[kind]["ms"]) / 1000 * _cores(found, part) for kind in ("training_step", "scoring")}
        optimizer = row["optimizer_ms"] / 1000 * _cores(found, part)
        return NetworkRates(spent["training_step"] / frames, spent["scoring"] / frames, optimizer)

    def training(self, streams, side, part):
        """Seconds of the device, for a CPU of one core, per training frame of ResNet-50 streams at ``side`` pixels.

        One stream takes half of what two plain ones take together.
        """
        found = self._part("train_step", part)
        rate = found.get("methods", {}).get("plain" if streams == 1 else "st_resnet", {}).get("frames_per_s")
        if rate is None or found["side"] != side:
            return None
        return streams / 2 * _cores(found, part) / rate

    def scoring(self, streams, side, part):
        """Seconds of the device, for a CPU of one core, per test video by the paper's protocol; streams as in `training`."""
        found = self._part("inference", part)
        spent = found.get("methods", {}).get("plain" if streams == 1 else "st_resnet_star", {}).get("ms_per_video")
        if spent is None or 32 * (7 * min(found["size"]) // 256) != side:
            return None
        return streams / 2 * _cores(found, part) * sorted(spent)[len(spent) // 2] / 1000

    def devices(self, profile=""):
        """Which device each file was measured on, as sentences."""
        stages = self._part("profiles", None).get("profiles", {}).get(profile, {}).values()
        if any("cpu_s" in stage for stage in stages):
            yield f"profiles.json, stages of {profile} itself: measured on {self._part('profiles', None)['device']}"
        for name, parts in (
            ("flow_tvl1", ("cpu", "gpu")),
            ("store_layouts", (None,)),
            ("idt_clips", (None,)),
            ("idt_storage", (None,)),
            ("train_step", ("cpu", "gpu")),
            ("inference", ("cpu", "gpu")),
            ("families", ("cpu", "gpu")),
        ):
            for part in parts:
                found = self._part(name, part)
                if found and (part != "gpu" or self.gpu != "none"):
                    yield f"{name}.json: measured on {found['device']}"


def _row(one, found):
    """Of a Run's network in a part of families.json; empty where it was not measured."""
    if found.get("side") != one.input_size:
        return {}
    wanted = network_of(one)
    return next((row for row in found["networks"].values() if row["network"] == wanted), {})


def _pixels(size):
    """Of ``"320x240"``."""
    width, height = size.split("x")
    return int(width) * int(height)


def _cores(found, part):
    return found["threads"] if part == "cpu" else 1
