"""`repro describe`: Table 1 of the paper's full-size network unless told otherwise."""

import shutil
from pathlib import Path

import pytest
from tiny import write_params

from repro.models.st_resnet.table1 import PAPER_TABLE_1

ROOT = Path(__file__).resolve().parents[2]


def cells(text):
    """Layer -> the cells of its row."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| ")]
    return {row[0]: row[1:] for row in rows}


@pytest.mark.slow
def test_without_params_it_is_the_papers_network(tmp_path, stages, capfd):
    write_params(tmp_path)  # the profile at hand is not asked
    shutil.copytree(ROOT / "params", tmp_path / "params")
    assert stages.repro(tmp_path, "describe", "st_resnet") == 0
    out, err = capfd.readouterr()
    found = cells(out)
    assert "blocks [3, 4, 6, 3], width 64, layout caffe, input 224x224x11" in out and "receptive fields" in err
    for layer, (size, field) in PAPER_TABLE_1.items():
        row = found["pool5 of st_resnet_star" if layer == "pool5" else layer]
        assert row[:3] == [size, size, field.replace("47t", "21t")] and row[3] == field
        assert row[4].replace(",", "").isdigit()
    assert "prints 47t; a window of 5 over fields of 17t spans 21t" in out
    assert found["pool5"][0] == "1x1x11" and found["pool5"][2] == "675x675x17t"


def test_with_params_it_is_that_profiles(tmp_path, stages, capfd):
    write_params(tmp_path)
    assert stages.repro(tmp_path, "--params", "params.yaml", "describe", "st_resnet_star") == 0
    found = cells(capfd.readouterr().out)
    assert found["conv1"][:2] == ["16x16x11", "112x112x11"] and found["pool5"][0] == "1x1x4"
    assert stages.repro(tmp_path, "describe", "st_resnet") == 2
    assert "no params file: params/paper.yaml" in capfd.readouterr().err
