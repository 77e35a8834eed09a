"""Files that are never seen half-written, never lost to their successor, and what tells one from another.

What is written for ``<folder>/<name>`` lies in ``<folder>/.<name>.<random>.part`` until it is whole, and what stood there before
is moved aside into the same place, never deleted, until its successor has the name. The kernel's lock on that folder says
whether its owner lives: the next writer of the same name clears away what a killed one left, and gives back what that one had
moved aside.
"""

import contextlib
import errno
import fcntl
import hashlib
import json
import math
import os
import re
import shutil
import stat
import tempfile
import zipfile
from pathlib import Path

from repro.errors import ReproError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FIX = "check the folder and the free space"
_MOST_PACKED = 1100  # deflate makes nothing smaller than by this factor


@contextlib.contextmanager
def atomic_path(path):
    """Yield a temporary path to write to (a file or a folder); it becomes ``path`` on success, replacing what was there.

    A ``path`` that is a link to a folder keeps being one: the folder behind it is replaced. A link to a file is replaced itself
    (DVC links files into its cache). On any error the temporary is removed and an older ``path`` stays as it was.

    Raises
    ------
    ReproError
        A full disk, a place that cannot be written, a folder where a file belongs or the other way round, a link to nowhere.
    """
    path = _behind_links(Path(path))
    with _part_of(path) as part, _told(path):
        temporary = part / "new" / path.name
        temporary.parent.mkdir()
        yield temporary
        _sync(temporary)
        _take_the_place(temporary, path, part)


def move_into_place(source, path):
    """Make the finished file or folder ``source`` ``path``, as `atomic_path` does; other file systems are no obstacle.

    ``source`` is gone afterwards, and is untouched after an error.
    """
    source, path = Path(source), _behind_links(Path(path))
    if not os.path.lexists(source):
        raise ReproError("nothing to publish", path=source, why="it is gone")
    with _part_of(path) as part, _told(path):
        _check_kind(source, path)
        if source.lstat().st_dev == part.stat().st_dev:
            _take_the_place(source, path, part)
            return
        copy = part / "new" / path.name  # another file system: the last step must be a rename again
        copy.parent.mkdir()
        try:
            shutil.copytree(source, copy, symlinks=True) if source.is_dir() else shutil.copy2(source, copy)
        except shutil.Error as error:  # a list of (source, target, why)
            raise ReproError("cannot write", path=path, why=str(error.args[0][0][2]), fix=_FIX) from error
        _sync(copy)
        _take_the_place(copy, path, part)
        remove(source)


def remove(path):
    """Delete a file or a folder, read-only folders inside included; what is not there is no error."""
    path = Path(path)
    if path.is_dir() and not path.is_symlink():
        _open_up(path)
        for top, folders, _ in os.walk(path):
            for folder in folders:
                _open_up(Path(top, folder))
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()


def _open_up(folder):
    if not folder.is_symlink():
        with contextlib.suppress(OSError):
            folder.chmod(0o700)


def _behind_links(path):
    """``path``, or the folder that it links to."""
    if path.is_symlink() and path.is_dir():
        return path.resolve()
    return path


def _check_kind(source, path):
    """Raise where something of another kind has the name: it is not ours, so nothing may take its place."""
    if not os.path.lexists(path):
        return
    if source.is_dir() and path.is_symlink() and not path.exists():
        why = f"to {os.readlink(path)}"
        raise ReproError("a link to nowhere", path=path, why=why, fix="mount what it links to, or remove the link")
    if path.is_dir() != source.is_dir():
        there, ours = ("folder", "file") if path.is_dir() else ("file", "folder")
        raise ReproError(f"a {there} lies where a {ours} belongs", path=path, fix="move it away and run again")


def _take_the_place(source, path, part):
    """Rename ``source`` to ``path``; an older folder is moved aside into ``part`` first, and back if the renaming fails."""
    _check_kind(source, path)
    if not path.is_dir():
        os.replace(source, path)
        return
    aside, mode = part / "old" / path.name, path.stat().st_mode
    aside.parent.mkdir()
    with contextlib.suppress(OSError):
        path.chmod(mode | 0o200)  # a read-only folder cannot be given another parent
    os.rename(path, aside)
    try:
        os.rename(source, path)
    except OSError:
        os.rename(aside, path)
        path.chmod(mode)
        raise


@contextlib.contextmanager
def _part_of(path):
    """A new locked folder beside ``path`` for what is on its way, removed at the end; that of dead owners is cleared away."""
    with _told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _clear_strays(path)
        part, lock = _locked_folder(path)
    try:
        yield part
    finally:
        remove(part)
        os.close(lock)


def _locked_folder(path):
    """(path, descriptor) of a new folder whose lock this process holds."""
    while True:
        part = Path(tempfile.mkdtemp(prefix=f".{path.name[:50]}.", suffix=".part", dir=path.parent))
        lock = os.open(part, os.O_RDONLY)
        with contextlib.suppress(OSError):  # no locks on this file system: then nothing is ever taken for a stray
            fcntl.flock(lock, fcntl.LOCK_EX)
        if part.is_dir():
            return part, lock
        os.close(lock)  # another process took it for a stray before it was locked


def _clear_strays(path):
    """Remove what killed writers of ``path`` left; what they had moved aside goes back, unless it has a successor."""
    pattern = re.compile(re.escape(f".{path.name[:50]}.") + r"\w{8}\.part")
    for stray in [entry for entry in os.scandir(path.parent) if pattern.fullmatch(entry.name)]:
        with contextlib.suppress(OSError):
            lock = os.open(stray.path, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                for old in Path(stray.path, "old").glob("*"):
                    if not os.path.lexists(path.parent / old.name):
                        os.rename(old, path.parent / old.name)
                remove(stray.path)
            finally:
                os.close(lock)


@contextlib.contextmanager
def _told(path):
    """Turn what the system says about writing into one line."""
    try:
        yield
    except OSError as error:
        if isinstance(error, FileNotFoundError) or error.errno is None:
            raise
        raise ReproError("cannot write", path=path, why=error.strerror, fix=_FIX) from error


def _sync(path):
    """Have a file, or every file of a folder, on the disk before its name says that it is whole."""
    for file in [path] if path.is_file() else path.rglob("*"):
        if file.is_file() and not file.is_symlink():
            with open(file, "rb") as handle:
                os.fsync(handle.fileno())


def check_npz(path):
    """Raise ValueError where a member of an npz announces more bytes than it can hold, so that nothing is allocated for it."""
    import numpy as np  # late: most users of this module need none

    if found := no_file(path):
        raise ValueError(f"it is {found}")
    if not zipfile.is_zipfile(path):
        return
    headers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if member.file_size > _MOST_PACKED * member.compress_size + 1024:
                raise ValueError(f"`{member.filename}` announces {member.file_size} bytes and has {member.compress_size}")
            with archive.open(member) as file:
                version = np.lib.format.read_magic(file)
                if version in headers:
                    shape, _, kind = headers[version](file)
                    if math.prod(shape) * kind.itemsize > member.file_size and not kind.hasobject:
                        raise ValueError(f"`{member.filename}` announces shape {shape} and has {member.file_size} bytes")


def no_file(path):
    """What stands at ``path`` in place of a file, in words; ``""`` for a file, and where there is nothing to be seen."""
    try:
        mode = os.stat(path).st_mode
    except OSError:  # opening says why
        return ""
    if stat.S_ISDIR(mode):
        return "a folder"
    return "" if stat.S_ISREG(mode) else "a pipe or a device"


def regular(path):
    """``path``, for opening it: names in a folder or a list of someone's may be anything's, and a pipe waits for its writer.

    Raises ReproError where something else than a file is there; where nothing is, opening says so.
    """
    if found := no_file(path):
        raise ReproError("not a file", path=path, why=found, fix="move it away, or name a file")
    return path


def fingerprint(value):
    """Short stable hash of anything JSON can hold (paths are taken as text)."""
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def file_signature(*paths):
    """What tells whether input files changed, without reading them: (name, size, modification time) of every file."""
    rows = []
    for top in map(Path, paths):
        files = sorted(p for p in top.rglob("*") if p.is_file()) if top.is_dir() else [top]
        for file in files:
            try:
                stat = file.stat()
            except FileNotFoundError as error:
                raise ReproError("missing input", path=file, fix="run the stage that makes it (`dvc repro`)") from error
            rows.append((str(file), stat.st_size, stat.st_mtime_ns))
    return rows


def require(path, why, fix):
    """Raise a one-line error unless ``path`` exists."""
    if not Path(path).exists():
        raise ReproError("missing input", path=path, why=why, fix=fix)
