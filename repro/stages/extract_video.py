"""One video into one container: what a worker of the extraction job does."""

import hashlib
import os

import av
import numpy as np

from repro.errors import ReproError
from repro.flow import FlowSettings, make_flow, quantise, versions
from repro.flow.derived import camera_compensated, camera_homography
from repro.video.decode import frames, gray, resize_short_side
from repro.video.store import StoreSettings, StoreWriter

_PAIRS = 64  # computed together where the method can; bounds the memory a long video takes


def flow_method(settings: FlowSettings, path=None):
    """The method of ``settings`` on the CPU (``make_flow``). Raises ReproError, naming ``path``, where it is not available."""
    try:
        return make_flow(settings)
    except ValueError as error:
        raise ReproError(f"no flow method `{settings.backend}` here", path=path, why=str(error)) from error


def extract_video(
    source_path, target_path, store_settings: StoreSettings, flow_settings: FlowSettings, device: str | None = None
) -> int:
    """Decode a video, compute on the resized frames the fields that ``store_settings.planes`` names, and write all to a
    container; returns the number of frames.

    ``backward_flow`` is the same method on reversed pairs. ``warped_flow`` is the flow less the camera's, which is taken to be
    the homography that most of the field follows (Wang and Schmid, and TSN with them, estimate it from matches of SURF and
    flow, warp the second frame and compute flow again).

    The container's meta records the source (file name, sha256), the flow method with its parameters and
    device, and the versions of what decoded and computed. ``device`` is where "tvl1_torch" computes, by default
    on a GPU if there is one. Raises DecodeError for a bad video and ReproError where the target cannot be
    written; then there is no container.
    """
    device = (device or _best_device()) if flow_settings.backend == "tvl1_torch" else "cpu"
    on_gpu = device != "cpu"
    estimate = make_flow(flow_settings, device, compiled=on_gpu)
    meta = {"flow": flow_settings.used(), "device": device, "versions": {"av": av.__version__, **versions(flow_settings)}}
    count, waiting, ranges, planes = 0, [], [], store_settings.fields

    def compute(writer):
        for plane, field in _fields(planes, estimate, np.stack(waiting)):
            writer.flow(quantise(field, store_settings.flow_bound), plane)
            if plane == "flow":
                ranges.append([[float(field[..., k].min()), float(field[..., k].max())] for k in (0, 1)])
        del waiting[:-1]

    with StoreWriter(target_path, store_settings, meta) as writer:
        for frame in frames(source_path):
            frame = resize_short_side(frame, store_settings.short_side)
            writer.rgb(frame)
            waiting.append(gray(frame))
            count += 1
            if len(waiting) > _PAIRS:
                compute(writer)
        if len(waiting) > 1:
            compute(writer)
        writer.meta["source"] = {"name": os.path.basename(source_path), "sha256": _sha256(source_path)}
        if store_settings.flow_range:
            writer.meta["flow_range"] = ranges  # per field [[u min, u max], [v min, v max]] px, before clipping
    return count


def _fields(planes, estimate, grays):
    """(plane, field (H, W, 2) px) of all pairs of consecutive ``grays`` (n, H, W), each plane in the order of time."""
    if "flow" in planes or "warped_flow" in planes:
        for field in estimate(grays[:-1], grays[1:]):
            if "flow" in planes:
                yield "flow", field
            if "warped_flow" in planes:
                yield "warped_flow", camera_compensated(field, camera_homography(field))
    if "backward_flow" in planes:
        for field in estimate(grays[1:], grays[:-1]):
            yield "backward_flow", field


def _best_device():
    import torch  # late: seconds to import, and the other methods do without

    return "cuda" if torch.cuda.is_available() else "cpu"


def _sha256(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()
