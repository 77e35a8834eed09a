"""Readers of the official split lists, kept in the order of the lists.

UCF101:         ``classInd.txt`` (``1 ApplyEyeMakeup``, 1-based), ``trainlist0k.txt`` (``Class/file.avi 1``),
                ``testlist0k.txt`` (``Class/file.avi``)
HMDB51, J-HMDB: ``<class>_test_split<k>.txt`` (``file.avi id``: 1 train, 2 test, 0 unused)
"""

import re
from dataclasses import dataclass
from pathlib import Path

from repro.datasets.index import SPLITS
from repro.datasets.names import match_key, video_id
from repro.errors import ReproError
from repro.files import regular

SPLIT_FILE = re.compile(r"classInd\.txt|(train|test)list\d\d\.txt|[^.].*_test_split\d\.txt")
"""Names of the files that hold these lists, among the others of an archive or a folder."""

HMDB51_SUBSETS = {"0": "", "1": "train", "2": "test"}


@dataclass(frozen=True)
class ListedVideo:
    """One line of a split list: the video's id, class and subset (``""``: unused), and where it stands."""

    video: str
    class_name: str
    subset: str
    path: Path
    line: int

    @property
    def where(self):
        return f"{self.path}:{self.line}"


@dataclass(frozen=True)
class SplitLists:
    """``classes`` in label order; per split number the listed videos in list order (UCF101: train, then test)."""

    classes: tuple
    splits: dict

    def __post_init__(self):
        for entries in self.splits.values():
            seen = {}
            for entry in entries:
                first = seen.setdefault(match_key(entry.video), entry)
                if first is entry:
                    continue
                both = {first.subset, entry.subset}
                what = "a video is in both train and test" if both == {"train", "test"} else "a video is listed twice"
                raise ReproError(what, path=entry.where, why=f"{entry.video}, also in {first.where}", fix="correct the lists")


def read_ucf101_splits(folder, splits=SPLITS):
    """Read UCF101's lists of ``splits`` from ``folder``.

    Sizes of the official ones (train/test): 9537/3783, 9586/3734, 9624/3696. Raises `ReproError` for a
    missing list, a line that is none, an unknown class, a label against the class index, and a video listed
    twice in a split.
    """
    folder = Path(folder)
    classes = _class_index(folder / "classInd.txt")
    by_name = {name.lower(): (label, name) for label, name in enumerate(classes, 1)}
    lists = {}
    for split in splits:
        entries = []
        for subset in ("train", "test"):
            path = folder / f"{subset}list{split:02d}.txt"
            for line, text in _lines(path):
                found = re.fullmatch(r"([^/\\]+)[/\\]([^/\\]+\.\w+)(?:\s+(\d+))?", text)
                if not found:
                    raise ReproError(
                        "not a line of a split list",
                        path=f"{path}:{line}",
                        why=repr(text),
                        fix="write `Class/file.avi` and, for training, its label",
                    )
                folder_name, file_name, label = found.groups()
                number, class_name = by_name.get(folder_name.lower(), (0, ""))
                if not number:
                    raise ReproError(
                        "a split list names an unknown class",
                        path=f"{path}:{line}",
                        why=f"{folder_name} is not in classInd.txt",
                    )
                if label and int(label) != number:
                    raise ReproError(
                        "a label differs from the class index",
                        path=f"{path}:{line}",
                        why=f"{class_name} is {number} in classInd.txt, {label} here",
                    )
                entries.append(ListedVideo(video_id(class_name, file_name), class_name, subset, path, line))
        lists[split] = tuple(entries)
    return SplitLists(classes, lists)


def read_hmdb51_splits(folder, splits=SPLITS):
    """Read HMDB51's or J-HMDB's lists from ``folder``: one file per class and split, classes sorted by name.

    Sizes of the official ones (train/test): HMDB51 3570/1530 in each; J-HMDB 660/268, 658/270, 663/265.
    Raises `ReproError` as `read_ucf101_splits` does.
    """
    folder = Path(folder)
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    lists = [re.fullmatch(r"([^.].*)_test_split\d+\.txt", name) for name in names]
    # sorted by class name, not by file name: published score files disagree on `climb` and `climb_stairs`
    classes = tuple(sorted({match.group(1) for match in lists if match}))
    if not classes:
        raise ReproError(
            "missing split files",
            path=folder,
            why="no <class>_test_split<k>.txt here",
            fix="unpack the official split lists there",
        )
    read = {}
    for split in splits:
        entries = []
        for class_name in classes:
            path = folder / f"{class_name}_test_split{split}.txt"
            for line, text in _lines(path):
                found = re.fullmatch(r"([^/\\]+\.\w+)\s+([012])", text)
                if not found:
                    raise ReproError(
                        "not a line of a split list",
                        path=f"{path}:{line}",
                        why=repr(text),
                        fix="write `file.avi id` with id 1 (train), 2 (test) or 0 (unused)",
                    )
                file_name, number = found.groups()
                entries.append(ListedVideo(video_id(class_name, file_name), class_name, HMDB51_SUBSETS[number], path, line))
        read[split] = tuple(entries)
    return SplitLists(classes, read)


def read_splits(folder):
    """Read lists of either format, however many of the three splits there are."""
    folder = Path(folder)
    if (folder / "classInd.txt").exists():
        present = tuple(split for split in SPLITS if (folder / f"trainlist{split:02d}.txt").exists())
        return read_ucf101_splits(folder, present or SPLITS)
    present = tuple(
        split
        for split in SPLITS
        if folder.is_dir() and any(path.name.endswith(f"_test_split{split}.txt") for path in folder.iterdir())
    )
    return read_hmdb51_splits(folder, present or SPLITS)


def _class_index(path):
    classes = []
    for line, text in _lines(path):
        number, *name = text.split(None, 1)
        if number != str(len(classes) + 1) or not name:
            raise ReproError(
                "not a line of a class index",
                path=f"{path}:{line}",
                why=repr(text),
                fix=f"expected `{len(classes) + 1} ClassName`",
            )
        classes.append(name[0])
    if len({name.lower() for name in classes}) < len(classes):
        raise ReproError("a class stands twice in the class index", path=path)
    return tuple(classes)


def _lines(path):
    """(line number, text) of the lines that are not blank; a list that is missing or empty is an error."""
    try:
        text = regular(path).read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise ReproError("missing split file", path=path, fix="unpack the official split lists there") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ReproError("cannot read a split file", path=path, why=str(error)) from error
    lines = [(number, line.strip()) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    if not lines:
        raise ReproError("a split file is empty", path=path)
    return lines
