"""A file that remembers finished pieces of work over a kill: one JSON line per piece, the last for a key wins.

A line is [key, value, checksum of both]. One that is not as it was written is passed over, and its piece of work done again.
"""

import fcntl
import json
from pathlib import Path

from repro.errors import ReproError
from repro.files import fingerprint


class Journal:
    """Context manager; ``rows`` maps key to value, `add` appends.

    With ``path=None`` nothing is read or written. ``known`` is the file of an earlier run,
    whose rows a new one begins with. The file is locked while it is open, so that two runs
    cannot share it; the lock falls with its owner.
    """

    def __init__(self, path, known=None):
        self.path = None if path is None else Path(path)
        self.known = None if known is None else Path(known)
        self.rows = {}

    def __enter__(self):
        if self.path is None:
            return self
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.file = open(self.path, "ab+", buffering=0)
        except OSError as error:
            raise ReproError("cannot write", path=self.path, why=error.strerror) from error
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self.file.close()
            raise ReproError("another process is at work on this", path=self.path, fix="wait for it or stop it") from error
        self.file.seek(0)
        text = self.file.read()
        self._read(text)
        if text and not text.endswith(b"\n"):
            self._write(b"\n")
        if not text and self.known is not None and self.known.is_file():
            self._read(self.known.read_bytes())
            self._write(b"".join(_line(key, value) for key, value in self.rows.items()))
        return self

    def _read(self, text):
        for line in text.splitlines():
            try:
                key, value, checksum = json.loads(line)
                if checksum == fingerprint([key, value]):
                    self.rows[key] = value
            except (ValueError, TypeError, RecursionError):  # half a line of a run that was killed, or damage: done again
                continue

    def add(self, key, value):
        self.rows[key] = value
        if self.path is not None:
            self._write(_line(key, value))

    def _write(self, line):
        try:
            self.file.write(line)
        except OSError as error:
            raise ReproError("cannot write", path=self.path, why=error.strerror, fix="make room and run again") from error

    def __exit__(self, *error):
        if self.path is not None:
            self.file.close()


def _line(key, value):
    return json.dumps([key, value, fingerprint([key, value])]).encode() + b"\n"
