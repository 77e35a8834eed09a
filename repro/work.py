"""Nothing half-written is ever seen as done: atomic files, locked work folders, progress with an ETA."""

import contextlib
import fcntl
import hashlib
import json
import multiprocessing
import os
import shutil
import sys
import tempfile
import threading
import time
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


class WorkFolder:
    """A place for partial work, keyed by stage and a hash of its inputs, params and code, under a lock.

    Partial work of other params lands under another key and is never reused. The lock is the kernel's (``flock``): it falls
    with its owner, however that dies. On a clean exit the folder is removed, and after an error if nothing was
    done yet; after a kill it stays, and the next run with the same key finds ``path`` as it was left.
    """

    def __init__(self, stage, key, root="work", wait=30.0):
        self.path = Path(root) / f"{stage}-{key}"
        self.lock_path = self.path.with_name(f"{self.path.name}.lock")
        self.wait = wait

    def __enter__(self):
        try:
            self.lock_path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = self._locked(time.monotonic() + self.wait)
            self.path.mkdir(exist_ok=True)
        except OSError as error:
            raise ReproError("cannot write", path=self.path, why=error.strerror,
                             fix="check the folder and the free space") from error
        self._lock.truncate(0)
        self._lock.write(str(os.getpid()))
        self._lock.flush()
        return self

    def _locked(self, deadline):
        """The lock file, open and locked by this process."""
        while True:
            lock = open(self.lock_path, "a+")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if self._is_current(lock):
                    return lock
            except BlockingIOError:
                if time.monotonic() > deadline:
                    lock.seek(0)
                    owner = lock.read().strip() or "unknown"
                    lock.close()
                    raise ReproError("another process is at work on this", path=self.path, why=f"process {owner}",
                                     fix="wait for it or stop it") from None
                time.sleep(0.2)
            lock.close()

    def _is_current(self, lock):
        """Whether ``lock`` is still the file of that name: an owner that ends removes it, and the next run makes another."""
        try:
            return os.path.samestat(os.fstat(lock.fileno()), os.stat(self.lock_path))
        except FileNotFoundError:
            return False

    def __exit__(self, kind, error, trace):
        if kind is None:
            shutil.rmtree(self.path, ignore_errors=True)
        elif not any(self.path.iterdir()):
            self.path.rmdir()
        if not self.path.exists():
            self.lock_path.unlink(missing_ok=True)
        self._lock.close()
        return False

    def publish(self, source, destination):
        """Move finished ``source`` (a name in this folder) to ``destination``, replacing what was there."""
        destination = Path(destination)
        destination.parent.mkdir(parents=True, exist_ok=True)
        if destination.is_dir() and not destination.is_symlink():
            shutil.rmtree(destination)
        try:
            os.replace(self.path / source, destination)
        except OSError:  # another file system: copy beside the target first, so that the last step is a rename again
            with atomic_path(destination) as temporary:
                shutil.move(self.path / source, temporary)


def exit_with_parent(interval=0.5):
    """End this process soon after its parent is gone, so that a killed job leaves no second writer behind.

    Safe at any moment because every result is renamed into place.
    """
    parent, starter = os.getppid(), multiprocessing.parent_process()

    def watch():  # a pool's worker may see its starter die before it comes here: ppid alone would not tell
        while os.getppid() == parent and (starter is None or starter.is_alive()):
            time.sleep(interval)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def progress(iterable=None, total=None, desc="", unit="it", initial=0):
    """A tqdm bar with an ETA; where stderr is no terminal, a plain line about every ten seconds."""
    from tqdm import tqdm

    if sys.stderr.isatty():
        return tqdm(iterable, total=total, desc=desc, unit=unit, initial=initial, dynamic_ncols=True)
    return tqdm(iterable, total=total, desc=desc, unit=unit, initial=initial, mininterval=10.0, maxinterval=60.0, file=_Lines(),
                bar_format="{desc}: {n_fmt}/{total_fmt} {unit}s, {elapsed} gone, {remaining} to go, {rate_fmt}{postfix}")


class _Lines:
    """Turns a bar that redraws itself into lines of a log."""

    def write(self, text):
        text = text.strip("\r\n ")
        if text:
            sys.stderr.write(text + "\n")

    def flush(self):
        sys.stderr.flush()
