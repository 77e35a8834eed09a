"""What the embedded benchmark is drawn with: hues of equal luminance, objects that swing, backgrounds, frames."""

import cv2
import numpy as np

_LUMINANCE = 128.0
_LUMA = np.array([0.299, 0.587, 0.114])
#: chroma directions with no luminance (rows: red, green, blue), scaled to stay inside 0..255 at the common luminance
_ANGLES = {
    "amber": 100,
    "teal": 280,
    "violet": 0,
    "rose": 50,
    "lime": 200,
    "azure": 330,
    "purple": 25,
    "gold": 150,
    "green": 240,
    "cyan": 305,
}
#: coordinates that move: x, y, none
ACROSS, UPRIGHT, STILL = (0,), (1,), ()


def hue(name, chroma=1.0):
    """RGB (float, 0..255) of a named hue; every hue has the same luminance (ITU-R BT.601, as OpenCV's grey)."""
    angle = np.deg2rad(_ANGLES[name])
    u, v = np.cos(angle), np.sin(angle)
    offset = np.array([1.140 * v, -0.395 * u - 0.581 * v, 2.032 * u])
    offset -= offset @ _LUMA
    return _LUMINANCE + chroma * 100.0 * offset / np.abs(offset).max()


class Swing:
    """An object that swings along one axis inside a square box, as a triangle wave.

    Both coordinates are ``centre + reach * triangle(phase)``; only the moving axis' phase advances. The frozen axis is drawn
    from the very same law, so one frame does not tell which axis moves.
    """

    def __init__(self, rng, centre, reach, speed):
        self.centre, self.reach = np.asarray(centre, float), reach
        self.phase = rng.uniform(0, 4, 2)  # one period is 4: up, down
        self.step = speed / reach

    def advance(self, axes):
        self.phase[list(axes)] += self.step

    def position(self):
        folded = np.abs((self.phase % 4) - 2) - 1  # triangle wave in -1..1, uniform for a uniform phase
        return self.centre + self.reach * folded


def boxes(rng, count, size, side):
    """Centres of ``count`` (1 or 2) square boxes that lie in the frame and do not overlap."""
    while True:
        centres = rng.uniform(side / 2, size - side / 2, (count, 2))
        if count == 1 or np.abs(centres[0] - centres[1]).max() >= side:
            return centres


def texture(rng, size, cells, amplitude, channels):
    """Smooth noise (size, size, channels) float32, some ``cells`` to a side."""
    coarse = rng.normal(0, 1, (cells, cells, channels)).astype(np.float32)
    smooth = cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)
    return amplitude * smooth.reshape(size, size, channels)


def surface(rng):
    """An object's texture: luminance only, so that flow can hold on to the object."""
    return texture(rng, 32, 11, 16.0, 1)


def group_scene(rng, settings):
    """What the clips of one group share: background, object size, speed range, camera."""
    wide = settings.size + 48  # room for the camera to move
    luminance = texture(rng, wide, 26, 22.0, 1) + texture(rng, wide, 9, 18.0, 1)
    tint = texture(rng, wide, 7, 14.0, 3)
    tint -= (tint @ _LUMA)[..., None]
    return {
        "background": np.clip(118 + luminance + tint, 0, 255).astype(np.float32),
        "radius": rng.uniform(*settings.radius),
        "speed": rng.uniform(*settings.speed),
        "pan": rng.uniform(-1, 1, 2) * settings.pan,
    }


def shifted(plane, offset, size):
    """``plane`` seen through a window of ``size`` (width, height) whose corner lies at ``offset`` (x, y), sub-pixel."""
    matrix = np.float32([[1, 0, -offset[0]], [0, 1, -offset[1]]])
    window = cv2.warpAffine(plane, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    return window.reshape(size[1], size[0], plane.shape[2])


def picture(background, offset, discs, radius, size):
    """One frame (S, S, 3) float without noise: ``discs``, each (place (x, y), hue (3,), its surface), over the background."""
    frame = shifted(background, offset, (size, size)).astype(float)
    for place, colour, skin in discs:
        _paint(frame, place, colour, skin, radius)
    return frame


def _paint(frame, place, colour, skin, radius):
    """A disc into ``frame``: only the pixels around it, for videos are drawn by the thousand."""
    left, top = np.floor(np.subtract(place, radius)).astype(int).clip(0)
    right, bottom = np.ceil(np.add(place, radius)).astype(int).clip(-1, np.subtract(frame.shape[1::-1], 1)) + 1
    if left >= right or top >= bottom:
        return
    y, x = np.mgrid[top:bottom, left:right]
    alpha = np.clip(radius + 0.5 - np.hypot(y - place[1], x - place[0]), 0, 1)[..., None]
    # from the frame's corner on: OpenCV rounds places
    skin = shifted(skin, (16 - place[0], 16 - place[1]), (frame.shape[1], bottom))
    spot = frame[top:bottom, left:right]
    spot *= 1 - alpha
    spot += (colour + skin[top:, left:right]) * alpha


def tremor(rng, settings, frames):
    """The camera's shake without drift, (T, 2) px."""
    moved = np.cumsum(rng.normal(0, settings.shake, (frames, 2)), axis=0) if settings.shake else np.zeros((frames, 2))
    return np.clip(moved - cv2.blur(moved, (1, 15)), -6, 6)


def with_noise(rng, frame, settings):
    """A frame as it is stored: uint8, with grey-level noise."""
    return np.clip(np.rint(frame + rng.normal(0, settings.noise, (settings.size, settings.size, 1))), 0, 255)
