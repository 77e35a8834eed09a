"""A dataset that was unpacked by hand, or a folder of one's own: taken where it lies, file by file.

Files are found by the same rule as in archives (the last two parts of a path count), so that the folder may be nested as its
publishers or its owner like. The target holds a link per file: DVC sees through links to files, not through those to folders.
"""

import os
from pathlib import Path

from repro.datasets import manifest
from repro.datasets.manifest import Manifest, content_of
from repro.datasets.prepare import JOURNAL, NESTED, Prepared, place_of
from repro.datasets.splits import SPLIT_FILE
from repro.errors import ReproError
from repro.files import atomic_path, regular
from repro.progress import progress


def prepare_folder(folder, target, splits=None, lists=SPLIT_FILE):
    """Link the videos and split lists below ``folder`` into ``target/videos/<class>`` and ``target/splits``; write a manifest.

    Nothing of ``folder`` is copied or changed. ``splits``: where the split lists lie instead; ``lists``: what their names
    match. Done again for the same files, nothing happens.

    Raises
    ------
    ReproError
        A missing folder, one without videos or without split lists, two files that would be one, a folder whose unpacking by
        `prepare_archives` was not finished, a target that holds other things.
    """
    target, found = Path(target), _find(Path(folder), lists)
    if splits is not None:
        found = {name: path for name, path in found.items() if name.startswith("videos/")}
        found |= {name: path for name, path in _find(Path(splits), lists).items() if name.startswith("splits/")}
    for part, what, why, fix in (
        ("videos", "videos", None, "give the folder that holds <class>/<file>"),
        (
            "splits",
            "split lists",
            f"no file is named {lists.pattern}",
            "name their folder with --splits, or make them: `repro splits`",
        ),
    ):
        if not any(name.startswith(f"{part}/") for name in found):
            place = splits if splits and part == "splits" else folder
            raise ReproError(f"no {what} below this folder", path=place, why=why, fix=fix)
    if (target / manifest.NAME).is_file():
        return _same(target, found)
    if target.is_dir() and any(target.iterdir()):
        raise ReproError(
            "the target folder is not empty and was not made by prepare",
            path=target,
            why=", ".join(sorted(path.name for path in target.iterdir())[:3]),
            fix="move it away",
        )
    with atomic_path(target) as temporary:
        files = {}
        for name, path in progress(sorted(found.items()), desc="checksums", unit="file"):
            files[name] = content_of(path)
            link = temporary / name
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(path)
        whole = Manifest({}, files)
        whole.save(temporary)
    return Prepared(target / "videos", target / "splits", whole)


def _find(folder, lists):
    """``{path in the target: absolute path}`` of the videos and split lists below a folder, links followed."""
    if not folder.is_dir():
        raise ReproError("missing dataset folder", path=folder)
    for place in (folder, folder.parent):
        _refuse_half(place)
    found = {}
    for top, folders, names in os.walk(folder.resolve(), onerror=_unreadable, followlinks=True):
        folders.sort()
        _refuse_half(Path(top))
        for path in (Path(top) / name for name in sorted(names)):
            name = place_of(path.relative_to(folder.resolve()).as_posix(), lists=lists)
            if name in (None, NESTED):
                continue
            if name in found:
                raise ReproError(
                    "two files would be one",
                    path=path,
                    why=f"so is {found[name]}, as {name}",
                    fix="name the videos' folder, and that of the split lists with --splits",
                )
            found[name] = regular(path)
    return found


def _unreadable(error):
    raise ReproError("cannot read a folder", path=error.filename, why=error.strerror) from error


def _refuse_half(place):
    if (place / JOURNAL).exists():
        raise ReproError("a half-unpacked folder", path=place, fix="run `repro prepare` on its archives again to finish it")


def _same(target, found):
    """What a finished target holds, if it is links to the files ``found``."""
    whole = Manifest.load(target)
    linked = {name: Path(os.path.realpath(target / name)) for name in whole.files}
    if whole.archives or linked != {name: path.resolve() for name, path in found.items()}:
        raise ReproError("a folder prepared from other files", path=target, fix="delete it to prepare it from these")
    damaged = whole.damaged(target)
    if damaged:
        name, why = next(iter(damaged.items()))
        raise ReproError(
            f"{len(damaged)} files changed since they were prepared, the first is",
            path=target / name,
            why=why,
            fix="delete the prepared folder (it holds links) and prepare it again",
        )
    return Prepared(target / "videos", target / "splits", whole)
