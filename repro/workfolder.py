"""A locked place for partial work: nothing half-written is ever seen as done."""

import fcntl
import os
import shutil
import time
from pathlib import Path

from repro.errors import ReproError
from repro.files import move_into_place


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
            raise ReproError(
                "cannot write", path=self.path, why=error.strerror, fix="check the folder and the free space"
            ) from error
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
                    raise ReproError(
                        "another process is at work on this", path=self.path, why=f"process {owner}", fix="wait for it or stop it"
                    ) from None
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
        """Move finished ``source`` (a name in this folder) to ``destination``, replacing what was there.

        What was there is gone only once its successor has its name; after an error both are where they were.
        """
        try:
            move_into_place(self.path / source, destination)
        except ReproError as error:
            fix = f"{error.fix}; the finished work waits in {self.path}" if error.fix else error.fix
            raise ReproError(error.what, path=error.path, why=error.why, fix=fix) from error
