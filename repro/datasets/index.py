"""One row per video: what it is, where it lies, how long it is, and its place in the splits."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import pandas

from repro.errors import ReproError
from repro.files import atomic_path

SPLITS = (1, 2, 3)
SUBSETS = ("train", "test")

COLUMNS = {
    "video": str,
    "path": str,
    "class_name": str,
    "label": int,
    "group": str,
    "frames": int,
    "fps": float,
    "width": int,
    "height": int,
    "problems": str,
    "doubts": str,
    "split1": str,
    "split2": str,
    "split3": str,
    "order1": int,
    "order2": int,
    "order3": int,
}


_PART = r"(?!\.{1,2}(?:/|$))[^/\x00-\x1f\x7f]+"  # of a path that stays where it is put: neither empty nor a way out
_VIDEO, _PATH = f"{_PART}/{_PART}", f"({_PART}/{_PART})?"
_FILES, _SUMS = ("classes.txt", "index.csv"), "SHA256SUMS"
_AGAIN = "delete it and run `repro prepare`"


@dataclass(frozen=True, eq=False)
class DatasetIndex:
    """A dataset: its classes and one row per video.

    Attributes
    ----------
    name : str
        Of the dataset, as tables print it.
    classes : tuple of str
        In the order of the labels: UCF101's ``classInd.txt``; sorted by code point where there is no official
        order.
    table : pandas.DataFrame
        Sorted by label and video. ``video`` (id ``<class>/<stem>``), ``path`` (relative to the video root,
        ``""`` if absent), ``class_name``, ``label`` (0-based), ``group`` (clips of one group come from one
        source, whatever their class; ``""``: unknown), ``frames`` (decoded), ``fps``, ``width``, ``height``
        (pixels), ``problems`` (``""``: fine), ``doubts`` (what says that a video is not whole, although it
        can be decoded; ``""``: nothing), ``split1..3`` (``"train"``, ``"test"`` or ``""``) and
        ``order1..3`` (position in the official list of that subset, -1: not in the split).
    """

    name: str
    classes: tuple
    table: pandas.DataFrame

    def __post_init__(self):
        if list(self.table.columns) != list(COLUMNS):
            raise ReproError(
                "an index has other columns",
                why=f"got {', '.join(self.table.columns)}",
                fix=f"need {', '.join(COLUMNS)}",
            )
        if self.table.empty:
            raise ReproError("an index without videos", why=f"dataset {self.name}")
        if self.table["video"].duplicated().any():
            twice = self.table["video"][self.table["video"].duplicated()].iloc[0]
            raise ReproError("a video stands twice in the index", path=twice)
        for column, pattern in (("video", _VIDEO), ("path", _PATH)):
            strange = self.table[column][~self.table[column].str.fullmatch(pattern)]
            if len(strange):
                raise ReproError(f"a {column} of an index that is no <class>/<name>", path=ascii(strange.iloc[0]))
        named = [self.classes[label] if 0 <= label < len(self.classes) else None for label in self.table["label"]]
        if named != list(self.table["class_name"]):
            raise ReproError("labels and class names of an index disagree", why=f"dataset {self.name}")
        for split in SPLITS:
            strange = set(self.table[f"split{split}"]) - {*SUBSETS, ""}
            if strange:
                raise ReproError(f"split{split} of an index holds unknown subsets", why=", ".join(sorted(strange)))

    @property
    def splits(self):
        """The splits that hold any video, such as ``(1, 2, 3)``."""
        return tuple(split for split in SPLITS if (self.table[f"split{split}"] != "").any())

    def subset(self, split, subset):
        """Rows of a split's ``"train"`` or ``"test"`` in official list order, without videos with problems.

        Raises `ReproError` for a split or subset the dataset has not, and for one without a video that can be used.
        """
        if split not in self.splits:
            raise ReproError(f"dataset {self.name} has no split {split!r}", why=f"it has {list(self.splits)}")
        if subset not in SUBSETS:
            raise ReproError(f"unknown subset {subset!r}", fix=f"choose from {list(SUBSETS)}")
        chosen = self.table[self._in(split, subset) & (self.table["problems"] == "")]
        if chosen.empty:
            listed = int(self._in(split, subset).sum())
            raise ReproError(
                f"split {split} of {self.name} has no {subset} videos", why=f"{listed} are listed, all with problems"
            )
        return chosen.sort_values(f"order{split}", kind="stable").reset_index(drop=True)

    def _in(self, split, subset):
        return self.table[f"split{split}"] == subset

    def check_usable(self):
        """Raise `ReproError` where no result could come of this dataset: no video, or none of a class, is without problems."""
        sound, missing = self.table[self.table["problems"] == ""], self.table[self.table["problems"] != ""]
        if sound.empty:
            first = missing.iloc[0]
            raise ReproError(
                f"none of the {len(self.table)} videos of {self.name} can be used, the first is",
                path=first["path"] or first["video"],
                why=first["problems"],
                fix="is the folder that they come from where it was?",
            )
        without = sorted(set(self.classes) - set(sound["class_name"]))
        if without:
            raise ReproError(
                f"{len(without)} of the {len(self.classes)} classes of {self.name} have no video that can be used, the first is",
                path=without[0],
                fix="repair its videos, or take the class out of the split lists",
            )
        for split in self.splits:
            for subset in SUBSETS:
                self.subset(split, subset)

    def save(self, folder):
        """Write ``index.csv``, ``classes.txt`` and their checksums into ``folder``; the same index gives the same bytes."""
        folder = Path(folder)
        table = self.table.copy()
        table.insert(0, "dataset", self.name)
        with atomic_path(folder / "classes.txt") as path:
            path.write_text("".join(f"{name}\n" for name in self.classes), encoding="utf-8")
        with atomic_path(folder / "index.csv") as path:
            table.to_csv(path, index=False, lineterminator="\n", encoding="utf-8")
        with atomic_path(folder / _SUMS) as path:
            path.write_text(_sums(folder), encoding="utf-8")

    @classmethod
    def load(cls, folder):
        """Read what `save` wrote; `ReproError` where a file is missing or not such an index."""
        folder = Path(folder)
        for name in (*_FILES, _SUMS):
            if not (folder / name).is_file():
                raise ReproError("no dataset index here", path=folder, why=f"{name} is missing", fix="run `repro prepare`")
        if (folder / _SUMS).read_text(encoding="utf-8", errors="replace") != _sums(folder):
            why = f"its files and {_SUMS} disagree: cut, damaged or edited"
            raise ReproError("not a dataset index", path=folder / "index.csv", why=why, fix=_AGAIN)
        try:
            classes = tuple((folder / "classes.txt").read_text(encoding="utf-8").splitlines())
            table = pandas.read_csv(folder / "index.csv", dtype=str, keep_default_na=False, encoding="utf-8")
            name = table.pop("dataset").iloc[0]
            table = table.astype({column: kind for column, kind in COLUMNS.items() if column in table})
            return cls(name, classes, table)
        except (ValueError, KeyError, IndexError, ReproError) as error:
            raise ReproError(
                "not a dataset index",
                path=folder / "index.csv",
                why=str(error),
                fix=_AGAIN,
            ) from error


def _sums(folder):
    """What `sha256sum` would print of an index's files."""
    return "".join(f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in _FILES)
