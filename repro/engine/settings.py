"""How the machine is used, read once from ``engine`` in the params. Imports no torch."""

import dataclasses
import os

PRECISIONS = ("fp32", "bf16", "fp16")


@dataclasses.dataclass(frozen=True)
class EngineSettings:
    """How training and scoring use the machine; none of it changes what is computed beyond rounding.

    ``precision``: fp32, bf16 or fp16 (autocast). ``workers``: loader processes (0 loads in the training process).
    ``cache_gib``: decoded bytes kept in memory per loader. ``checkpoint_steps``: steps between resumable checkpoints.
    ``threads``: CPU threads of the process. ``deterministic``: only kernels that give equal bits in every run, an error where
    there is none; the CPU's are such anyway, a GPU's are slower.

    Raises ValueError naming the field and the value.
    """

    device: str = "auto"
    precision: str = "fp32"
    channels_last: bool = True
    compile: bool = False
    workers: int = 0
    cache_gib: float = 0.0
    checkpoint_steps: int = 100
    threads: int = 2
    deterministic: bool = False

    def __post_init__(self):
        if self.precision not in PRECISIONS:
            raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, got {self.precision!r}")
        for name, least in (("workers", 0), ("cache_gib", 0), ("checkpoint_steps", 1), ("threads", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")

    def set_up_process(self):
        """Put into force what holds for the whole process: threads and deterministic kernels."""
        import torch  # late: the settings are checked by commands that need no torch

        torch.set_num_threads(self.threads)
        if self.deterministic:  # cuBLAS reads this when its first handle is made
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        # as torch.use_deterministic_algorithms, which imports the compiler for its settings: a second and a half
        torch.set_deterministic_debug_mode("error" if self.deterministic else "default")
