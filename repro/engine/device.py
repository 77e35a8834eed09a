"""Device, precision and the group of processes under ``torchrun``."""

import contextlib
import os

import torch
import torch.distributed as dist

from repro.engine.processes import exit_with_parent
from repro.errors import ReproError


def pick_device(name="auto"):
    """``auto`` is the GPU of this process where there is one, else the CPU. Raises ReproError for a device that is not there."""
    if name != "auto":
        try:
            torch.empty(0, device=name)
        except (RuntimeError, AssertionError) as error:
            raise ReproError(
                f"no device `{name}` here", why=str(error).splitlines()[0], fix="choose auto, cpu or cuda"
            ) from error
        return torch.device(name)
    if torch.cuda.is_available():
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
    return torch.device("cpu")


def autocast(device, precision):
    """Autocast context of a precision name; nothing for fp32."""
    if precision == "fp32":
        return contextlib.nullcontext()
    return torch.autocast(device.type, {"bf16": torch.bfloat16, "fp16": torch.float16}[precision])


def device_name(device):
    """The device in words, as score files and tables print it."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"


def join_processes():
    """Rank of this process; under ``torchrun`` joins the group (nccl on GPUs, gloo on CPUs) and ends with its agent."""
    if "TORCHELASTIC_RUN_ID" in os.environ:  # ranks of a killed agent must not write beside their successors
        exit_with_parent()
    if "RANK" in os.environ and not dist.is_initialized():
        dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    return dist.get_rank() if dist.is_initialized() else 0
