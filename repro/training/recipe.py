"""How a phase is trained: the numbers of the paper's training section, and of the authors' code where the two differ."""

import dataclasses
import difflib
import math

from repro.clips.augment import CropSettings
from repro.clips.sampling import ORDERS, TRAINING


CONSENSUS = ("per_frame", "average", "max", "weighted")
FROZEN_NORMS = ("none", "all", "all_but_first")
_CHOICES = {
    "unit": ("steps", "passes"),
    "decay": ("constant", "cosine"),
    "sampling": TRAINING,
    "order": ORDERS,
    "loss": ("per_stream", "mean"),
    "consensus": CONSENSUS,
    "frozen_norms": FROZEN_NORMS,
}


@dataclasses.dataclass(frozen=True)
class Recipe:
    """SGD with sub-batch batch norm.

    ``schedule`` is a sequence of (learning rate, amount); ``unit`` says whether amounts are SGD ``steps`` or ``passes`` over the
    training videos. ``decay`` ``cosine``: within each entry the rate falls to zero along half a cosine; ``warm_up``: an amount
    over which the first rate rises linearly from zero.

    One step sees ``videos_per_step`` videos (of each dataset, where there are several) as sub-batches of
    ``clips_per_batch_norm`` clips, each with its own batch statistics. A clip has ``frames`` frames. ``sampling``: ``strided``,
    ``stride`` frames apart (drawn once per sub-batch, inclusive); ``segments``, one from each of that many equal parts of the
    video (TSN); ``dense``, consecutive at a stride from a random start (3D networks). ``order``: ``shuffled`` passes over the
    videos, or ``class_uniform``, a class first and then one of its videos (Two-Stream 2014).

    ``consensus`` over a clip's output steps, before softmax: one loss ``per_frame``, or one of their ``average``, ``max`` or
    learned ``weighted`` mean (TSN). ``loss``: one log-loss ``per_stream`` (the authors'), or one of the streams' ``mean`` logits.
    ``frozen_norms``: batch norms whose statistics, slope and bias stay as they are (TSN's partial batch norm:
    ``all_but_first``). ``clip_gradient``: largest global L2 norm of a step's gradient.

    Multipliers are the authors': biases learn at twice the rate without decay, batch norm's gamma at twice and beta
    at once the rate without decay. ``rates``: further factors by pattern of a parameter's name (``"flow.conv1*": 5``). Running
    statistics move by ``batch_norm_momentum`` once per step, and not at all in a step of rate zero.
    """

    schedule: tuple[tuple[float, int], ...]
    videos_per_step: int
    clips_per_batch_norm: int
    frames: int = 1
    stride: tuple[int, int] = (1, 1)
    unit: str = "steps"
    decay: str = "constant"
    warm_up: int = 0
    sampling: str = "strided"
    order: str = "shuffled"
    consensus: str = "per_frame"
    loss: str = "per_stream"
    frozen_norms: str = "none"
    clip_gradient: float | None = None
    crop: CropSettings = CropSettings()
    momentum: float = 0.9
    weight_decay: float = 5e-4
    bias_lr: float = 2.0
    gamma_lr: float = 2.0
    beta_lr: float = 1.0
    rates: dict = dataclasses.field(default_factory=dict)
    batch_norm_momentum: float = 0.05

    def __post_init__(self):
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                close = difflib.get_close_matches(str(getattr(self, name)), allowed, n=1)
                hint = f"; did you mean {close[0]}?" if close else ""
                raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {getattr(self, name)!r}{hint}")
        if not 1 <= self.stride[0] <= self.stride[1]:
            raise ValueError(f"stride must be two numbers 1 <= low <= high, got {self.stride}")
        if not 1 <= self.clips_per_batch_norm <= self.videos_per_step:
            raise ValueError(f"clips_per_batch_norm must lie in 1..videos_per_step, got {self.clips_per_batch_norm}")
        if self.frames < 1:
            raise ValueError(f"frames must be at least 1, got {self.frames}")
        if not self.schedule or min(amount for _, amount in self.schedule) < 1 or min(rate for rate, _ in self.schedule) < 0:
            raise ValueError(f"schedule must hold rates from 0 on and amounts of at least 1, got {self.schedule}")
        if self.warm_up < 0 or (self.clip_gradient is not None and not self.clip_gradient > 0):
            raise ValueError(f"warm_up must not be negative and clip_gradient positive, got {self.warm_up}, {self.clip_gradient}")

    def steps(self, amount, videos):
        """SGD steps of an amount of the schedule's ``unit``, for a training set of ``videos`` videos."""
        return amount if self.unit == "steps" else max(1, round(amount * videos / self.videos_per_step))

    def phases(self, videos):
        """((learning rate, steps), ...) for a training set of ``videos`` videos."""
        return tuple((rate, self.steps(amount, videos)) for rate, amount in self.schedule)

    def total_steps(self, videos):
        return sum(steps for _, steps in self.phases(videos))

    def learning_rate(self, step, videos):
        """Learning rate of 0-based ``step``."""
        warm = min(1.0, (step + 1) / self.steps(self.warm_up, videos)) if self.warm_up else 1.0
        for rate, steps in self.phases(videos):
            if step < steps:
                return warm * (rate if self.decay == "constant" else rate * (1 + math.cos(math.pi * step / steps)) / 2)
            step -= steps
        return self.schedule[-1][0]

    def sub_batches(self):
        """Sub-batches per SGD step; the last may be smaller."""
        return math.ceil(self.videos_per_step / self.clips_per_batch_norm)
