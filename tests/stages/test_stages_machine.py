"""How many processes, loaders and trainings fit into a machine: by hand, at 256 open files, and with a small shared memory."""

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from types import SimpleNamespace

import pytest
from tiny import changed, write_params

from repro import cli
from repro.engine import machine
from repro.engine.machine import Machine
from repro.params import Params
from repro.profile.run import Run

ROOT = Path(__file__).resolve().parents[2]
SMI = "#!/bin/sh\nprintf '0, NVIDIA H100 80GB HBM3, 81559\\n1, NVIDIA H100 80GB HBM3, 81559\\n3, Tesla T4, 15360\\n'\n"


@pytest.fixture
def three_gpus(tmp_path, monkeypatch):
    """A machine whose ``nvidia-smi`` lists three."""
    tool = tmp_path / "bin" / "nvidia-smi"
    tool.parent.mkdir()
    tool.write_text(SMI)
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}{os.pathsep}{os.environ['PATH']}")
    for name in ("CUDA_VISIBLE_DEVICES", machine.SLOT, machine.JOBS, "LOCAL_WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)


def test_processes_fit_cores_and_open_files():
    assert Machine(64).processes(16) == 16 and Machine(4).processes(16) == 4
    assert Machine(64, open_files=126).processes(16) == 10  # 30 files beside the 96 that are kept, 3 each
    assert Machine(64, open_files=10).processes(16) == 1


def test_loaders_fit_cores_files_and_shared_memory():
    paper = {"tensors": 32, "size": 32 * 10**6}  # a sub-batch of 32 clips
    assert Machine(16, 65536, 10**12).loaders(12, **paper) == 12
    assert Machine(16, 65536, 10**12).loaders(12, **paper, side_by_side=4) == 4  # of 16 cores
    assert Machine(16, 1024, 10**12).loaders(12, **paper) == 6  # 928 files, 2 x 32 held, 8 + 4 x 32 each
    assert Machine(16, 65536, 64 * 10**6).loaders(12, **paper) == 0  # a container's 64 MB hold no four of 32 MB
    assert Machine(16, 65536, 10**9).loaders(12, **paper) == 6  # .9 GB, 64 MB held, 128 MB each
    assert Machine(16, 65536, 10**9).loaders(12, **paper, side_by_side=2) == 3
    assert Machine(16).loaders(0, **paper) == 0


@pytest.mark.parametrize("free, writable", [(0, True), (10**9, False), (None, True)])
def test_without_shared_memory_a_training_reads_its_clips_itself(monkeypatch, tmp_path, free, writable):
    """Full, not to be written, or not there at all."""
    monkeypatch.setattr(machine, "SHARED", tmp_path if free is not None else tmp_path / "none")
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda path: SimpleNamespace(free=free))
    if not writable:
        monkeypatch.setattr(machine.os, "access", lambda path, mode: mode != os.W_OK)
    assert Machine.here().loaders(12, 4, 1000) == 0


def test_a_training_a_gpu_else_by_threads():
    assert Machine(16).jobs(8) == 2 and Machine(16).jobs(8, gpus=4) == 4 and Machine(2).jobs(8) == 1


def test_every_chain_sees_a_gpu_of_its_own(three_gpus, monkeypatch):
    found = machine.gpus()
    assert [(gpu.number, gpu.memory >> 20) for gpu in found] == [("0", 81559), ("1", 81559), ("3", 15360)]
    machine.take_gpu()
    assert "CUDA_VISIBLE_DEVICES" not in os.environ  # no chain
    seen = []
    for slot in range(4):
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        monkeypatch.setenv(machine.SLOT, str(slot))
        machine.take_gpu()
        seen.append(os.environ["CUDA_VISIBLE_DEVICES"])
    assert seen == ["0", "1", "3", "0"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,1")  # the user's choice, and order
    monkeypatch.setenv(machine.SLOT, "1")
    machine.take_gpu()
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "1"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert machine.gpus() == ()


def test_the_number_of_chains_is_asked_for_by_the_makefile(three_gpus, tmp_path, monkeypatch, capsys):
    write_params(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert cli.main(["jobs"]) == 0 and capsys.readouterr().out == "3\n"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(machine, "cores", lambda: 5)
    assert cli.main(["jobs"]) == 0 and capsys.readouterr().out == "5\n"  # one thread each
    assert "$(repro jobs)" in (ROOT / "Makefile").read_text().replace("$$", "$")


def test_a_run_asks_for_what_fits(monkeypatch):
    monkeypatch.setattr(Machine, "here", classmethod(lambda cls: Machine(3, 65536, 10**9)))
    monkeypatch.delenv(machine.JOBS, raising=False)
    params = Params(changed(engine={"processes": 9, "training": {"device": "cpu", "workers": 9}}), Path("params.yaml"))
    run = Run.of(params, "toy", 1, system="st_resnet")
    assert run.machine.processes == 3 and run.engine.workers == 3
    tensors, size = run.sub_batch  # 2 clips of 3 frames of 36 x 48 pixels, 3 colours and 10 x 2 of flow
    assert (tensors, size) == (4, 2 * 3 * 36 * 48 * 23)
    monkeypatch.setenv(machine.JOBS, "3")
    assert Run.of(params, "toy", 1, system="st_resnet").engine.workers == 1


def alone(code, *before):
    """Run ``code`` in a process of its own; returns what it printed."""
    command = [*before, sys.executable, "-c", textwrap.dedent(code)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=1800)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_as_many_processes_as_256_open_files_bear():
    code = """
        import os, time
        from repro.engine.machine import Machine, raise_file_limit
        from repro.engine.pool import each
        limit = raise_file_limit()
        processes = Machine(1000, limit).processes(1000)
        most = 0
        for number, result in each(lambda k: time.sleep(0.01) or k, [(k,) for k in range(200)], processes):
            assert result == number, result
            most = max(most, len(os.listdir("/proc/self/fd")))
        print(limit, processes, most)
    """
    limit, processes, most = map(int, alone(code, "sh", "-c", 'ulimit -n 256 && exec "$@"', "sh"))
    assert limit == 256 and processes > 30 and most < 256


LOADERS = """
    import time, torch
    from torch.utils.data import DataLoader, Dataset
    from repro.engine.machine import Machine

    class Clips(Dataset):  # of one slow worker: sub-batches of the others wait for it, as open files in shared memory
        def __len__(self):
            return 60
        def __getitem__(self, k):
            time.sleep(1 if k == 0 else 0)
            return [torch.full((TENSOR,), k % 251, dtype=torch.uint8) for _ in range(TENSORS)]

    here = Machine.here()
    workers = Machine(1000, here.open_files, here.shared).loaders(12, TENSORS, TENSORS * TENSOR)
    for number, batch in enumerate(DataLoader(Clips(), None, num_workers=workers, prefetch_factor=4 if workers else None)):
        assert all(int(part[-1]) == number % 251 for part in batch)
    print(here.open_files, workers, number + 1)
"""


def test_loaders_at_256_open_files():
    code = LOADERS.replace("TENSORS", "8").replace("TENSOR", "1000")
    assert alone(code, "sh", "-c", 'ulimit -n 256 && exec "$@"', "sh") == [
        "256",
        "3",
        "60",
    ]  # 160 files, 2 x 8 held, 8 + 4 x 8 each


def test_loaders_in_a_small_shared_memory():
    mount = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs -o size=16m tmpfs /dev/shm && exec "$@"', "sh"]
    if not shutil.which("unshare") or subprocess.run([*mount, "true"], capture_output=True).returncode:
        pytest.skip("no mount of one's own here")
    code = LOADERS.replace("TENSORS", "4").replace("TENSOR", "100_000")  # four sub-batches of a loader take 1.6 MB
    assert alone(code, *mount)[1:] == ["8", "60"]
    code = LOADERS.replace("TENSORS", "4").replace("TENSOR", "2_000_000")  # 32 MB: the training reads itself
    assert alone(code, *mount)[1:] == ["0", "60"]
