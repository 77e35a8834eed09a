"""Entries of a profile's dvc.lock that go: of a file that DVC left cut short, and of stages that the params no longer ask for."""

import fcntl
import re
from pathlib import Path

from repro.files import atomic_path
from repro.profile.dvcfile import folder_of
from repro.profile.lock import read
from repro.profile.pipeline import blocks
from repro.profile.run import Run


def mend(profile):
    """Take the last entry out of a lock that ends within a line, as DVC leaves it where it is killed while it writes.

    Returns a line that says so, None where nothing was cut. DVC looks again at stages that have no entry. Its own lock is held
    meanwhile, for it may be writing now.
    """
    path, busy = folder_of(profile) / "dvc.lock", Path(".dvc/tmp/lock")
    if not path.is_file() or _ends(path):
        return None
    busy.parent.mkdir(parents=True, exist_ok=True)
    with open(busy, "a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if _ends(path):
            return None
        parts = _parts(path)[:-1]
        whole = sum(name is not None for name, _ in parts)
        if whole:
            _write(path, parts)
        else:
            path.unlink()
    return f"{path}: cut short while DVC wrote it; {whole} whole entries stay, DVC looks at all other stages again"


def _ends(path):
    """Whether a file ends with a line."""
    return path.read_bytes().endswith(b"\n")


def prune(params):
    """Take stages that the params no longer ask for out of the lock; returns their names."""
    path = folder_of(Run.of(params).profile) / "dvc.lock"
    known = {name for block in blocks(params) for _, name in block.items()}
    dead = [name for name in read(Run.of(params).profile) if name not in known]
    if dead:
        _write(path, [part for part in _parts(path) if part[0] not in dead])
    return dead


def _parts(path):
    """The text of a lock in parts, (name, lines): the entry of each stage, and with no name what stands before and after them."""
    text = path.read_text(encoding="utf-8", errors="replace")
    parts = re.split(r"(?m)^(?=  \S+:$|\S)", text)
    return [((re.match(r"(?m)  (\S+):$", part) or [None, None])[1], part) for part in parts if part]


def _write(path, parts):
    with atomic_path(path) as temporary:
        temporary.write_text("".join(lines for _, lines in parts), encoding="utf-8")
