"""The benchmark of the lineage's networks: each once, beside plain ResNet-50s that do the same work twice for two streams."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))
import families  # noqa: E402


def test_every_family_is_there_and_no_network_twice():
    found = families.systems()
    assert {run.settings.family for run in found.values()} >= {
        "bn_inception",
        "cnn_m",
        "inception3d",
        "st_resnet",
        "two_stream_fusion",
    }
    assert {"st_resnet", "st_mulnet", "i3d_rgb", "i3d_flow", "s3d_g"} <= set(found)
    assert len({repr((run.settings.family, run.model, families.channels(run))) for run in found.values()}) == len(found)


def test_a_run_keeps_what_it_leaves_out(tmp_path):
    target = tmp_path / "families.json"
    small = ("--side", "64", "--rounds", "1", "--threads", "1", "--target", target)
    for system in ("tsn_rgb", "motion"):
        command = [sys.executable, ROOT / "benchmarks" / "families.py", "--systems", system, *small]
        subprocess.run(list(map(str, command)), check=True, capture_output=True)
    found = json.loads(target.read_text())
    rows = found["cpu"]["systems"]
    assert found["gpu"] == "not measured" and list(rows) == ["tsn_rgb", "motion"]
    assert (rows["tsn_rgb"]["clips"], rows["tsn_rgb"]["frames"]) == (3, 3)  # nine frames in clips of three snippets
    assert all(row[kind]["ratio_to_plain"]["median"] > 0 for row in rows.values() for kind in ("training_step", "scoring"))
