"""A classifier per dataset on shared features: what learns from which batch, what is taken from which network."""

import dataclasses

import pytest
import torch
import torch.nn.functional as F
from networks import Spec, build_model, load_initial

from repro.models.batchnorm import step_norms
from repro.models.heads import Heads
from repro.models.recalibrate import recalibrate

SPEC = Spec(blocks=(2, 2, 2, 2), width=4, flow_length=2, pool_size=1, temporal="average", injection="add")
CLASSES = {"ucf101": 5, "hmdb51": 3}


def make(classes=CLASSES, seed=0, **switches):
    torch.manual_seed(seed)
    return build_model(dataclasses.replace(SPEC, **switches), classes)


def clip(clips=2, frames=3):
    torch.manual_seed(1)
    return {"appearance": torch.randn(clips, frames, 3, 32, 32), "motion": torch.randn(clips, frames, 4, 32, 32)}


def test_each_dataset_has_its_linear_layer():
    heads, x = Heads(6, CLASSES), torch.randn(2, 3, 6)
    for dataset, count in CLASSES.items():
        y = heads(x, dataset)
        assert y.shape == (2, 3, count)
        torch.testing.assert_close(y, x @ heads[dataset].weight.T + heads[dataset].bias)
        assert heads.of(dataset) is heads[dataset]
    assert set(heads.state_dict()) == {f"{dataset}.{part}" for dataset in CLASSES for part in ("weight", "bias")}


@pytest.mark.parametrize("dataset", [None, "kinetics"])
def test_a_dataset_without_a_head_is_named(dataset):
    with pytest.raises(ValueError, match=f"dataset must be one of ucf101, hmdb51, got {dataset!r}"):
        make()(clip(), dataset)
    one = Heads(6, {"toy": 4})
    assert one.of() is one["toy"]
    with pytest.raises(ValueError, match="dataset must be one of toy, got 'ucf101'"):
        one(torch.randn(1, 6), "ucf101")


def test_a_batch_of_one_dataset_leaves_the_other_head_without_gradient():
    model = make().train()
    model.zero_grad(set_to_none=False)
    for p in model.parameters():
        p.grad = torch.zeros_like(p)
    labels = torch.tensor([0, 2])
    sum(F.cross_entropy(y.mean(1), labels) for y in model(clip(), "hmdb51").values()).backward()
    for name, p in model.named_parameters():
        assert bool(p.grad.any()) == (".fc.ucf101." not in name), name


def test_gradients_of_several_datasets_add_up_in_the_trunk():
    """Both batches together: each head learns from its own alone, the trunk from their sum."""
    model = make().train()

    def gradients(*datasets):
        model.zero_grad(set_to_none=True)
        for dataset in datasets:
            sum(y.square().mean() for y in model(clip(), dataset).values()).backward()
        return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}

    both, *alone = gradients("ucf101", "hmdb51"), gradients("ucf101"), gradients("hmdb51")
    for name, gradient in both.items():
        parts = [part[name] for part in alone if name in part]
        assert len(parts) == (1 if ".fc." in name else 2)
        torch.testing.assert_close(gradient, sum(parts), rtol=1e-5, atol=1e-7)


def test_features_are_shared():
    """Equal classifiers give equal logits: the heads see the same features."""
    model = make({"a": 4, "b": 4}).eval()
    for stream in (model.appearance, model.motion):
        stream.fc["b"].load_state_dict(stream.fc["a"].state_dict())
    first, second = model(clip(), "a"), model(clip(), "b")
    assert all(torch.equal(first[name], second[name]) for name in model.heads)


def test_chunks_of_either_dataset():
    model = make().double().eval()
    whole = {name: x[:1].double() for name, x in clip(frames=7).items()}
    for dataset, count in CLASSES.items():
        expected = model(whole, dataset)
        got = model.forward_in_chunks(lambda a, b: {name: x[:, a:b] for name, x in whole.items()}, 7, 3, dataset)
        for name, y in expected.items():
            assert y.shape == (1, 7, count)
            torch.testing.assert_close(got[name], y, rtol=1e-10, atol=1e-12)


def trunk(state):
    return {key: tensor for key, tensor in state.items() if ".fc." not in key}


@pytest.mark.parametrize("count", [3, 5])
def test_a_system_of_another_dataset_gives_the_trunk_alone(count):
    """Even where the class counts are the same by accident."""
    source, model = make({"ucf101": 5}, seed=1).state_dict(), make({"hmdb51": count})
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    report = load_initial(model, source)
    heads = {f"{s}.fc.hmdb51.{part}" for s in ("appearance", "motion") for part in ("weight", "bias")}
    assert set(report.new) == heads and set(report.unused) == {key.replace("hmdb51", "ucf101") for key in heads}
    for key, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[key] if key in heads else source[key]), key


def test_of_two_datasets_the_known_one_is_kept():
    source, model = make({"ucf101": 5}, seed=1).state_dict(), make()
    report = load_initial(model, source)
    assert set(report.new) == {f"{s}.fc.hmdb51.{part}" for s in ("appearance", "motion") for part in ("weight", "bias")}
    assert not report.unused
    assert all(torch.equal(model.state_dict()[key], tensor) for key, tensor in source.items())
    single = make({"hmdb51": 3})  # and back: one of the two
    report = load_initial(single, model.state_dict())
    assert not report.new and all(".fc.ucf101." in key for key in report.unused) and len(report.unused) == 4
    assert torch.equal(single.motion.fc["hmdb51"].weight, model.motion.fc["hmdb51"].weight)


def test_imported_classifiers_are_those_of_an_only_dataset():
    """Weights in others' names do not say whose classes they are; with two datasets nothing is guessed."""
    single = make({"ucf101": 5}, seed=1).state_dict()
    imported = {key.replace(".fc.ucf101.", ".fc."): tensor for key, tensor in single.items()}
    same = make({"any": 5})
    assert not load_initial(same, imported).new
    assert torch.equal(same.motion.fc["any"].weight, imported["motion.fc.weight"])
    both = make({"a": 5, "b": 5})
    before = both.motion.fc["a"].weight.detach().clone()
    report = load_initial(both, imported)
    assert len(report.new) == 8 and report.unused == tuple(key for key in imported if ".fc." in key)
    assert torch.equal(both.motion.fc["a"].weight, before)
    assert all(torch.equal(both.state_dict()[key], tensor) for key, tensor in trunk(imported).items())
    other = make({"any": 7})
    assert len(load_initial(other, imported).new) == 4  # another count


def test_checkpoints_of_several_datasets_round_trip(tmp_path):
    model, again = make().eval(), make(seed=2).eval()
    torch.save({"model": model.state_dict()}, tmp_path / "checkpoint.pt")
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)["model"]
    again.load_state_dict(state)
    started = make(seed=3).eval()
    report = load_initial(started, state)
    assert not report.new and not report.unused and len(report.copied) == len(state)
    for dataset in CLASSES:
        expected = model(clip(), dataset)
        for other in (again, started):
            assert all(torch.equal(other(clip(), dataset)[name], y) for name, y in expected.items())


def test_activation_heads_are_those_of_the_dataset():
    model = make().eval()
    for dataset in CLASSES:
        for name, head in model.activation_heads(dataset).items():
            maps = []
            handle = head.pool.register_forward_pre_hook(lambda _, inputs, maps=maps: maps.append(inputs[0]))
            logits = model(clip(), dataset)[name]
            handle.remove()
            torch.testing.assert_close(head.linear(head.pool(maps[0]).mean((2, 3))), logits.flatten(0, 1))


def test_recalibration_runs_one_of_several_datasets():
    model = make().double().eval()
    batches = [{name: 3 * x.double() + 1 for name, x in clip(4).items()}]
    expected = {dataset: model(batches[0], dataset) for dataset in CLASSES}
    recalibrate(model, batches, "hmdb51")
    for norm in step_norms(model):
        assert not norm.running_mean.eq(0).all()
    for dataset, logits in expected.items():
        for name, y in model(batches[0], dataset).items():
            torch.testing.assert_close(y, logits[name], rtol=1e-7, atol=1e-8)
