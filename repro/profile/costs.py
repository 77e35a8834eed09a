"""What a run of a stage costs: hours of CPU cores and of GPUs, and bytes on disk, from measured rates alone."""

import dataclasses

from repro.evaluation.settings import EvaluationSettings
from repro.profile.blocks import fill
from repro.profile.networks import scored_frames
from repro.profile.pipeline import blocks
from repro.profile.rates import is_resnet50
from repro.profile.run import Run

_NETWORKS = ("train", "evaluate")
_LIGHT = ("prepare", "idt-codebook", "idt-scores", "evaluate", "fuse", "report", "notebook")
"""Stages that leave little on disk: an index, a codebook, scores, tables, pages."""


@dataclasses.dataclass(frozen=True)
class Cost:
    """Hours of one CPU core, hours of one GPU, and bytes on disk; None: not measured."""

    cpu: float | None = None
    gpu: float | None = 0.0
    disk: float | None = None

    def __add__(self, other):
        return Cost(*(None if None in pair else sum(pair) for pair in zip(dataclasses.astuple(self), dataclasses.astuple(other))))


def instances(params):
    """Every run of every stage that the profile asks for: (Block, item of its matrix, name as DVC's, paths of its outputs)."""
    for block in blocks(params):
        for item, name in block.items() if block.command != "code" else ():  # which is always run, and takes no time
            yield block, item, name, [fill(out, item) for out in (*block.outs, *block.results, *block.metrics)]


def kind_of(block):
    """What runs of a Block are measured under: the command, and the system if it has one."""
    return f"{block.command} {block.system}".strip()


def cost_of(block, item, data, run, rates):
    """`Cost` of one run of a Block; ``data``: `Data` of its dataset, None where that is unknown or there is none."""
    if data is None and "dataset" in item:
        return Cost()
    count = units(block, item, data, run)
    on_gpu = rates.gpu != "none" and (
        block.command in _NETWORKS or (block.command == "extract" and run.flow_settings.backend == "tvl1_torch")
    )
    disk = _disk(block, item, data, run, rates, count)
    measured = rates.stage(run.profile, kind_of(block))
    if not on_gpu and "cpu_s" in measured:
        return Cost((measured["start_s"] + count * measured["cpu_s"]) / 3600, 0.0, disk)
    seconds = _seconds(block, item, data, run, rates, "gpu" if on_gpu else "cpu", count)
    hours = None if seconds is None else seconds / 3600
    return Cost(0.0, hours, disk) if on_gpu else Cost(hours, 0.0, disk)


def units(block, item, data, run):
    """How many units of its measured rate a run of a Block takes: frames (times codebooks), videos, training frames, or 1."""
    command = block.command
    if command == "draw":
        return data.videos
    if command in ("prepare", "extract", "idt-features"):
        return data.frames
    if command == "idt-fisher":
        return data.frames * _codebooks(run)
    if command == "idt-scores":
        return sum(data.subsets.get(item["split"], (0, 0)))
    if command not in _NETWORKS:
        return 1
    one = _one(block, item, run)
    training, test = data.subsets.get(one.split, (0, 0))
    if command == "evaluate":
        return training if "--subset train" in block.cmd else test
    return one.recipe.total_steps(training) * one.recipe.videos_per_step * one.recipe.frames * len(one.datasets)


def _seconds(block, item, data, run, rates, part, count):
    """Seconds by the benchmarks of single parts, or as other profiles' stages took; None: not measured."""
    if block.command == "extract":
        flow, pixels = run.flow_settings, stored_pixels(run, data)
        return _times(data.frames - data.videos, rates.flow(flow.backend, pixels, part, flow.preset))
    if block.command == "idt-features":
        return _times(data.frames, rates.trajectories(data.pixels))
    if block.command == "idt-fisher":
        settings = _trajectories(block, run)
        encoding = _times(count, rates.encoding(data.pixels, settings.codebook.gaussians))
        again = _times(data.frames, rates.trajectories(data.pixels)) if settings.features.keep == "sample" else 0.0
        return None if None in (encoding, again) else encoding + again
    if block.command == "prepare":
        return _times(data.frames, rates.decoding(data.pixels))
    if block.command in ("fuse", "report", "notebook"):
        return _times(count, rates.any_stage(block.command))
    if block.command not in _NETWORKS:
        return None
    return _network_seconds(block.command, _one(block, item, run), data, rates, part, count)


def _network_seconds(command, one, data, rates, part, count):
    """Of a training or an evaluation: of ResNet-50s by their own benchmarks, else as the benchmark of all networks has it."""
    rate = None
    if is_resnet50(one) and command == "train":
        rate = rates.training(len(one.streams), one.input_size, part)
    elif is_resnet50(one) and str(one.evaluation) == str(EvaluationSettings()):
        rate = rates.scoring(len(one.streams), one.input_size, part)
    if rate is not None:
        return count * rate
    network = rates.network(one, part)
    if network is None:
        return None
    if command == "train":
        return count * network.training + one.recipe.total_steps(data.subsets.get(one.split, (0, 0))[0]) * network.optimizer
    return count * scored_frames(one, data) * network.scoring


def _disk(block, item, data, run, rates, count):
    if block.command in _LIGHT:
        return 0.0
    measured = rates.stage(run.profile, kind_of(block))
    if block.command == "train":
        return measured.get("bytes_per_run") or rates.checkpoint(_one(block, item, run))
    if "bytes" in measured:
        return count * measured["bytes"]
    if block.command == "extract":
        store = run.store_settings
        return _times(data.frames, rates.stored(store.rgb_quality, store.flow_quality, stored_pixels(run, data)))
    if block.command == "idt-features":
        return _times(data.frames, rates.stored_trajectories(data.pixels, _trajectories(block, run).features.keep))
    if block.command == "idt-fisher":
        return _times(data.videos * _codebooks(run), rates.vector(_trajectories(block, run).codebook.gaussians))
    return None


def _one(block, item, run):
    """The Run of a training or an evaluation."""
    return Run.of(run.params, item["dataset"], item["split"], item["seed"], block.system)


def _trajectories(block, run):
    return dataclasses.replace(run, system=block.system).trajectory_settings


def _codebooks(run):
    """One for every split and seed."""
    return len(run.fanned_out.splits) * len(run.fanned_out.seeds)


def stored_pixels(run, data):
    """Pixels of a stored frame."""
    return run.store_settings.short_side**2 * data.aspect


def _times(count, rate):
    return None if rate is None else count * rate
