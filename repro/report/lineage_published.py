"""More numbers that the papers around ST-ResNet printed, for the pages on them; what tables of the report stand beside is in
`repro.published`. Nothing here was measured by this project."""

from dataclasses import dataclass

from repro.published import FUSION, MARKS, MEAN, S3D, TSN, Published

KINETICS, SOMETHING = "Kinetics-400", "Something-something"
_VALIDATION = "validation set"


@dataclass(frozen=True)
class PrintedSize:
    """Millions of parameters and G multiply-adds that ``source`` prints of ``system``; None = it does not."""

    system: str
    parameters: float | None
    multiply_adds: float | None
    source: str
    mark: str

    def __post_init__(self):
        if self.mark not in MARKS:
            raise ValueError(f"mark must be one of {', '.join(MARKS)}, got {self.mark!r}")


def _columns(table, rows, columns, dataset, source, mark, splits="split 1"):
    """{row: (Published per column)}; None where the paper prints nothing. A mark may be one per row."""
    marks = mark if isinstance(mark, dict) else dict.fromkeys(rows, mark)
    datasets = dataset if isinstance(dataset, tuple) else (dataset,) * len(columns)
    return {
        row: tuple(
            None if value is None else Published(value, where, f"{row}, {column}", table, source, marks[row], splits)
            for value, where, column in zip(values, datasets, columns, strict=True)
        )
        for row, values in rows.items()
    }


STREAMS = ("spatial", "temporal", "both")

TSN_NETWORKS = _columns(
    "network",
    {
        "Clarifai": (72.7, 81.0, 87.0),
        "GoogLeNet": (77.1, 83.9, 89.0),
        "VGG-16": (79.8, 85.7, 90.9),
        "BN-Inception": (84.5, 87.2, 92.0),
        "BN-Inception + TSN": (85.7, 87.9, 93.5),
    },
    STREAMS,
    "UCF101",
    TSN,
    {"Clarifai": "mem", "GoogLeNet": "mem", "VGG-16": "mem", "BN-Inception": "table", "BN-Inception + TSN": "table"},
)
TSN_TRAINING = _columns(
    "training",
    {
        "baseline": (72.7, 81.0, 87.0),
        "from scratch": (48.7, 81.7, 82.9),
        "pre-trained spatial": (84.1, 81.7, 90.0),
        "+ cross-modality": (84.1, 86.6, 91.5),
        "+ partial BN, dropout": (84.5, 87.2, 92.0),
    },
    STREAMS,
    "UCF101",
    TSN,
    "read",
)
TSN_CONSENSUS = _columns(
    "consensus",
    {"max": (85.0, 86.0, 91.6), "average": (85.7, 87.9, 93.5), "weighted": (86.2, 87.7, 92.4)},
    STREAMS,
    "UCF101",
    TSN,
    "read",
)
TSN_MODALITIES = _columns(
    "modalities",
    {
        "RGB": (84.5,),
        "RGB difference": (83.8,),
        "RGB + RGB difference": (87.3,),
        "flow": (87.2,),
        "warped flow": (86.9,),
        "flow + warped flow": (87.8,),
        "RGB + flow + warped flow": (92.3,),
        "all four": (91.7,),
    },
    ("accuracy",),
    "UCF101",
    TSN,
    "read",
)
TSN_SPLITS = _columns(
    "three splits",
    {"2 modalities": (94.0, 68.5), "3 modalities": (94.2, 69.4)},
    ("UCF101", "HMDB51"),
    ("UCF101", "HMDB51"),
    TSN,
    "read",
    MEAN,
)

FUSION_HOW = _columns(
    "how",
    {
        "softmax average": (85.94,),
        "max": (82.70,),
        "concatenation": (83.53,),
        "bilinear": (85.05,),
        "sum": (85.20,),
        "conv": (85.96,),
        "conv, random start": (85.59,),
    },
    ("accuracy",),
    "UCF101",
    FUSION,
    "table",
)
FUSION_WHERE = _columns(
    "where",
    {
        "ReLU2": (82.25,),
        "ReLU3": (83.43,),
        "ReLU4": (82.55,),
        "ReLU5": (85.96,),
        "ReLU5 + FC8": (86.04,),
        "ReLU3 + ReLU5 + FC6": (81.55,),
    },
    ("accuracy",),
    "UCF101",
    FUSION,
    "table",
)
FUSION_TIME = _columns(
    "over time",
    {
        "2D pool": (89.35, 56.93),
        "2D conv, 3D pool": (89.64, 57.58),
        "3D conv, 3D pool": (90.40, 58.63),
    },
    ("UCF101", "HMDB51"),
    ("UCF101", "HMDB51"),
    FUSION,
    "table",
)

ARROW_OF_TIME = _columns(
    "arrow of time",
    {"I3D": (71.1, 71.1, 45.8, 15.2), "I2D": (67.0, 67.2, 34.4, 35.2)},
    ("Kinetics", "Kinetics, reversed", "Something", "Something, reversed"),
    (KINETICS, KINETICS, SOMETHING, SOMETHING),
    S3D,
    "table",
    _VALIDATION,
)
S3D_NETWORKS = _columns(
    "networks",
    {"I2D": (None, 34.4), "I3D": (71.1, 45.8), "S3D": (72.2, 47.3), "S3D-G": (74.7, 48.2)},
    ("Kinetics", "Something"),
    (KINETICS, SOMETHING),
    S3D,
    "table",
    _VALIDATION,
)

SIZES = {
    size.system: size
    for size in (
        PrintedSize("VGG-M, convolutions", 6.61, None, FUSION, "table"),
        PrintedSize("two VGG-M", 181.42, None, FUSION, "table"),
        PrintedSize("VGG-M, sum", 97.31, None, FUSION, "table"),
        PrintedSize("VGG-M, max", 97.31, None, FUSION, "table"),
        PrintedSize("VGG-M, concatenation", 172.81, None, FUSION, "table"),
        PrintedSize("VGG-M, conv", 97.58, None, FUSION, "table"),
        PrintedSize("I3D", 12.06, 107.89, S3D, "table"),
        PrintedSize("S3D", 8.77, 66.38, S3D, "table"),
        PrintedSize("S3D-G", 11.56, 71.38, S3D, "table"),
    )
}
