"""Files that are never seen half-written, and what tells one from another."""

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path

from repro.errors import ReproError


@contextlib.contextmanager
def atomic_path(path):
    """Yield a temporary sibling of ``path`` to write to (a file or a folder); rename it to ``path`` on success.

    On any error the temporary is removed and an older ``path`` stays as it was. A full disk or a read-only target is
    told in one line.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        folder = tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise ReproError("cannot write", path=path, why=error.strerror, fix="check the folder and the free space") from error
    temporary = Path(folder) / path.name
    try:
        yield temporary
        _sync(temporary)
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        os.replace(temporary, path)
    except OSError as error:
        if isinstance(error, FileNotFoundError) or error.errno is None:
            raise
        raise ReproError("cannot write", path=path, why=error.strerror, fix="check the folder and the free space") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sync(path):
    if path.is_file():
        with open(path, "rb") as handle:
            os.fsync(handle.fileno())


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
