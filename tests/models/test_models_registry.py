"""Families by name, without torch until a network is asked for."""

import dataclasses
import subprocess
import sys
import types

import pytest
import torch
from torch import nn

from repro.models import registry
from repro.models.network import Family, Heads, Inputs, VideoNetwork, check_clip
from repro.models.registry import families, family, modules_of, register, settings_of


@pytest.mark.parametrize("name", sorted(families()))
def test_every_family_is_what_the_contract_says(name):
    settings, found = settings_of(name), family(name)
    assert dataclasses.is_dataclass(settings) and settings.__dataclass_params__.frozen
    assert isinstance(found, Family) and callable(found.build) and callable(found.start)
    assert modules_of(name) == (f"repro.models.{name}.network", f"repro.models.{name}.settings")
    assert isinstance(settings().weights_layout, tuple)


def test_settings_need_no_torch():
    """Commands that read params import the registry and every family's settings, and nothing heavy."""
    modules = [entry.settings.partition(":")[0] for entry in families().values()]
    code = "import sys\nfrom repro.models.registry import families, settings_of\nfor name in families(): settings_of(name)\n"
    code += "print(*(name for name in ('torch', 'torchvision', 'numpy', 'timm') if name in sys.modules), sep=',', end=';')\n"
    code += f"print(all(module in sys.modules for module in {modules!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ";True"


@pytest.mark.parametrize("find", [settings_of, family, modules_of])
def test_an_unknown_family_names_the_nearest(find):
    with pytest.raises(ValueError, match="family must be one of .*st_resnet.*, got 'st_resnt'; did you mean 'st_resnet'"):
        find("st_resnt")
    with pytest.raises(ValueError) as caught:
        find("zzz")
    assert str(caught.value).endswith("got 'zzz'") and all(name in str(caught.value) for name in families())


@pytest.fixture
def outside(monkeypatch):
    """A module of somebody else's with a family: a linear layer on the mean of all pixels."""

    @dataclasses.dataclass(frozen=True)
    class Settings:
        width: int = 4
        weights_layout = ()

    class Mean(VideoNetwork):
        heads = ("pixels",)
        min_frames = 2

        def __init__(self, settings, inputs):
            super().__init__(settings, inputs)
            self.hidden = nn.Linear(sum(inputs.channels.values()), settings.width)
            self.fc = Heads(settings.width, inputs.classes)

        def forward(self, clip, dataset=None):
            check_clip(self, clip)
            x = torch.cat([clip[name].mean((3, 4)) for name in self.inputs.channels], 2)  # (B, T, C)
            return {"pixels": self.fc(self.hidden(x), dataset)}

    module = types.ModuleType("their_networks")
    module.Settings, module.FAMILY = Settings, Family(Mean)
    monkeypatch.setitem(sys.modules, "their_networks", module)
    monkeypatch.setattr(registry, "_REGISTERED", {})
    return module


def test_a_family_from_outside(outside):
    for _ in range(2):  # a plug-in may be imported twice
        register("mean_pixel", settings="their_networks:Settings", network="their_networks:FAMILY")
    assert settings_of("mean_pixel") is outside.Settings and modules_of("mean_pixel") == ("their_networks",)
    inputs = Inputs({"rgb": 3, "depth": 1}, {"ucf101": 5, "hmdb51": 2})
    model = family("mean_pixel").build(settings_of("mean_pixel")(width=6), inputs)
    clip = {"rgb": torch.randn(2, 3, 3, 8, 8), "depth": torch.randn(2, 3, 1, 8, 8)}
    assert {name: y.shape for name, y in model(clip, "hmdb51").items()} == {"pixels": (2, 3, 2)}
    assert model.forward_in_chunks is None and model.activation_heads is None and model.parameter_rates() == {}
    with pytest.raises(ValueError, match="at least 2 frames .* got 1"):
        model({name: x[:, :1] for name, x in clip.items()}, "hmdb51")
    with pytest.raises(ValueError, match="did you mean 'mean_pixel'"):
        family("mean_pixels")
    other = family("mean_pixel").build(model.settings, Inputs(inputs.channels, {"hmdb51": 2}))
    report = family("mean_pixel").start(other, model.state_dict())  # the default way: heads by dataset
    assert not report.new and report.unused == ("fc.ucf101.weight", "fc.ucf101.bias")
    assert torch.equal(other.hidden.weight, model.hidden.weight)


def test_a_taken_name_is_refused(outside):
    with pytest.raises(ValueError, match="family name must be free, got 'st_resnet', which is repro.models.st_resnet.network"):
        register("st_resnet", settings="their_networks:Settings", network="their_networks:FAMILY")
    assert families()["st_resnet"].network == "repro.models.st_resnet.network:FAMILY"
