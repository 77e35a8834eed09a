"""``repro idt-text``: the improved-trajectories release's 436-column text from and to this project's array files."""

import re
from pathlib import Path

from repro.errors import ReproError
from repro.idt.features import load_features, read_text, save_features, write_text


def run(source, target, frames=None, size=None):
    """``source`` an array file (.npz): write the text ``target``, gzipped where it ends in .gz.

    ``source`` such a text: write the array file ``target``; then ``frames`` and ``size`` ("320x240") of the video are needed.
    """
    if Path(source).suffix == ".npz":
        found = load_features(source)
        write_text(target, found)
    else:
        given = re.fullmatch(r"(\d+)x(\d+)", size or "")
        if not given or not frames:
            raise ReproError(
                "the text does not hold the video's length and size", path=source, fix="give --frames 360 --size 320x240"
            )
        width, height = map(int, given.groups())
        found = read_text(source, frames=frames, height=height, width=width)
        save_features(target, found, "float32")
    print(f"{len(found)} trajectories in {target}")
