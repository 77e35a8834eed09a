"""Where an epoch's time goes: reading clips alone, the network alone, and both together.

    python benchmarks/loader.py --dataset diagnostic-u [--system st_resnet] [--split 1] [--params params.yaml] [--device cuda]

Trains on an extracted dataset (`repro extract`) for some SGD steps in turns: `loader` draws and decodes sub-batches and drops
them; `model` repeats one sub-batch that is in memory (resize, flip, forward, backward, optimizer); `end_to_end` does what `repro
train` does. The slower of the first two is what the third could at best take. Writes results/benchmarks/loader.json; the part of
a device that is not there keeps what was measured before.
"""

import argparse
import dataclasses

import torch
from measure import FOLDER, in_turns, ratio, write
from torch.utils.data import DataLoader

from repro.clips.dataset import TrainingClips, VideoReader, batch_inputs
from repro.datasets.index import DatasetIndex
from repro.engine.device import autocast, pick_device
from repro.models.batchnorm import collect_statistics, commit_statistics
from repro.models.registry import Inputs, family
from repro.models.weights import FROM_SCRATCH
from repro.params import load
from repro.profile.run import Run
from repro.training.groups import parameter_groups
from repro.training.loop import Sharding
from repro.training.loss import summed_loss


class Epoch:
    """One system's network, optimizer and clips, and the three ways through ``steps`` SGD steps."""

    def __init__(self, run, engine, steps):
        index, self.recipe = DatasetIndex.load(run.index), run.recipe
        videos = index.subset(run.split, "train")
        reader = VideoReader(run.store, run.streams, engine.cache_gib)
        self.clips = TrainingClips(reader, videos["video"], videos["label"], self.recipe, run.input_size, 0)
        self.engine, self.steps, self.device = engine, steps, pick_device(engine.device)
        channels = {name: modality.channels for name, modality in run.streams.items()}
        inputs = Inputs(channels, {run.dataset: len(index.classes)}, run.input_size)
        model = family(run.settings.family).build(run.model, inputs)
        self.model = model.to(self.device, memory_format=model.memory_format).train()
        self.optimizer = torch.optim.SGD(parameter_groups(self.model, self.recipe), lr=1e-6, momentum=self.recipe.momentum)
        self.fixed, self.begun = self.clips[0, 0], 0

    def batches(self):
        """Sub-batches of the next ``steps`` steps, new ones at each call."""
        sampler = Sharding(self.begun, self.begun + self.steps, self.recipe.sub_batches())
        self.begun += self.steps
        workers = self.engine.workers
        return DataLoader(self.clips, None, sampler=sampler, num_workers=workers, prefetch_factor=4 if workers else None)

    def loader(self):
        for _ in self.batches():
            pass

    def learn(self, batches):
        streams = self.clips.reader.streams
        normalisation = dict.fromkeys(streams, FROM_SCRATCH)
        for number, batch in enumerate(batches):
            inputs, labels = batch_inputs(batch, streams, normalisation, self.recipe.crop, self.clips.input_size, self.device)
            with autocast(self.device, self.engine.precision):
                summed_loss(self.model(inputs), labels, self.recipe.videos_per_step, self.recipe.loss).backward()
            collect_statistics(self.model)
            if (number + 1) % self.recipe.sub_batches() == 0:
                self.optimizer.step()
                self.optimizer.zero_grad(set_to_none=True)
                commit_statistics(self.model, self.recipe.batch_norm_momentum)

    def alone(self):
        self.learn([self.fixed] * (self.steps * self.recipe.sub_batches()))

    def end_to_end(self):
        self.learn(self.batches())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--params", default="params.yaml")
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--system", default="st_resnet")
    parser.add_argument("--split", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--workers", type=int, help="loader processes (default: the profile's)")
    parser.add_argument("--steps", type=int, default=10, help="SGD steps a turn")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--target", default=FOLDER / "loader.json")
    arguments = parser.parse_args()
    run = Run.of(load(arguments.params), arguments.dataset, arguments.split, system=arguments.system)
    engine = dataclasses.replace(run.engine, device=arguments.device)
    if arguments.workers is not None:
        engine = dataclasses.replace(engine, workers=arguments.workers)
    torch.set_num_threads(engine.threads)
    epoch = Epoch(run, engine, arguments.steps)
    seconds = in_turns(
        {"loader": epoch.loader, "model": epoch.alone, "end_to_end": epoch.end_to_end}, arguments.rounds, arguments.device
    )
    recipe, videos = epoch.recipe, len(epoch.clips.names)
    rows = {
        name: {
            "videos_per_s": round(recipe.videos_per_step * arguments.steps / min(spent), 1),
            "frame_pairs_per_s": round(recipe.videos_per_step * arguments.steps * recipe.frames / min(spent), 1),
            "s_per_pass_over_the_videos": round(min(spent) * videos / recipe.videos_per_step / arguments.steps, 1),
            "ratio_to_end_to_end": ratio(seconds, name, "end_to_end"),
        }
        for name, spent in seconds.items()
    }
    write(
        arguments.target,
        arguments.device,
        __file__,
        {
            "profile": run.profile,
            "dataset": arguments.dataset,
            "system": arguments.system,
            "training_videos": videos,
            "input_size": run.input_size,
            "frames": recipe.frames,
            "precision": engine.precision,
            "workers": engine.workers,
            "cache_gib": engine.cache_gib,
            "steps_per_turn": arguments.steps,
            "methods": rows,
        },
        times="fastest of the rounds; ratios are medians over rounds; decoded frames stay in memory as far as cache_gib allows",
    )


if __name__ == "__main__":
    main()
