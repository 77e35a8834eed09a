"""What this machine has, and how many processes, loader processes and trainings fit into it. Imports no torch.

`make repro` runs chains of stages side by side: ``REPRO_JOBS`` says how many, ``REPRO_SLOT`` which of them a process is in.
"""

import contextlib
import dataclasses
import math
import os
import resource
import shutil
import subprocess
from pathlib import Path

SHARED = Path("/dev/shm")
JOBS, SLOT = "REPRO_JOBS", "REPRO_SLOT"
_KEPT_FILES = 96  # of a process before its first worker: standard streams, libraries, containers, a table or two
_FILES_PER_PROCESS = 3  # the pipe to a worker, and the two of the process itself
_FILES_PER_LOADER = 8  # a loader process: queue, process, and what hands its tensors over
PREFETCH = 4
"""Sub-batches that every loader process keeps ready."""
_HELD = 2  # sub-batches with the training: the one that it computes, and the next
_SPARE = 0.9  # of shared memory
_WANTED_FILES = 65536


@dataclasses.dataclass(frozen=True)
class Gpu:
    """A GPU that this process may use: ``number`` as CUDA_VISIBLE_DEVICES has it, and bytes of memory."""

    number: str
    name: str
    memory: int


@dataclasses.dataclass(frozen=True)
class Machine:
    """``cores`` that this process may use; ``open_files`` at most, and free bytes of ``shared`` memory; None: no limit."""

    cores: int
    open_files: int | None = None
    shared: int | None = None

    @classmethod
    def here(cls):
        """This machine, as this process sees it."""
        shared = shutil.disk_usage(SHARED).free if os.access(SHARED, os.W_OK) else 0
        return cls(cores(), raise_file_limit(), shared)

    def processes(self, asked):
        """How many of ``asked`` worker processes (`repro.engine.pool`) fit: no more than cores, nor than open files allow."""
        return max(1, min(asked, self.cores, self._files() // _FILES_PER_PROCESS))

    def loaders(self, asked, tensors, size, side_by_side=1):
        """How many of ``asked`` loader processes fit beside ``side_by_side - 1`` other trainings; 0: the training reads itself.

        ``tensors`` and ``size`` (bytes): of a sub-batch. Each loader keeps some of them ready; a tensor that waits, or is
        computed with, is an open file in shared memory.
        """
        files = (self._files() - _HELD * tensors) // (_FILES_PER_LOADER + PREFETCH * tensors)
        room = asked if self.shared is None else (_SPARE * self.shared / side_by_side / max(size, 1) - _HELD) // PREFETCH
        return max(0, min(asked, self.cores // side_by_side, files, int(room)))

    def jobs(self, threads, gpus=0):
        """How many trainings run side by side: one a GPU, else as many as have ``threads`` cores each."""
        return gpus or max(1, self.cores // threads)

    def _files(self):
        return max(0, (1 << 30 if self.open_files is None else self.open_files) - _KEPT_FILES)


def cores():
    """Cores that this process may use: its affinity, and the share that a container was given."""
    own = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with contextlib.suppress(OSError, ValueError):
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        own = min(own, max(1, int(quota) // int(period)))  # "max" is no number, and no limit
    return own


def raise_file_limit():
    """Raise the limit of open files of this process as far as the system lets it; returns it, None: no limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _WANTED_FILES if hard == resource.RLIM_INFINITY else min(hard, _WANTED_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):  # a system with a lower limit of its own
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    return None if soft == resource.RLIM_INFINITY else soft


def gpus():
    """The GPUs that this process may use, by ``nvidia-smi`` and CUDA_VISIBLE_DEVICES."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None and not chosen.strip():
        return ()
    command = ["nvidia-smi", "--query-gpu=index,name,memory.total", "--format=csv,noheader,nounits"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    rows = [[word.strip() for word in line.split(",")] for line in told.stdout.splitlines() if line.count(",") == 2]
    there = {number: Gpu(number, name, int(memory) << 20) for number, name, memory in rows if memory.isdigit()}
    if chosen is None:
        return tuple(there.values())
    return tuple(there.get(number, Gpu(number, "GPU", 0)) for number in map(str.strip, chosen.split(",")))


def side_by_side():
    """How many trainings share this machine, this one included: chains of `make`, times the processes of ``torchrun``."""
    numbers = [os.environ.get(name, "") for name in (JOBS, "LOCAL_WORLD_SIZE")]
    return math.prod(max(1, int(number)) for number in numbers if number.isdigit())


def take_gpu():
    """Let this process see one GPU alone where it is one of several chains: that of its slot. Call it before CUDA starts."""
    slot = os.environ.get(SLOT, "")
    if slot.isdigit() and len(found := gpus()) > 1:
        os.environ["CUDA_VISIBLE_DEVICES"] = found[int(slot) % len(found)].number
