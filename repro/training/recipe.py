"""How a phase is trained: the numbers of the paper's training section, and of the authors' code where the two differ."""

import dataclasses
import math

from repro.clips.augment import CropSettings

_MOTION_CROP = CropSettings(kind="corners", antialias=False)


@dataclasses.dataclass(frozen=True)
class Recipe:
    """SGD with sub-batch batch norm.

    ``schedule`` is a sequence of (learning rate, amount); ``unit`` says whether amounts are SGD ``steps`` or ``passes`` over the
    training videos. One step sees ``videos_per_step`` videos as sub-batches of ``clips_per_batch_norm`` clips, each with its
    own batch statistics. A clip has ``frames`` frames, ``stride`` frames apart (drawn once per sub-batch, inclusive).
    ``loss``: one log-loss ``per_stream`` (the authors'), or a single one of the streams' ``mean`` logits.

    Multipliers are the authors': biases learn at twice the rate without decay, batch norm's gamma at twice and beta
    at once the rate without decay. Running statistics move by ``batch_norm_momentum`` once per step.
    """

    schedule: tuple[tuple[float, int], ...]
    videos_per_step: int
    clips_per_batch_norm: int
    frames: int = 1
    stride: tuple[int, int] = (1, 1)
    unit: str = "steps"
    loss: str = "per_stream"
    crop: CropSettings = CropSettings()
    momentum: float = 0.9
    weight_decay: float = 5e-4
    bias_lr: float = 2.0
    gamma_lr: float = 2.0
    beta_lr: float = 1.0
    batch_norm_momentum: float = 0.05

    def __post_init__(self):
        if self.unit not in ("steps", "passes"):
            raise ValueError(f"unit must be steps or passes, got {self.unit!r}")
        if self.loss not in ("per_stream", "mean"):
            raise ValueError(f"loss must be per_stream or mean, got {self.loss!r}")
        if not 1 <= self.stride[0] <= self.stride[1]:
            raise ValueError(f"stride must be two numbers 1 <= low <= high, got {self.stride}")
        if not 1 <= self.clips_per_batch_norm <= self.videos_per_step:
            raise ValueError(f"clips_per_batch_norm must lie in 1..videos_per_step, got {self.clips_per_batch_norm}")
        if self.frames < 1 or not self.schedule:
            raise ValueError("frames and schedule must not be empty")

    def phases(self, videos):
        """((learning rate, steps), ...) for a training set of ``videos`` videos."""
        if self.unit == "steps":
            return self.schedule
        return tuple((lr, max(1, round(amount * videos / self.videos_per_step))) for lr, amount in self.schedule)

    def total_steps(self, videos):
        return sum(steps for _, steps in self.phases(videos))

    def learning_rate(self, step, videos):
        """Learning rate of 0-based ``step``."""
        for rate, steps in self.phases(videos):
            if step < steps:
                return rate
            step -= steps
        return self.schedule[-1][0]

    def sub_batches(self):
        """Sub-batches per SGD step; the last may be smaller."""
        return math.ceil(self.videos_per_step / self.clips_per_batch_norm)


#: name -> phase -> recipe. ``paper``: Sec. 4 (iteration counts recalled, unverified; batch norm over 86 and 8 images in
#: the base phases). ``code``: the authors' scripts. They do not agree with each other; both are offered.
#: The end of the last ``code`` phase is ours: the authors' script names no stop.
PRESETS = {
    "paper": {
        "motion": Recipe(((1e-2, 30_000), (1e-3, 10_000)), 256, 86, crop=_MOTION_CROP),
        "appearance": Recipe(((1e-2, 10_000), (1e-3, 10_000)), 256, 8),
        "st_resnet": Recipe(((1e-3, 30_000), (1e-4, 30_000), (1e-5, 20_000)), 128, 4, frames=5, stride=(5, 15)),
        "st_resnet_star": Recipe(((1e-4, 2_000), (1e-5, 2_000)), 128, 4, frames=11, stride=(1, 15)),
    },
    "code": {
        "motion": Recipe(((1e-2, 100), (1e-3, 100), (1e-4, 100), (1e-5, 100)), 128, 32, unit="passes", crop=_MOTION_CROP),
        "appearance": Recipe(((1e-2, 20), (1e-3, 20), (1e-4, 20)), 256, 32, unit="passes"),
        "appearance_hmdb51": Recipe(((1e-2, 20), (1e-3, 10), (1e-4, 10)), 256, 32, unit="passes"),
        "st_resnet": Recipe(((1e-3, 30), (1e-4, 30), (1e-5, 20)), 128, 4, frames=5, stride=(5, 15), unit="passes"),
        "st_resnet_star": Recipe(((1e-4, 1), (1e-5, 20)), 128, 4, frames=11, stride=(1, 15), unit="passes"),
    },
}


def preset(name, phase, **changes):
    """The recipe ``PRESETS[name][phase]`` with ``changes``. Raises ValueError that lists what there is."""
    if name not in PRESETS or phase not in PRESETS[name]:
        there = ", ".join(f"{n}/{p}" for n, phases in PRESETS.items() for p in phases)
        raise ValueError(f"no recipe {name}/{phase}; there: {there}")
    return dataclasses.replace(PRESETS[name][phase], **changes)
