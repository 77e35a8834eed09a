"""What the engine may change of a training run: rounding, nothing else."""

import csv
from types import SimpleNamespace

import pytest
import torch

from repro.engine.settings import EngineSettings
from repro.training.loop import train
from repro.training.recipe import Recipe

NORM = {"appearance": SimpleNamespace(mean=(128.0, 128.0, 128.0), std=(60.0, 60.0, 60.0), bgr=False)}


def trained(make, folder, **engine):
    """(parameters before, parameters after, losses) of one SGD step, well-conditioned: batch norm over 8 clips of 64 pixels."""
    model, clips = make(Recipe(((1e-3, 1),), videos_per_step=16, clips_per_batch_norm=8, frames=3))
    clips["toy"].input_size = 64
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    model = train(model, clips, clips["toy"].recipe, EngineSettings(device="cpu", threads=1, **engine), NORM, folder)
    losses = [float(row["loss"]) for row in csv.DictReader((folder / "curves.csv").open())]
    return before, {name: p.detach().clone() for name, p in model.named_parameters()}, losses


def updates(before, after):
    return torch.cat([(after[name] - before[name]).flatten() for name in before])


@pytest.fixture
def scale(monkeypatch):
    """Sets the scale that a GradScaler begins with."""
    scaler = torch.amp.GradScaler
    return lambda value: monkeypatch.setattr(
        torch.amp, "GradScaler", lambda *arguments, **options: scaler(*arguments, **options, init_scale=value)
    )


@pytest.mark.parametrize("precision, alike", [("bf16", 0.9), ("fp16", 0.98)])  # 8 and 11 bits of significand
def test_half_precision_trains_close_to_fp32(made_up, tmp_path, scale, precision, alike):
    scale(128.0)
    before, exact, losses = trained(made_up, tmp_path / "fp32")
    _, rounded, rounded_losses = trained(made_up, tmp_path / precision, precision=precision)
    assert all(p.dtype == torch.float32 and p.isfinite().all() for p in rounded.values())
    assert rounded_losses == pytest.approx(losses, rel=0.01) and rounded_losses != losses
    moved, wanted = updates(before, rounded), updates(before, exact)
    assert torch.cosine_similarity(moved, wanted, dim=0) > alike
    assert float(moved.norm() / wanted.norm()) == pytest.approx(1, abs=0.05)


def test_a_gradient_too_great_for_fp16_skips_the_step(made_up, tmp_path, scale):
    scale(2.0**40)
    before, after, losses = trained(made_up, tmp_path, precision="fp16")
    assert all(torch.equal(after[name], before[name]) for name in before) and 0 < losses[0] < 100


@pytest.fixture
def as_before():
    threads = torch.get_num_threads()
    yield
    torch.use_deterministic_algorithms(False)
    torch.set_num_threads(threads)


def test_deterministic_kernels_are_in_force_when_asked_for(as_before, monkeypatch):
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    EngineSettings(deterministic=True, threads=1).set_up_process()
    assert torch.are_deterministic_algorithms_enabled() and torch.get_num_threads() == 1
    with pytest.raises(RuntimeError, match="does not have a deterministic implementation"):
        torch.zeros(3).put_(torch.tensor([0]), torch.ones(1))
    EngineSettings(threads=1).set_up_process()
    assert not torch.are_deterministic_algorithms_enabled()


def test_training_has_deterministic_kernels_and_repeats_itself_to_the_bit(made_up, tmp_path, as_before):
    EngineSettings(deterministic=True, threads=1).set_up_process()
    runs = [trained(made_up, tmp_path / name, deterministic=True) for name in ("one", "two")]
    assert all(torch.equal(runs[0][1][name], runs[1][1][name]) for name in runs[0][1]) and runs[0][2] == runs[1][2]
    assert updates(*runs[0][:2]).any()
