"""Is this the official dataset, whole and readable? One table of checks."""

from dataclasses import dataclass
from pathlib import Path

import pandas

from repro.datasets.index import SPLITS, SUBSETS, DatasetIndex
from repro.datasets.manifest import Manifest
from repro.datasets.probes import probe_videos


@dataclass(frozen=True)
class Official:
    """What a dataset's publishers count: videos, classes, and (train, test) videos per split."""

    videos: int
    classes: int
    splits: dict


OFFICIAL = {
    "ucf101": Official(13320, 101, {1: (9537, 3783), 2: (9586, 3734), 3: (9624, 3696)}),
    "hmdb51": Official(6766, 51, {1: (3570, 1530), 2: (3570, 1530), 3: (3570, 1530)}),
    "jhmdb": Official(928, 21, {1: (660, 268), 2: (658, 270), 3: (663, 265)}),
}

NAMED = 3  # examples of what is wrong in one cell of the table


def doctor_data(index_folder, video_root=None, workers=1, prepared=None):
    """Check the index in ``index_folder``; with ``video_root`` decode every video again; with ``prepared``, a folder
    that `prepare_archives` made, compare every file with the checksums of its manifest.

    Returns a `pandas.DataFrame` with a row per check and columns ``check``, ``expected``, ``found`` (counts;
    expected is ``""`` for a dataset without official counts, known by the index's name: ucf101, hmdb51,
    jhmdb), ``ok`` (bool) and ``detail`` (what is wrong, the first few by name). Raises `ReproError` only
    where there is no index.
    """
    index = DatasetIndex.load(index_folder)
    table, official = index.table, OFFICIAL.get(index.name.lower().replace("-", "").replace("_", ""))
    present = table[table["path"] != ""]
    checks = [
        _count("videos", official and official.videos, len(present)),
        _count("classes", official and official.classes, len(index.classes)),
        _none("absent videos", table[table["path"] == ""]["video"]),
        _none(
            "videos with problems",
            [f"{row.video}: {row.problems}" for row in present.itertuples() if row.problems],
        ),
        _none("videos cut short or damaged", [f"{row.video}: {row.doubts}" for row in present.itertuples() if row.doubts]),
        _none("videos in no split list", table[table["problems"].str.startswith("in no split list")]["video"]),
        _none("classes without a video", sorted(set(index.classes) - set(present["class_name"]))),
    ]
    named = table["group"][table["group"] != ""]
    checks.append(("groups", "", named.nunique(), True, f"{len(table) - len(named)} videos in none"))
    for split in SPLITS:
        for position, subset in enumerate(SUBSETS):
            if official or split in index.splits:
                found = int(((table[f"split{split}"] == subset) & (table["problems"] == "")).sum())
                checks.append(_count(f"split {split} {subset}", official and official.splits[split][position], found))
        checks.append(_none(f"split {split} groups in both train and test", leaks(table, split)))
    if video_root is not None:
        checks.append(_none("videos that decode otherwise than indexed", _changed(present, Path(video_root), workers)))
    if prepared is not None:
        damaged = Manifest.load(prepared).damaged(prepared, checksums=True)
        checks.append(_none("files that differ from the manifest", [f"{name}: {why}" for name, why in damaged.items()]))
    return pandas.DataFrame(checks, columns=["check", "expected", "found", "ok", "detail"])


def leaks(table, split):
    """Every group with videos on both sides of a split, of whatever classes, sorted."""
    used = table[(table[f"split{split}"] != "") & (table["group"] != "")]
    sides = used.groupby("group")[f"split{split}"].nunique()
    return list(sides[sides > 1].index)


def _changed(present, root, workers):
    found = probe_videos(root, list(present["path"]), workers)
    columns = ["path", "frames", "width", "height"]
    wrong = []
    for path, *shape in present[columns].itertuples(index=False):
        now = found[path]
        if [now.frames, now.width, now.height] != shape:
            wrong.append(f"{path}: {now.problem or f'{now.frames} frames of {now.width}x{now.height}'}")
    return wrong


def _count(check, expected, found):
    expected = "" if expected is None else expected
    return check, expected, found, expected in ("", found), ""


def _none(check, wrong):
    wrong = list(wrong)
    more = f" and {len(wrong) - NAMED} more" if len(wrong) > NAMED else ""
    return check, 0, len(wrong), not wrong, "; ".join(wrong[:NAMED]) + more
