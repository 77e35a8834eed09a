"""`repro predict` says what the test protocol says, draws a picture, and refuses in one line."""

import re
import shutil

import cv2
import numpy as np
import pytest
import torch
from tiny import write_params

from repro.datasets.index import DatasetIndex
from repro.evaluation.scores import Scores
from repro.training.checkpoint import load_checkpoint, save_checkpoint


def checkpoint(folder, system):
    (path,) = (folder / "models").glob(f"**/{system}/checkpoint.pt")
    return path


def scored_video(folder, system):
    """(path of the first test video, probabilities by class from the score file)."""
    (path,) = (folder / "results").glob(f"**/{system}.npz")
    scores = Scores.load(path)
    logits = torch.from_numpy(scores.mean()[0])
    row = DatasetIndex.load(folder / "data/toy/index").table.set_index("video").loc[scores.names[0]]
    return folder / "data/toy/raw/videos" / row["path"], dict(zip(scores.classes, 100 * logits.softmax(0).numpy()))


@pytest.mark.parametrize("systems, scored", [(["st_resnet_star"], "st_resnet_star"), (["appearance", "motion"], "two_stream")])
def test_a_prediction_is_what_the_score_file_says(finished, stages, tmp_path, capsys, systems, scored):
    write_params(tmp_path)
    video, expected = scored_video(finished, scored)
    places = [checkpoint(finished, system) for system in systems]
    named = ("--checkpoint", *places)
    order = (video, *named) if len(places) == 1 else (*named, video)  # the video may stand on either side
    assert stages.repro(tmp_path, "predict", *order) == 0
    found = re.findall(r"^(\d)  +([\d.]+) %  (\w+)$", capsys.readouterr().out, re.MULTILINE)
    assert [rank for rank, _, _ in found] == list("12345")
    assert [float(share) for _, share, _ in found] == pytest.approx([expected[name] for _, _, name in found], abs=0.06)
    assert [name for _, _, name in found] == sorted(expected, key=expected.get, reverse=True)[:5]
    picture = cv2.imread(str(tmp_path / f"{video.stem}.prediction.png"))
    assert picture.shape[1] == 1200 and len(np.unique(picture.reshape(-1, 3), axis=0)) > 100
    assert {path.name for path in tmp_path.iterdir()} == {"params.yaml", f"{video.stem}.prediction.png"}


@pytest.fixture
def refused(stages, tmp_path, capsys):
    def run(*arguments):
        before = stages.tree(tmp_path)
        capsys.readouterr()
        assert stages.repro(tmp_path, "predict", *arguments) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("repro predict: ") and stages.tree(tmp_path) == before
        return line

    return run


def test_what_cannot_be_predicted(finished, refused, tmp_path):
    write_params(tmp_path)
    (tmp_path / "bad.avi").write_bytes(b"no video" * 500)
    shutil.copy(checkpoint(finished, "motion"), tmp_path / "other.pt")
    content = load_checkpoint(tmp_path / "other.pt")
    content["meta"]["classes"]["toy"] = content["meta"]["classes"]["toy"][::-1]
    save_checkpoint(tmp_path / "other.pt", content)
    video, good = scored_video(finished, "motion")[0], checkpoint(finished, "motion")
    assert "no checkpoint: absent.pt" in refused(video, "--checkpoint", "absent.pt")
    assert "cannot open as a video: absent.avi" in refused("absent.avi", "--checkpoint", good)
    assert "cannot open as a video: bad.avi" in refused("bad.avi", "--checkpoint", good)
    assert "cannot read checkpoint: bad.avi" in refused(video, "--checkpoint", "bad.avi")
    assert "checkpoint of other classes: other.pt" in refused(video, "--checkpoint", good, "other.pt")
    assert "no video; write `repro predict VIDEO --checkpoint FILE`" in refused("--checkpoint", good)
    assert "the picture is a .png file: a.jpg" in refused(video, "--checkpoint", good, "--out", "a.jpg")


def test_a_video_shorter_than_a_flow_stack_is_told(finished, stages, tmp_path, capsys):
    write_params(tmp_path)
    for frames in (1, 7):
        writer = cv2.VideoWriter(str(tmp_path / "short.avi"), cv2.VideoWriter_fourcc(*"XVID"), 25, (64, 48))
        for shade in range(frames):
            writer.write(np.full((48, 64, 3), 9 * shade, np.uint8))
        writer.release()
        assert stages.repro(tmp_path, "predict", "short.avi", "--checkpoint", checkpoint(finished, "st_resnet_star")) == 0
        out = capsys.readouterr().out
        assert f"short.avi: {frames} frames" in out and "too short for one flow stack" in out
        assert (tmp_path / "short.prediction.png").stat().st_size > 5000
        (tmp_path / "short.prediction.png").unlink()


def test_a_dollar_sign_in_a_file_name_is_drawn_as_one(finished, stages, tmp_path):
    write_params(tmp_path)
    video, _ = scored_video(finished, "appearance")
    odd = tmp_path / "Ba$$in_$x^.avi"
    odd.write_bytes(video.read_bytes())
    assert stages.repro(tmp_path, "predict", odd, "--checkpoint", checkpoint(finished, "appearance")) == 0
    assert (tmp_path / "Ba$$in_$x^.prediction.png").is_file()
