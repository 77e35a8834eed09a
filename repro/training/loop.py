"""The training loop: one process or many under ``torchrun``, resumable at the exact step."""

import contextlib
import math
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader

from repro.clips.dataset import to_input
from repro.engine.device import autocast, pick_device
from repro.errors import ReproError
from repro.files import atomic_path
from repro.models import commit_statistics, pending_statistics
from repro.progress import progress
from repro.training.checkpoint import load_checkpoint, save_checkpoint


def parameter_groups(model, recipe):
    """SGD groups with the authors' multipliers: weights decay; biases, gamma and beta don't and learn at their own rate.

    Each group carries ``rate``, the factor on the step's learning rate.
    """
    groups = {
        key: {"params": [], "rate": rate, "weight_decay": decay}
        for key, rate, decay in (
            ("weight", 1.0, recipe.weight_decay),
            ("bias", recipe.bias_lr, 0.0),
            ("gamma", recipe.gamma_lr, 0.0),
            ("beta", recipe.beta_lr, 0.0),
        )
    }
    for module in model.modules():
        norm = isinstance(module, nn.modules.batchnorm._BatchNorm)
        for name, parameter in module.named_parameters(recurse=False):
            key = {True: {"weight": "gamma", "bias": "beta"}, False: {"bias": "bias"}}[norm].get(name, "weight")
            groups[key]["params"].append(parameter)
    return [group for group in groups.values() if group["params"]]


class Sharding(torch.utils.data.Sampler):
    """(step, number) of the sub-batches that this rank computes, from ``start`` on, dealt round-robin over ranks."""

    def __init__(self, start, steps, sub_batches, rank=0, world=1):
        if sub_batches % world:
            raise ReproError(
                f"{sub_batches} sub-batches per step cannot be shared evenly by {world} processes",
                fix="choose a number of processes that divides videos_per_step / clips_per_batch_norm",
            )
        self.places = [(step, number) for step in range(start, steps) for number in range(rank, sub_batches, world)]

    def __iter__(self):
        return iter(self.places)

    def __len__(self):
        return len(self.places)


def batch_inputs(clips, streams, normalisation, recipe, input_size, device):
    """Clips -> ({stream: (B, T, C, S, S) float32}, labels (B,)) on ``device``; resizing and flipping happen there."""
    inputs = {}
    for stream in streams:
        norm = normalisation if stream == "appearance" else None
        planes = [getattr(clip, "rgb" if stream == "appearance" else "flow") for clip in clips]
        inputs[stream] = torch.stack(
            [
                to_input(p.to(device, non_blocking=True), norm, clip.flip, (input_size, input_size), recipe.crop.antialias)
                for p, clip in zip(planes, clips)
            ]
        )
    return inputs, torch.tensor([clip.label for clip in clips], device=device)


def summed_loss(logits, labels, videos_per_step, kind="per_stream"):
    """Softmax log-loss summed over streams, frames and clips, divided by the videos of the SGD step (authors' code).

    ``logits``: stream -> (B, T', C). A mean over frames would be an effective learning rate T' times too small.
    ``kind`` "mean": a single log-loss, of the streams' mean logits, in place of one per stream.
    """
    heads = list(logits.values())
    if kind == "mean":
        heads = [torch.stack(heads).mean(0)]
    total = 0.0
    for scores in heads:
        repeated = labels.repeat_interleave(scores.shape[1])
        total = total + F.cross_entropy(scores.float().flatten(0, 1), repeated, reduction="sum")
    return total / videos_per_step


def train(model, clips, recipe, engine, normalisation, folder, describe="train"):
    """Train ``model`` on ``clips`` (TrainingClips) by ``recipe``; returns the trained model in eval mode.

    ``folder`` holds ``checkpoint.pt`` (resumed from if there) and ``curves.csv`` (step, learning rate, loss per video, accuracy
    per stream, share of clips whose video was too short for the stride drawn). Raises ReproError on a loss that is not
    finite, with the step and the clips; the last checkpoint stays.
    """
    rank, world = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
    engine.set_up_process()
    folder, device = Path(folder), pick_device(engine.device)
    model.to(device, memory_format=torch.channels_last if engine.channels_last else torch.contiguous_format).train()
    optimizer = torch.optim.SGD(parameter_groups(model, recipe), lr=0.0, momentum=recipe.momentum)
    scaler = torch.amp.GradScaler(device.type, enabled=engine.precision == "fp16")
    steps, start = recipe.total_steps(len(clips.names)), 0
    if (folder / "checkpoint.pt").exists():
        state = load_checkpoint(folder / "checkpoint.pt", device, ("model", "optimizer", "scaler", "step"))
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        scaler.load_state_dict(state["scaler"])
        start = state["step"]
    network = torch.compile(model) if engine.compile else model
    if world > 1:
        network = nn.parallel.DistributedDataParallel(network, broadcast_buffers=False)
    sampler = Sharding(start, steps, recipe.sub_batches(), rank, world)
    loader = iter(
        DataLoader(
            clips,
            batch_size=None,
            sampler=sampler,
            num_workers=engine.workers,
            persistent_workers=False,
            prefetch_factor=4 if engine.workers else None,
        )
    )
    curves = _Curves(folder / "curves.csv", model.spec.streams, start) if rank == 0 else None
    bar = progress(range(start, steps), total=steps, initial=start, desc=describe, unit="step")
    for step in bar:
        rate = recipe.learning_rate(step, len(clips.names))
        for group in optimizer.param_groups:
            group["lr"] = rate * group["rate"]
        shares = range(rank, recipe.sub_batches(), world)
        sums = torch.zeros(2 + len(model.spec.streams), device=device)  # loss, fallbacks, correct per stream
        losses = []
        for number in shares:
            torch.manual_seed(_step_seed(clips.seed, step, number))  # dropout: nothing to save, equal on any number of processes
            batch = next(loader)
            inputs, labels = batch_inputs(batch, model.spec.streams, normalisation, recipe, clips.input_size, device)
            sync = number == shares[-1] or world == 1
            with contextlib.nullcontext() if sync else network.no_sync(), autocast(device, engine.precision):
                logits = network(inputs)
                loss = summed_loss(logits, labels, recipe.videos_per_step, recipe.loss)
                # DistributedDataParallel averages over ranks; the recipe's loss is a sum over them
                scaler.scale(loss * world).backward()
            sums[0] += loss.detach()
            losses.append((loss.detach(), [clip.name for clip in batch]))
            sums[1] += sum(clip.fallback for clip in batch)
            for k, stream in enumerate(model.spec.streams):
                sums[2 + k] += (logits[stream].detach().mean(1).argmax(1) == labels).sum()
        if world > 1:
            for pending in pending_statistics(model):
                dist.all_reduce(pending)
            dist.all_reduce(sums)
        values = sums.tolist()
        if not math.isfinite(values[0]):
            names = [name for loss, clip_names in losses if not math.isfinite(loss) for name in clip_names]
            raise ReproError(
                f"the loss is {values[0]} at step {step + 1}",
                path=folder,
                why=f"clips of its sub-batches: {', '.join(names) or 'with another process'}",
                fix="lower the learning rate or use precision fp32; the last good checkpoint is kept",
            )
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad(set_to_none=True)
        commit_statistics(model, recipe.batch_norm_momentum)
        if rank == 0:
            accuracy = [v / recipe.videos_per_step for v in values[2:]]
            curves.row(step + 1, rate, values[0], accuracy, values[1] / recipe.videos_per_step)
            bar.set_postfix_str(f"lr {rate:g} loss {values[0]:.3f} acc {max(accuracy):.2f}", refresh=False)
            if (step + 1) % engine.checkpoint_steps == 0 and step + 1 < steps:
                curves.write()
                save_checkpoint(
                    folder / "checkpoint.pt",
                    {
                        "model": model.state_dict(),
                        "optimizer": optimizer.state_dict(),
                        "scaler": scaler.state_dict(),
                        "step": step + 1,
                    },
                )
    if curves:
        curves.write()
    return model.eval()


def _step_seed(*numbers):
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])


class _Curves:
    """Rows of ``curves.csv``, written whole and cut back to the resumed step, so that a kill leaves none lost or twice."""

    def __init__(self, path, streams, start):
        self.path = path
        header = ["step", "learning_rate", "loss", *(f"accuracy_{s}" for s in streams), "fallback_share"]
        self.lines = path.read_text().splitlines()[: start + 1] if start else [",".join(header)]

    def row(self, step, rate, loss, accuracy, fallback):
        cells = [str(step), f"{rate:g}", f"{loss:.5f}", *(f"{a:.4f}" for a in accuracy), f"{fallback:.3f}"]
        self.lines.append(",".join(cells))

    def write(self):
        with atomic_path(self.path) as temporary:
            temporary.write_text("\n".join(self.lines) + "\n")
