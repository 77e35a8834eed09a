"""How much there is of a dataset: counted by its index, else as its publishers or its generator say."""

import dataclasses

from repro.datasets.doctor import OFFICIAL
from repro.datasets.embedded import subset_of
from repro.datasets.index import DatasetIndex

# frames of the official releases, for as long as there is no index that counted them
FRAMES = {
    "ucf101": (27 * 3600 * 25, "published: 27 hours at 25 frames per second, Soomro et al. 2012"),
    "hmdb51": (630_000, "recalled, unverified"),
    "jhmdb": (31_838, "published: annotated frames, Jhuang et al. 2013"),
}


@dataclasses.dataclass(frozen=True)
class Data:
    """How much there is of a dataset; ``subsets``: split -> (training, test) videos; ``source`` of the numbers, in words."""

    videos: int
    frames: int
    aspect: float  # longer by shorter side, mean over frames
    height: float  # shorter side in pixels
    subsets: dict
    source: str

    @property
    def pixels(self):
        """Of a frame of the video."""
        return self.height**2 * self.aspect


def data_of(run):
    """`Data` of a Run's dataset; None where nobody knows."""
    folder, layout = run.index, run.dataset_settings.layout
    if (folder / "index.csv").is_file():
        return _indexed(DatasetIndex.load(folder))
    if run.dataset in (run.params.mapping.get("embedded") or {}):
        return _drawn(run.embedded)
    if layout not in FRAMES:
        return None
    official, (frames, source) = OFFICIAL[layout], FRAMES[layout]
    return Data(
        official.videos,
        frames,
        4 / 3,
        240,
        official.splits,
        f"{official.videos:,} videos (official count), {frames:,} frames ({source}), 320x240 pixels",
    )


def _indexed(index):
    table = index.table[index.table["problems"] == ""]
    short, long = table[["width", "height"]].min(axis=1), table[["width", "height"]].max(axis=1)
    weights = table["frames"] / table["frames"].sum()
    subsets = {s: tuple(len(index.subset(s, subset)) for subset in ("train", "test")) for s in index.splits}
    frames = int(table["frames"].sum())
    return Data(
        len(table),
        frames,
        float((long / short * weights).sum()),
        float((short * weights).sum()),
        subsets,
        f"{len(table):,} videos, {frames:,} frames (its index)",
    )


def _drawn(settings):
    """Of the embedded benchmark, by its generator's settings; its lengths are drawn, so that frames are a mean."""
    alike = settings.clips_per_group * len(settings.classes)
    videos, groups = settings.groups * alike, range(1, settings.groups + 1)
    frames = round(videos * sum(settings.frames) / 2)
    subsets = {}
    for split in range(1, settings.splits + 1):
        test = alike * sum(subset_of(settings, split, group) == "test" for group in groups)
        subsets[split] = (videos - test, test)
    return Data(
        videos, frames, 1.0, settings.size, subsets, f"{videos:,} videos, some {frames:,} frames (the settings of its generator)"
    )
