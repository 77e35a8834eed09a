"""The embedded diagnostic benchmark: small real videos in which each mechanism of the paper is needed by one pair of classes.

======================  ===============================================  ==========================================
pair                    the two classes share / differ in                what can tell them apart
======================  ===============================================  ==========================================
appearance              the motions / the hue of the object              one RGB frame
motion                  the object / the axis along which it swings      one flow stack
binding                 both objects and both motions / which object     hue and motion at the same place: a residual
                        does which                                       from the motion into the appearance stream
order                   object and motions / which motion comes first    filters over frames further apart than a stack
======================  ===============================================  ==========================================

Nothing else tells them apart: hues have equal luminance (optical flow is computed on grey), objects have one silhouette, and a
position in a single frame has the same law whichever axis the object swings along (see ``scene.Swing``). The object of an
order class rests between its two motions for longer than a flow stack of ten fields, so that no stack sees both; it also rests
at both ends of the clip, so that a stack in which it starts or stops does not tell which half it is from.

Further pairs, of the systems around the paper, are in `repro.datasets.lineage`.

The files lie exactly as UCF101's or HMDB51's do, so that the ordinary dataset code reads them. It is a test of
mechanisms and says nothing about accuracies on UCF101 or HMDB51.
"""

import dataclasses
from pathlib import Path

import cv2
import numpy as np

from repro.datasets import lineage
from repro.datasets.scene import ACROSS, STILL, UPRIGHT, Swing, boxes, group_scene, hue, picture, surface, tremor, with_noise
from repro.engine.pool import Failure, each
from repro.errors import ReproError
from repro.progress import progress

#: mechanism -> its two classes; within a pair only that mechanism's cue differs. Drawn where settings name no pairs
PAIRS = {
    "appearance": ("SwingAmber", "SwingTeal"),
    "motion": ("SwingAcross", "SwingUpright"),
    "binding": ("RoseAcrossLimeUpright", "LimeAcrossRoseUpright"),
    "order": ("AcrossThenUpright", "UprightThenAcross"),
}
#: those of the systems around the paper too. A class's random numbers follow from its place in this order: new pairs come last
ALL_PAIRS = {**PAIRS, **lineage.PAIRS}


@dataclasses.dataclass(frozen=True)
class EmbeddedSettings:
    """What the generator draws. Lengths in pixels of the video or in frames; ranges are inclusive.

    ``pause`` and ``edge``: frames for which an object of an order class rests between its motions and at the clip's ends.
    ``pan`` (px per frame) and ``shake`` (px, standard deviation) move the camera; ``sway`` (px) swings it as objects swing, to
    that distance and along an axis of its own, across or upright, which says nothing about the class. ``noise`` is the standard
    deviation of grey-level noise per pixel; ``chroma`` (0..1) is how far the hues lie apart. ``pairs``: keys of ``ALL_PAIRS``
    that are drawn, () = ``PAIRS``. Harder: more noise, less chroma, smaller radius, slower speed.

    Of `repro.datasets.lineage`'s pairs: ``camera_speed`` (px per frame) and ``camera_reach`` (px), how the camera of a camera
    clip swings along both axes; ``tempo`` (px per frame), the slow and the fast range of the speed pair.
    """

    layout: str = "ucf101"
    seed: int = 0
    groups: int = 21
    clips_per_group: int = 3
    splits: int = 3
    size: int = 80
    frames: tuple[int, int] = (118, 130)
    radius: tuple[float, float] = (6.5, 8.5)
    speed: tuple[float, float] = (1.2, 2.2)
    pause: tuple[int, int] = (12, 14)
    edge: tuple[int, int] = (6, 8)
    pan: float = 0.0
    shake: float = 0.0
    sway: float = 0.0
    pairs: tuple[str, ...] = ()
    noise: float = 3.0
    chroma: float = 1.0
    camera_speed: tuple[float, float] = (2.5, 4.0)
    camera_reach: float = 8.0
    tempo: tuple[tuple[float, float], tuple[float, float]] = ((0.6, 0.9), (1.7, 2.4))

    def __post_init__(self):
        if self.layout not in ("ucf101", "hmdb51"):
            raise ValueError(f"layout must be ucf101 or hmdb51, got {self.layout!r}")
        if not set(self.pairs) <= set(ALL_PAIRS):
            raise ValueError(f"pairs must be among {', '.join(ALL_PAIRS)}, got {', '.join(self.pairs)}")
        if self.groups < 2 * self.splits:
            raise ValueError(f"groups must be at least twice the splits, got {self.groups} for {self.splits} splits")

    @property
    def classes(self):
        """The classes that are drawn, pair by pair."""
        return tuple(name for pair in self.pairs or PAIRS for name in ALL_PAIRS[pair])


def motions_over_time(rng, label, frames, pause, edge):
    """Per object and frame, the coordinates that move in a clip of class ``label``."""
    if label in PAIRS["appearance"]:
        return [[(ACROSS, UPRIGHT)[rng.integers(2)]] * frames]
    if label in PAIRS["motion"]:
        return [[(ACROSS, UPRIGHT)[PAIRS["motion"].index(label)]] * frames]
    if label in PAIRS["binding"]:  # the rose object is always the first one
        first, second = ((ACROSS, UPRIGHT), (UPRIGHT, ACROSS))[PAIRS["binding"].index(label)]
        return [[first] * frames, [second] * frames]
    first, second = ((ACROSS, UPRIGHT), (UPRIGHT, ACROSS))[PAIRS["order"].index(label)]
    before, after = rng.integers(edge[0], edge[1] + 1, 2)
    between = rng.integers(pause[0], pause[1] + 1)
    moving = frames - before - between - after
    half = moving // 2 + rng.integers(-4, 5)
    return [[STILL] * before + [first] * half + [STILL] * between + [second] * (moving - half) + [STILL] * after]


def hues_of(label):
    """Hue names of the objects of a class, in the order of ``motions_over_time``."""
    if label in PAIRS["appearance"]:
        return [("amber", "teal")[PAIRS["appearance"].index(label)]]
    if label in PAIRS["motion"]:
        return ["violet"]
    return ["rose", "lime"] if label in PAIRS["binding"] else ["azure"]


def render(settings, label, group, clip):
    """The frames (T, S, S, 3) uint8 RGB of one clip; equal arguments give equal frames."""
    scene = group_scene(np.random.default_rng([settings.seed, 1, group]), settings)
    names = [name for pair in ALL_PAIRS.values() for name in pair]
    rng = np.random.default_rng([settings.seed, 2, group, clip, names.index(label)])
    if not any(label in pair for pair in PAIRS.values()):
        return lineage.render(settings, scene, label, rng)
    size, radius = settings.size, scene["radius"]
    frames = int(rng.integers(settings.frames[0], settings.frames[1] + 1))
    motions = motions_over_time(rng, label, frames, settings.pause, settings.edge)
    reach = rng.uniform(0.75, 1.0) * (size / 4 - radius - 0.5)
    side = 2 * (reach + radius)
    swings = [
        Swing(rng, centre, reach, scene["speed"] * rng.uniform(0.85, 1.15)) for centre in boxes(rng, len(motions), size, side)
    ]
    colours = [hue(name, settings.chroma) for name in hues_of(label)]
    skins = [surface(rng) for _ in motions]
    start = rng.uniform(16, 32, 2)
    shake = tremor(rng, settings, frames)
    if settings.sway:
        sway_rng = np.random.default_rng([settings.seed, 3, group, clip, names.index(label)])
        sway, axis = Swing(sway_rng, (0.0, 0.0), settings.sway, sway_rng.uniform(*settings.speed)), int(sway_rng.integers(2))
        for t in range(frames):
            shake[t, axis] += sway.position()[axis]
            sway.advance((axis,))
    order = rng.permutation(len(motions))
    video = np.empty((frames, size, size, 3), np.uint8)
    for t in range(frames):
        camera = shake[t] + scene["pan"] * (t - frames / 2)
        discs = [(swings[k].position() - camera, colours[k], skins[k]) for k in order]
        video[t] = with_noise(rng, picture(scene["background"], start + camera, discs, radius, size), settings)
        for k in order:
            swings[k].advance(motions[k][t])
    return video


def clip_name(settings, label, group, clip):
    """File name as UCF101 (``v_Class_g01_c01.avi``) or HMDB51 (source, class, five tags, number) writes it."""
    if settings.layout == "ucf101":
        return f"v_{label}_g{group:02d}_c{clip:02d}.avi"
    camera = "cm" if settings.pan or settings.shake or settings.sway else "nm"
    return f"Source{group:02d}_{label}_f_{camera}_np1_fr_med_{clip - 1}.avi"


def subset_of(settings, split, group):
    """``test`` for the groups that split ``split`` (1-based) holds out, else ``train``; a group is held out in one split."""
    held = settings.groups // settings.splits
    return "test" if (split - 1) * held < group <= split * held else "train"


def write_benchmark(settings, folder, workers=2):
    """Write ``folder/videos/<class>/*.avi`` and the split lists ``folder/splits/*.txt``.

    Names and lists are UCF101's (``v_<Class>_gGG_cCC.avi``; ``classInd.txt``, ``trainlist01.txt``, ...) or HMDB51's
    (``<class>_test_split1.txt``, ...). Equal settings give equal bytes.
    """
    videos, lists = Path(folder) / "videos", Path(folder) / "splits"
    labels = sorted(settings.classes)
    clips = [
        (label, group, clip)
        for label in labels
        for group in range(1, settings.groups + 1)
        for clip in range(1, settings.clips_per_group + 1)
    ]
    for label in labels:
        (videos / label).mkdir(parents=True, exist_ok=True)
    lists.mkdir(parents=True, exist_ok=True)
    jobs = [
        (settings, label, group, clip, videos / label / clip_name(settings, label, group, clip)) for label, group, clip in clips
    ]
    cv2.setNumThreads(1)  # before the fork: a worker cannot shut threads that OpenCV opened in this process, and hangs
    drawn = each(_write_clip, jobs, workers)
    for number, result in progress(drawn, total=len(jobs), desc="draw videos", unit="video"):
        if isinstance(result, Failure):
            raise ReproError(
                "cannot draw a video", path=jobs[number][-1], why=result.why, fix="check the folder and the free space"
            )
    _write_lists(settings, lists, labels, clips)


def _write_clip(settings, label, group, clip, path):
    cv2.setNumThreads(1)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"XVID"), 25.0, (settings.size, settings.size))
    if not writer.isOpened():
        raise ReproError("cannot write video", path=path, fix="check the folder and the free space")
    for frame in render(settings, label, group, clip):
        writer.write(frame[..., ::-1])
    writer.release()


def _write_lists(settings, lists, labels, clips):
    if settings.layout == "ucf101":
        number = {label: i + 1 for i, label in enumerate(labels)}
        (lists / "classInd.txt").write_text("".join(f"{i} {label}\n" for label, i in number.items()))
        for split in range(1, settings.splits + 1):
            rows = {"train": [], "test": []}
            for label, group, clip in clips:
                subset = subset_of(settings, split, group)
                name = f"{label}/{clip_name(settings, label, group, clip)}"
                rows[subset].append(f"{name} {number[label]}\n" if subset == "train" else f"{name}\n")
            for subset, lines in rows.items():
                (lists / f"{subset}list{split:02d}.txt").write_text("".join(lines))
        return
    for split in range(1, settings.splits + 1):
        for label in labels:
            lines = [
                f"{clip_name(settings, label, g, c)} {1 if subset_of(settings, split, g) == 'train' else 2} \n"
                for name, g, c in clips
                if name == label
            ]
            (lists / f"{label}_test_split{split}.txt").write_text("".join(lines))
