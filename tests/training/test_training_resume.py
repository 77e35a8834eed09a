"""Kills, several processes and a loss that is not finite."""

import dataclasses
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import torch.distributed as dist
from processes import lives

from repro.engine.settings import EngineSettings
from repro.errors import ReproError
from repro.training import loop
from repro.training.checkpoint import check_origin, load_checkpoint, save_checkpoint
from repro.training.loop import train

NORM = {"appearance": SimpleNamespace(mean=(128.0, 128.0, 128.0), std=(60.0, 60.0, 60.0), bgr=False)}
ENGINE = EngineSettings(device="cpu", threads=1, checkpoint_steps=2)
FORK = multiprocessing.get_context("fork")


def run(make, folder, before=lambda step, number: None, dropout=0.5):
    """Train in ``folder``; the final state is written to ``final.pt``."""
    model, clips = make(before=before, dropout=dropout)
    model = train(model, clips, clips["toy"].recipe, ENGINE, NORM, folder)
    if not dist.is_initialized() or dist.get_rank() == 0:
        save_checkpoint(folder / "final.pt", {"model": model.state_dict(), "meta": {}})


def _kill_self_at(place):
    def before(step, number):
        if (step, number) == place:
            os.kill(os.getpid(), signal.SIGKILL)

    return before


def test_resumed_after_kills_the_result_is_equal_to_the_byte(made_up, tmp_path):
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    run(made_up, straight)
    for place in ((1, 1), (3, 2), (4, 0)):  # before the first checkpoint (of step 2), after it, after the second
        child = FORK.Process(target=run, args=(made_up, killed, _kill_self_at(place)))
        child.start()
        child.join()
        assert child.exitcode == -signal.SIGKILL
        assert (killed / "checkpoint.pt").exists() == (place[0] > 1)
    assert load_checkpoint(killed / "checkpoint.pt", needs=("step",))["step"] == 4
    seen = []
    run(made_up, killed, lambda step, number: seen.append(step))
    assert set(seen) == {4}
    assert (killed / "final.pt").read_bytes() == (straight / "final.pt").read_bytes()
    assert (killed / "curves.csv").read_bytes() == (straight / "curves.csv").read_bytes()


def test_a_damaged_checkpoint_of_an_unfinished_run_is_done_without(made_up, tmp_path, capsys):
    straight, damaged = tmp_path / "straight", tmp_path / "damaged"
    run(made_up, straight)
    damaged.mkdir()
    (damaged / "checkpoint.pt").write_bytes((straight / "checkpoint.pt").read_bytes()[:-200])
    run(made_up, damaged)
    assert "the run begins again" in capsys.readouterr().out
    assert (damaged / "final.pt").read_bytes() == (straight / "final.pt").read_bytes()


def _rank(rank, make, folder, before):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=2)
    run(make, folder, before)
    dist.destroy_process_group()


def _stop_at(step_to_stop):
    def before(step, number):
        if step == step_to_stop:
            raise RuntimeError("stopped by the test")

    return before


def test_two_processes_give_the_weights_of_one_and_resume_together(made_up, tmp_path):
    # four sub-batches: two for each process; few steps, as rounding grows with them
    even = dataclasses.replace(made_up.recipe, videos_per_step=8, schedule=((0.002, 2), (0.0004, 1)))

    def make(**given):
        return made_up(recipe=even, **given)

    one, two = tmp_path / "one", tmp_path / "two"
    two.mkdir()
    run(make, one)
    for before, status in ((_stop_at(2), 1), (lambda step, number: None, 0)):
        ranks = [FORK.Process(target=_rank, args=(rank, make, two, before)) for rank in (0, 1)]
        for rank in ranks:
            rank.start()
        for rank in ranks:
            rank.join()
        assert [rank.exitcode for rank in ranks] == [status, status]
        (two / "rendezvous").unlink(missing_ok=True)
    a, b = (torch.load(folder / "final.pt", weights_only=True)["model"] for folder in (one, two))
    for name in a:
        torch.testing.assert_close(a[name], b[name], rtol=1e-3, atol=5e-5, msg=lambda m, name=name: f"{name}: {m}")
    rows = [[line.split(",") for line in (folder / "curves.csv").read_text().splitlines()[1:]] for folder in (one, two)]
    assert len(rows[0]) == len(rows[1]) == 3
    for x, y in zip(*rows):
        assert x[3:] == y[3:] and float(x[2]) == pytest.approx(float(y[2]), rel=1e-3)


def _rank_beside(rank, make, folders, rendezvous):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{rendezvous}", rank=rank, world_size=2)
    run(make, folders[rank])
    dist.destroy_process_group()


def test_other_processes_take_what_the_first_read_whatever_lies_there_for_them(made_up, tmp_path):
    even = dataclasses.replace(made_up.recipe, videos_per_step=4, schedule=((0.002, 3),))

    def make(**given):
        return made_up(recipe=even, **given)

    def together(*folders):
        ranks = [FORK.Process(target=_rank_beside, args=(rank, make, folders, tmp_path / "meet")) for rank in (0, 1)]
        for rank in ranks:
            rank.start()
        for rank in ranks:
            rank.join(120)
        assert [rank.exitcode for rank in ranks] == [0, 0]
        (tmp_path / "meet").unlink(missing_ok=True)

    alone, beside, other = (tmp_path / name for name in ("alone", "beside", "other"))
    for folder in (alone, beside, other):
        folder.mkdir()
    together(alone, alone)
    (other / "checkpoint.pt").write_bytes((alone / "checkpoint.pt").read_bytes())  # of step 2, as if one more were at work there
    together(beside, other)
    assert (beside / "final.pt").read_bytes() == (alone / "final.pt").read_bytes()


RANK = """
import os, sys, time
from repro.engine.device import join_processes
rank = join_processes()
open(f"{sys.argv[1]}/rank{rank}", "w").write(str(os.getpid()))
while True:
    time.sleep(0.1)
"""


def test_ranks_end_with_a_killed_agent(tmp_path):
    (tmp_path / "rank.py").write_text(RANK)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "rank.py", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(Path(loop.__file__).parents[2]), "OMP_NUM_THREADS": "1"}
    agent = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL)
    deadline, places, pids = time.monotonic() + 120, [tmp_path / "rank0", tmp_path / "rank1"], []
    try:
        while len(pids) < 2:
            assert agent.poll() is None and time.monotonic() < deadline, "the ranks did not start"
            pids = [int(text) for place in places if place.exists() and (text := place.read_text())]
            time.sleep(0.05)
        agent.kill()
        agent.wait()
        deadline = time.monotonic() + 20
        while any(map(lives, pids)):
            assert time.monotonic() < deadline, "a rank outlives its agent"
            time.sleep(0.05)
    finally:
        agent.kill()
        for pid in filter(lives, pids):
            os.kill(pid, signal.SIGKILL)


def test_a_loss_that_is_not_finite_stops_and_names_step_and_clips(made_up, tmp_path, monkeypatch):
    inputs_of = loop.batch_inputs

    def poisoned(batch, *arguments):
        inputs, labels = inputs_of(batch, *arguments)
        if batch[0].name == "s3n1c0":
            inputs["motion"][0, 0, 0, 0, 0] = float("nan")
        return inputs, labels

    monkeypatch.setattr(loop, "batch_inputs", poisoned)
    with pytest.raises(ReproError, match="the loss is nan at step 4.*: s3n1c0, s3n1c1\\).*last good checkpoint is kept"):
        run(made_up, tmp_path)
    state = load_checkpoint(tmp_path / "checkpoint.pt", needs=("model", "step"))
    assert state["step"] == 2 and all(t.isfinite().all() for t in state["model"].values())
    assert not (tmp_path / "final.pt").exists()


class Harmful:
    def __reduce__(self):
        return os.mkdir, ("harm",)


def test_checkpoints_that_are_none_are_told_and_never_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"model": Harmful(), "meta": {}}, "harmful.pt")
    torch.save({"conv1.weight": torch.zeros(1)}, "bare.pt")
    torch.save([1], "list.pt")
    (tmp_path / "text.pt").write_text("no checkpoint")
    (tmp_path / "empty.pt").touch()
    for name, told in (
        ("absent", "no checkpoint.*train it first"),
        ("harmful", "cannot read"),
        ("text", "cannot read"),
        ("empty", "cannot read"),
        ("bare", "not a checkpoint of this project"),
        ("list", "not a checkpoint"),
    ):
        with pytest.raises(ReproError, match=told) as caught:
            load_checkpoint(f"{name}.pt")
        assert "\n" not in str(caught.value) and f"{name}.pt" in str(caught.value)
    assert not (tmp_path / "harm").exists()


def test_a_checkpoint_of_another_origin_is_refused():
    meta = {"dataset": "a", "split": 1, "classes": ["x", "y"]}
    check_origin(meta, "c.pt", dataset="a", split=1, classes=["x", "y"])
    for given in ({"dataset": "b"}, {"split": 2}, {"classes": ["x"]}, {"system": "s"}):
        with pytest.raises(ReproError, match=f"checkpoint of another {next(iter(given))}.*c.pt"):
            check_origin(meta, "c.pt", **given)
