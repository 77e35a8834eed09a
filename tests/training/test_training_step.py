"""One SGD step against a hand-written one in plain torch, and the pieces it is made of."""

import copy
import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from repro.clips.dataset import batch_inputs
from repro.engine.device import pick_device
from repro.engine.settings import EngineSettings
from repro.errors import ReproError
from repro.models.batchnorm import StepBatchNorm2d
from repro.training.groups import parameter_groups
from repro.training.loader import Sharding
from repro.training.loop import train
from repro.training.loss import summed_loss

NORM = {"appearance": SimpleNamespace(mean=(128.0, 128.0, 128.0), std=(60.0, 60.0, 60.0), bgr=False)}
ENGINE = EngineSettings(device="cpu", threads=1)


def test_the_loss_is_summed_over_frames_and_divided_by_videos_only():
    a = torch.tensor([[[2.0, 0.0, 0.0], [0.0, 1.0, 0.0]], [[0.0, 0.0, 3.0], [1.0, 1.0, 1.0]]])  # 2 clips, 2 frames
    m = torch.zeros(2, 2, 3)
    labels = torch.tensor([0, 2])

    def log_loss(row, label):
        return float(np.log(np.exp(row).sum()) - row[label])

    by_hand = sum(log_loss(a[c, t].numpy(), int(labels[c])) for c in range(2) for t in range(2)) + 4 * np.log(3)
    found = summed_loss({"appearance": a, "motion": m}, labels, videos_per_step=8)
    assert float(found) == pytest.approx(by_hand / 8, rel=1e-6)


def test_one_loss_is_that_of_the_streams_mean_logits():
    generator = torch.Generator().manual_seed(0)
    logits = {name: torch.randn(2, 3, 4, generator=generator) for name in ("appearance", "motion")}  # 2 clips, 3 frames
    labels = torch.tensor([3, 1])
    mean = (logits["appearance"] + logits["motion"]).double().numpy() / 2
    shares = np.exp(mean) / np.exp(mean).sum(-1, keepdims=True)
    by_hand = -sum(np.log(shares[c, t, int(labels[c])]) for c in range(2) for t in range(3)) / 2
    assert float(summed_loss(logits, labels, 2, "mean")) == pytest.approx(by_hand, rel=1e-5)


def test_every_parameter_learns_at_its_own_rate(made_up):
    model, clips = made_up()
    groups = parameter_groups(model, made_up.recipe)
    assert sorted(id(p) for g in groups for p in g["params"]) == sorted(id(p) for p in model.parameters())
    place = {id(p): (g["rate"], g["weight_decay"]) for g in groups for p in g["params"]}
    names = dict(model.named_parameters())
    assert place[id(names["appearance.conv1.weight"])] == (1, 5e-4)
    assert place[id(names["motion.fc.toy.weight"])] == (1, 5e-4)
    assert place[id(names["motion.fc.toy.bias"])] == (2, 0)
    assert place[id(names["appearance.bn1.weight"])] == (2, 0)
    assert place[id(names["appearance.bn1.bias"])] == (1, 0)


def reference(model, clips, recipe):
    """SGD by hand; batch statistics are taken from what flows into every batch norm."""
    norms = {name: m for name, m in model.named_modules() if isinstance(m, StepBatchNorm2d)}
    seen = {name: [] for name in norms}
    for name, module in norms.items():
        module.register_forward_pre_hook(lambda _, args, name=name: seen[name].append(args[0].detach().double()))
    kinds = {}
    for name, _ in model.named_parameters():
        module = dict(model.named_modules())[name.rpartition(".")[0]]
        is_norm, is_bias = isinstance(module, StepBatchNorm2d), name.endswith("bias")
        kinds[name] = ((1 if is_bias else 2) if is_norm else (2 if is_bias else 1), 0 if is_norm or is_bias else 5e-4)
    running = {name: (m.running_mean.double().clone(), (m.running_var.double() + 1e-5).sqrt()) for name, m in norms.items()}
    velocity = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    rates = [rate for rate, steps in recipe.schedule for _ in range(steps)]
    for step, rate in enumerate(rates):
        gradient = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
        for name in seen:
            seen[name].clear()
        for number in range(recipe.sub_batches()):
            inputs, labels = batch_inputs(clips[step, number], clips.reader.streams, NORM, recipe.crop, 32, torch.device("cpu"))
            loss = (
                sum(F.cross_entropy(y[:, t], labels, reduction="sum") for y in model(inputs).values() for t in range(y.shape[1]))
                / recipe.videos_per_step
            )
            for name, g in zip(gradient, torch.autograd.grad(loss, list(model.parameters()))):
                gradient[name] += g
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                factor, decay = kinds[name]
                velocity[name] = 0.9 * velocity[name] + gradient[name] + decay * parameter
                parameter -= rate * factor * velocity[name]
        for name in norms:  # once per step, toward the average over sub-batches of (mean, sigma)
            means = torch.stack([x.mean((0, 2, 3)) for x in seen[name]]).mean(0)
            sigmas = torch.stack([(x.var((0, 2, 3), correction=0) + 1e-5).sqrt() for x in seen[name]]).mean(0)
            mean, sigma = running[name]
            running[name] = (0.95 * mean + 0.05 * means, 0.95 * sigma + 0.05 * sigmas)
    return dict(model.named_parameters()), running


def test_accumulated_steps_equal_hand_written_ones(made_up, tmp_path):
    recipe = dataclasses.replace(made_up.recipe, schedule=((0.002, 1), (0.0004, 1)))  # momentum counts from the second on
    model, clips = made_up(recipe)
    parameters, running = reference(copy.deepcopy(model), clips["toy"], recipe)
    trained = train(model, clips, clips["toy"].recipe, ENGINE, NORM, tmp_path)
    assert not trained.training
    for name, parameter in trained.named_parameters():
        torch.testing.assert_close(parameter, parameters[name], rtol=1e-3, atol=2e-5, msg=lambda m, name=name: f"{name}: {m}")
    for name, module in trained.named_modules():
        if isinstance(module, StepBatchNorm2d):
            mean, sigma = running[name]
            torch.testing.assert_close(module.running_mean.double(), mean, rtol=1e-3, atol=1e-4)
            torch.testing.assert_close((module.running_var.double() + 1e-5).sqrt(), sigma, rtol=1e-3, atol=1e-4)


def test_curves_tell_every_step(made_up, tmp_path):
    model, clips = made_up()
    with torch.no_grad():  # with a classifier of zeros the first loss is known: 2 streams x 3 frames x ln 3
        for stream in ("appearance", "motion"):
            head = getattr(model, stream).fc.of("toy")
            head.weight.zero_(), head.bias.zero_()
    train(model, clips, clips["toy"].recipe, ENGINE, NORM, tmp_path)
    header, *rows = [line.split(",") for line in (tmp_path / "curves.csv").read_text().splitlines()]
    assert header == ["step", "learning_rate", "loss", "accuracy_appearance", "accuracy_motion", "fallback_share"]
    assert [int(r[0]) for r in rows] == [1, 2, 3, 4, 5]
    assert [float(r[1]) for r in rows] == [0.002, 0.002, 0.002, 0.0004, 0.0004]
    assert float(rows[0][2]) == pytest.approx(6 * np.log(3), abs=1e-4)
    assert all(0 <= float(x) <= 1 for r in rows for x in r[3:5])


def test_sub_batches_are_shared_round_robin():
    assert list(Sharding(2, 4, 4, rank=1, world=2)) == [(2, 1), (2, 3), (3, 1), (3, 3)]
    assert len(Sharding(0, 3, 4)) == 12
    with pytest.raises(ReproError, match="3 sub-batches per step cannot be shared evenly by 2 processes; choose"):
        Sharding(0, 1, 3, 0, 2)


def test_engine_settings_and_devices_are_checked():
    with pytest.raises(ValueError, match="precision must be one of fp32, bf16, fp16, got 'fp8'"):
        EngineSettings(precision="fp8")
    assert pick_device("cpu") == torch.device("cpu")
    for name in ("gpu", "cuda:99"):
        with pytest.raises(ReproError, match=f"no device `{name}` here"):
            pick_device(name)
