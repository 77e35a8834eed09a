"""From official archives to videos, split lists and a manifest.

Official nesting (only the last two parts of a path count, so that renamed outer folders do no harm)::

    UCF101   UCF101.rar                                    UCF-101/<Class>/*.avi
             UCF101TrainTestSplits-RecognitionTask.zip     ucfTrainTestlist/{classInd,trainlist0k,testlist0k}.txt
    HMDB51   hmdb51_org.rar                                <class>.rar, each with <class>/*.avi
             test_train_splits.rar                         testTrainMulti_7030_splits/<class>_test_split<k>.txt
    J-HMDB   JHMDB_video.zip or a tarball of it            ReCompress_Videos/<class>/*.avi
             splits.zip or a tarball of it                 splits/<class>_test_split<k>.txt

A folder that was unpacked by hand is taken by `repro.datasets.local` under the same rules.
"""

import errno
import hashlib
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from repro.datasets import manifest
from repro.datasets.archives import is_archive_name, open_archive
from repro.datasets.manifest import Content, Manifest, content_of
from repro.datasets.names import check_spelling
from repro.datasets.scan import VIDEO_SUFFIXES
from repro.datasets.splits import SPLIT_FILE
from repro.engine.journal import Journal
from repro.errors import ReproError
from repro.progress import progress

OFFICIAL_ARCHIVES = {
    "ucf101": ("UCF101.rar", "UCF101TrainTestSplits-RecognitionTask.zip"),
    "hmdb51": ("hmdb51_org.rar", "test_train_splits.rar"),
    "jhmdb": ("JHMDB_video.zip", "splits.zip"),
}
JOURNAL, NESTED = ".unpacking.jsonl", ".nested"
PARTIAL = ".part"
"""What is being written in a folder, one file at a time; short, as names may be as long as a file system takes."""
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True)
class Prepared:
    """Where a dataset's videos (``<class>/<file>``) and split lists lie, and what is there."""

    videos: Path
    splits: Path
    manifest: Manifest


def find_archives(places, layout):
    """Archive files: those in ``places`` that are files, and of each folder there the official ones of ``layout``.

    Official archives are known by their names up to the kind of archive (``UCF101.zip`` is taken for ``UCF101.rar``).
    Raises `ReproError` for one that is missing or there twice, and for a folder and a layout without official names.
    """
    found = []
    for place in map(Path, places):
        if not place.is_dir():
            found.append(place)
            continue
        if layout not in OFFICIAL_ARCHIVES:
            raise ReproError("which archives of this folder?", path=place, why=f"layout {layout}", fix="name the files")
        for official in OFFICIAL_ARCHIVES[layout]:
            stem = official.partition(".")[0].lower()
            files = [
                path
                for path in sorted(place.iterdir())
                if path.name.lower().partition(".")[0] == stem and is_archive_name(path.name)
            ]
            if not files:
                raise ReproError("missing archive", path=place / official, fix="download it, or name the archive files")
            if len(files) > 1:
                raise ReproError(
                    "two archives of one name",
                    path=place,
                    why=", ".join(path.name for path in files),
                    fix="name the archive files themselves",
                )
            found += files
    return found


def prepare_archives(archives, target, checksums=None, lists=SPLIT_FILE):
    """Unpack a dataset's archives into ``target/videos`` and ``target/splits``; list all in a manifest.

    A run that is killed, or finds the disk full, resumes after its last finished file when it is called
    again; a finished folder is returned as it is.

    Parameters
    ----------
    archives : list of paths
        Zip, tar or RAR, videos and split lists in any order; archives within archives are followed one level.
    target : path
        A new or empty folder, or one that the same archives were being unpacked to.
    checksums : dict, optional
        Expected SHA-256 by archive file name, in whatever case.
    lists : re.Pattern
        What the names of split files match.

    Raises
    ------
    ReproError
        A missing, truncated, unsafe or wrong-checksum archive; a target that holds other things; not enough
        space; archives without videos or without split lists.
    """
    target = Path(target)
    checksums = {name.lower(): value for name, value in (checksums or {}).items()}
    sources = {Path(path).name: _checked(Path(path), checksums) for path in archives}
    if len(sources) < len(archives):
        raise ReproError("two archives have one name", why=", ".join(map(str, archives)))
    if (target / manifest.NAME).is_file():
        return _finished(target, sources)
    _check_content(archives, lists)
    _check_target(target)
    journal, rows = Journal(target / JOURNAL), {name: asdict(content) for name, content in sources.items()}
    with journal:
        if journal.rows.get("sources", rows) != rows:
            raise ReproError("a half-unpacked folder of other archives", path=target, fix="delete it, or choose another")
        journal.add("sources", rows)
        unpacking = _Unpacking(target, journal, lists)
        for path in archives:
            unpacking.unpack(Path(path))
        _check_both({name.partition("/")[0] for name in unpacking.files}, archives, lists)
        whole = Manifest(sources, unpacking.files, tuple(sorted(unpacking.ignored)))
        whole.save(target)
    return _finished(target, sources)


def _checked(path, checksums):
    if not path.is_file():
        raise ReproError("missing archive", path=path, fix="download it first")
    content = content_of(path)
    expected = checksums.get(path.name.lower(), content.sha256)
    if expected.lower() != content.sha256:
        raise ReproError(
            "wrong checksum of an archive",
            path=path,
            why=f"sha256 is {content.sha256}, not {expected}",
            fix="download it again",
        )
    return content


def _finished(target, sources):
    whole = Manifest.load(target)
    if whole.archives != sources:
        raise ReproError("a folder prepared from other archives", path=target, fix="delete it, or choose another")
    damaged = whole.damaged(target)
    if damaged:
        name, why = next(iter(damaged.items()))
        raise ReproError(
            f"{len(damaged)} files of a prepared folder are damaged, the first is",
            path=target / name,
            why=why,
            fix="delete the folder and prepare it again",
        )
    shutil.rmtree(target / NESTED, ignore_errors=True)
    (target / JOURNAL).unlink(missing_ok=True)
    return Prepared(target / "videos", target / "splits", whole)


def _check_content(archives, lists):
    """Open all archives, which refuses bad ones before anything is written, and look for videos and lists."""
    found = set()
    for path in map(Path, archives):
        with open_archive(path) as members:
            found |= {str(place_of(member.name, lists=lists)).partition("/")[0] for member in members}
    if NESTED not in found:  # else what they hold is seen once they are unpacked
        _check_both(found, archives, lists)


def _check_both(found, archives, lists):
    for part, what in (("videos", "videos"), ("splits", "split lists")):
        if part not in found:
            names = ", ".join(Path(path).name for path in archives)
            sought = f"; none is named {lists.pattern}" if part == "splits" else ""
            raise ReproError(f"no {what} in the archives", why=names + sought, fix=f"add the archive of the {what}")


def _check_target(target):
    try:
        target.mkdir(parents=True, exist_ok=True)
        names = {path.name for path in target.iterdir()}
    except OSError as error:
        raise ReproError("cannot write", path=target, why=error.strerror) from error
    if names and JOURNAL not in names:
        raise ReproError(
            "the target folder is not empty and was not made by prepare",
            path=target,
            why=", ".join(sorted(names)[:3]),
            fix="choose a new folder, or give it as an unpacked dataset",
        )


def place_of(name, inner_archive="", lists=SPLIT_FILE):
    """Path under the target, `NESTED` for an archive, None for what is not needed."""
    path = PurePosixPath(name)
    check_spelling(str(path))
    if path.name.startswith(".") or "__MACOSX" in path.parts:
        return None
    if path.suffix.lower() in VIDEO_SUFFIXES:
        folder = path.parent.name or PurePosixPath(inner_archive).stem
        if not folder:
            raise ReproError("a video in no class folder", path=name, fix="videos lie as <class>/<file>")
        return f"videos/{folder}/{path.name}"
    if lists.fullmatch(path.name):
        return f"splits/{path.name}"
    return NESTED if is_archive_name(path.name) else None


class _Unpacking:
    """The files written so far to ``target``, and the members that were not needed."""

    def __init__(self, target, journal, lists):
        self.target, self.journal, self.lists = target, journal, lists
        self.files, self.ignored = {}, []

    def unpack(self, path, outer=""):
        """Write what is needed of one archive; ``outer`` names the archive it came in."""
        with open_archive(path) as members:
            self._check_space(path, members)
            for member in progress(members, desc=f"unpacking {path.name}", unit="file"):
                where = f"{outer}{path.name}:{member.name}"
                destination = place_of(member.name, path.name if outer else "", self.lists)
                if destination == NESTED and not outer:
                    self._unpack_nested(path, member)
                elif destination in (None, NESTED):
                    self.ignored.append(where)
                elif destination in self.files:
                    raise ReproError("two archive members would be one file", path=destination, why=f"again {where}")
                else:
                    self.files[destination] = self._write(member, destination)

    def _unpack_nested(self, path, member):
        key = self._key(path, member)
        done = self.journal.rows.get(key)
        if done is not None and all(self._is_whole(name, Content(**row)) for name, row in done["files"].items()):
            self.files |= {name: Content(**row) for name, row in done["files"].items()}
            self.ignored += done["ignored"]
            return
        before, ignored = set(self.files), len(self.ignored)
        inner = f"{NESTED}/{PurePosixPath(member.name).name}"
        self._write(member, inner, remember=False)
        self.unpack(self.target / inner, outer=f"{path.name}:")
        (self.target / inner).unlink()
        files = {name: asdict(content) for name, content in self.files.items() if name not in before}
        self.journal.add(key, {"files": files, "ignored": self.ignored[ignored:]})

    def _write(self, member, destination, remember=True):
        known = self.journal.rows.get(destination)
        if known is not None and self._is_whole(destination, Content(**known)):
            return Content(**known)
        path = self.target / destination
        partial = path.with_name(PARTIAL)
        digest, size = hashlib.sha256(), 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with member.open() as source, open(partial, "wb") as file:
                while block := source.read(1 << 20):
                    file.write(block)
                    digest.update(block)
                    size += len(block)
            if size != member.size:
                raise ReproError("damaged or truncated archive", path=member.name, why=f"{size} of {member.size} bytes")
            os.replace(partial, path)
        except OSError as error:
            if error.errno is None:  # a decoder's complaint about its input, told by `open_archive`
                raise
            full = error.errno in FULL
            why, fix = ("disk full", "make room") if full else (error.strerror or str(error), "see to that")
            raise ReproError("cannot write", path=path, why=why, fix=f"{fix} and run again: finished files are kept") from error
        finally:
            partial.unlink(missing_ok=True)
        content = Content(size, digest.hexdigest())
        if remember:
            self.journal.add(destination, asdict(content))
        return content

    def _is_whole(self, destination, content):
        path = self.target / destination
        return path.is_file() and path.stat().st_size == content.bytes

    def _check_space(self, path, members):
        needed = sum(member.size for member in members if self._key(path, member) not in self.journal.rows)
        free = shutil.disk_usage(self.target).free
        if needed > free:
            raise ReproError(
                "not enough disk space",
                path=self.target,
                why=f"{needed >> 20} MiB needed, {free >> 20} MiB free",
                fix="make room and run again",
            )

    def _key(self, path, member):
        """What the journal calls a finished member of the archive ``path``."""
        destination = place_of(member.name, path.name, self.lists)
        return f"nested {path.name}:{member.name}" if destination == NESTED else destination
