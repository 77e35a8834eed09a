"""From a folder of videos and its split lists to a `DatasetIndex`."""

import os
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas

from repro.datasets.index import COLUMNS, SPLITS, DatasetIndex
from repro.datasets.names import check_spelling, match_key, ucf101_group, video_id
from repro.datasets.probes import probe_videos
from repro.datasets.splits import SPLIT_FILE, read_hmdb51_splits, read_splits, read_ucf101_splits
from repro.errors import ReproError

VIDEO_SUFFIXES = (
    *(".avi", ".divx", ".mp4", ".m4v", ".mkv", ".mov", ".mpg", ".mpeg", ".webm", ".wmv", ".asf", ".ogv", ".ogg", ".flv", ".f4v"),
    *(".3gp", ".3g2", ".mts", ".m2ts", ".ts", ".vob", ".mxf", ".dv", ".nut", ".y4m", ".rm", ".rmvb", ".gif", ".mjpeg", ".mjpg"),
)


@dataclass(frozen=True)
class Layout:
    """How a dataset lies on disk.

    read_splits     folder -> SplitLists, of the splits whose lists are there
    suffixes        of its videos' names, in lower case
    group           video id -> the source that clips share, "" where nobody says
    lists           what the names of its split files match, whole: `repro prepare` takes these files from archives and folders
    """

    read_splits: Callable
    suffixes: tuple
    group: Callable
    lists: re.Pattern = SPLIT_FILE


LAYOUTS = {
    "ucf101": Layout(read_ucf101_splits, (".avi",), ucf101_group),
    # neither has official groups: clips of one film may share a name's beginning, but no list says so
    "hmdb51": Layout(read_hmdb51_splits, (".avi",), lambda video: ""),
    "jhmdb": Layout(read_hmdb51_splits, (".avi",), lambda video: ""),
    "folders": Layout(read_splits, VIDEO_SUFFIXES, ucf101_group),
}


def build_index(
    name,
    layout,
    video_root,
    split_folder,
    workers=1,
    exclude_bad=False,
    journal=None,
    group_pattern=None,
    known=None,
    exclude_damaged=False,
    timeout=None,
):
    """Find, match and decode every video of a dataset.

    Parameters
    ----------
    name : str
        Of the dataset, as tables print it.
    layout : {"ucf101", "hmdb51", "jhmdb", "folders"}
        Videos lie at ``<video_root>/<class>/<file>`` in each; the layouts differ in the format of the split
        lists (``"folders"``: either format, one to three splits), in the files taken for videos
        (``"folders"``: any common kind, else ``.avi``), and in groups (UCF101's ``gGG`` where a name has it;
        HMDB51 and J-HMDB have no official groups: ``""``).
    workers : int
        Processes that decode.
    exclude_bad : bool
        False: any problem stops with an error. True: absent, undecodable and unlisted videos stay in the
        index with their problem and are left out of its subsets.
    journal, known, timeout : optional
        See `probe_videos`.
    group_pattern : str, optional
        Regular expression searched in a video's stem, whose first parenthesis is its group, instead of the
        layout's own rule.

    exclude_damaged : bool
        True: videos that can be decoded but are cut short or have damaged frames are left out as bad ones are.

    Returns
    -------
    DatasetIndex

    Raises
    ------
    ReproError
        Missing folder or lists; lists that contradict themselves; a class folder no list knows; a group in
        both train and test of a split; and, unless ``exclude_bad``, a listed video that is absent, a video
        that no list names, a video that cannot be decoded.
    """
    if layout not in LAYOUTS:
        raise ReproError(f"unknown layout {layout!r}", fix=f"choose from {', '.join(LAYOUTS)}")
    layout = LAYOUTS[layout]
    group = group_reader(group_pattern) if group_pattern else layout.group
    video_root = Path(video_root)
    if not video_root.is_dir():
        raise ReproError("missing dataset folder", path=video_root, fix="unpack the videos there, one folder per class")
    lists = layout.read_splits(split_folder)
    files = find_videos(video_root, lists.classes, layout.suffixes)
    check_groups(lists, group)

    def stop(what, path, why):
        if not exclude_bad:
            raise ReproError(what, path=path, why=why, fix="repair it, or set exclude_bad to go on without")

    rows = _match(lists, files, group, video_root, stop)
    probes = probe_videos(video_root, [row["path"] for row in rows if row["path"]], workers, journal, known, timeout)
    bad = [(path, found.problem) for path, found in probes.items() if found.problem]
    if bad:
        path, problem = bad[0]
        stop(f"{len(bad)} of {len(probes)} videos cannot be decoded, the first is", video_root / path, problem)
    for row in rows:
        found = probes.get(row["path"])
        row["doubts"] = found.doubts if found else ""
        more = (found and found.problem, exclude_damaged and row["doubts"])
        row["problems"] = "; ".join(filter(None, (row["problems"], *more)))
        for column in ("frames", "fps", "width", "height"):
            row[column] = getattr(found, column) if found else 0
    return DatasetIndex(name, lists.classes, pandas.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS))


def find_videos(video_root, classes, suffixes):
    """Files ``<video_root>/<class>/<file>`` with one of ``suffixes``, class folders matched ignoring case.

    Returns a dict of `match_key` to (class name, path relative to ``video_root``). Raises `ReproError` for a
    folder of videos that is no class of ``classes``, for two files that would be one video, and where there
    is no video at all.
    """
    by_name = {name.lower(): name for name in classes}
    files = {}
    for folder in sorted(visible(video_root), key=lambda entry: entry.name):
        if not folder.is_dir():
            continue
        videos = sorted(entry.name for entry in visible(folder.path) if entry.name.lower().endswith(suffixes))
        for name in (folder.name, *videos) if videos else ():
            check_spelling(name, f"{folder.name}/{name}")
        class_name = by_name.get(folder.name.lower())
        if videos and class_name is None:
            raise ReproError(
                "a folder of videos is no class of the split lists",
                path=folder.path,
                fix="move it away, or check that lists and videos are of one dataset",
            )
        for file_name in videos:
            path = f"{folder.name}/{file_name}"
            other = files.setdefault(match_key(video_id(class_name, file_name)), (class_name, path))[1]
            if other != path:
                raise ReproError(
                    "two files would be the same video",
                    path=Path(video_root) / path,
                    why=f"so is {other}",
                    fix="remove or rename one",
                )
    if not files:
        raise ReproError(
            "no videos in the dataset folder",
            path=video_root,
            why=f"expected <class>/<file> with {', '.join(suffixes)}",
        )
    return files


def passed_over(video_root, suffixes=VIDEO_SUFFIXES):
    """Files ``<folder>/<file>`` below ``video_root`` that are none of its videos by their names, sorted."""
    return sorted(
        f"{folder.name}/{entry.name}"
        for folder in visible(video_root)
        if folder.is_dir()
        for entry in visible(folder.path)
        if not entry.is_dir() and not entry.name.lower().endswith(suffixes)
    )


def group_reader(pattern=None):
    """A function of a video id: its group by a regular expression (None: UCF101's ``_gGG_cCC``), or ``""``.

    A pattern tells one recording by its name wherever it stands: two classes may share it. UCF101 counts its groups within
    each class.
    """
    if pattern is None:
        return ucf101_group
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise ReproError("not a regular expression for groups", why=f"{pattern!r}: {error}") from error
    if not expression.groups:
        raise ReproError(
            "a regular expression for groups without parentheses",
            why=repr(pattern),
            fix="put the part of the name that tells the group into ( )",
        )

    def group(video):
        found = expression.search(video.partition("/")[2])
        return (found.group(1) or "") if found else ""

    return group


def check_pattern(pattern, videos):
    """What is to be said about a group pattern on ``videos`` (ids), ``""`` if nothing; `ReproError` if it matches none."""
    group = group_reader(pattern)
    told = [group(video) for video in videos]
    found = [name for name in told if name]
    if not found:
        raise ReproError(
            "a group pattern that matches no video",
            path=pattern,
            why=f"the first of {len(told)} is {videos[0]}",
            fix="correct it",
        )
    if len(set(found)) == len(found) > 1:
        return f"the group pattern {pattern} tells all videos apart: no two are of one group, so none are kept together"
    if len(found) < len(told):
        first = next(video for video, name in zip(videos, told) if not name)
        return f"the group pattern {pattern} does not match {len(told) - len(found)} of {len(told)} videos, the first is {first}"
    return ""


def check_groups(lists, group):
    """Raise `ReproError` if a split has videos of one group in both train and test, whatever their classes."""
    for split, entries in lists.splits.items():
        first = {}
        for entry in entries:
            name = group(entry.video)
            if not name or not entry.subset:
                continue
            other = first.setdefault(name, entry)
            if other.subset != entry.subset:
                raise ReproError(
                    f"group {name} is in both train and test of split {split}",
                    path=entry.where,
                    why=f"{entry.video}, and {other.video} in {other.where}",
                    fix="clips of one source must be on one side: correct the lists, or the group pattern",
                )


def _match(lists, files, group, video_root, stop):
    """Rows of the index, all but what decoding tells, of listed videos and found files together."""
    places = _places(lists)
    rows, absent, unlisted = [], [], []
    for key in sorted(places | files.keys()):
        listed = places.get(key, {})
        entry = next(iter(listed.values()))[0] if listed else None
        class_name, path = files.get(key) or (entry.class_name, "")
        row = dict.fromkeys(COLUMNS, "") | {"path": path, "class_name": class_name}
        row["video"] = entry.video if entry else video_id(class_name, Path(path).name)
        row |= {"label": lists.classes.index(class_name), "group": group(row["video"])}
        for split in SPLITS:
            place, position = listed.get(split, (None, -1))
            used = place is not None and place.subset != ""
            row |= {f"split{split}": place.subset if used else "", f"order{split}": position if used else -1}
        if not path:
            row["problems"] = f"absent, named in {entry.path.name}:{entry.line}"
            absent.append(entry)
        elif not entry:
            row["problems"] = "in no split list"
            unlisted.append(path)
        rows.append(row)
    if absent:
        what = f"{len(absent)} of {len(places)} listed videos are absent, the first is named in"
        stop(
            "a split list names an absent video" if len(absent) == 1 else what,
            absent[0].where,
            f"{absent[0].video} is not in {video_root}",
        )
    if unlisted:
        what = f"{len(unlisted)} of {len(files)} videos are in no split, the first is"
        stop("a video is in no split" if len(unlisted) == 1 else what, video_root / unlisted[0], "no list names it")
    return sorted(rows, key=lambda row: (row["label"], row["video"]))


def _places(lists):
    """match key -> {split: (entry, position in its subset's list)}, over all splits."""
    places = {}
    for split, entries in lists.splits.items():
        count = Counter()
        for entry in entries:
            places.setdefault(match_key(entry.video), {})[split] = (entry, count[entry.subset])
            count[entry.subset] += 1
    return places


def visible(folder):
    """Entries of a folder without hidden ones (macOS archives hold a ``._name`` beside each file)."""
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        raise ReproError("cannot read a folder", path=folder, why=error.strerror) from error
