"""A trained network as a safetensors file: what comes back, which bytes it has, and what is refused."""

import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from repro import cli
from repro.errors import ReproError
from repro.profile.inputs import check_exported
from repro.training.exported import load_exported, save_exported

META = {"system": "a", "streams": {"rgb": {"length": 10, "rate": 0.1}}, "classes": {"toy": ("one", "two")}, "none": None}


def content():
    weight = torch.arange(24.0).reshape(2, 3, 2, 2).to(memory_format=torch.channels_last)
    return {"model": {"b.weight": weight, "a.seen": torch.tensor(7), "c.half": weight[:, :1]}, "meta": META}


def test_tensors_and_metadata_come_back(tmp_path):
    save_exported(tmp_path / "net.safetensors", content())
    back = load_exported(tmp_path / "net.safetensors")
    assert back["meta"] == META | {"classes": {"toy": ["one", "two"]}}
    assert back["model"].keys() == content()["model"].keys()
    for name, tensor in content()["model"].items():
        assert back["model"][name].dtype == tensor.dtype and torch.equal(back["model"][name], tensor)


def test_equal_networks_are_equal_bytes_whatever_the_order(tmp_path):
    save_exported(tmp_path / "one.safetensors", content())
    turned = content()
    turned["model"] = dict(reversed(turned["model"].items()))
    save_exported(tmp_path / "two.safetensors", turned)
    assert (tmp_path / "one.safetensors").read_bytes() == (tmp_path / "two.safetensors").read_bytes()


def test_what_json_would_change_is_refused(tmp_path):
    with pytest.raises(ReproError, match="more than JSON can"):
        save_exported(tmp_path / "net.safetensors", {**content(), "meta": {1: "a number as a key"}})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("place", ["tensors", "metadata"])
def test_a_file_that_was_changed_since_is_refused(tmp_path, place):
    path = tmp_path / "net.safetensors"
    save_exported(path, content())
    with safe_open(path, framework="pt") as file:
        state, told = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()
    if place == "tensors":
        state["b.weight"][0, 0, 0, 0] += 1e-6
    else:
        (key,) = told
        content_of = json.loads(told[key])
        content_of["meta"]["system"] = "b"
        told = {key: json.dumps(content_of)}
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, path, told)
    with pytest.raises(ReproError, match="damaged checkpoint.*net.safetensors"):
        load_exported(path)


def test_no_flipped_bit_of_the_header_is_a_traceback(tmp_path):
    """The look of the command line, then the reader: one of them names the file."""
    path = tmp_path / "flipped.safetensors"
    save_exported(path, content())
    whole = path.read_bytes()
    for place in range(8 + int.from_bytes(whole[:8], "little")):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(ReproError, match="flipped.safetensors"):
            check_exported(path)
            load_exported(path)


def test_the_command_line_looks_before_it_starts(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_file({"a": torch.zeros(1)}, "net.safetensors", {"repro-checkpoint": json.dumps({"mete": {}, "sha256": ""})})
    assert cli.main(["export-model", "net.safetensors", "again.safetensors"]) == 2
    assert "damaged checkpoint: net.safetensors" in capsys.readouterr().err


def test_what_is_no_exported_network_is_named(tmp_path):
    with pytest.raises(ReproError, match="no checkpoint: .*none.safetensors"):
        load_exported(tmp_path / "none.safetensors")
    save_file({"a": torch.zeros(1)}, tmp_path / "weights.safetensors")
    with pytest.raises(ReproError, match="which network they are"):
        load_exported(tmp_path / "weights.safetensors")
    for name, text in (("cut", b"\x10\x00"), ("lfs", b"version https://git-lfs.github.com/spec/v1\n")):
        (tmp_path / f"{name}.safetensors").write_bytes(text)
        with pytest.raises(ReproError, match="cannot read checkpoint"):
            load_exported(tmp_path / f"{name}.safetensors")
