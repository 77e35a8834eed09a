"""How test videos are scored: frames x views x merge. Imports no torch."""

import dataclasses
import difflib

from repro.clips.sampling import TEST

FRAMES = 25

VIEWS = {
    "full": "{clip} and its flip, fully convolutional",
    "crops10": "{clip}, 10 crops (four corners, centre, and their flips)",
    "centre": "{clip}, the centre crop",
}
"""``full``: the paper's, whole frames. ``crops10``: of Two-Stream 2014 and TSN, ``input_size`` squares. ``centre``: I3D's."""

MERGES = {"logits": "before softmax", "softmax": "after softmax"}
_CHOICES = {"protocol": VIEWS, "sampling": TEST, "merge": MERGES}


@dataclasses.dataclass(frozen=True)
class EvaluationSettings:
    """A test protocol.

    ``sampling``, ``frames``, ``stride`` and number of ``clips``: which frames, see `repro.clips.sampling.test_centres`; as they
    are, one clip of 25 at equal spacing (the authors'). ``protocol``: the views of each frame, one of ``VIEWS``.
    ``frame_by_frame``: each frame goes through the network as a clip of its own. ``merge``: scores are averaged over
    positions, output steps and views before or after the softmax. ``frames_per_chunk``: frames of a clip that go through the
    network at a time, where its family can; fewer take less memory and a little more time and change scores by rounding alone.

    Raises ValueError naming the field and the value.
    """

    protocol: str = "full"
    frames: int = FRAMES
    sampling: str = "strided"
    clips: int = 1
    stride: int = 1
    frame_by_frame: bool = False
    merge: str = "logits"
    frames_per_chunk: int = FRAMES

    def __post_init__(self):
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                close = difflib.get_close_matches(str(getattr(self, name)), allowed, n=1)
                hint = f"; did you mean {close[0]}?" if close else ""
                raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {getattr(self, name)!r}{hint}")
        for name in ("frames", "clips", "stride", "frames_per_chunk"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.clips > 1 and self.sampling != "dense":
            raise ValueError(f"clips must be 1 with sampling {self.sampling}, got {self.clips}")

    def __str__(self):
        """The protocol in words, as score files and tables print it."""
        where = {
            "strided": f"{self.frames} frames",
            "segments": f"{self.frames} frames from equal segments",
            "ticks": f"{self.frames} frames at equal whole steps",
            "dense": f"{self.frames} frames {self.stride} apart",
            "whole": "all frames" if self.stride == 1 else f"every frame at a stride of {self.stride}",
        }
        clip = f"{where[self.sampling]} {'one by one' if self.frame_by_frame else 'as one clip'}"
        if self.clips > 1:
            clip = f"{self.clips} clips of {clip}"
        return f"{VIEWS[self.protocol].format(clip=clip)}, {MERGES[self.merge]}"
