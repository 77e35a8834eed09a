"""`repro import-weights` on state dicts: the input normalisation that the file is given."""

import pytest
import torch
from tiny import write_params

from repro.models.weights import load_weights

NAMES = ("conv1.weight", "layer1.0.conv1.weight", "fc.weight")


@pytest.mark.parametrize(
    "options, layout, mean, std, bgr",
    [
        ((), "caffe", (123, 117, 104), (1, 1, 1), False),
        (("--bgr", "--mean", 104, 117, 123), "caffe", (104, 117, 123), (1, 1, 1), True),
        (("--layout", "torchvision"), "torchvision", (123.675, 116.28, 103.53), (58.395, 57.12, 57.375), False),
        (("--layout", "torchvision", "--std", 2, 3, 4), "torchvision", (123.675, 116.28, 103.53), (2, 3, 4), False),
    ],
)
def test_a_state_dict_is_given_its_layouts_usual_inputs_unless_told(stages, tmp_path, capsys, options, layout, mean, std, bgr):
    write_params(tmp_path)
    torch.save({name: torch.ones(2, 3) for name in NAMES}, tmp_path / "net.pth")
    assert stages.repro(tmp_path, "import-weights", "net.pth", "net.safetensors", *options) == 0
    weights = load_weights(tmp_path / "net.safetensors", layout)
    assert (weights.normalisation.mean, weights.normalisation.std, weights.normalisation.bgr) == (mean, std, bgr)
    assert set(weights.state_dict) == set(NAMES)
    assert f"layout {layout}, mean" in capsys.readouterr().out


def test_layouts_of_other_families(stages, tmp_path, capfd):
    """BN-Inception has a usual input, blue first; others must be told theirs."""
    write_params(tmp_path)
    torch.save({"a.weight": torch.ones(2, 3)}, tmp_path / "net.pth")
    assert stages.repro(tmp_path, "import-weights", "net.pth", "bn.safetensors", "--layout", "bn_inception") == 0
    told = load_weights(tmp_path / "bn.safetensors", ("bn_inception",)).normalisation
    assert (told.mean, told.std, told.bgr) == ((104, 117, 123), (1, 1, 1), True)
    for layout in ("googlenet", "i3d", "s3d", "timm"):
        capfd.readouterr()
        arguments = ("import-weights", "net.pth", f"{layout}.safetensors", "--layout", layout)
        assert stages.repro(tmp_path, *arguments) == 2
        assert f"layout {layout} has no usual input: give the --mean and --std" in capfd.readouterr().err
        assert stages.repro(tmp_path, *arguments, "--mean", 127, 127, 127, "--std", 128, 128, 128) == 0
        assert load_weights(tmp_path / f"{layout}.safetensors", (layout,)).normalisation.mean == (127, 127, 127)


def test_an_unknown_name_of_timm_is_one_line(stages, tmp_path, capfd):
    write_params(tmp_path)
    assert stages.repro(tmp_path, "import-weights", "timm:resnet5O", "net.safetensors") == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert "timm has no weights for 'resnet5O'" in line and not (tmp_path / "net.safetensors").exists()


def test_what_cannot_be_imported_is_one_line(stages, tmp_path, capfd):
    write_params(tmp_path)
    torch.save({"a": torch.ones(1)}, tmp_path / "other.pth")
    torch.save({name: torch.ones(2, 3) for name in NAMES}, tmp_path / "net.pth")
    for source, target, told in (
        ("absent.mat", "net.safetensors", "readable"),
        ("net.pth", "net.pt", "safetensors"),
        ("other.pth", "net.safetensors", "torchvision's names"),
    ):
        assert stages.repro(tmp_path, "import-weights", source, target) == 2
        (line,) = capfd.readouterr().err.splitlines()
        assert told in line and not (tmp_path / target).exists()


@pytest.mark.parametrize("zipped", [False, True])
def test_a_damaged_state_dict_is_one_line_whatever_torch_raises(stages, tmp_path, capfd, zipped):
    """Cut and flipped everywhere; of the older kind of file torch raises `IndexError`, `AssertionError`, `struct.error`, ..."""
    write_params(tmp_path)
    torch.save({name: torch.ones(2, 3) for name in NAMES}, tmp_path / "good.pth", _use_new_zipfile_serialization=zipped)
    data, refused = (tmp_path / "good.pth").read_bytes(), 0
    for place in range(0, len(data), len(data) // 60):
        for copy in (data[:place], data[:place] + bytes([data[place] ^ 64]) + data[place + 1 :]):
            (tmp_path / "net.pth").write_bytes(copy)
            if stages.repro(tmp_path, "import-weights", "net.pth", "net.safetensors") == 0:
                capfd.readouterr()
                continue
            (line,) = capfd.readouterr().err.splitlines()
            assert line.startswith("repro import-weights: cannot import weights: net.pth (") and "\x1b" not in line
            refused += 1
    assert refused > 60


def test_a_vgg16_is_told_from_a_resnet(stages, tmp_path, capfd):
    from torchvision.models.vgg import cfgs, make_layers

    write_params(tmp_path)
    state = {f"features.{key}": x for key, x in make_layers([c if c == "M" else c // 32 for c in cfgs["D"]]).state_dict().items()}
    torch.save(state, tmp_path / "vgg.pth")
    assert stages.repro(tmp_path, "import-weights", "vgg.pth", "vgg.safetensors", "--layout", "vgg16") == 0
    weights = load_weights(tmp_path / "vgg.safetensors", ("vgg16",))
    assert weights.normalisation.std == (58.395, 57.12, 57.375) and set(weights.state_dict) == set(state)
    torch.save({name: torch.ones(2, 3) for name in NAMES}, tmp_path / "net.pth")
    capfd.readouterr()
    assert stages.repro(tmp_path, "import-weights", "net.pth", "net.safetensors", "--layout", "vgg16") == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert "must name a VGG-16 in torchvision's names" in line
