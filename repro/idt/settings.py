"""Settings of the improved dense trajectories and the layout of their descriptors."""

from dataclasses import asdict, dataclass

from repro.files import fingerprint

DETECTORS = ("sift", "orb")
PRECISIONS = ("float16", "float32")
KEEPS = ("all", "sample")
TEMPORAL_CELLS = 3
SPATIAL_CELLS = 2
DESCRIPTOR_BINS = {"hog": 8, "hof": 9, "mbhx": 8, "mbhy": 8}


@dataclass(frozen=True)
class IdtSettings:
    """Improved dense trajectories, by default those of Wang & Schmid (ICCV 2013).

    ``compensate=False`` gives plain dense trajectories: no homography, and no rejection of camera-consistent tracks.
    Lengths and steps are pixels of the full-resolution frame unless said otherwise.
    """

    track_length: int = 15  # steps of a trajectory, a multiple of the 3 temporal cells
    grid_step: int = 5  # sampling grid, pixels of each scale
    quality: float = 0.001  # minimum eigenvalue, as a share of the frame's and scale's maximum
    scales: int = 8  # at most; the shorter side of each is at least `patch`
    patch: int = 32  # side of the descriptor's patch, pixels of each scale
    min_std: float = 3.0**0.5  # static when both coordinates deviate less
    max_std: float = 50.0  # erratic when one coordinate deviates more
    max_step: float = 20.0  # a longer step ...
    max_step_share: float = 0.7  # ... that is also more than this share of the whole length is a jump
    min_warped_step: float = 1.0  # camera-consistent when no compensated step is longer
    compensate: bool = True
    detector: str = "sift"  # key points for the homography; the authors' SURF is not in the free wheels
    precision: str = "float16"  # of descriptors in the array file
    keep: str = "all"  # what the array file holds; "sample": extracted again for the Fisher vectors, never on disk

    def __post_init__(self):
        if self.track_length < TEMPORAL_CELLS or self.track_length % TEMPORAL_CELLS:
            raise ValueError(f"track_length must be a positive multiple of {TEMPORAL_CELLS}, got {self.track_length}")
        if self.patch < SPATIAL_CELLS or self.patch % SPATIAL_CELLS:
            raise ValueError(f"patch must be a positive multiple of {SPATIAL_CELLS}, got {self.patch}")
        if self.grid_step < 1 or self.scales < 1:
            raise ValueError(f"grid_step and scales must be at least 1, got {self.grid_step} and {self.scales}")
        if self.detector not in DETECTORS:
            raise ValueError(f"detector must be one of {', '.join(DETECTORS)}, got {self.detector!r}")
        if self.precision not in PRECISIONS:
            raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, got {self.precision!r}")
        if self.keep not in KEEPS:
            raise ValueError(f"keep must be one of {', '.join(KEEPS)}, got {self.keep!r}")

    @property
    def digest(self):
        """Short hash, by which files of trajectories know the settings they were made with."""
        return fingerprint(asdict(self))


DEFAULT_SETTINGS = IdtSettings()


def descriptor_layout(track_length=15):
    """Slice of each descriptor type in a row: trajectory, hog, hof, mbhx, mbhy (426 columns for 15 steps)."""
    layout, begin = {}, 0
    sizes = {"trajectory": 2 * track_length}
    sizes.update({name: TEMPORAL_CELLS * SPATIAL_CELLS**2 * bins for name, bins in DESCRIPTOR_BINS.items()})
    for name, size in sizes.items():
        layout[name] = slice(begin, begin + size)
        begin += size
    return layout


@dataclass(frozen=True)
class CodebookSettings:
    """PCA and Gaussian mixture per descriptor type, by default those of Wang & Schmid (ICCV 2013)."""

    samples: int = 256_000  # descriptors drawn from the training videos
    pca_share: float = 0.5  # dimensions kept
    gaussians: int = 256  # K
    iterations: int = 100  # of expectation maximisation, at most
    tolerance: float = 1e-3  # gain of the mean log-likelihood that ends it

    def __post_init__(self):
        if self.samples < 1 or self.gaussians < 1 or self.iterations < 1:
            raise ValueError(
                f"samples, gaussians and iterations must be at least 1, got {self.samples}, "
                f"{self.gaussians} and {self.iterations}"
            )
        if not 0 < self.pca_share <= 1:
            raise ValueError(f"pca_share must lie in (0, 1], got {self.pca_share}")
