"""A part of the training videos set aside, so that schedules and designs are chosen without a look at test videos."""

from repro.datasets.index import SPLITS, DatasetIndex
from repro.datasets.own import deal
from repro.datasets.scan import check_pattern, group_reader


def hold_out(index, name, split, fraction=0.2, seed=0, group_pattern=None):
    """The training videos of a split as a `DatasetIndex` of their own, whose split 1 tests a part of them.

    Test videos of ``split`` are not in it. A group, by ``group_pattern`` or as ``index`` has it, is never divided; a video
    without one stands alone. ``fraction``, in (0, 1): share of each class's groups that is tested. Raises ReproError as
    `repro.datasets.own.write_splits` does.
    """
    table = index.subset(split, "train")
    if group_pattern:
        check_pattern(group_pattern, list(table["video"]))
    group = group_reader(group_pattern) if group_pattern else dict(zip(table["video"], table["group"])).get
    table["group"] = [group(video) or "" for video in table["video"]]
    groups = [name or f"alone {video}" for name, video in zip(table["group"], table["video"])]
    (tested,) = deal(groups, table["class_name"], index.classes, seed, 1, fraction)
    for other in SPLITS:
        table[f"split{other}"], table[f"order{other}"] = "", -1
    table["split1"] = ["test" if name_of_group in tested else "train" for name_of_group in groups]
    table["order1"] = table.groupby("split1").cumcount()
    return DatasetIndex(name, index.classes, table.sort_values(["label", "video"]).reset_index(drop=True))
