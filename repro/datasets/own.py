"""Split lists for a folder of one's own videos.

The folder is ``<class>/<video>``, any common kind of file. `write_splits` makes lists in UCF101's format for
it, once; from then on it is a dataset like the others, read with the layout ``"folders"``::

    write_splits("my/videos", "my/splits", seed=1, group_pattern=r"^(.+)_part\\d+$")
    index = build_index("mine", "folders", "my/videos", "my/splits", group_pattern=r"^(.+)_part\\d+$")

Clips cut from one recording look alike, and a test on the siblings of training clips measures memory:
``group_pattern`` says which belong together, and a group is never divided.
"""

import random
from pathlib import Path

from repro.datasets.index import SPLITS
from repro.datasets.names import video_id
from repro.datasets.scan import VIDEO_SUFFIXES, find_videos, group_reader, visible
from repro.errors import ReproError
from repro.files import atomic_path


def write_splits(video_root, split_folder, seed=0, splits=3, test_fraction=0.3, group_pattern=None):
    """Deal the groups of every class into train and test, and write the lists in UCF101's format.

    Over the splits a group is tested as seldom as possible: test sets overlap only where ``splits *
    test_fraction`` exceeds 1. The same folder, seed and options give the same lists.

    Parameters
    ----------
    video_root : path
        Holds ``<class>/<video>``.
    split_folder : path
        Made here; must not hold lists.
    splits : int
        1 to 3.
    test_fraction : float
        Share of each class's groups to test on, in (0, 1); at least one group, at most all but one.
    group_pattern : str, optional
        Regular expression searched in a file name without its extension, whose first parenthesis is the
        group. Default: UCF101's ``_gGG_cCC``. A name that does not match is a group of its own.

    Raises
    ------
    ReproError
        No folder, no videos, a class of a single group, options out of range, lists that are there already.
    """
    video_root, split_folder = Path(video_root), Path(split_folder)
    if splits not in SPLITS:
        raise ReproError(f"{splits!r} splits", fix=f"choose from {list(SPLITS)}")
    if not 0 < test_fraction < 1:
        raise ReproError(f"a test fraction of {test_fraction!r}", fix="choose one above 0 and below 1")
    if split_folder.is_dir() and any(split_folder.iterdir()):
        raise ReproError("the folder for split lists is not empty", path=split_folder, fix="keep those lists, or choose another")
    if not video_root.is_dir():
        raise ReproError("missing dataset folder", path=video_root)
    classes = _classes(video_root)
    files = find_videos(video_root, classes, VIDEO_SUFFIXES)
    group = group_reader(group_pattern)
    groups = {name: {} for name in classes}
    for class_name, path in sorted(files.values()):
        video = video_id(class_name, Path(path).name)
        groups[class_name].setdefault(group(video) or f"alone {video}", []).append(path)

    lists = {(subset, split): [] for split in SPLITS[:splits] for subset in ("train", "test")}
    for label, class_name in enumerate(classes, 1):
        names = sorted(groups[class_name])
        if len(names) < 2:
            raise ReproError(
                f"class {class_name} has a single group",
                path=video_root / class_name,
                why="one side of the split would be empty",
                fix="add videos, or give another group pattern",
            )
        random.Random(f"{seed} {class_name}").shuffle(names)
        count = min(len(names) - 1, max(1, round(test_fraction * len(names))))
        for split in SPLITS[:splits]:
            tested = {names[(position + (split - 1) * count) % len(names)] for position in range(count)}
            for name in sorted(names):
                subset = "test" if name in tested else "train"
                lists[subset, split] += [f"{path} {label}" if subset == "train" else path for path in groups[class_name][name]]

    with atomic_path(split_folder) as folder:
        folder.mkdir()
        (folder / "classInd.txt").write_text(
            "".join(f"{label} {name}\n" for label, name in enumerate(classes, 1)), encoding="utf-8"
        )
        for (subset, split), lines in lists.items():
            (folder / f"{subset}list{split:02d}.txt").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _classes(video_root):
    """Names of the folders that hold videos, sorted by code point."""
    names = sorted(entry.name for entry in visible(video_root) if entry.is_dir())
    return tuple(name for name in names if any(file.name.lower().endswith(VIDEO_SUFFIXES) for file in visible(video_root / name)))
