"""The authors' loose pictures, in and out of containers.

    <rgb root>/<video>/frame000001.jpg ...        N frames
    <flow root>/u/<video>/frame000001.jpg ...     N - 1 fields, 8 bits with the paper's bound of 20 px
    <flow root>/v/<video>/frame000001.jpg ...

Their release names the roots ``jpegs_256`` and ``tvl1_flow``. JPEG pictures are decoded and encoded again on
the way, at the qualities of the settings.
"""

import re
from pathlib import Path

import cv2
import numpy as np

from repro.errors import ReproError
from repro.files import regular
from repro.video.store import DEFAULT_PLANES, ClipStore, StoreSettings, StoreWriter

_NAME = re.compile(r"frame(\d{6})\.jpg")
_BOUND = 20.0  # px
_QUALITY = 95  # what the authors' tool, which leaves the choice to OpenCV, writes


def import_video(rgb_root, flow_root, video: str, target_path, settings: StoreSettings) -> int:
    """Put one video of loose pictures into a container; returns the number of frames.

    Raises ReproError naming the folder or picture at fault: a gap in the numbering, another number of fields
    than frames less one, an unreadable picture, pictures of different sizes, a shorter side or a bound other
    than the settings'.
    """
    if settings.flow_bound != _BOUND:
        raise ReproError(
            f"the authors' flow has a bound of {_BOUND:g} px", path=flow_root, why=f"flow_bound is {settings.flow_bound:g}"
        )
    if settings.planes != DEFAULT_PLANES:
        raise ReproError(
            "loose pictures hold frames and flow", path=flow_root, why=f"store.planes asks for {', '.join(settings.planes)}"
        )
    folders = Path(rgb_root) / video, Path(flow_root) / "u" / video, Path(flow_root) / "v" / video
    rgb, u, v = (_numbered(folder) for folder in folders)
    if not len(u) == len(v) == len(rgb) - 1:
        raise ReproError(
            "frames and fields do not match",
            path=folders[0],
            why=f"{len(rgb)} frames, {len(u)} u, {len(v)} v; expected one field less than frames",
        )
    size = None
    with StoreWriter(target_path, settings, {"flow": {"backend": "imported"}, "source": {"name": video}}) as writer:
        for path in rgb:
            frame = cv2.cvtColor(_read(path, cv2.IMREAD_COLOR, size), cv2.COLOR_BGR2RGB)
            size = frame.shape[:2]
            if min(size) != settings.short_side:
                raise ReproError("wrong size", path=path, why=f"shorter side {min(size)}, short_side is {settings.short_side}")
            writer.rgb(frame)
        for pair in zip(u, v):
            writer.flow(np.stack([_read(path, cv2.IMREAD_GRAYSCALE, size) for path in pair], -1))
    return len(rgb)


def export_video(store: ClipStore, rgb_root, flow_root, video: str):
    """Write a container's pictures in the authors' layout. Raises ReproError where a picture cannot be
    written."""
    for index in range(store.frames):
        _write(Path(rgb_root) / video, index, cv2.cvtColor(store.rgb([index])[0], cv2.COLOR_RGB2BGR))
    for index in range(store.fields):
        field = store.flow([index])[0]
        for channel, name in enumerate("uv"):
            _write(Path(flow_root) / name / video, index, field[..., channel])


def _numbered(folder):
    """The pictures of a folder in order; their numbers must run from 1 without a gap."""
    if not folder.is_dir():
        raise ReproError("no such folder of pictures", path=folder)
    found = {int(match[1]): path for path in folder.iterdir() if (match := _NAME.fullmatch(path.name))}
    missing = set(range(1, len(found) + 1)) - set(found)
    if missing:
        raise ReproError("pictures are missing", path=folder, why=f"no frame{min(missing):06d}.jpg among {len(found)}")
    return [found[number] for number in sorted(found)]


def _read(path, mode, size):
    data = np.fromfile(regular(path), np.uint8)
    picture = cv2.imdecode(data, mode) if data.size else None
    if picture is None:
        raise ReproError("unreadable picture", path=path)
    if size is not None and picture.shape[:2] != size:
        raise ReproError("picture of another size", path=path, why=f"{picture.shape[:2]}, the first frame has {size}")
    return picture


def _write(folder, index, picture):
    path = folder / f"frame{index + 1:06d}.jpg"
    data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except OSError as error:
        raise ReproError("cannot write", path=path, why=error.strerror) from None
