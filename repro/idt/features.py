"""Trajectories of one video, and the two files they live in: the release's text and a compact array file."""

import gzip
import io
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from repro.errors import ReproError
from repro.files import atomic_path, regular

from .arrays import read_arrays, write_arrays
from .settings import descriptor_layout

FORMAT = "repro improved trajectories 1"
SHARE, LEAST = 0.02, 256  # of a video's descriptors in a sample
TEXT_HEADER = 10
TEXT_FORMATS = ["%d"] + 9 * ["%.6f"]


@dataclass(frozen=True)
class Trajectories:
    """N trajectories of one video of `frames` frames, `height` x `width` px, with L steps each.

    end: (N,) int32, 0-based frame of the last point. geometry: (N, 9) float32, the release's columns mean x, mean y,
    std x, std y, length, scale (px, factor) and x, y, t position (0 ... 0.999). descriptors: (N, 426 for L = 15) float,
    columns as in `descriptor_layout`. paths: (N, L + 1, 2) float32 px, the tracked points, and steps: (N, L, 2) float32 px,
    the compensated displacements; both None where the features came from a file, which does not hold them.
    """

    frames: int
    height: int
    width: int
    end: np.ndarray
    geometry: np.ndarray
    descriptors: np.ndarray
    paths: np.ndarray | None = None
    steps: np.ndarray | None = None

    def __len__(self):
        return len(self.end)


class NoTrajectories(UserWarning):
    """A video without a single trajectory; its Fisher vector is zero."""


def save_features(path, trajectories, precision="float16", **origin):
    """Write the compact array file (.npz, no pickles, equal bytes for equal content), whole or not at all.

    `precision` is that of the descriptors on disk, "float16" or "float32"; geometry stays float32. ``origin``: what
    `check_origin` compares beside the frames, the video's ``<class>/<file>`` as ``source`` and ``settings``, their digest.
    """
    header = {
        "format": FORMAT,
        "frames": trajectories.frames,
        "height": trajectories.height,
        "width": trajectories.width,
        "trajectories": len(trajectories),
        "columns": trajectories.descriptors.shape[1],
        **origin,
    }
    write_arrays(
        path,
        header,
        {
            "end": trajectories.end.astype(np.int32),
            "geometry": trajectories.geometry.astype(np.float32),
            "descriptors": trajectories.descriptors.astype(precision),
        },
    )


def save_sample(path, batches, columns, precision="float16", video=None, **origin):
    """Write an array file with a random sample of a video's descriptors alone; returns how many there were.

    batches: iterable of (n, columns) arrays, of which one at a time and the sample are in memory. Every row draws a number from
    [0, 1): rows below 0.02 stay, and those with the 256 smallest. Equal content gives an equal sample. That is what a codebook
    is fitted on, whose 256,000 descriptors are 0.1 to 1 % of those of the training videos. ``video``: a `repro.idt.extract.Video`
    that the batches come from; it and ``origin`` are for `check_origin`.
    """
    count, rows, keys, rng = 0, np.zeros((0, columns), precision), np.zeros(0), None
    for batch in batches:
        rng = rng or np.random.default_rng(zlib.crc32(np.ascontiguousarray(batch)))
        count += len(batch)
        rows, keys = np.concatenate([rows, batch.astype(precision)]), np.concatenate([keys, rng.random(len(batch))])
        if len(keys) > LEAST:
            kept = keys <= max(SHARE, np.partition(keys, LEAST - 1)[LEAST - 1])
            rows, keys = rows[kept], keys[kept]
    header = {"format": FORMAT, "trajectories": count, "columns": columns, "stored": len(rows), **origin}
    header |= {"source": video.source, "frames": video.frames} if video else {}
    write_arrays(path, header, {"descriptors": rows})
    return count


def load_features(path):
    """Read an array file of `save_features`; descriptors come in the precision they were stored in.

    Raises ReproError: missing, damaged or foreign file, a sample, arrays that do not fit together.
    """
    header, arrays = read_arrays(path, FORMAT)
    if "stored" in header:
        raise ReproError(
            "a sample of a video's trajectories",
            path=path,
            why=f"it holds the descriptors of {header['stored']} of {header['trajectories']}",
            fix="extract with `features: {keep: all}`",
        )
    try:
        end, geometry, descriptors = arrays["end"], arrays["geometry"], arrays["descriptors"]
        count, columns = header["trajectories"], header["columns"]
        video = header["frames"], header["height"], header["width"]
    except KeyError as error:
        raise ReproError("damaged trajectory file", path=path, why=f"no {error}", fix="extract it again") from error
    shapes = (end.shape, geometry.shape, descriptors.shape)
    if shapes != ((count,), (count, 9), (count, columns)):
        raise ReproError("damaged trajectory file", path=path, why=f"array shapes {shapes}", fix="extract it again")
    return Trajectories(*video, end, geometry, descriptors)


def load_descriptors(path):
    """Descriptors (n, columns) of an array file, in file order: of all its trajectories, or the sample that is stored.

    Raises ReproError as `load_features`.
    """
    if "stored" not in read_arrays(path, FORMAT, names=())[0]:
        return load_features(path).descriptors
    header, arrays = read_arrays(path, FORMAT)
    found, expected = getattr(arrays.get("descriptors"), "shape", None), (header["stored"], header.get("columns"))
    if found != expected or header["stored"] > header.get("trajectories", 0):
        raise ReproError("damaged trajectory file", path=path, why=f"array shape {found}", fix="extract it again")
    return arrays["descriptors"]


def origin(path):
    """What an array file says of its making: ``source``, the video's ``<class>/<file>``, ``settings``, their digest (neither if
    made from a text), and ``frames``."""
    header, _ = read_arrays(path, FORMAT, names=())
    return {key: header[key] for key in ("source", "frames", "settings") if key in header}


def check_origin(path, said, fix, **expected):
    """Raise ReproError where ``said``, the `origin` of the file ``path``, is not what is ``expected``: another video than that of
    an index's row, or other settings. What a file does not say is not compared."""
    other = [key for key, value in expected.items() if said.get(key, value) != value]
    if not other:
        return
    if other == ["settings"]:
        why = "its settings are not those of the params"
        raise ReproError("a file made with other settings", path=path, why=why, fix=fix)
    found, row = (f"{each['source']}, {each['frames']} frames" for each in ({**expected, **said}, expected))
    raise ReproError("a file made of another video", path=path, why=f"made of {found}; the index says {row}", fix=fix)


def count_features(path):
    """(number of trajectories, number of descriptor columns) of an array file, without reading its arrays."""
    header, _ = read_arrays(path, FORMAT, names=())
    return header["trajectories"], header["columns"]


def write_text(path, trajectories):
    """Write the release's text: 436 tab-separated columns a line (10 of position, 426 of descriptors); gzip for `.gz`."""
    trajectory = descriptor_layout(track_length(trajectories.descriptors.shape[1], path))["trajectory"].stop
    formats = TEXT_FORMATS + trajectory * ["%.6f"] + (trajectories.descriptors.shape[1] - trajectory) * ["%.7f"]
    line = "\t".join(formats) + "\t\n"
    with atomic_path(path) as temporary:
        with _open_text(temporary, "w") as file:
            if not len(trajectories):
                file.write("\n")  # an empty file is one that something failed to write
            for end, geometry, descriptors in zip(trajectories.end, trajectories.geometry, trajectories.descriptors):
                file.write(line % (end, *geometry, *descriptors))


def read_text(path, *, frames, height, width):
    """Read the release's text, plain or `.gz`. It does not say the video's frame count and size: they are given.

    Raises ReproError: missing or empty file (a line without text: no trajectories), not finite numbers, lines of different or
    impossible length, trajectories that end beyond the video.
    """
    try:
        with _open_text(regular(path), "r") as file:
            lines = list(file)
            rows = [np.array(line.split(), np.float32) for line in lines if line.strip()]
    except FileNotFoundError as error:
        raise ReproError("no such trajectory file", path=path) from error
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise ReproError("not a text file of trajectories", path=path, why=str(error)) from error
    if not lines:
        raise ReproError(
            "not a text file of trajectories", path=path, why="it is empty", fix="where the video has none, write an empty line"
        )
    if not rows:
        columns = descriptor_layout()["mbhy"].stop
        return Trajectories(
            frames, height, width, np.zeros(0, np.int32), np.zeros((0, 9), np.float32), np.zeros((0, columns), np.float32)
        )
    lengths = {len(row) for row in rows}
    if len(lengths) > 1:
        raise ReproError("not a text file of trajectories", path=path, why=f"lines of {sorted(lengths)} columns")
    table = np.stack(rows)
    track_length(table.shape[1] - TEXT_HEADER, path)
    if not np.isfinite(table).all():
        row = int(np.argwhere(~np.isfinite(table))[0][0])
        raise ReproError(
            "not a text file of trajectories", path=path, why=f"trajectory {row + 1} holds a value that is no number"
        )
    ends = table[:, 0]
    if ends.min() < 0 or ends.max() >= frames or (ends != np.rint(ends)).any():
        why = f"trajectories end in frames {ends.min():g} to {ends.max():g}, the video has {frames}"
        raise ReproError("trajectories of another video", path=path, why=why, fix="give the length of its own video")
    return Trajectories(frames, height, width, table[:, 0].astype(np.int32), table[:, 1:TEXT_HEADER], table[:, TEXT_HEADER:])


def track_length(columns, path=None):
    """Steps of a trajectory from the number of descriptor columns, all of which but the trajectory's are fixed."""
    fixed = descriptor_layout(0)["mbhy"].stop
    length, odd = divmod(columns - fixed, 2)
    if length < 1 or odd:
        raise ReproError(
            "not a descriptor layout of improved trajectories",
            path=path,
            why=f"{columns} columns, expected 426 for trajectories of 15 steps",
        )
    return length


def _open_text(path, mode):
    if Path(path).suffix != ".gz":
        return open(path, mode + "t", encoding="ascii")
    if mode == "w":
        # no time stamp inside, so that equal content gives equal bytes
        return io.TextIOWrapper(gzip.GzipFile(path, "wb", 6, mtime=0), encoding="ascii")
    return gzip.open(path, mode + "t", encoding="ascii")
