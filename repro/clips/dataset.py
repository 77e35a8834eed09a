"""Clips read from containers: uint8 crops for training, whole frames for testing, and their way onto the device."""

import dataclasses
from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch.utils.data import Dataset

from repro.clips.augment import draw_crop
from repro.clips.sampling import VideoOrder, flow_fields, is_short, test_centres, training_centres
from repro.errors import ReproError
from repro.video.store import ClipStore


@dataclasses.dataclass(frozen=True)
class Clip:
    """Bytes of one clip. ``rgb`` (T, h, w, 3) and ``flow`` (T, h, w, 2L) uint8 tensors, either may be None.

    ``fallback``: the video is too short for the clip as drawn, so frames or edge flow fields repeat.
    """

    rgb: torch.Tensor | None
    flow: torch.Tensor | None
    label: int
    name: str
    flip: bool = False
    fallback: bool = False


class VideoReader:
    """Frames and stacks of videos by name, with a bounded cache of decoded bytes (0 keeps none)."""

    def __init__(self, folder, streams, flow_length=10, cache_gib=0.0):
        self.folder, self.streams, self.flow_length = Path(folder), tuple(streams), flow_length
        self._room = int(cache_gib * 2**30)
        self._stores, self._cache = {}, OrderedDict()

    def store(self, name):
        if name not in self._stores:
            path = self.folder / f"{name}.zip"
            if not path.is_file():
                raise ReproError(
                    "no container for a video of the split", path=path, fix="run `repro extract` (`dvc repro extract`)"
                )
            self._stores[name] = ClipStore(path)
        return self._stores[name]

    def read(self, name, centres):
        """(rgb (T, H, W, 3) | None, flow (T, H, W, 2L) | None) uint8 arrays at ``centres``; u and v alternate."""
        rgb = flow = None
        if "appearance" in self.streams:
            rgb = self._planes(name, "rgb", np.asarray(centres))
        if "motion" in self.streams:
            store = self.store(name)
            if store.fields != store.frames - 1:
                raise ReproError("a container without flow", path=store.path, fix="run `repro extract` again")
            if store.fields == 0:  # one frame has no motion
                shape = (len(centres), store.height, store.width, 2 * self.flow_length)
                return rgb, np.full(shape, 128, np.uint8)
            numbers = np.stack([flow_fields(c, store.fields, self.flow_length) for c in centres])  # (T, L)
            needed, place = np.unique(numbers, return_inverse=True)
            fields = self._planes(name, "flow", needed)[place.reshape(-1)]  # (T * L, H, W, 2)
            steps, (height, width) = len(centres), fields.shape[1:3]
            flow = fields.reshape(steps, self.flow_length, height, width, 2).transpose(0, 2, 3, 1, 4)
            flow = flow.reshape(steps, height, width, 2 * self.flow_length)
        return rgb, flow

    def _planes(self, name, modality, numbers):
        store = self.store(name)
        read = getattr(store, modality)
        if not self._room:
            return read(numbers)
        key = (name, modality)
        if key not in self._cache:
            planes = read(np.arange(store.frames if modality == "rgb" else store.fields))
            self._room -= planes.nbytes
            self._cache[key] = planes
            while self._room < 0 and len(self._cache) > 1:
                self._room += self._cache.popitem(last=False)[1].nbytes
        self._cache.move_to_end(key)
        return self._cache[key][numbers]


class TrainingClips(Dataset):
    """Sub-batches of training clips by (step, number of the sub-batch in the step).

    What a sub-batch holds is drawn from (seed, step, number) alone, so one process and many, a fresh run and a
    resumed one, see the same clips. The stride is drawn once per sub-batch (authors' code).
    """

    def __init__(self, reader, names, labels, recipe, input_size, seed):
        self.reader, self.names, self.labels = reader, list(names), list(labels)
        self.recipe, self.input_size, self.seed = recipe, input_size, seed
        self.order = VideoOrder(len(self.names), seed)

    def __getitem__(self, place):
        step, number = place
        recipe = self.recipe
        rng = np.random.default_rng([self.seed, 12, step, number])
        stride = int(rng.integers(recipe.stride[0], recipe.stride[1] + 1))
        first = step * recipe.videos_per_step + number * recipe.clips_per_batch_norm
        size = min(recipe.clips_per_batch_norm, recipe.videos_per_step - number * recipe.clips_per_batch_norm)
        return [self._clip(self.order[first + i], stride, rng) for i in range(size)]

    def _clip(self, index, stride, rng):
        name, length = self.names[index], self.reader.flow_length
        store = self.reader.store(name)
        centres, fallback = training_centres(store.frames, self.recipe.frames, stride, rng, length)
        crop = draw_crop(self.recipe.crop, store.height, store.width, self.input_size, rng)
        window = np.s_[:, crop.top : crop.top + crop.height, crop.left : crop.left + crop.width]
        planes = [
            None if a is None else torch.from_numpy(np.ascontiguousarray(a[window])) for a in self.reader.read(name, centres)
        ]
        return Clip(*planes, self.labels[index], name, crop.flip, fallback or is_short(store.frames, length))


class TestClips(Dataset):
    """The one test clip of every video: ``count`` whole frames at equal spacing, sides clamped to ``limits`` later."""

    __test__ = False  # not a pytest class

    def __init__(self, reader, names, labels, count=25):
        self.reader, self.names, self.labels, self.count = reader, list(names), list(labels), count

    def __len__(self):
        return len(self.names)

    def __getitem__(self, index):
        name = self.names[index]
        centres = test_centres(self.reader.store(name).frames, self.count, self.reader.flow_length)
        planes = [None if a is None else torch.from_numpy(np.ascontiguousarray(a)) for a in self.reader.read(name, centres)]
        return Clip(*planes, self.labels[index], name)


def to_input(planes, normalisation, flip=False, size=None, antialias=True):
    """uint8 (T, h, w, C) -> float32 (T, C, size_h, size_w), resized (bicubic), mirrored, mean subtracted.

    ``normalisation`` has ``mean`` (one value per channel, 0..255), ``std`` and ``bgr`` for the RGB plane; None stands for flow:
    128 is subtracted, and a mirrored u changes its sign (255 - u on the stored bytes).
    """
    x = planes.permute(0, 3, 1, 2)  # (T, C, h, w)
    x = x.float()
    if size is not None and tuple(x.shape[-2:]) != tuple(size):
        x = F.interpolate(x, size=tuple(size), mode="bicubic", antialias=antialias, align_corners=False).clamp_(0, 255)
    if flip:
        x = x.flip(-1)
        if normalisation is None:
            x[:, 0::2] = 255 - x[:, 0::2]
    if normalisation is None:
        return x - 128.0
    if normalisation.bgr:
        x = x.flip(1)
    mean = torch.tensor(normalisation.mean, device=x.device).view(1, -1, 1, 1)
    std = torch.tensor(normalisation.std, device=x.device).view(1, -1, 1, 1)
    return (x - mean) / std
