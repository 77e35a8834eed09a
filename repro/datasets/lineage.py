"""Four more pairs of the embedded benchmark: what the systems around the paper claim to see, each needed by one pair of classes.

======================  ===============================================  ==========================================
pair                    the two classes share / differ in                what can tell them apart
======================  ===============================================  ==========================================
reversal                every frame / the order they come in: an         directed motion: flow, frame differences, filters
                        object that climbs again and again, or the       over time; no set of frames in whatever number
                        same played backwards                            (arrow of time, Xie et al. 2018)
long_range              the first or last third is silent / in the       windows from all over the video: segments
                        other one an object swings, amber across or      (TSN 2016), many clips at test; a window
                        teal upright; the middle is silent too           inside the middle third sees nothing
camera                  the object and the camera's motion / the axis    motion against the background: flow less its
                        along which the object swings in the world       mean (Two-Stream 2014), warped flow (TSN 2016)
speed                   the path / the tempo                             how far things move from frame to frame
======================  ===============================================  ==========================================

A reversal clip of the second class is a clip of the first one, drawn from its own random numbers and played backwards. A mirrored
picture keeps up and down, as it does not keep left and right. An object of a speed class moves at one of two tempos over the
same box. A camera clip adds what is the same in both classes: the camera swings along both axes, faster than the object.
"""

import numpy as np

from repro.datasets.scene import ACROSS, STILL, UPRIGHT, Swing, boxes, hue, picture, surface, tremor, with_noise

PAIRS = {
    "reversal": ("Climbing", "Sinking"),
    "long_range": ("OnceAmberAcross", "OnceTealUpright"),
    "camera": ("PannedAcross", "PannedUpright"),
    "speed": ("SwingSlow", "SwingFast"),
}
_HUES = {"reversal": "gold", "long_range": "violet", "camera": "purple", "speed": "green"}
_CUES = ("amber", "teal")  # of a long_range object while it swings


def render(settings, scene, label, rng):
    """The frames (T, S, S, 3) uint8 RGB of a clip; ``scene``: its group's. Equal random numbers give equal frames."""
    pair = next(name for name, labels in PAIRS.items() if label in labels)
    second = PAIRS[pair].index(label)
    frames = int(rng.integers(settings.frames[0], settings.frames[1] + 1))
    size, radius = settings.size, scene["radius"]
    reach = rng.uniform(0.75, 1.0) * (size / 4 - radius - 0.5)
    margin = settings.camera_reach if pair == "camera" else 0.0
    (centre,) = margin + boxes(rng, 1, size - 2 * margin, 2 * (reach + radius))
    speed = rng.uniform(*settings.tempo[second]) if pair == "speed" else scene["speed"] * rng.uniform(0.85, 1.15)
    swing, skin = (Climb if pair == "reversal" else Swing)(rng, centre, reach, speed), surface(rng)
    axes, hues = _course(pair, second, frames, rng)
    start = rng.uniform(16, 32, 2)
    camera = tremor(rng, settings, frames) + scene["pan"] * (np.arange(frames)[:, None] - frames / 2)
    if pair == "camera":
        camera = camera + camera_path(settings, frames, rng)
    video = np.empty((frames, size, size, 3), np.uint8)
    for t in range(frames):
        disc = (swing.position() - camera[t], hue(hues[t], settings.chroma), skin)
        video[t] = with_noise(rng, picture(scene["background"], start + camera[t], [disc], radius, size), settings)
        swing.advance(axes[t])
    return video[::-1] if pair == "reversal" and second else video


class Climb(Swing):
    """An object that climbs through its box and starts again at the bottom."""

    def position(self):
        left, _ = super().position()
        return np.array([left, self.centre[1] + self.reach * (1 - self.phase[1] % 2)])


def _course(pair, second, frames, rng):
    """Per frame: which axis moves, and the object's hue."""
    either, own = (ACROSS, UPRIGHT)[rng.integers(2)], (ACROSS, UPRIGHT)[second]
    hues = [_HUES[pair]] * frames
    if pair == "reversal":
        return [UPRIGHT] * frames, hues
    if pair == "long_range":
        spoken = talking_frames(frames, rng)
        return (
            [own if talks else STILL for talks in spoken],
            [_CUES[second] if talks else name for talks, name in zip(spoken, hues)],
        )
    return [own if pair == "camera" else either] * frames, hues


def talking_frames(frames, rng):
    """Which frames of a long_range clip decide, (T,) bool: its first third or its last, one as likely as the other."""
    third = frames // 3
    spoken = np.arange(frames) < third
    return spoken if rng.integers(2) else spoken[::-1]


def camera_path(settings, frames, rng):
    """Where the camera of a camera clip looks, (T, 2) px: a swing of ``camera_reach`` along each axis, at speeds of their own."""
    path = [Swing(rng, (0.0, 0.0), settings.camera_reach, rng.uniform(*settings.camera_speed)) for _ in range(2)]
    places = np.empty((frames, 2))
    for t in range(frames):
        for axis, swing in enumerate(path):
            places[t, axis] = swing.position()[axis]
            swing.advance((axis,))
    return places
