"""One video into one container: what a worker of the extraction job does."""

import hashlib
import os

import av
import cv2

from repro.flow import FlowSettings, make_flow, quantise
from repro.video.decode import frames, gray, resize_short_side
from repro.video.store import StoreSettings, StoreWriter


def extract_video(source_path, target_path, store_settings: StoreSettings, flow_settings: FlowSettings) -> int:
    """Decode a video, compute flow on the resized frames and write both to a container; returns the number of frames.

    The container's meta records the source (file name, sha256), the flow method with its parameters, and the versions
    of what decoded and computed. Raises DecodeError for a bad video and ReproError where the target cannot be written; then
    there is no container.
    """
    estimate = make_flow(flow_settings)
    meta = {"flow": flow_settings.used(), "versions": {"opencv": cv2.__version__, "av": av.__version__}}
    with StoreWriter(target_path, store_settings, meta) as writer:
        count, before, ranges = 0, None, []
        for frame in frames(source_path):
            frame = resize_short_side(frame, store_settings.short_side)
            writer.rgb(frame)
            now = gray(frame)
            if before is not None:
                flow = estimate(before, now)
                writer.flow(quantise(flow, store_settings.flow_bound))
                ranges.append([[float(flow[..., k].min()), float(flow[..., k].max())] for k in (0, 1)])
            before, count = now, count + 1
        writer.meta["source"] = {"name": os.path.basename(source_path), "sha256": _sha256(source_path)}
        if store_settings.flow_range:
            writer.meta["flow_range"] = ranges  # per field [[u min, u max], [v min, v max]] px, before clipping
    return count


def _sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
