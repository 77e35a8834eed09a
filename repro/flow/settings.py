"""Which flow: the method, its preset, its parameters. Imports no library of the methods."""

from dataclasses import dataclass

BACKENDS = ("tvl1", "tvl1_cpu", "tvl1_torch", "dis", "farneback")
DIS_PRESETS = {"ultrafast": 0, "fast": 1, "medium": 2}
# what OpenCV's two TV-L1s give these parameters; what else they do differently is in repro.flow.tvl1
PRESETS = {
    "opencv": {"scale_step": 0.8, "inner": 30, "outer": 10, "median": 5},
    "authors": {"scale_step": 0.5, "inner": 300, "outer": 1, "median": 1},
}
_FIXED = ("scale_step", "outer", "median")  # the authors' method has no other values of these
_TVL1 = ("tau", "lambda_", "theta", "scales", "scale_step", "warps", "epsilon", "inner", "outer", "median")


@dataclass(frozen=True)
class FlowSettings:
    """Which method, and its parameters; those of other methods are ignored and not recorded (see ``used``).

    TV-L1 (Zach et al. 2007): preset is whose: "opencv" for OpenCV's DualTVL1 on the CPU, "authors" for the GPU
    version of OpenCV 2.4 that the paper's flow was made with (``tvl1_cpu`` and ``tvl1_torch`` alone). tau time
    step, lambda_ data weight, theta tightness, scales pyramid levels, scale_step ratio between them, warps per
    level, epsilon stopping threshold in px, inner and outer iterations per warp, median filter size (1 = none;
    3 or 5); None takes the preset's. dis_preset: "ultrafast", "fast" or "medium". fb_*: Farneback.
    Raises ValueError for values that no method has.
    """

    backend: str = "tvl1"
    preset: str = "opencv"
    tau: float = 0.25
    lambda_: float = 0.15
    theta: float = 0.3
    scales: int = 5
    scale_step: float | None = None
    warps: int = 5
    epsilon: float = 0.01
    inner: int | None = None
    outer: int | None = None
    median: int | None = None
    dis_preset: str = "medium"
    fb_scale: float = 0.5
    fb_levels: int = 3
    fb_window: int = 15
    fb_iterations: int = 3
    fb_neighbours: int = 5
    fb_sigma: float = 1.2

    def __post_init__(self):
        for name, known in (("backend", BACKENDS), ("preset", PRESETS), ("dis_preset", DIS_PRESETS)):
            if getattr(self, name) not in known:
                raise ValueError(f"{name} must be one of {', '.join(known)}, got {getattr(self, name)!r}")
        for name, value in PRESETS[self.preset].items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)
        if self.preset == "authors":
            self._check_authors()
        if self.median not in (1, 3, 5):
            raise ValueError(f"median must be 1, 3 or 5, got {self.median}")
        for name in ("tau", "lambda_", "theta", "scales", "warps", "epsilon", "inner", "outer"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        if not 0 < self.scale_step < 1:
            raise ValueError(f"scale_step must lie between 0 and 1, got {self.scale_step}")

    def _check_authors(self):
        if self.backend not in ("tvl1_cpu", "tvl1_torch"):
            raise ValueError(
                f"preset 'authors' needs backend tvl1_cpu or tvl1_torch, got {self.backend!r}: cv2 holds no such method"
            )
        for name in _FIXED:
            if getattr(self, name) != PRESETS["authors"][name]:
                raise ValueError(f"{name} is {PRESETS['authors'][name]} in preset 'authors', got {getattr(self, name)}")

    def used(self) -> dict:
        """The backend and the parameters which it reads: what belongs beside stored flow. The preset is named where
        it is not OpenCV's, so that containers from before there were presets still count as what they are."""
        names = {
            "dis": ("dis_preset",),
            "farneback": ("fb_scale", "fb_levels", "fb_window", "fb_iterations", "fb_neighbours", "fb_sigma"),
        }
        preset = ("preset",) if self.preset != "opencv" else ()
        return {name: getattr(self, name) for name in ("backend", *preset, *names.get(self.backend, _TVL1))}
