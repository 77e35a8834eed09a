"""Whether what a command reads is as it was written. The command line looks before and after a stage.

These looks can stop a stage and never change what it makes, so they are no part of its code version. What a stage finds itself
(an absent file, a container of other frames) is left to it.
"""

import contextlib
import dataclasses
import itertools
import json
import math
import os
import struct
import zlib
from pathlib import Path

from repro.clips.modality import check_container, union_margin
from repro.clips.sampling import test_centres
from repro.datasets.index import SPLITS, SUBSETS, DatasetIndex
from repro.datasets.manifest import Manifest, content_of
from repro.errors import ReproError
from repro.files import atomic_path, regular
from repro.video.store import ClipStore

_LOCAL_HEADER = struct.Struct("<14x2L4x2H")  # of a zip's member: CRC-32, stored size, lengths of its name and extra field
_EXTRACT = "run `repro extract` (`dvc repro extract`)"
_NAMED = 3


def check_inputs(command, run, subset="test"):
    """Raise ReproError for the first file that `train`, `rehearse` or `evaluate` (of ``subset``) of a Run reads and that is not
    as it was written: containers of its videos, start weights, curves of a half-done training. Before a training also for a
    container without a plane that it needs, of whichever dataset, and for a video that the trained network could not be tested
    on."""
    if command == "evaluate":
        _check_containers(run, (subset,))
        return
    _check_lengths(run, command)
    for path in run.weights.values():
        check_weights(path)
    for path in Path("work").glob(f"train-{run.system}-*/curves.csv"):
        _check_text(path)
    for dataset in run.datasets:
        subsets = SUBSETS if command == "rehearse" else ("train",)
        _check_containers(dataclasses.replace(run, dataset=dataset), subsets, run.streams)


def check_sources(run):
    """Raise ReproError where not one of a dataset's videos is there: a stage that makes a file of each would take those that it
    has finished for files of other videos, and remove them."""
    videos = run.raw / "videos"
    if not any((videos / path).exists() for path in DatasetIndex.load(run.index).table["path"]):
        raise ReproError("not one video is there", path=videos, fix="is the disk that they come from mounted?")


def check_exported(path):
    """Raise ReproError where the metadata of an exported network lack an entry: one other character in its name is enough. What
    else can be wrong with such a file its reader says (`repro.training.exported`)."""
    from safetensors import SafetensorError, safe_open

    told = None
    with contextlib.suppress(OSError, ValueError, SafetensorError), safe_open(path, framework="np") as file:
        told = json.loads((file.metadata() or {}).get("repro-checkpoint", "null"))
    if told is not None and not (isinstance(told, dict) and {"meta", "sha256"} <= set(told)):
        why = "its metadata are not as they were written"
        raise ReproError("damaged checkpoint", path=path, why=why, fix="fetch or export it again")


def _check_lengths(run, command):
    """Refuse what `evaluate` would refuse once the network is trained: a clip of a ``whole`` video may be of any length, and
    a network over time needs some. Of all other clips the params say how many frames they have."""
    if "evaluation" not in run.params.mapping:  # a profile that only trains
        return
    ways, needed, listed = run.evaluation, getattr(run.model, "min_frames", 1), run.fanned_out
    if ways.sampling != "whole" or needed == 1:
        return
    scored = {"test": command == "rehearse" or run.system in listed.evaluated, "train": run.system in listed.svm_inputs}
    index, margin = DatasetIndex.load(run.index), union_margin(run.streams.values())
    for subset in (name for name in SUBSETS if scored[name]):
        videos = index.subset(run.split, subset)
        for name, frames in zip(videos["video"], videos["frames"]):
            usable = len(test_centres("whole", frames, margin=margin, stride=ways.stride)[0])
            if usable < needed:
                why = f"of its {frames} frames sampling whole takes {usable}, the network needs {needed}"
                fix = "set evaluation.sampling to dense, which repeats frames of short videos, or lower evaluation.stride"
                raise ReproError(f"a {subset} video too short for the network", path=name, why=why, fix=fix)


def _check_containers(run, subsets, streams=None):
    table = DatasetIndex.load(run.index).table
    if run.split not in SPLITS:
        return
    sound = table["problems"] == ""
    files = table[["path", "frames"]].assign(path=[Path(path).name for path in table["path"]])
    alike = sound & files.duplicated(keep=False)  # what a container says of its source, its hash aside, fits several videos
    chosen = sound & table[f"split{run.split}"].isin(subsets)
    raw = _raw(run)
    known = _checksums(raw) if (alike & chosen).any() else {}
    for video, path, doubtful in zip(table["video"][chosen], table["path"][chosen], alike[chosen]):
        container = run.store / f"{video}.zip"
        if container.is_file():
            store = check_index(container)
            if streams:
                check_container(streams, store)
            if doubtful:
                _check_source(store, raw / "videos" / path, known.get(f"videos/{path}"))


def check_index(path):
    """The ClipStore at ``path``. Raises ReproError as that does, and where the index is not as it was written: its CRC-32 stands
    in the zip's header, and the reader leaves it out."""
    store = ClipStore(path)
    with open(path, "rb") as file:
        crc, size, name, extra = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
        file.seek(name + extra, os.SEEK_CUR)
        if zlib.crc32(file.read(size)) != crc:
            why = "index.json is not as it was written"
            raise ReproError("damaged container", path=path, why=why, fix="extract it again")
    return store


def _raw(run):
    """Where the videos of a dataset lie; those of a held-out part with the whole."""
    held = run.dataset_settings.held_out
    return run.paths.raw(held.of if held else run.dataset)


def _checksums(raw):
    """{path: SHA-256} of the files that `repro prepare` brought; empty where there is no such list."""
    try:
        return {path: content.sha256 for path, content in Manifest.load(raw).files.items()}
    except ReproError:
        return {}


def _check_source(store, video, known):
    """Refuse a container of another file than ``video``, whose SHA-256 was ``known`` (or None) when it was brought."""
    source = store.meta.get("source") or {}
    if source.get("sha256") in (None, known):  # loose pictures have none
        return
    found = content_of(video).sha256 if video.is_file() else known
    if found not in (None, source["sha256"]):
        why = f"made of a file {source['name']} with another sha256 than {video}"
        raise ReproError("a container of another video", path=store.path, why=why, fix=_EXTRACT)


def write_checksum(path):
    """Write ``<path>.sha256``, a line that `sha256sum --check` reads."""
    path = Path(path)
    with atomic_path(_checksum_of(path)) as temporary:
        temporary.write_text(f"{content_of(path).sha256}  {path.name}\n", encoding="utf-8")


def check_weights(path):
    """Raise ReproError where a file of weights is not the one of the checksum beside it; without one nothing is checked."""
    path, listed = Path(path), _checksum_of(Path(path))
    if not path.is_file() or not os.path.lexists(listed):
        return
    try:
        told = regular(listed).read_text(encoding="utf-8", errors="replace").split()
    except OSError as error:
        raise ReproError("cannot read a checksum", path=listed, why=error.strerror) from error
    found, wanted = content_of(path).sha256, told[0][:64].lower() if told else "nothing"
    if found != wanted:
        why = f"its sha256 is {found}, {listed.name} says {wanted}"
        raise ReproError("weights that are not as they were imported", path=path, why=why, fix="import them again")


def _checksum_of(path):
    return path.with_name(f"{path.name}.sha256")


def _check_text(path):
    try:
        regular(path).read_text(encoding="utf-8")
    except FileNotFoundError:  # another split's, which has ended by now
        return
    except ValueError as error:
        fix = "delete this file alone and run again: the training goes on, and its curves lack the steps so far"
        raise ReproError("damaged curves of a half-done training", path=path, why=str(error), fix=fix) from error


def tell_lost_steps(command, run):
    """Print which files of training curves, of `train` and `rehearse` of a Run or all that `report` shows, lack rows."""
    if command == "report":
        paths = sorted((run.paths.results / "curves").rglob("*.csv"))
    else:
        paths = [run.curves] if os.environ.get("RANK", "0") == "0" else []
    for path in filter(Path.is_file, paths):
        if lost := lost_steps(path):
            spans = [f"step {first}" if first == last else f"steps {first} to {last}" for first, last in lost]
            more = f" and {len(spans) - _NAMED} other places" if len(spans) > _NAMED else ""
            print(
                f"{path} lacks the rows of {', '.join(spans[:_NAMED])}{more}, lost or damaged while the training was half-done. "
                "The network took these steps all the same; training it again brings the rows"
            )


def lost_steps(path):
    """Steps of a training up to the last in its file of curves that have no row of numbers there: [(first, last), ...]."""
    return [(a + 1, b - 1) for a, b in itertools.pairwise([0, *sorted(sound_rows(path))]) if b > a + 1]


def sound_rows(path):
    """{step: row} of a file of curves, of those rows that hold a number for each name of the header."""
    header, *rows = Path(path).read_text(encoding="utf-8", errors="replace").splitlines() or [""]
    found = {}
    for row in rows:
        with contextlib.suppress(ValueError):
            numbers = [float(cell) for cell in row.split(",")]
            if len(numbers) == header.count(",") + 1 and numbers[0] >= 1 and all(map(math.isfinite, numbers)):
                found[int(numbers[0])] = row
    return found
