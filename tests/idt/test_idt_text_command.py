"""``repro idt-text``: the release's text from and to array files."""

import numpy as np
import pytest
import yaml
from test_idt_files import assert_same, made

from repro import cli
from repro.idt.features import load_features, save_features


@pytest.fixture
def run(tmp_path):
    (tmp_path / "params.yaml").write_text(yaml.safe_dump({"profile": "toy"}))
    return lambda *arguments: cli.main(["--params", str(tmp_path / "params.yaml"), "idt-text", *map(str, arguments)])


@pytest.mark.parametrize("name", ["v.txt", "v.idt.gz"])
def test_there_and_back(run, tmp_path, name):
    save_features(tmp_path / "v.npz", made(7), "float32")
    assert run(tmp_path / "v.npz", tmp_path / name) == 0
    assert run(tmp_path / name, tmp_path / "again.npz", "--frames", 40, "--size", "320x240") == 0
    assert_same(load_features(tmp_path / "again.npz"), made(7), atol=1e-6)


def test_the_authors_own_file(run, shared_data, tmp_path):
    source = shared_data / "idt-anchor" / "person01_boxing_d1_uncomp.authors.idt.gz"
    assert run(source, tmp_path / "boxing.npz", "--frames", 360, "--size", "160x120") == 0
    found = load_features(tmp_path / "boxing.npz")
    assert len(found) == 2001 and (found.frames, found.width, found.height) == (360, 160, 120)
    assert np.isfinite(found.descriptors).all()


@pytest.mark.parametrize(
    "arguments, told",
    [
        ((), "--frames 360 --size 320x240"),
        (("--frames", 40, "--size", "big"), "--size"),
        (("--frames", 40, "--size", "320x240"), "not a text file"),
    ],
)
def test_what_is_wrong_is_one_line(run, tmp_path, capsys, arguments, told):
    (tmp_path / "v.txt").write_text("no numbers\n")
    assert run(tmp_path / "v.txt", tmp_path / "v.npz", *arguments) == 2
    error = capsys.readouterr().err
    assert told in error and error.count("\n") == 1 and not (tmp_path / "v.npz").exists()
