"""``repro idt-text``: the release's text from and to array files."""

import cv2
import numpy as np
import pytest
import yaml
from test_idt_files import assert_same, made

from repro import cli
from repro.errors import ReproError
from repro.idt.features import check_origin, load_features, origin, save_features


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


def test_a_file_made_with_its_video_is_no_other_videos(run, tmp_path, capsys):
    """Two videos of one length and name: their classes tell them apart."""
    for name in ("jump", "wave"):
        (tmp_path / name).mkdir()
        writer = cv2.VideoWriter(str(tmp_path / name / "0.avi"), cv2.VideoWriter_fourcc(*"XVID"), 25, (64, 48))
        for shade in range(40):
            writer.write(np.full((48, 64, 3), 5 * shade, np.uint8))
        writer.release()
        save_features(tmp_path / "v.npz", made(7), "float32")
        assert run(tmp_path / "v.npz", tmp_path / "v.txt") == 0
        assert run(tmp_path / "v.txt", tmp_path / f"{name}.npz", "--video", tmp_path / name / "0.avi") == 0
    found = load_features(tmp_path / "jump.npz")
    assert (found.frames, found.width, found.height, len(found)) == (40, 64, 48, 7)
    check_origin(tmp_path / "jump.npz", origin(tmp_path / "jump.npz"), "", source="jump/0.avi", frames=40)
    with pytest.raises(ReproError, match="a file made of another video: .*made of wave/0.avi, .*the index says jump/0.avi"):
        check_origin(tmp_path / "wave.npz", origin(tmp_path / "wave.npz"), "", source="jump/0.avi", frames=40)
    for more, told in ((("--frames", 40), "do not go with --video"), (("--size", "64x48"), "do not go with --video")):
        assert run(tmp_path / "v.txt", tmp_path / "x.npz", "--video", tmp_path / "jump" / "0.avi", *more) == 2
        assert told in capsys.readouterr().err
    before = (tmp_path / "v.npz").read_bytes()
    for source, target in (("v.npz", "v.npz"), ("v.txt", "w.txt.gz")):
        assert run(tmp_path / source, tmp_path / target, *(("--frames", 40, "--size", "64x48") if source == "v.txt" else ())) == 2
        assert "nothing to convert" in capsys.readouterr().err
    assert (tmp_path / "v.npz").read_bytes() == before and not (tmp_path / "w.txt.gz").exists()
    assert run(tmp_path / "v.txt", tmp_path / "x.npz", "--video", tmp_path / "none.avi") == 2
    assert "none.avi" in capsys.readouterr().err and not (tmp_path / "x.npz").exists()


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
        (("--frames", 40, "--size", "0x240"), "--size"),
        (("--frames", -40, "--size", "320x240"), "--frames"),
        (("--frames", 40, "--size", "320x240"), "not a text file"),
    ],
)
def test_what_is_wrong_is_one_line(run, tmp_path, capsys, arguments, told):
    (tmp_path / "v.txt").write_text("no numbers\n")
    assert run(tmp_path / "v.txt", tmp_path / "v.npz", *arguments) == 2
    error = capsys.readouterr().err
    assert told in error and error.count("\n") == 1 and not (tmp_path / "v.npz").exists()
