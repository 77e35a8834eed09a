"""Video files to RGB frames.

Frames are always decoded from the first to the last and indexed by counting: seeking is off by a few frames
in files with B-frames, and the frame count in a header may be wrong by any amount. Frames come upright: phones store pictures
as their sensor lies and say in a display matrix how a player has to turn them.
"""

import contextlib
import math
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import av
import cv2
import numpy as np
from PIL import Image

from repro.errors import ReproError
from repro.files import no_file

_ATOMS = (b"ftyp", b"moov", b"mdat", b"moof", b"free", b"skip", b"wide", b"uuid", b"udta")
_UNSPECIFIED = 2  # FFmpeg's AVCOL_SPC_UNSPECIFIED


def _one_thread():
    """Arguments that keep PyAV from starting threads for every frame; older versions start none and know none."""
    try:
        av.VideoFrame(2, 2, "rgb24").to_ndarray(format="rgb24", threads=1)
    except TypeError:
        return {}
    return {"threads": 1}


_ONE_THREAD = _one_thread()


class DecodeError(ReproError):
    """A video that cannot be decoded as a whole; the line names the file and the cause."""


@dataclass(frozen=True)
class VideoInfo:
    """What decoding found: number of frames, frames per second (0 where the file does not say), size of the
    first frame, upright.

    ``declared_frames`` is the count in the file's header (0 where there is none); it is information, never an index.
    ``damaged_frames``: frames that the decoder marks as damaged, or that come before the first whole one. ``lacking``: bytes
    that the file's header announces and the file has not (AVI and MP4 say).
    """

    frames: int
    fps: float
    width: int
    height: int
    declared_frames: int = 0
    damaged_frames: int = 0
    lacking: int = 0

    @property
    def doubts(self) -> str:
        """What says that this video is not whole, in words; ``""``: nothing does.

        Sound files may decode to fewer frames than they announce, by up to 17 % in J-HMDB; a fifth is taken for a cut.
        """
        found = []
        if self.damaged_frames:
            found.append(f"{self.damaged_frames} of {self.frames} frames damaged")
        if self.lacking:
            found.append(f"cut short by {self.lacking} bytes")
        if self.frames < self.declared_frames * (1 if found else 0.8):
            found.append(f"{self.frames} of {self.declared_frames} announced frames")
        return ", ".join(found)


def frames(path) -> Iterator[np.ndarray]:
    """Yield every frame of a video in order, each (H, W, 3) uint8 RGB, turned and mirrored as the file asks of players.

    All frames have the size of the first: where a stream changes its size midway, later frames are scaled
    (bicubic) to it. Raises DecodeError: not a video, no video stream, no frame, or damaged data after some
    frames.
    """
    with _open(path) as container:
        yield from (frame for frame, _ in _decode(path, container))


def probe(path) -> VideoInfo:
    """Decode every frame of a video and say what is there. Raises DecodeError as ``frames`` does."""
    with _open(path) as container:
        stream = _video_stream(container)
        rate, declared = stream.average_rate, stream.frames
        count, damaged, height, width = 0, 0, 0, 0
        for frame, doubtful in _decode(path, container):
            height, width = frame.shape[:2]
            count, damaged = count + 1, damaged + doubtful
    return VideoInfo(count, float(rate or 0), width, height, declared, damaged, _lacking(path))


def resize_short_side(frame: np.ndarray, short_side: int) -> np.ndarray:
    """Scale a (H, W, 3) uint8 frame so that its shorter side is ``short_side`` pixels; bicubic, antialiased
    when shrinking.

    The longer side keeps the aspect ratio and is rounded down to an even number: 320x240 becomes 340x256.
    Enlarging, which is all that UCF101 and HMDB51 need at 256, does what the authors' tool does (OpenCV's
    bicubic).
    """
    height, width = target_size(*frame.shape[:2], short_side)
    return _resize(frame, height, width)


def target_size(height: int, width: int, short_side: int) -> tuple[int, int]:
    """(height, width) after ``resize_short_side``; both even."""
    if short_side < 2 or short_side % 2:
        raise ValueError(f"short_side must be a positive even number, got {short_side}")
    longer = 2 * (max(height, width) * short_side // (2 * min(height, width)))
    return (short_side, longer) if height <= width else (longer, short_side)


def _resize(frame, height, width):
    if frame.shape[:2] == (height, width):
        return frame
    if height >= frame.shape[0] and width >= frame.shape[1]:
        return cv2.resize(frame, (width, height), interpolation=cv2.INTER_CUBIC)
    # OpenCV's bicubic would alias; Pillow widens its kernel
    return np.asarray(Image.fromarray(frame).resize((width, height), Image.Resampling.BICUBIC))


def _open(path):
    name = os.fspath(path)
    if found := no_file(name):  # opening a pipe would wait for its writer, perhaps for ever
        raise DecodeError("cannot open as a video", path=name, why=found)
    try:
        # the prefix keeps names with a colon from being read as a protocol
        container = av.open(f"file:{name}", metadata_errors="replace")
    except Exception as error:  # PyAV has many kinds, which share nothing but that
        if os.path.isfile(name) and os.path.getsize(name) == 0:
            raise DecodeError("empty file", path=name) from None
        raise DecodeError("cannot open as a video", path=name, why=_reason(error)) from None
    if _video_stream(container) is None:
        container.close()
        raise DecodeError("no video stream", path=name, why="the file holds only sound or data")
    return container


def _video_stream(container):
    return next(iter(container.streams.video), None)


def _decode(path, container):
    """Yield (frame upright and of the first one's size, whether it is known to be damaged)."""
    stream = _video_stream(container)
    count, size, turn, whole = 0, None, None, False
    try:
        if stream.codec_context is None:
            raise DecodeError("no decoder for this video", path=os.fspath(path), why="its codec is unknown here")
        stream.codec_context.thread_count = 1  # jobs run one process per core
        for picture in _pictures(container, stream):
            turn = turn or _turn(picture)
            frame = turn(_to_rgb(picture))
            size = size or frame.shape[:2]
            whole = whole or picture.key_frame
            yield _resize(frame, *size), picture.is_corrupt or not whole
            count += 1
    except DecodeError:
        raise
    except Exception as error:
        raise DecodeError("damaged video", path=os.fspath(path), why=f"{_reason(error)} after {count} frames") from None
    if count == 0:
        raise DecodeError("no frame can be decoded", path=os.fspath(path))


def _pictures(container, stream):
    """All pictures of a stream. PyAV ends with IndexError where another stream begins later in the file than opening it looks: in
    its last loop, which empties the decoders in the order of their streams, and so this one before that."""
    with contextlib.suppress(IndexError):
        yield from container.decode(stream)


def _to_rgb(picture):
    try:
        return picture.to_ndarray(format="rgb24", **_ONE_THREAD)
    except (OSError, ValueError):  # colours tagged as a kind that cannot be converted: taken as if there were no tag
        picture.colorspace = _UNSPECIFIED
        return picture.to_ndarray(format="rgb24", **_ONE_THREAD)


def _turn(picture):
    """A function that turns a stored frame (H, W, 3) as the display matrix of its file asks, by quarters and mirrors.

    The rules are those of FFmpeg's own player; matrices of other angles are left alone.
    """
    side = picture.side_data.get("DISPLAYMATRIX")
    if side is None:
        return _as_it_is
    matrix = struct.unpack("=9i", bytes(side)[:36])
    lengths = math.hypot(matrix[0], matrix[3]), math.hypot(matrix[1], matrix[4])
    if not all(lengths):
        return _as_it_is
    angle = math.degrees(math.atan2(matrix[1] / lengths[1], matrix[0] / lengths[0])) % 360  # clockwise
    quarters, rest = divmod(round(angle), 90)
    if rest:
        return _as_it_is
    if quarters % 4 == 0:
        steps = [np.flipud] if matrix[4] < 0 else []
    elif quarters == 1:
        steps = [_transpose] if matrix[3] > 0 else [_transpose, np.fliplr]
    elif quarters == 2:
        steps = ([np.fliplr] if matrix[0] < 0 else []) + ([np.flipud] if matrix[4] < 0 else [])
    else:
        steps = [_transpose, np.flipud] + ([np.fliplr] if matrix[3] < 0 else [])

    def turn(frame):
        for step in steps:
            frame = step(frame)
        return np.ascontiguousarray(frame)

    return turn


def _as_it_is(frame):
    return frame


def _transpose(frame):
    return frame.transpose(1, 0, 2)


def _lacking(path):
    """Bytes that an AVI's or an MP4's own headers announce beyond the end of the file; 0 for other files."""
    size, place = os.path.getsize(path), 0
    with open(path, "rb") as file:
        head = file.read(16)
        avi, mp4 = head[:4] == b"RIFF", head[4:8] == b"ftyp"
        while len(head) >= 8 and (head[:4] == b"RIFF" if avi else mp4 and head[4:8] in _ATOMS):
            if avi:
                length = 8 + int.from_bytes(head[4:8], "little")  # large AVIs hold one RIFF after another
                unknown = length in (8, 8 + 0xFFFFFFFF)  # of a recording without an end
            else:
                length = int.from_bytes(head[8:16] if head[:4] == b"\0\0\0\1" else head[:4], "big")
                unknown = length < 8
            if unknown or place + length > size:
                return 0 if unknown else place + length - size
            place += length + (length % 2 if avi else 0)
            file.seek(place)
            head = file.read(16)
    return 0


def _reason(error):
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def gray(frame: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 RGB to (H, W) uint8 luma (ITU-R BT.601 weights), the input of every flow method."""
    return cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
