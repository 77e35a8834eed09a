"""The training loop: one process or many under ``torchrun``, resumable at the exact step."""

import contextlib
import math
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from torch import nn

from repro.clips.dataset import batch_inputs
from repro.engine.device import autocast, pick_device
from repro.errors import ReproError
from repro.models.batchnorm import collect_statistics, commit_statistics, pending_statistics
from repro.models.freeze import freeze_norms
from repro.progress import progress
from repro.training.checkpoint import load_partial, save_checkpoint
from repro.training.consensus import Consensus
from repro.training.curves import Curves
from repro.training.groups import parameter_groups
from repro.training.loader import Sharding, batches
from repro.training.loss import Tasks, summed_loss


def train(model, clips, recipe, engine, normalisation, folder, describe="train", watch=None):
    """Train ``model`` on ``clips`` ({dataset: TrainingClips}) by ``recipe``; returns the trained model in eval mode.

    The first dataset is the one whose size the schedule counts passes over; ``normalisation``: {stream: InputNormalisation}.
    ``folder`` holds ``checkpoint.pt`` (resumed from if there) and ``curves.csv`` (see `Curves`; accuracies per head). Raises
    ReproError on a loss that is not finite, with the step and the clips; the last checkpoint stays. ``watch``: called as
    watch(steps done, model, normalisation) after each step of the first process; it leaves the model as it found it.
    """
    rank, world = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
    engine.set_up_process()
    folder, device = Path(folder), pick_device(engine.device)
    first = next(iter(clips.values()))
    videos, streams, size, seed = len(first.names), first.reader.streams, first.input_size, first.seed
    consensus = Consensus(recipe.consensus, recipe.frames)
    model.to(device, memory_format=model.memory_format if engine.channels_last else torch.contiguous_format).train()
    freeze_norms(model, recipe.frozen_norms)
    groups = [*parameter_groups(model, recipe), *_weights_of(consensus.to(device))]
    optimizer = torch.optim.SGD(groups, lr=0.0, momentum=recipe.momentum)
    scaler = torch.amp.GradScaler(device.type, enabled=engine.precision == "fp16")
    parts = {"model": model, "consensus": consensus, "optimizer": optimizer, "scaler": scaler}
    steps, start = recipe.total_steps(videos), _resume(folder / "checkpoint.pt", parts, rank, world)
    network = Tasks(torch.compile(model) if engine.compile else model, consensus)
    if world > 1:
        network = nn.parallel.DistributedDataParallel(network, broadcast_buffers=False)
    sampler = Sharding(start, steps, recipe.sub_batches(), rank, world)
    loader = batches(clips, sampler, engine.workers)
    columns = [(dataset, head) for dataset in clips for head in model.heads]
    names = [head if len(clips) == 1 else f"{dataset}_{head}" for dataset, head in columns]
    curves = Curves(folder / "curves.csv", names, start) if rank == 0 else None
    bar = progress(range(start, steps), total=steps, initial=start, desc=describe, unit="step")
    for step in bar:
        rate = recipe.learning_rate(step, videos)
        for group in optimizer.param_groups:
            group["lr"] = rate * group["rate"]
        shares = range(rank, recipe.sub_batches(), world)
        sums = torch.zeros(2 + len(columns), device=device)  # loss, fallbacks, correct per head
        losses = []
        for number in shares:
            torch.manual_seed(_step_seed(seed, step, number))  # dropout: nothing to save, equal on any number of processes
            batch = next(loader)
            inputs, labels = {}, {}
            for dataset, part in batch.items():
                inputs[dataset], labels[dataset] = batch_inputs(part, streams, normalisation, recipe.crop, size, device)
            sync = number == shares[-1] or world == 1
            with contextlib.nullcontext() if sync else network.no_sync(), autocast(device, engine.precision):
                logits = network(inputs)
                terms = [summed_loss(logits[d], labels[d], recipe.videos_per_step, recipe.loss) for d in clips]
                loss = sum(terms[1:], terms[0])
                # DistributedDataParallel averages over ranks; the recipe's loss is a sum over them
                scaler.scale(loss * world).backward()
            collect_statistics(model)
            sums[0] += loss.detach()
            drawn = [clip for part in batch.values() for clip in part]
            losses.append((loss.detach(), [clip.name for clip in drawn]))
            sums[1] += sum(clip.fallback for clip in drawn)
            for k, (dataset, head) in enumerate(columns):
                sums[2 + k] += (logits[dataset][head].detach().mean(1).argmax(1) == labels[dataset]).sum()
        if world > 1:
            for pending in pending_statistics(model):
                dist.all_reduce(pending)
            dist.all_reduce(sums)
        values = sums.tolist()
        if not math.isfinite(values[0]):
            bad = [name for loss, clip_names in losses if not math.isfinite(loss) for name in clip_names]
            raise ReproError(
                f"the loss is {values[0]} at step {step + 1}",
                path=folder,
                why=f"clips of its sub-batches: {', '.join(bad) or 'with another process'}",
                fix="lower the learning rate or use precision fp32; the last good checkpoint is kept",
            )
        if recipe.clip_gradient is not None:
            scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_([p for group in optimizer.param_groups for p in group["params"]], recipe.clip_gradient)
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad(set_to_none=True)
        commit_statistics(model, recipe.batch_norm_momentum if rate else 0.0)  # a step of rate zero leaves the net as it is
        if rank == 0:
            accuracy = [v / recipe.videos_per_step for v in values[2:]]
            curves.row(step + 1, rate, values[0], accuracy, values[1] / (recipe.videos_per_step * len(clips)))
            bar.set_postfix_str(f"lr {rate:g} loss {values[0]:.3f} acc {max(accuracy):.2f}", refresh=False)
            if (step + 1) % engine.checkpoint_steps == 0 and step + 1 < steps:
                curves.write()
                state = {name: part.state_dict() for name, part in parts.items()}
                save_checkpoint(folder / "checkpoint.pt", {**state, "step": step + 1})
            if watch:
                watch(step + 1, model, normalisation)
    if curves:
        curves.write()
    return model.eval()


def _resume(path, parts, rank, world):
    """The step to go on from: that of the checkpoint at ``path``, whose states ``parts`` take, or 0 where there is none.

    The first process reads, for it alone holds the lock on the folder; the others take what it read.
    """
    told = [load_partial(path, needs=(*parts, "step")) if rank == 0 else None]
    if world > 1:
        dist.broadcast_object_list(told)
    (state,) = told
    if state is None:
        return 0
    for name, part in parts.items():
        part.load_state_dict(state[name])
    return state["step"]


def _weights_of(consensus):
    """The group of a consensus' learned weights, if it has any."""
    learned = list(consensus.parameters())
    return [{"params": learned, "rate": 1.0, "weight_decay": 0.0}] if learned else []


def _step_seed(*numbers):
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])
