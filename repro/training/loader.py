"""Sub-batches on their way to the training loop: which of them this process computes, and the processes that load them."""

from torch.utils.data import DataLoader, Dataset, Sampler

from repro.engine.machine import PREFETCH
from repro.errors import ReproError

_PATIENCE = 600  # seconds for one sub-batch, after which loader processes are taken for hung


class SubBatches(Dataset):
    """{dataset: [Clip, ...]} by (step, number of the sub-batch): the same place of every dataset's TrainingClips."""

    def __init__(self, clips):
        self.clips = clips

    def __getitem__(self, place):
        return {dataset: clips[place] for dataset, clips in self.clips.items()}


class Sharding(Sampler):
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


def batches(clips, sampler, workers):
    """Iterate over ``SubBatches`` of ``clips`` ({dataset: TrainingClips}) at the places of ``sampler``.

    ``workers``: loader processes, no more than `Machine.loaders` allows; 0: this process loads by itself. Raises ReproError where
    a loader process dies or hangs, and what was raised in one.
    """
    loaded = SubBatches(clips)
    ahead = {"prefetch_factor": PREFETCH, "timeout": _PATIENCE} if workers else {}
    loader = DataLoader(loaded, batch_size=None, sampler=sampler, num_workers=workers, **ahead)
    return _told(iter(loader)) if workers else iter(loader)


def _told(loader):
    try:
        yield from loader
    except ReproError as error:  # torch puts the worker's whole stack trace into the message
        raise ReproError(str(error).rpartition("ReproError: ")[2]) from error
    except RuntimeError as error:
        if not str(error).startswith("DataLoader "):
            raise
        raise ReproError(
            "a loader process died or hung",
            why=str(error).splitlines()[0],
            fix="lower engine.training.workers or cache_gib and run again: it goes on at the last checkpoint",
        ) from error
