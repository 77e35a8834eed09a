"""Members of zip, tar and RAR archives as one list; what could write outside a target is refused."""

import bz2
import contextlib
import gzip
import lzma
import re
import shutil
import stat
import subprocess
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from repro.errors import ReproError
from repro.files import regular

RAR_STORED = 0x30  # of a member that is not compressed, which needs no tool
PACKED = {b"\x1f\x8b": gzip, b"BZh": bz2, b"\xfd7zXZ\0": lzma}  # how a compressed tar begins, and what opens it
DAMAGED = "damaged or truncated archive"
FETCH_AGAIN = "fetch it again and compare its size and checksum"


@dataclass(frozen=True)
class Member:
    """A regular file of an archive: safe relative posix path, size in bytes, ``open()`` to a binary stream."""

    name: str
    size: int
    open: Callable


@contextlib.contextmanager
def open_archive(path):
    """Context manager: the list of `Member` of an archive, its kind told by content (zip, tar, RAR).

    Reading members in the order of the list is fastest. Checksums of the format (zip, RAR: CRC-32) are
    checked while reading. Raises `ReproError`: missing, no archive, damaged or truncated, locked by a
    password; a member that is a link or a device, or whose name is absolute or has ``..``; a RAR without a
    way to read it.
    """
    path = Path(path)
    try:
        with open(regular(path), "rb") as file:
            magic = file.read(8)
    except OSError as error:
        raise ReproError("cannot read an archive", path=path, why=error.strerror, fix="check the path") from error
    with _told(path):
        if magic.startswith((b"PK\x03\x04", b"PK\x05\x06")):
            with zipfile.ZipFile(path) as archive:
                yield _zip_members(archive, path)
        elif magic.startswith(b"Rar!\x1a\x07"):
            with _rarfile().RarFile(str(path), errors="strict") as archive:
                yield _rar_members(archive, path)
        elif tarfile.is_tarfile(path):
            with tarfile.open(path) as archive:
                yield _tar_members(archive, path)
        else:
            _check_damage(path, magic)
            raise ReproError("not an archive", path=path, why="neither zip, tar nor RAR", fix=FETCH_AGAIN)


def _check_damage(path, magic):
    """Raise what a reader would where a file that none can open is an archive all the same, by its beginning or its end."""
    unpack = next((module.open for start, module in PACKED.items() if magic.startswith(start)), None)
    with (unpack or open)(path, "rb") as file:
        block = file.read(tarfile.BLOCKSIZE)
        while unpack and file.read(1 << 20):  # the checksum of what is packed is behind its end
            pass
    if block[257:262] == b"ustar" or zipfile.is_zipfile(path):
        raise tarfile.ReadError("its first block is not as it was written")


def is_archive_name(name):
    """Whether a member's name says that it is an archive itself (HMDB51 is a RAR of RARs)."""
    return name.lower().endswith((".rar", ".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz"))


def safe_name(name, path):
    """A member's name as a relative posix path; `ReproError` if it would leave the target."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if not parts or parts[0].startswith("/") or ".." in parts or "\0" in name or re.match(r"[A-Za-z]:", parts[0]):
        raise ReproError(
            "an archive member would be written outside the target",
            path=path,
            why=repr(name),
            fix="do not trust this archive",
        )
    return "/".join(parts)


def _zip_members(archive, path):
    members = []
    for info in archive.infolist():
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            _refuse(path, info.filename)
        if info.flag_bits & 1:
            _locked(path, info.filename)
        name = safe_name(info.filename, path)
        if not info.is_dir():
            members.append(Member(name, info.file_size, lambda info=info: archive.open(info)))
    return members


def _tar_members(archive, path):
    members = []
    for info in archive:
        if not (info.isfile() or info.isdir()):
            _refuse(path, info.name)
        name = safe_name(info.name, path) if info.name != "." else ""
        if info.isfile():
            members.append(Member(name, info.size, lambda info=info: archive.extractfile(info)))
    archive.fileobj.seek(archive.offset)
    # tarfile takes a cut between members for the end
    if archive.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise ReproError(DAMAGED, path=path, why="no end-of-archive block", fix=FETCH_AGAIN)
    while archive.fileobj.read(1 << 20):  # the checksum of a compressed tar is behind its end
        pass
    return members


def _rar_members(archive, path):
    if archive.needs_password():
        _locked(path, "RAR")
    if any(info.compress_type != RAR_STORED for info in archive.infolist()):
        _choose_rar_tool()
    members = []
    for info in archive.infolist():
        if info.is_symlink() or info.file_redir or not (info.is_file() or info.is_dir()):
            _refuse(path, info.filename)
        name = safe_name(info.filename, path)
        if info.is_file():
            members.append(Member(name, info.file_size, lambda info=info: archive.open(info)))
    return members


def _choose_rar_tool():
    """Have rarfile choose among the tools that can, lest a good archive looks damaged.

    A 7z may come without its RAR part; bsdtar knows few compressions, and rarfile 4.5 cannot call it.
    """
    can = {
        tool: shutil.which(tool) and b"Rar" in subprocess.run([tool, "i"], capture_output=True).stdout for tool in ("7z", "7zz")
    }
    _rarfile().tool_setup(sevenzip=can["7z"], sevenzip2=can["7zz"], bsdtar=False, force=True)


def _refuse(path, name):
    raise ReproError("an archive member is a link or a device", path=path, why=repr(name), fix="do not trust this archive")


def _locked(path, name):
    raise ReproError("an archive is locked by a password", path=path, why=repr(name), fix="unpack it by hand")


def _rarfile():
    try:
        import rarfile
    except ImportError as error:
        raise ReproError(
            "RAR archives need the package rarfile",
            why="it is not installed",
            fix="`pip install rarfile`, or unpack by hand and give the folder",
        ) from error
    return rarfile


@contextlib.contextmanager
def _told(path):
    """Turn what the readers raise about a bad archive into one line."""
    try:
        yield
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, NotImplementedError) as error:
        raise ReproError(DAMAGED, path=path, why=str(error) or type(error).__name__, fix=FETCH_AGAIN) from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise ReproError(DAMAGED, path=path, why=str(error), fix=FETCH_AGAIN) from error  # gzip and bz2 complain so
    except Exception as error:
        if type(error).__module__ != "rarfile":
            raise
        if type(error).__name__ == "RarCannotExec":
            raise ReproError(
                "no tool to unpack a compressed RAR archive",
                path=path,
                why=str(error),
                fix="install unrar (or unar, or 7zip with its RAR part), or unpack by hand and give the folder",
            ) from error
        raise ReproError(
            DAMAGED,
            path=path,
            why=str(error) or type(error).__name__,
            fix=f"{FETCH_AGAIN}; where those are right, install unrar, which knows every RAR",
        ) from error
