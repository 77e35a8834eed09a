"""Array files: npz without pickles, with a JSON header, whose bytes depend on the content alone."""

import json
import zipfile

import numpy as np

from repro.errors import ReproError
from repro.files import atomic_path


def write_arrays(path, header, arrays):
    """Write an uncompressed npz with a JSON header beside the arrays; its bytes depend on the content alone."""
    text = np.frombuffer(json.dumps(header, sort_keys=True).encode(), np.uint8)
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, array in {"header": text, **arrays}.items():
            # a fixed date: np.savez leaves the choice of the time stamp to the Python version
            member = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            with archive.open(member, "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)


def read_arrays(path, expected, names=None):
    """(header, arrays) of a file of `write_arrays` whose header names the format `expected`; only `names` where given."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            header = json.loads(bytes(archive["header"]))
            arrays = {name: archive[name] for name in archive.files if name != "header" and (names is None or name in names)}
    except FileNotFoundError as error:
        raise ReproError("no such file", path=path) from error
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise ReproError("not a readable array file", path=path, why=str(error), fix="make it again") from error
    if not isinstance(header, dict) or header.get("format") != expected:
        found = header.get("format") if isinstance(header, dict) else type(header).__name__
        raise ReproError(
            "an array file of another kind",
            path=path,
            why=f"found {found!r}, expected {expected!r}",
            fix="make it again with this version",
        )
    return header, arrays
