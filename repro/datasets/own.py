"""Split lists for a folder of one's own videos.

The folder is ``<class>/<video>``, any common kind of file. `write_splits` makes lists in UCF101's format for
it, once; from then on it is a dataset like the others, read with the layout ``"folders"``::

    write_splits("my/videos", "my/splits", seed=1, group_pattern=r"^(.+)_part\\d+$")
    index = build_index("mine", "folders", "my/videos", "my/splits", group_pattern=r"^(.+)_part\\d+$")

Clips cut from one recording look alike, and a test on the siblings of training clips measures memory:
``group_pattern`` says which belong together, in whatever classes, and a group is never divided.
"""

import random
from collections import Counter
from pathlib import Path

from repro.datasets.index import SPLITS
from repro.datasets.names import video_id
from repro.datasets.scan import VIDEO_SUFFIXES, check_pattern, find_videos, group_reader, visible
from repro.errors import ReproError
from repro.files import atomic_path

_ATTEMPTS = 50  # orders in which groups that span classes are tried


def write_splits(video_root, split_folder, seed=0, splits=3, test_fraction=0.3, group_pattern=None):
    """Deal groups of videos into train and test, and write the lists in UCF101's format.

    A group is one recording, whatever classes its videos are of, and lies on one side of each split. Over the splits a group
    is tested as seldom as possible. The same folder, seed and options give the same lists.

    Parameters
    ----------
    video_root : path
        Holds ``<class>/<video>``.
    split_folder : path
        Made here; must not hold lists.
    splits : int
        1 to 3.
    test_fraction : float
        Share of each class's groups to test on, in (0, 1); at least one group, at most all but one. Where groups span
        classes, a class may get some more than its share.
    group_pattern : str, optional
        Regular expression searched in a file name without its extension, whose first parenthesis is the group. Default: UCF101's
        ``_gGG_cCC``, whose numbers count within a class. A name that does not match is a group of its own.

    Returns
    -------
    str
        What is to be said about the pattern, ``""`` if nothing.

    Raises
    ------
    ReproError
        No folder, no videos, names that a list would give back otherwise, a pattern that matches none, a class of a single group,
        groups that span classes so that no division leaves each class both sides, options out of range, lists that are there
        already.
    """
    video_root, split_folder = Path(video_root), Path(split_folder)
    if splits not in SPLITS:
        raise ReproError(f"{splits!r} splits", fix=f"choose from {list(SPLITS)}")
    if split_folder.is_dir() and any(split_folder.iterdir()):
        raise ReproError("the folder for split lists is not empty", path=split_folder, fix="keep those lists, or choose another")
    if not video_root.is_dir():
        raise ReproError("missing dataset folder", path=video_root)
    classes = _classes(video_root)
    files = sorted(find_videos(video_root, classes, VIDEO_SUFFIXES).values())
    _check_names(video_root, classes, [path for _, path in files])
    videos = [video_id(class_name, Path(path).name) for class_name, path in files]
    said = check_pattern(group_pattern, videos) if group_pattern else ""
    group = group_reader(group_pattern)
    names = [group(video) or f"alone {video}" for video in videos]
    tested = deal(names, [class_name for class_name, _ in files], classes, seed, splits, test_fraction)

    with atomic_path(split_folder) as folder:
        folder.mkdir()
        (folder / "classInd.txt").write_text(
            "".join(f"{label} {name}\n" for label, name in enumerate(classes, 1)), encoding="utf-8"
        )
        for split, chosen in enumerate(tested, 1):
            lines = {"train": [], "test": []}
            for class_name, name, path in sorted((class_name, name, path) for name, (class_name, path) in zip(names, files)):
                label = f" {1 + classes.index(class_name)}"
                lines["test" if name in chosen else "train"].append(path if name in chosen else path + label)
            for subset, rows in lines.items():
                (folder / f"{subset}list{split:02d}.txt").write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")
    return said


def deal(names, class_names, classes, seed, splits, test_fraction):
    """The set of groups tested in each split. ``names``, ``class_names``: each video's group, and its class of ``classes``."""
    if not 0 < test_fraction < 1:
        raise ReproError(f"a test fraction of {test_fraction!r}", fix="choose one above 0 and below 1")
    members = {}  # name of a group -> its classes
    for name, class_name in zip(names, class_names):
        members.setdefault(name, set()).add(class_name)
    groups = {each: sorted(name for name, its in members.items() if each in its) for each in classes}
    goals = {}
    for class_name, names in groups.items():
        if len(names) < 2:
            raise ReproError(
                f"class {class_name} has a single group",
                why="one side of the split would be empty",
                fix="add videos, or give another group pattern",
            )
        random.Random(f"{seed} {class_name}").shuffle(names)
        goals[class_name] = min(len(names) - 1, max(1, round(test_fraction * len(names))))
    tested = [set() for _ in range(splits)]
    for class_name, names in groups.items():
        if all(len(members[name]) == 1 for name in names):
            count = goals[class_name]
            for split, chosen in enumerate(tested):
                chosen |= {names[(position + split * count) % len(names)] for position in range(count)}
    spanning = {c: names for c, names in groups.items() if any(len(members[name]) > 1 for name in names)}
    if spanning:
        _deal_spanning(spanning, members, goals, seed, tested)
    return tested


def _deal_spanning(groups, members, goals, seed, tested):
    """Add to ``tested`` groups of the classes ``groups``, some of which are of several classes: always the one that helps most
    classes to their goal and takes fewest beyond it, of those tested least."""
    names, often = sorted(set().union(*groups.values())), Counter()
    for attempt in range(_ATTEMPTS):
        random.Random(f"{seed} {attempt}").shuffle(names)
        chosen, often = [], Counter()
        for _ in tested:
            count, mine = Counter(), set()
            while any(count[class_name] < goals[class_name] for class_name in groups):
                possible = [
                    name for name in names if name not in mine and all(count[c] + 1 < len(groups[c]) for c in members[name])
                ]
                gain = {name: sum(1 if count[c] < goals[c] else -1 for c in members[name]) for name in possible}
                useful = [name for name in possible if any(count[c] < goals[c] for c in members[name])]
                if not useful:
                    break
                best = min(useful, key=lambda name: (often[name], -gain[name]))
                mine.add(best)
                count.update(members[best])
            often.update(mine)
            chosen.append(mine)
            if not all(count[class_name] for class_name in groups):
                break
        else:
            for split, mine in zip(tested, chosen):
                split |= mine
            return
    raise ReproError(
        "no split of these groups leaves every class with videos on both sides",
        why="groups of the pattern span classes: " + "; ".join(f"{n}: {', '.join(sorted(members[n]))}" for n in names[:2]),
        fix="add recordings, or give another group pattern",
    )


def _check_names(video_root, classes, paths):
    """Raise ReproError for names of classes and files that the readers of lists take for others."""
    seen = {}
    for name in classes:
        if (other := seen.setdefault(name.lower(), name)) != name:
            why = f"it differs from {other} in upper and lower case alone"
            raise ReproError("two folders would be the same class", path=video_root / name, why=why, fix="rename one")
        if name != name.strip():
            raise ReproError("a class name that begins or ends with a space", path=repr(str(video_root / name)), fix="rename it")
    for path in paths:
        if "\\" in path:
            raise ReproError("a name with a backslash", path=video_root / path, why="in a list it stands for /", fix="rename it")


def _classes(video_root):
    """Names of the folders that hold videos, sorted by code point."""
    names = sorted(entry.name for entry in visible(video_root) if entry.is_dir())
    return tuple(name for name in names if any(file.name.lower().endswith(VIDEO_SUFFIXES) for file in visible(video_root / name)))
