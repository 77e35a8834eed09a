"""Training on clips made up from (seed, step, number), without any file."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from networks import Spec, build_model

from repro.clips.dataset import Clip
from repro.clips.modality import modality_of
from repro.training.recipe import Recipe

STREAMS = {"appearance": modality_of("rgb", "test"), "motion": modality_of({"modality": "flow", "length": 1}, "test")}


class MadeUpClips(torch.utils.data.Dataset):
    """What the loop asks of ``TrainingClips``; ``before(step, number)`` is called before a sub-batch is handed out."""

    def __init__(self, recipe, before=lambda step, number: None, seed=4):
        self.recipe, self.before, self.seed = recipe, before, seed
        self.names, self.input_size = [f"video{i}" for i in range(16)], 32
        self.reader = SimpleNamespace(streams=STREAMS)

    def __getitem__(self, place):
        step, number = place
        self.before(step, number)
        rng = np.random.default_rng([self.seed, step, number])
        size = min(self.recipe.clips_per_batch_norm, self.recipe.videos_per_step - number * self.recipe.clips_per_batch_norm)

        def planes(channels):
            return torch.from_numpy(rng.integers(0, 256, (self.recipe.frames, 24, 28, channels), np.uint8))

        return [
            Clip(
                {"appearance": planes(3), "motion": planes(2)},
                int(rng.integers(3)),
                f"s{step}n{number}c{i}",
                bool(rng.integers(2)),
            )
            for i in range(size)
        ]


RECIPE = Recipe(((0.002, 3), (0.0004, 2)), videos_per_step=6, clips_per_batch_norm=2, frames=3)


@pytest.fixture
def made_up():
    torch.set_num_threads(1)  # a forked process cannot use the threads of this one

    def make(recipe=RECIPE, before=lambda step, number: None, dropout=0.0):
        spec = Spec(
            blocks=(2, 2, 2, 2),
            width=2,
            flow_length=1,
            temporal="average",
            injection="add",
            pool_size=1,
            dropout={"motion": dropout},
        )
        torch.manual_seed(1)
        return build_model(spec, 3), {"toy": MadeUpClips(recipe, before)}

    make.recipe = RECIPE
    return make
