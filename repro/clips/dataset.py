"""Clips read from containers: uint8 crops for training, whole frames for testing, and their way onto the device."""

import dataclasses
from collections import OrderedDict
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from torch.utils.data import Dataset

from repro.clips.augment import draw_crop, draw_place
from repro.clips.modality import check_container, union_margin
from repro.clips.sampling import is_short, test_centres, training_centres, video_order
from repro.errors import ReproError
from repro.video.store import ClipStore


@dataclasses.dataclass(frozen=True)
class Clip:
    """Bytes of one clip: ``planes`` {stream: uint8 tensor (T, h, w, bytes per pixel)}, h and w the same for all.

    ``fallback``: the video is too short for the clip as drawn, so frames or edge flow fields repeat. ``shift``: what is added
    to its three colours, in bytes.
    """

    planes: dict
    label: int
    name: str
    flip: bool = False
    fallback: bool = False
    shift: tuple | None = None


class VideoReader:
    """Modalities of videos by name, ``streams`` {stream: Modality}, with a bounded cache of decoded bytes (0 keeps none).

    ``videos``: rows of an index (``video``, ``path``, ``frames``), which containers that say what they were made of must agree
    with.
    """

    def __init__(self, folder, streams, cache_gib=0.0, videos=None):
        self.folder, self.streams, self.margin = Path(folder), dict(streams), union_margin(streams.values())
        self._wanted = {} if videos is None else dict(zip(videos["video"], zip(videos["path"], videos["frames"])))
        self._room = int(cache_gib * 2**30)
        self._stores, self._cache = {}, OrderedDict()

    def store(self, name):
        """The container of a video; ReproError where it is missing, is of another video, or lacks a plane that a stream needs."""
        if name not in self._stores:
            path = self.folder / f"{name}.zip"
            if not path.is_file():
                raise ReproError(
                    "no container for a video of the split", path=path, fix="run `repro extract` (`dvc repro extract`)"
                )
            store = ClipStore(path)
            self._check_source(store, name)
            check_container(self.streams, store)
            self._stores[name] = store
        return self._stores[name]

    def _check_source(self, store, name):
        source = store.meta.get("source") or {}
        if name not in self._wanted or "sha256" not in source:  # not in loose pictures, whose numbers are their makers'
            return
        path, frames = self._wanted[name]
        if (source["name"], store.frames) != (Path(path).name, frames):
            raise ReproError(
                "a container of another video",
                path=store.path,
                why=f"made of {source['name']}, {store.frames} frames; the index says {Path(path).name}, {frames} frames",
                fix="run `repro extract` (`dvc repro extract`)",
            )

    def read(self, name, centres):
        """{stream: uint8 array (T, H, W, bytes per pixel)} at ``centres``."""
        source = _Source(self, name)
        return {stream: modality.read(source, centres) for stream, modality in self.streams.items()}

    def planes(self, name, plane, numbers):
        """Pictures of one plane of a container by number, (n, H, W, 3 or 2) uint8."""
        store = self.store(name)
        if not self._room:
            return _decoded(store, plane, numbers)
        key = (name, plane)
        if key not in self._cache:
            planes = _decoded(store, plane, np.arange(store.frames if plane == "rgb" else store.fields))
            self._room -= planes.nbytes
            self._cache[key] = planes
            while self._room < 0 and len(self._cache) > 1:
                self._room += self._cache.popitem(last=False)[1].nbytes
        self._cache.move_to_end(key)
        return self._cache[key][numbers]


def _decoded(store, plane, numbers):
    return store.rgb(numbers) if plane == "rgb" else store.flow(numbers, plane)


class _Source:
    """One video as modalities read it, see `repro.clips.kinds.Kind`."""

    def __init__(self, reader, name):
        store = reader.store(name)
        self.frames, self.height, self.width, self.flow_bound = store.frames, store.height, store.width, store.settings.flow_bound
        self._reader, self._name = reader, name

    def __call__(self, plane, numbers):
        return self._reader.planes(self._name, plane, numbers)


class TrainingClips(Dataset):
    """Sub-batches of training clips by (step, number of the sub-batch in the step).

    What a sub-batch holds is drawn from (seed, step, number) alone, so one process and many, a fresh run and a
    resumed one, see the same clips. The stride is drawn once per sub-batch (authors' code). ``recipe`` says ``sampling``,
    ``frames``, ``stride``, ``order``, ``crop`` and the sizes of steps and sub-batches.
    """

    def __init__(self, reader, names, labels, recipe, input_size, seed):
        self.reader, self.names, self.labels = reader, list(names), list(labels)
        self.recipe, self.input_size, self.seed = recipe, input_size, seed
        self.order = video_order(recipe.order, self.labels, seed)

    def __getitem__(self, place):
        step, number = place
        recipe = self.recipe
        rng = np.random.default_rng([self.seed, 12, step, number])
        stride = int(rng.integers(recipe.stride[0], recipe.stride[1] + 1))
        shared = draw_place(recipe.crop, rng) if recipe.crop.per == "sub_batch" else None
        first = step * recipe.videos_per_step + number * recipe.clips_per_batch_norm
        size = min(recipe.clips_per_batch_norm, recipe.videos_per_step - number * recipe.clips_per_batch_norm)
        return [self._clip(self.order[first + i], stride, shared, rng) for i in range(size)]

    def _clip(self, index, stride, place, rng):
        name, margin, recipe = self.names[index], self.reader.margin, self.recipe
        store = self.reader.store(name)
        centres, fallback = training_centres(recipe.sampling, store.frames, recipe.frames, stride, rng, margin)
        crop = draw_crop(recipe.crop, store.height, store.width, self.input_size, rng, place)
        window = np.s_[:, crop.top : crop.top + crop.height, crop.left : crop.left + crop.width]
        planes = {stream: _tensor(bytes_[window]) for stream, bytes_ in self.reader.read(name, centres).items()}
        shift = tuple(rng.normal(0, recipe.rgb_jitter, 3)) if recipe.rgb_jitter else None
        return Clip(planes, self.labels[index], name, crop.flip, fallback or is_short(store.frames, margin), shift)


class TestClips(Dataset):
    """The test clips of every video, a list of Clips of whole frames each; sides are clamped later.

    ``ways`` (EvaluationSettings) says ``sampling``, ``frames``, ``stride`` and number of ``clips``.
    """

    __test__ = False  # not a pytest class

    def __init__(self, reader, names, labels, ways):
        self.reader, self.names, self.labels, self.ways = reader, list(names), list(labels), ways

    def __len__(self):
        return len(self.names)

    def centres(self, index):
        """Centre frames of the clips of a video, a list of arrays."""
        frames, ways = self.reader.store(self.names[index]).frames, self.ways
        return test_centres(ways.sampling, frames, ways.frames, self.reader.margin, ways.stride, ways.clips)

    def __getitem__(self, index):
        name, short = self.names[index], is_short(self.reader.store(self.names[index]).frames, self.reader.margin)
        return [
            Clip({s: _tensor(b) for s, b in self.reader.read(name, centres).items()}, self.labels[index], name, fallback=short)
            for centres in self.centres(index)
        ]


def _tensor(bytes_):
    return torch.from_numpy(np.ascontiguousarray(bytes_))


def batch_inputs(clips, streams, normalisation, crop, input_size, device):
    """Clips -> ({stream: (B, T, C, S, S) float32}, labels (B,)) on ``device``; resizing and flipping happen there.

    ``streams``: {stream: Modality}. ``normalisation``: {stream: InputNormalisation}, which flow does without. ``crop``: the
    recipe's CropSettings, for its ``resize``.
    """
    size = input_size, input_size

    def one(stream, clip):
        planes = clip.planes[stream].to(device, non_blocking=True)
        seen = _shifted(normalisation.get(stream), clip.shift)
        return streams[stream].to_input(planes, seen, clip.flip, size, crop.resize)

    inputs = {stream: torch.stack([one(stream, clip) for clip in clips]) for stream in streams}
    return inputs, torch.tensor([clip.label for clip in clips], device=device)


def _shifted(normalisation, shift):
    """The normalisation under which colours come out brighter by ``shift``: a mean that much lower."""
    if normalisation is None or shift is None:
        return normalisation
    mean = tuple(m - s for m, s in zip(normalisation.mean, shift))
    return SimpleNamespace(mean=mean, std=normalisation.std, bgr=normalisation.bgr)
