"""``repro extract --preview``: one clip's frames and flow as a picture strip, from a video or from its container."""

import os
from pathlib import Path

import cv2
import numpy as np

from repro.errors import ReproError
from repro.files import atomic_path
from repro.flow import quantise
from repro.flow.pictures import strips
from repro.profile.inputs import check_index
from repro.stages.extract_video import flow_method
from repro.video.decode import frames, gray, resize_short_side

_MOMENTS = 4
_NAME_BYTES = 255  # of a file, on Linux


def run(run, preview, out=None):
    """Write a PNG with a row (frame, flow in colour, u, v) for some moments of ``preview``, a video file or a container.

    ``out`` is by default ``<clip's stem>.png`` in the current folder. Flow of a video is computed as ``repro extract`` would.
    """
    clip = Path(preview)
    out = Path(out or picture_name(clip))
    pictures = _stored(clip) if clip.suffix == ".zip" else _computed(clip, run.store_settings, run.flow_settings)
    _, data = cv2.imencode(".png", cv2.cvtColor(strips(*pictures), cv2.COLOR_RGB2BGR))
    with atomic_path(out) as temporary:
        temporary.write_bytes(data)
    print(f"{clip}: frame, flow in colour, u, v at {len(pictures[0])} moments in {out}")


def picture_name(clip, ending=".png"):
    """Name of a picture of the file ``clip``: its stem, cut where it would be too long, and ``ending``."""
    stem = os.fsencode(Path(clip).stem)[: _NAME_BYTES - len(ending)]
    return stem.decode("utf-8", "ignore") + ending  # no half of a letter


def _stored(clip):
    """Frames, stored flow and its bound of a container."""
    store = check_index(clip)
    moments = _moments(store.fields, clip)
    return store.rgb(moments), store.flow(moments), store.settings.flow_bound


def _computed(clip, store, flow):
    """The same of a video file."""
    estimate = flow_method(flow)
    pictures = [resize_short_side(frame, store.short_side) for frame in frames(clip)]
    moments = _moments(len(pictures) - 1, clip)
    fields = [quantise(estimate(gray(pictures[t]), gray(pictures[t + 1])), store.flow_bound) for t in moments]
    return np.stack([pictures[t] for t in moments]), np.stack(fields), store.flow_bound


def _moments(fields, clip):
    if fields < 1:
        raise ReproError("no flow to show", path=clip, why="it has one frame, or was stored without flow")
    return np.unique(np.linspace(0, fields - 1, min(_MOMENTS, fields)).round().astype(int))
