"""Weights whose batch norms were published folded away: statistics come back before training, and the network stays the same."""

import shutil

import torch
from networks import Spec, build_model, load_initial
from tiny import PARAMS, write_params

from repro.models.weights import InputNormalisation, Weights, save_weights
from repro.params import from_mapping
from repro.training.checkpoint import load_checkpoint


def folded(spec):
    """State dict, in torchvision's names, of a random network: variances 1, means 0, the rest in weights and biases."""
    torch.manual_seed(0)
    model = build_model(spec, 2)
    for name, parameter in model.named_parameters():
        if "bn" in name or "downsample.1" in name:
            torch.nn.init.uniform_(parameter, 0.5, 2) if name.endswith("weight") else torch.nn.init.normal_(parameter)
    return {
        key.removeprefix("appearance."): value
        for key, value in model.state_dict().items()
        if ".fc." not in key and "num_batches" not in key and "pending" not in key
    }


def test_training_starts_from_the_same_network_with_statistics_of_its_clips(finished, tmp_path, stages):
    run = shutil.copytree(finished, tmp_path / "run")
    network = {k: tuple(v) if k == "blocks" else v for k, v in PARAMS["network"].items()}
    spec = Spec(streams=("appearance",), pool_size=1, **network)
    weights = folded(spec)
    save_weights(Weights(weights, "caffe", InputNormalisation((123.0, 117.0, 104.0))), run / "folded.safetensors")
    recipe = {"schedule": [[0.0, 1]], "videos_per_step": 4, "clips_per_batch_norm": 2, "batch_norm_momentum": 0.0}
    write_params(
        run,
        systems__appearance={
            "model": {"streams": ["appearance"]},
            "weights": "folded.safetensors",
            "recalibrate": 3,
            "recipe": recipe,
        },
    )
    assert stages.repro(run, "train", "--dataset", "toy", "--split", 1, "--system", "appearance") == 0

    (path,) = run.glob("models/tiny/toy/split1/seed3/appearance/checkpoint.pt")
    saved = load_checkpoint(path)
    assert saved["meta"]["started"].endswith("batch norms recalibrated on 3 sub-batches of 2 clips")
    trained = build_model(from_mapping(Spec, saved["meta"]["spec"], "spec"), len(saved["meta"]["classes"])).eval()
    plain = build_model(trained.spec, len(saved["meta"]["classes"])).eval()
    trained.load_state_dict(saved["model"])
    load_initial(plain, weights)
    plain.appearance.fc.load_state_dict(trained.appearance.fc.state_dict())
    assert not torch.allclose(trained.appearance.bn1.running_var, plain.appearance.bn1.running_var, rtol=0.5)
    frames = {"appearance": 50 * torch.randn(1, 3, 3, 32, 32)}
    with torch.inference_mode():
        for stream, logits in trained(frames).items():
            torch.testing.assert_close(logits, plain(frames)[stream], rtol=1e-3, atol=1e-3)
