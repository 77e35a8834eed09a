"""The numbers that papers printed, each with its source and with how far it was checked. Nothing here was
measured by this project.

A ``Published`` value is a type of its own: tables print it in a column of its own, headed "published", and
never as an interval.
"""

from dataclasses import dataclass

MARKS = {
    "read": "read in the paper or its authors' code",
    "table": "read in a transcription of the paper's tables",
    "files": "computed from the kernels and classifiers that the authors released",
    "notes": "consistent third-party transcriptions",
    "mem": "recalled, unverified",
}


@dataclass(frozen=True)
class Published:
    """Accuracy in percent as printed in ``table`` of ``source``; ``value`` None = that paper prints a dash
    there.

    ``splits``: which test sets it is over. ``mark``: a key of ``MARKS``; ``mem`` is printed as unverified.
    """

    value: float | None
    dataset: str
    system: str
    table: str
    source: str
    mark: str
    splits: str

    def __post_init__(self):
        if self.mark not in MARKS:
            raise ValueError(f"mark must be one of {', '.join(MARKS)}, got {self.mark!r}")

    def __str__(self):
        if self.value is None:
            return "–"
        return f"{self.value} (unverified)" if self.mark == "mem" else f"{self.value}"


ST_RESNET = "Feichtenhofer, Pinz, Wildes: Spatiotemporal Residual Networks, NIPS 2016"
TWO_STREAM = "Simonyan, Zisserman: Two-Stream Convolutional Networks, NIPS 2014"
TSN = "Wang et al.: Temporal Segment Networks, ECCV 2016"
FUSION = "Feichtenhofer, Pinz, Zisserman: Convolutional Two-Stream Network Fusion, CVPR 2016"
MULTIPLIER = "Feichtenhofer, Pinz, Wildes: Spatiotemporal Multiplier Networks, CVPR 2017"
S3D = "Xie et al.: Rethinking Spatiotemporal Feature Learning, ECCV 2018"
IDT = "Wang, Schmid: Action Recognition with Improved Trajectories, ICCV 2013"
SOURCES = {
    "st_resnet": ST_RESNET,
    "two_stream": TWO_STREAM,
    "tsn": TSN,
    "fusion": FUSION,
    "multiplier": MULTIPLIER,
    "s3d": S3D,
    "idt": IDT,
}
"""Papers by the names that params give them."""
MEAN = "mean of three splits"

# which splits Table 3 averages is not certain: its starred column equals Table 4's three-split mean
_TABLE3_SPLITS = "not stated (split 1 or mean of three)"
_TABLE3 = {  # system: UCF101, HMDB51
    "Appearance": (82.29, 43.42),
    "Motion": (79.05, 55.47),
    "Two-Stream": (89.47, 60.59),
    "ST-ResNet": (92.76, 65.57),
    "ST-ResNet*": (93.46, 66.41),
}
_TABLE4_CONVNETS = {
    "Two-Stream ConvNet (2014)": (88.0, 59.4),
    "Two-Stream + LSTM": (88.6, None),
    "Two-Stream (VGG-16)": (91.4, 58.5),
    "Transformations": (92.4, 62.0),
    "Two-Stream Fusion (2016)": (92.5, 65.4),
    "ST-ResNet*": (93.4, 66.4),
}
_TABLE4_WITH_IDT = {
    "IDT": (86.4, 61.7),
    "C3D + IDT": (90.4, None),
    "TDD + IDT": (91.5, 65.9),
    "Dynamic Image Networks + IDT": (89.1, 65.2),
    "Two-Stream Fusion + IDT": (93.5, 69.2),
    "ST-ResNet* + IDT": (94.6, 70.3),
}
# three-split means of the systems it is compared with, in their own papers: system, UCF101, HMDB51, source,
# mark
_OWN_PAPERS = (
    ("Two-Stream, spatial", 73.0, 40.5, TWO_STREAM, "read"),
    ("Two-Stream, temporal", 83.7, 54.6, TWO_STREAM, "read"),
    ("Two-Stream, averaged", 86.9, 58.0, TWO_STREAM, "read"),
    ("Two-Stream, SVM", 88.0, 59.4, TWO_STREAM, "read"),
    ("TSN, 2 modalities", 94.0, 68.5, TSN, "read"),
    ("TSN, 3 modalities", 94.2, 69.4, TSN, "read"),
    ("Two-Stream Fusion", 92.5, 65.4, FUSION, "read"),
    ("Two-Stream Fusion + IDT", 93.5, 69.2, FUSION, "read"),
    ("ST-Multiplier", 94.2, 68.9, MULTIPLIER, "mem"),
    ("ST-Multiplier + IDT", 94.9, 72.2, MULTIPLIER, "notes"),
    ("S3D-G (Kinetics)", 96.8, 75.9, S3D, "notes"),
    ("I3D RGB (Kinetics)", 95.6, 74.8, S3D, "read"),
    ("I3D two-stream (ImageNet + Kinetics)", 98.0, 80.7, S3D, "mem"),
    ("IDT + FV", 85.9, 57.2, IDT, "read"),
    ("IDT + FV, no human detection", None, 55.9, IDT, "mem"),
)
# UCF101 split 1, one row per cell: table, system, value, mark
_UCF101_SPLIT1 = (
    ("spatial", "scratch, dropout 0.5", 42.5, "mem"),
    ("spatial", "scratch, dropout 0.9", 52.3, "read"),
    ("spatial", "fine-tuned, dropout 0.5", 70.8, "read"),
    ("spatial", "fine-tuned, dropout 0.9", 72.8, "read"),
    ("spatial", "last layer, dropout 0.5", 72.7, "read"),
    ("spatial", "last layer, dropout 0.9", 59.9, "read"),
    ("temporal", "stack L = 1", 73.9, "read"),
    ("temporal", "stack L = 5", 80.4, "read"),
    ("temporal", "stack L = 10", 81.0, "read"),
    ("temporal", "stack L = 10, no mean subtraction", 79.9, "read"),
    ("temporal", "trajectory L = 10", 80.2, "read"),
    ("temporal", "trajectory L = 10, no mean subtraction", 79.6, "read"),
    ("temporal", "bi-directional L = 10", 81.2, "read"),
    ("two streams", "bi-directional, averaging", 85.6, "read"),
    ("two streams", "uni-directional, averaging", 85.9, "read"),
    ("two streams", "uni-directional, multi-task, averaging", 86.2, "read"),
    ("two streams", "uni-directional, multi-task, SVM", 87.0, "read"),
)
_HMDB51_SPLIT1_TEMPORAL = (
    ("from scratch", 46.6),
    ("fine-tuned from UCF101", 49.0),
    ("with 78 classes of UCF101", 52.8),
    ("multi-task", 55.4),
)
#: of J-HMDB: what its authors' own files give; no other printed number could be checked
_JHMDB = (
    (
        "P-CNN, annotated poses",
        73.7,
        "Chéron, Laptev, Schmid: P-CNN, ICCV 2015; kernels and SVMs of gcheron/P-CNN, ICCV15_results",
    ),
)


def _pairs(rows, table, splits, source=ST_RESNET):
    for system, values in rows.items():
        for dataset, value in zip(("UCF101", "HMDB51"), values):
            yield Published(value, dataset, system, table, source, "table", splits)


def _all():
    yield from _pairs(_TABLE3, "Table 3", _TABLE3_SPLITS)
    yield from _pairs(_TABLE4_CONVNETS, "Table 4", MEAN)
    yield from _pairs(_TABLE4_WITH_IDT, "Table 4, with IDT", MEAN)
    for system, ucf101, hmdb51, source, mark in _OWN_PAPERS:
        for dataset, value in (("UCF101", ucf101), ("HMDB51", hmdb51)):
            if value is not None:
                yield Published(value, dataset, system, "three splits", source, mark, MEAN)
    for table, system, value, mark in _UCF101_SPLIT1:
        yield Published(value, "UCF101", system, table, TWO_STREAM, mark, "split 1")
    for system, value in _HMDB51_SPLIT1_TEMPORAL:
        yield Published(value, "HMDB51", system, "temporal", TWO_STREAM, "read", "split 1")
    for system, value, source in _JHMDB:
        yield Published(value, "J-HMDB", system, "three splits", source, "files", MEAN)


PUBLISHED = tuple(_all())
TABLE4_ROWS = (
    tuple(_TABLE4_CONVNETS),
    tuple(_TABLE4_WITH_IDT),
)  # the systems of the two halves, in the paper's order


def find(dataset, system, table):
    """The published number of ``system`` on ``dataset`` in ``table`` ("Table 3", "Table 4", ...), or None."""
    cells = [p for p in PUBLISHED if (p.dataset, p.system, p.table) == (dataset, system, table)]
    return cells[0] if cells else None


def prints(dataset, table):
    """Whether ``table`` has any number on ``dataset``."""
    return any((p.dataset, p.table) == (dataset, table) for p in PUBLISHED)
