"""Wall hours by the schedule of the Makefile: the data, with codebooks side by side and Fisher vectors; then chains of stages
side by side, one per dataset, split and seed; then whatever is left."""

import dataclasses
import heapq

FITTED = "idt-codebook"
CHAINED = ("train", "evaluate", "idt-scores", "fuse")
BESIDE = (FITTED, *CHAINED)  # commands that others run beside
PER_VIDEO = ("draw", "prepare", "extract", "idt-features", "idt-fisher")


@dataclasses.dataclass(frozen=True)
class Schedule:
    """How a machine is used: ``processes`` for per-video work, ``jobs`` chains side by side, ``threads`` of a network on it."""

    cores: int
    processes: int
    jobs: int
    threads: int

    def hours(self, block, cost):
        """Wall hours of one run of a stage while what the schedule puts beside it runs; None: not measured."""
        if None in (cost.cpu, cost.gpu):
            return None
        if block.command in PER_VIDEO:
            return cost.cpu / min(self.cores, self.processes) + cost.gpu
        threads = min(self.threads, self.cores) if block.command in ("train", "evaluate") else 1
        crowded = max(1.0, self.jobs * threads / self.cores) if block.command in BESIDE else 1.0
        return cost.cpu / threads * crowded + cost.gpu

    def total(self, runs, places):
        """Wall hours of all ``runs``, [(Block, item, Cost)]; None where one was not measured.

        ``places``: all (dataset, split, seed) that have a chain, those on which something is trained.
        """
        fits, chains, alone = [], dict.fromkeys(sorted(places), 0.0), 0.0
        for block, item, cost in runs:
            hours = self.hours(block, cost)
            if hours is None:
                return None
            place = place_of(item)
            if block.command == FITTED:
                fits.append(hours)
            elif block.command in CHAINED and place in chains:
                chains[place] += hours
            else:
                alone += hours
        return alone + side_by_side(fits, self.jobs) + side_by_side(chains.values(), self.jobs)


def place_of(item):
    """A run's place as DVC writes it behind the stage's name."""
    return "-".join(str(item[key]) for key in ("dataset", "split", "seed") if key in item)


def side_by_side(hours, jobs):
    """When the last of these chains ends, each begun in its turn as soon as one of ``jobs`` places is free."""
    ends = [0.0] * jobs
    for each in hours:
        heapq.heapreplace(ends, ends[0] + each)
    return max(ends)
