"""``repro splits``: seeded split lists for a folder ``<class>/<video>`` of one's own; a group is never divided."""

from repro.datasets.own import write_splits
from repro.datasets.splits import read_splits
from repro.stages.prepare import tell_passed_over


def run(videos, lists, seed, splits, test_fraction, group_pattern=None):
    """Write lists in UCF101's format into the new folder ``lists``; see `repro.datasets.own.write_splits`."""
    if said := write_splits(videos, lists, seed, splits, test_fraction, group_pattern):
        print(said)
    tell_passed_over(videos)
    for split, entries in read_splits(lists).splits.items():
        tested = sum(entry.subset == "test" for entry in entries)
        print(f"split {split}: {len(entries) - tested} training, {tested} test videos")
    print(f"lists in {lists}")
