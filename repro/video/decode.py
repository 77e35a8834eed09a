"""Video files to RGB frames.

Frames are always decoded from the first to the last and indexed by counting: seeking is off by a few frames
in files with B-frames, and the frame count in a header may be wrong by any amount.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass

import av
import cv2
import numpy as np
from PIL import Image

from repro.errors import ReproError


class DecodeError(ReproError):
    """A video that cannot be decoded as a whole; the line names the file and the cause."""


@dataclass(frozen=True)
class VideoInfo:
    """What decoding found: number of frames, frames per second (0 where the file does not say), size of the
    first frame.

    ``declared_frames`` is the count in the file's header (0 where there is none); it is information, never an
    index.
    """

    frames: int
    fps: float
    width: int
    height: int
    declared_frames: int = 0


def frames(path) -> Iterator[np.ndarray]:
    """Yield every frame of a video in order, each (H, W, 3) uint8 RGB.

    All frames have the size of the first: where a stream changes its size midway, later frames are scaled
    (bicubic) to it. Raises DecodeError: not a video, no video stream, no frame, or damaged data after some
    frames.
    """
    with _open(path) as container:
        yield from _decode(path, container)


def probe(path) -> VideoInfo:
    """Decode every frame of a video and say what is there. Raises DecodeError as ``frames`` does."""
    with _open(path) as container:
        stream = container.streams.video[0]
        rate, declared = stream.average_rate, stream.frames
        count, height, width = 0, 0, 0
        for frame in _decode(path, container):
            height, width = frame.shape[:2]
            count += 1
    return VideoInfo(count, float(rate or 0), width, height, declared)


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
    try:
        # the prefix keeps names with a colon from being read as a protocol
        container = av.open("file:" + name, metadata_errors="replace")
    except (OSError, ValueError) as error:  # PyAV's errors derive from these two
        if os.path.isfile(name) and os.path.getsize(name) == 0:
            raise DecodeError("empty file", path=name) from None
        raise DecodeError("cannot open as a video", path=name, why=_reason(error)) from None
    if not container.streams.video:
        container.close()
        raise DecodeError("no video stream", path=name, why="the file holds only sound or data")
    return container


def _decode(path, container):
    stream = container.streams.video[0]
    stream.codec_context.thread_count = 1  # jobs run one process per core
    count, size = 0, None
    try:
        for picture in container.decode(stream):
            frame = picture.to_ndarray(format="rgb24")
            size = size or frame.shape[:2]
            yield _resize(frame, *size)
            count += 1
    except (OSError, ValueError) as error:
        raise DecodeError("damaged video", path=os.fspath(path), why=f"{_reason(error)} after {count} frames") from None
    if count == 0:
        raise DecodeError("no frame can be decoded", path=os.fspath(path))


def _reason(error):
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def gray(frame: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 RGB to (H, W) uint8 luma (ITU-R BT.601 weights), the input of every flow method."""
    return cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
