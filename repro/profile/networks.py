"""What a system asks of its network, in the units that benchmarks/families.py measures. Imports no torch."""

import dataclasses
import json

from repro.clips.modality import union_margin
from repro.clips.sampling import test_centres

_VIEWS = {"full": 2, "crops10": 10, "centre": 1}  # of a frame, by protocol


def network_of(one):
    """What a Run's network is, as JSON: family, settings, and channels of each stream, whatever the streams are called."""
    channels = [modality.channels for modality in one.streams.values()]
    network = {"family": one.settings.family, "model": dataclasses.asdict(one.model), "channels": channels}
    return json.loads(json.dumps(network))


def scored_frames(one, data):
    """Frames of ``input_size`` squares that the scoring of a video takes by a Run's protocol, for a video of mean length of
    ``data`` (`Data`); larger frames count by their pixels, and frames that lie in several windows of C3D as often."""
    ways = one.evaluation
    length, margin = round(data.frames / data.videos), union_margin(one.streams.values())
    clips = test_centres(ways.sampling, length, ways.frames, margin, ways.stride, ways.clips)
    frames = sum(len(clip) if ways.frame_by_frame else _in_windows(len(clip), one.model) for clip in clips)
    return frames * _VIEWS[ways.protocol] * (_whole(one, data) if ways.protocol == "full" else 1.0)


def _in_windows(frames, model):
    """Frames of a clip that go through the network."""
    if not hasattr(model, "window_stride"):
        return frames
    return max((frames - model.window) // model.window_stride + 1, 0) * model.window


def _whole(one, data):
    """How many ``input_size`` squares a whole frame is; its sides are clamped as protocol ``full`` does."""
    side, short = one.input_size, one.store_settings.short_side
    height, width = (min(max(each, side), 2 * side) for each in (short, short * data.aspect))
    return height * width / side**2
