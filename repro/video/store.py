"""One archive per video: frames and flow, random access.

A container is a plain zip whose members are stored, not compressed, so that any zip tool and any picture viewer opens it:

    index.json           first member: sizes, settings, meta, checksum, and where every picture starts
    rgb/000001.jpg ...   frames, colour JPEG
    flow/000001.jpg ...  flow fields, one grey JPEG each: u over v, (2H, W)
    <plane>/000001.jpg   further planes of fields that the settings ask for, stored like flow

A reader needs one small read at the start of the file and then one read per picture; it never scans the zip
directory and holds no open file, so it can be pickled and forked freely. Equal input gives equal bytes.
"""

import hashlib
import io
import json
import os
import struct
import tempfile
import zipfile
import zlib

import cv2
import numpy as np

from repro.errors import ReproError
from repro.files import no_file
from repro.video.settings import DEFAULT_PLANES, StoreSettings

FORMAT = "repro-clip-1"
_INDEX = "index.json"
_LOCAL_HEADER = struct.Struct("<4s5H3L2H")  # zip's header before each member: 30 bytes, then name and extra field
_JPEG_SIDE = 65500  # pixels: what libjpeg takes
_FIRST_READ = 16384  # holds the index of some 500 frames
_LARGEST_INDEX = 1 << 26  # bytes; that of a million pictures has less than half of it
_MOST_PIXELS = 1024  # per byte of a JPEG: what it takes to say of blocks of 64 that nothing changes


class StoreWriter:
    """Writes one container; use as a context manager.

    Pictures are gathered in memory and written at the end of the ``with`` block to a temporary file, which is
    synced and renamed; after an error or a kill there is no file under the target's name. ``meta`` (JSON
    types) may grow until then.
    """

    def __init__(self, path, settings: StoreSettings, meta: dict):
        self.path, self.settings, self.meta = os.fspath(path), settings, dict(meta)
        self._size = None
        self._pictures = {plane: [] for plane in settings.planes}

    def rgb(self, frame: np.ndarray):
        """Append a frame, (H, W, 3) uint8 RGB; all frames of a container have one size."""
        self._check(frame, 3)
        self._pictures["rgb"].append(_encode(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), self.settings.rgb_quality))

    def flow(self, field: np.ndarray, plane: str = "flow"):
        """Append a field, (H, W, 2) uint8 of u and v with 128 = zero, to one of ``FIELDS`` that the settings name."""
        self._check(field, 2)
        if plane not in self.settings.fields:
            raise ValueError(f"plane must be one of {self.settings.fields}, got {plane!r}")
        stacked = np.concatenate([field[..., 0], field[..., 1]])  # (2H, W)
        self._pictures[plane].append(_encode(stacked, self.settings.flow_quality))

    def _check(self, picture, channels):
        size = picture.shape[:2]
        if max(2 * size[0] if self.settings.fields else size[0], size[1]) > _JPEG_SIDE:
            why = f"{size[1]} x {size[0]} px, JPEG takes {_JPEG_SIDE}, and fields of flow stand one over the other"
            raise ReproError("frames too large for a container", path=self.path, why=why, fix="lower store.short_side")
        self._size = self._size or size
        if picture.dtype != np.uint8 or picture.shape != (*self._size, channels):
            raise ValueError(f"expected uint8 of shape {(*self._size, channels)}, got {picture.dtype} of shape {picture.shape}")

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if kind is None:
            self._commit()

    def _commit(self):
        frames, *fields = (len(pictures) for pictures in self._pictures.values())
        if not frames:
            raise ReproError("a container needs at least one frame", path=self.path)
        for plane, count in zip(self.settings.fields, fields):
            if count != fields[0] or count not in (0, frames - 1):
                raise ReproError(f"wrong number of {plane} fields", path=self.path, why=f"{count} fields for {frames} frames")
        payloads = [picture for pictures in self._pictures.values() for picture in pictures]
        head = {
            "format": FORMAT,
            "frames": frames,
            "fields": fields[0] if fields else 0,
            "height": self._size[0],
            "width": self._size[1],
            "settings": self.settings.saved(),
            "meta": self.meta,
            "sha256": _digest(payloads),
        }
        _write(self.path, _pack(head, payloads))


class ClipStore:
    """Reads a container.

    frames, fields: their numbers (fields is frames - 1, or 0 where no flow is stored); height, width: pixels; settings: the
    StoreSettings; planes: what is really there; meta: what the writer was told. Raises ReproError for a file that is none.
    """

    def __init__(self, path):
        self.path = os.fspath(path)
        try:
            head, self._offsets, self._sizes = _read_index(self.path)
            self.frames, self.fields = head["frames"], head["fields"]
            self.height, self.width = head["height"], head["width"]
            self.settings, self.meta = StoreSettings(**head["settings"]), head["meta"]
            self.sha256 = head["sha256"]
            self.planes = self.settings.planes if self.fields == self.frames - 1 else ("rgb",)
            if not self.frames + self.fields * len(self.settings.fields) == len(self._offsets) == len(self._sizes):
                raise ValueError("its index contradicts itself")
            numbers = [self.frames, self.fields, self.height, self.width, *self._offsets, *self._sizes]
            whole = all(type(number) is int and number >= 0 for number in numbers)
            if not whole or not self.frames or max(self.height, self.width) > _JPEG_SIDE:
                raise ValueError("its index holds impossible numbers")
            length = os.path.getsize(self.path)
            if max(map(sum, zip(self._offsets, self._sizes))) > length:
                raise ValueError("it is cut short")
            if sum(self._sizes) > length or self.height * self.width > _MOST_PIXELS * min(self._sizes):
                raise ValueError("it announces more than it holds")  # before a reader makes room for that
        except FileNotFoundError:
            raise ReproError("no such container", path=path, fix="extract the video") from None
        except (struct.error, ValueError, KeyError, TypeError, AttributeError, RecursionError, ReproError) as error:
            what = "not a container of frames and flow"
            raise ReproError(what, path=path, why=str(error), fix="extract the video again") from None

    def rgb(self, indices) -> np.ndarray:
        """Frames by index, 0-based, in any order, repeats allowed: (n, H, W, 3) uint8 RGB."""
        out = np.empty((len(indices), self.height, self.width, 3), np.uint8)
        for row, picture in self._pictures(indices, self.frames, 0, "rgb"):
            cv2.cvtColor(picture, cv2.COLOR_BGR2RGB, dst=out[row])
        return out

    def flow(self, indices, plane="flow") -> np.ndarray:
        """Fields of one plane by index, 0-based, in any order, repeats allowed: (n, H, W, 2) uint8, 128 = zero."""
        if plane not in self.settings.fields:
            raise ReproError(f"a container without {plane}", path=self.path, why=f"there: {', '.join(self.planes)}")
        out = np.empty((len(indices), self.height, self.width, 2), np.uint8)
        base = self.frames + self.settings.fields.index(plane) * self.fields
        for row, picture in self._pictures(indices, self.fields, base, plane):
            cv2.merge([picture[: self.height], picture[self.height :]], dst=out[row])
        return out

    def verify(self):
        """Read the whole file and compare every byte with what the writer would write; raises ReproError."""
        with open(self.path, "rb") as file:
            found = file.read()
        head, offsets, sizes = _read_index(self.path)
        payloads = [found[start : start + size] for start, size in zip(offsets, sizes)]
        if _digest(payloads) != head["sha256"] or _pack(head, payloads) != found:
            raise ReproError("damaged container", path=self.path, why="checksum differs", fix="extract it again")

    def _pictures(self, indices, count, base, plane):
        """(row, decoded picture) for each of ``indices``; the zip's own checksum of every picture is checked."""
        rows = {}
        for row, index in enumerate(indices):
            if not 0 <= index < count:
                raise IndexError(f"index {index} is outside 0..{count - 1} of {self.path}")
            rows.setdefault(int(index), []).append(row)
        mode = cv2.IMREAD_COLOR if plane == "rgb" else cv2.IMREAD_GRAYSCALE
        expected = (self.height, self.width) if plane == "rgb" else (2 * self.height, self.width)
        file = os.open(self.path, os.O_RDONLY)
        try:
            for index, where in rows.items():  # overlapping stacks ask for a field several times: decode it once
                before = _LOCAL_HEADER.size + len(_name(plane, index))
                start = self._offsets[base + index] - before
                data = os.pread(file, before + self._sizes[base + index], start) if start > 0 else b""
                head, data = data[:before], data[before:]
                sound = data and zlib.crc32(data) == _LOCAL_HEADER.unpack(head[: _LOCAL_HEADER.size])[6]
                picture = cv2.imdecode(np.frombuffer(data, np.uint8), mode) if sound else None
                if picture is None or picture.shape[:2] != expected:
                    why = f"{_name(plane, index)} is not as it was written"
                    raise ReproError("damaged container", path=self.path, why=why, fix="extract it again")
                for row in where:
                    yield row, picture
        finally:
            os.close(file)


def _name(plane, index):
    return f"{plane}/{index + 1:06d}.jpg"


def _encode(picture, quality):
    return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def _digest(payloads):
    digest = hashlib.sha256()
    for payload in payloads:
        digest.update(len(payload).to_bytes(8, "little"))
        digest.update(payload)
    return digest.hexdigest()


def _pack(head, payloads):
    """The container's bytes. Offsets in the index count from the end of the index, whose own length they change."""
    counts = {"rgb": head["frames"], **dict.fromkeys(head["settings"].get("planes", DEFAULT_PLANES)[1:], head["fields"])}
    names = [_name(plane, i) for plane, count in counts.items() for i in range(count)]
    offsets, sizes, end = [], [], 0
    for name, payload in zip(names, payloads, strict=True):
        offsets.append(end + _LOCAL_HEADER.size + len(name))
        sizes.append(len(payload))
        end = offsets[-1] + sizes[-1]
    index = json.dumps({**head, "offsets": offsets, "sizes": sizes}, sort_keys=True, ensure_ascii=True).encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, payload in [(_INDEX, index), *zip(names, payloads)]:
            member = zipfile.ZipInfo(name)  # its date is 1980-01-01, not now
            member.create_system, member.external_attr = 3, 0o644 << 16
            archive.writestr(member, payload)
    return out.getvalue()


def _read_index(path):
    """(head, absolute offsets, sizes) of a container."""
    if found := no_file(path):
        raise ValueError(f"it is {found}")
    with open(path, "rb") as file:
        start = file.read(_FIRST_READ)
        fields = _LOCAL_HEADER.unpack(start[: _LOCAL_HEADER.size])
        begin = _LOCAL_HEADER.size + fields[9] + fields[10]
        end = begin + fields[7]
        if end > min(os.fstat(file.fileno()).st_size, _LARGEST_INDEX):
            raise ValueError(f"it announces an index of {fields[7]} bytes")
        if len(start) < end:
            start += file.read(end - len(start))
    if fields[0] != b"PK\x03\x04" or start[_LOCAL_HEADER.size : begin] != _INDEX.encode():
        raise ValueError("its first member is no index")
    head = json.loads(start[begin:end])
    if head["format"] != FORMAT:
        raise ValueError(f"format {head['format']!r}, this version reads {FORMAT!r}")
    offsets = [end + offset for offset in head.pop("offsets")]
    return head, offsets, head.pop("sizes")


def _write(path, data):
    folder = os.path.dirname(path) or "."
    try:
        handle, temporary = tempfile.mkstemp(prefix=".", suffix=".part", dir=folder)
    except OSError as error:
        raise ReproError("cannot write", path=path, why=error.strerror) from None
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException as error:
        os.unlink(temporary)
        if isinstance(error, OSError):
            raise ReproError("cannot write", path=path, why=error.strerror) from None
        raise
