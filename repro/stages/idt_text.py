"""``repro idt-text``: the improved-trajectories release's 436-column text from and to this project's array files."""

import re
from pathlib import Path

from repro.errors import ReproError
from repro.idt.extract import source_of
from repro.idt.features import load_features, read_text, save_features, write_text
from repro.video.decode import probe


def run(source, target, frames=None, size=None, video=None):
    """``source`` an array file (.npz): write the text ``target``, gzipped where it ends in .gz.

    ``source`` such a text: write the array file ``target``; then the ``video`` is needed, or its ``frames`` and ``size``
    ("320x240"). A file made with ``video`` names it, and is refused in the place of another video's.
    """
    is_array, becomes_array = (Path(path).suffix == ".npz" for path in (source, target))
    if is_array == becomes_array:
        kind = "array files (.npz)" if is_array else "texts"
        raise ReproError("nothing to convert", path=target, why=f"both are {kind} by their names", fix="name the other kind")
    if is_array:
        found = load_features(source)
        write_text(target, found)
    else:
        frames, width, height = _measures(source, frames, size, video)
        found = read_text(source, frames=frames, height=height, width=width)
        save_features(target, found, "float32", **({"source": source_of(Path(video).absolute())} if video else {}))
    print(f"{len(found)} trajectories in {target}")


def _measures(source, frames, size, video):
    """Number of frames, width and height of the video behind a text, as it says itself or as they are given."""
    if video:
        if frames or size:
            raise ReproError("--frames and --size do not go with --video", fix="leave them out: the video says them")
        info = probe(video)
        return info.frames, info.width, info.height
    given = re.fullmatch(r"([1-9]\d*)x([1-9]\d*)", size or "")
    if not given or not frames or frames < 1:
        fix = "give --video FILE, or --frames 360 --size 320x240"
        raise ReproError("the text does not hold the video's length and size", path=source, fix=fix)
    return frames, *map(int, given.groups())
