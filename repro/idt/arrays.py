"""Array files: npz without pickles, with a JSON header, whose bytes depend on the content alone."""

import hashlib
import json
import zipfile

import numpy as np

from repro.errors import ReproError
from repro.files import atomic_path, check_npz

_HASH = "sha256"


def write_arrays(path, header, arrays):
    """Write an uncompressed npz with a JSON header beside the arrays; its bytes depend on the content alone."""
    text = np.frombuffer(json.dumps({**header, _HASH: _digest(header, arrays)}, sort_keys=True).encode(), np.uint8)
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, array in {"header": text, **arrays}.items():
            # a fixed date: np.savez leaves the choice of the time stamp to the Python version
            member = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            with archive.open(member, "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)


def read_arrays(path, expected, names=None):
    """(header, arrays) of a file of `write_arrays` whose header names the format `expected`; only `names` where given."""
    try:
        check_npz(path)
        with np.load(path, allow_pickle=False) as archive:
            header = json.loads(bytes(archive["header"]))
            arrays = {name: archive[name] for name in archive.files if name != "header" and (names is None or name in names)}
    except FileNotFoundError as error:
        raise ReproError("no such file", path=path) from error
    except Exception as error:  # zip, zlib, numpy and json have many kinds for damage
        why = (str(error) or type(error).__name__).splitlines()[0]
        raise ReproError("not a readable array file", path=path, why=why, fix="make it again") from error
    if not isinstance(header, dict) or header.get("format") != expected:
        found = header.get("format") if isinstance(header, dict) else type(header).__name__
        raise ReproError(
            "an array file of another kind",
            path=path,
            why=f"found {found!r}, expected {expected!r}",
            fix="make it again with this version",
        )
    found = header.pop(_HASH, None)
    if names is None and found is not None and found != _digest(header, arrays):
        raise ReproError("a damaged array file", path=path, why="checksum differs", fix="make it again")
    return header, arrays


def _digest(header, arrays):
    """SHA-256 over a header and the names, types, shapes and bytes of arrays."""
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for name, array in sorted(arrays.items()):
        array = np.ascontiguousarray(array)
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(array.view(np.uint8) if array.size else b"")
    return digest.hexdigest()
