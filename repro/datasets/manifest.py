"""What a prepared folder holds, with checksums: ``manifest.json``."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from repro.errors import ReproError
from repro.files import atomic_path, regular

NAME = "manifest.json"


@dataclass(frozen=True)
class Content:
    """Size and SHA-256 of a file."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """``archives``: sources by file name; ``files``: what there is, by path; ``ignored``: members not needed."""

    archives: dict
    files: dict
    ignored: tuple = field(default=())

    def save(self, folder):
        """Write ``folder/manifest.json``; the same content gives the same bytes."""
        with atomic_path(Path(folder) / NAME) as path:
            path.write_text(json.dumps(asdict(self), indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder):
        """Read ``folder/manifest.json``; `ReproError` where it is missing or none."""
        path = Path(folder) / NAME
        try:
            rows = json.loads(path.read_text(encoding="utf-8"))
            archives, files = ({name: Content(**row) for name, row in rows[part].items()} for part in ("archives", "files"))
            return cls(archives, files, tuple(rows["ignored"]))
        except FileNotFoundError as error:
            raise ReproError("no manifest here", path=folder, fix="run `repro prepare`") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ReproError("not a manifest", path=path, why=str(error), fix="delete the folder and prepare it again") from error

    def damaged(self, folder, checksums=False):
        """``{path: why}`` of the files that are not in ``folder`` as listed; ``checksums``: read every byte."""
        found = {}
        for name, content in self.files.items():
            path = Path(folder) / name
            if not path.is_file():
                found[name] = "missing"
            elif path.stat().st_size != content.bytes:
                found[name] = f"{path.stat().st_size} bytes instead of {content.bytes}"
            elif checksums and content_of(path) != content:
                found[name] = "another checksum"
        return found


def content_of(path):
    """`Content` of a file, read once."""
    try:
        digest = hashlib.sha256()
        with open(regular(path), "rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
            return Content(file.tell(), digest.hexdigest())
    except OSError as error:
        raise ReproError("cannot read a file", path=path, why=error.strerror) from error
