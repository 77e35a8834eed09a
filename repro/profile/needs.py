"""What a profile needs of the outside, and whether it is there: videos, split lists, archives, start weights.

Reads names and sizes; a whole file only of start weights, which have a checksum beside them.
"""

import dataclasses
import json
import os
import shutil

from repro.datasets import manifest
from repro.datasets.doctor import OFFICIAL
from repro.datasets.prepare import JOURNAL, OFFICIAL_ARCHIVES, find_archives
from repro.datasets.scan import LAYOUTS
from repro.errors import ReproError
from repro.profile.blocks import trained_on
from repro.profile.inputs import check_weights
from repro.profile.sources import archives_of, bring, weights_of

OK, MISSING, NOTE = "ok", "MISSING", "note"
_UNPACKERS = ("unrar", "unar", "7z", "7zz")


@dataclasses.dataclass(frozen=True)
class Row:
    """One thing that a run needs: its state, what was found, and what to do."""

    what: str
    state: str
    found: str
    fix: str = ""


def dataset_rows(run, archives=None):
    """Videos and split lists of a dataset, or its archives where those come first."""
    name, settings, raw = run.dataset, run.dataset_settings, run.raw
    brought = bring(name, settings, run.params.path)
    sources = archives_of(settings)
    fix = f"{brought}{': ' if sources else ''}{'; '.join(sources)}"
    if archives and not (raw / manifest.NAME).is_file():
        try:
            found = find_archives(archives, settings.layout)
        except ReproError as error:
            yield Row(f"{name} archives", MISSING, str(error), "; ".join(sources))
        else:
            size = _size(found)
            names = ", ".join(path.name for path in found)
            yield Row(f"{name} archives", OK, f"{names}, {size / 1e6:,.1f} MB; they are unpacked next")
        return
    if not (raw / "videos").is_dir() and not (raw / JOURNAL).is_file():
        yield Row(f"{name} videos", MISSING, f"nothing at {raw}/videos", fix)
        yield Row(f"{name} split lists", MISSING, f"nothing at {raw}/splits", "the same command brings them, with the videos")
        return
    if (raw / JOURNAL).is_file() and not (raw / manifest.NAME).is_file():
        yield Row(f"{name} videos", MISSING, f"{raw} is half unpacked", f"run the same command again; it resumes: {brought}")
        return
    try:
        lists = LAYOUTS[settings.layout].read_splits(raw / "splits")
    except ReproError as error:
        yield Row(f"{name} split lists", MISSING, str(error), brought)
        return
    listed = {entry.video for entries in lists.splits.values() for entry in entries}
    yield _videos(name, settings, raw / "videos", len(listed), brought)
    lacking = [str(split) for split in run.fanned_out.splits if split not in lists.splits]
    state = Row(f"{name} split lists", OK, f"{len(lists.classes)} classes, splits {', '.join(map(str, sorted(lists.splits)))}")
    if lacking:
        fix = f"put them into {raw}/splits, or take them out of run.splits"
        state = dataclasses.replace(state, state=MISSING, found=f"no lists of split {', '.join(lacking)}", fix=fix)
    yield state


def _videos(name, settings, folder, listed, brought):
    suffixes = LAYOUTS[settings.layout].suffixes
    found = sum(path.lower().endswith(suffixes) for _, _, files in os.walk(folder, followlinks=True) for path in files)
    official = OFFICIAL.get(settings.layout)
    if not found:
        return Row(f"{name} videos", MISSING, f"none in {folder}", f"mount the disk that holds them, or {brought}")
    if found < listed:
        kind = NOTE if settings.exclude_bad else MISSING
        fix = f"add the rest, or set exclude_bad for {name}: tables then say how many are left out"
        return Row(f"{name} videos", kind, f"{found:,} of {listed:,} that are listed, in {folder}", "" if kind == NOTE else fix)
    if official and listed < official.videos:
        return Row(
            f"{name} videos",
            NOTE,
            f"{found:,} in {folder}; the official lists name {official.videos:,}",
            "nothing, if you only want a part",
        )
    return Row(f"{name} videos", OK, f"{found:,} in {folder}")


def unpacked(run, archives=None):
    """Bytes that videos still to be brought will take, about the size of their ``archives``; None where those are not at hand."""
    size = 0
    for name in run.fanned_out.to_bring:
        one = dataclasses.replace(run, dataset=name)
        if (one.raw / "videos").is_dir():
            continue
        try:
            found = find_archives(archives or (), one.dataset_settings.layout)
        except ReproError:
            return None
        if not found:
            return None
        size += _size(found)
    return size


def _size(paths):
    return sum(path.stat().st_size for path in paths if path.is_file())


def unpacker_rows(run):
    """Official RARs may be compressed: where one is still to be unpacked, a tool must be there."""
    todo = [dataclasses.replace(run, dataset=name) for name in run.fanned_out.to_bring]
    layouts = {one.dataset_settings.layout for one in todo if not (one.raw / "videos").is_dir()}
    if any(name.endswith(".rar") for layout in layouts for name in OFFICIAL_ARCHIVES.get(layout, ())):
        there = [tool for tool in _UNPACKERS if shutil.which(tool)]
        fix = "" if there else "install unrar (or unar, or 7zip with its RAR plug-in); stored RARs and unpacked folders need none"
        yield Row("tool for RARs", OK if there else NOTE, ", ".join(there) or "none", fix)


def weights_rows(run):
    """Files of start weights of everything that is trained."""
    users = {}
    for system, datasets in trained_on(run.params).items():
        one = dataclasses.replace(run, dataset=datasets[0], system=system)
        for path in one.weights.values():
            users.setdefault(path, []).append(one)
    for path, runs in users.items():
        what, model = f"weights {path.name}", runs[0].model
        names = ", ".join(dict.fromkeys(one.system for one in runs))
        source = weights_of(model)
        if source is None:
            fix = f"make weights of layout {' or '.join(_layouts(model))} by `repro import-weights SOURCE {path}`; {_unknown()}"
        else:
            fix = f"`{source.command.format(path=path)}`; {source}"
        if not path.is_file():
            yield Row(what, MISSING, f"nothing at {path}, which {names} start{'s' if ',' not in names else ''} from", fix)
            continue
        layout = _layout_in(path)
        if layout is None or layout not in _layouts(model):
            why = f"{path} is not an imported weights file" if layout is None else f"{path} is of layout {layout}"
            yield Row(what, MISSING, why, fix)
            continue
        try:
            check_weights(path)
        except ReproError as error:
            yield Row(what, MISSING, str(error), fix)
        else:
            yield Row(what, OK, f"{path.stat().st_size / 1e6:.1f} MB, layout {layout}")


def _unknown():
    return "address, size and sha256 not recorded"


def _layouts(model):
    layouts = getattr(model, "weights_layout", None) or ("any",)
    return (layouts,) if isinstance(layouts, str) else tuple(layouts)


def _layout_in(path):
    """What an imported file says of its layout, None where it is not one."""
    from safetensors import SafetensorError, safe_open

    from repro.models.weights import HEADER  # late: torch

    try:
        with safe_open(path, "numpy") as file:
            return json.loads((file.metadata() or {})[HEADER])["layout"]
    except (OSError, KeyError, ValueError, SafetensorError):
        return None
