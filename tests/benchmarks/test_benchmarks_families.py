"""The benchmark of the lineage's networks: each once, beside plain ResNet-50s that do the same work twice for two streams."""

import json
import sys
from pathlib import Path

import pytest
import torch
import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))
import families  # noqa: E402

PARAMS = {"lineage_paper": ROOT / "params" / "lineage_paper.yaml", "paper": ROOT / "params" / "paper.yaml"}
DEPTHS = {"rgb": (3, 1), "flow": (2, 10), "warped_flow": (2, 10), "rgb_difference": (3, 5)}  # channels, usual length


def depth(stream):
    stream = {"modality": stream} if isinstance(stream, str) else stream
    each, usual = DEPTHS[stream["modality"]]
    return each * stream.get("length", usual)


def written():
    """{profile/system: (family, what is written of its model, channels)} of the params files, read without the package.

    ResNet-50's blocks and width are left out: one file writes the defaults of the other."""
    found = {}
    for profile, path in PARAMS.items():
        content = yaml.safe_load(path.read_text())
        for name, system in content["systems"].items():
            model = {**(content["families"].get(system["family"]) or {}), **system.get("model", {})}
            model = sorted((key, str(value)) for key, value in model.items() if key not in ("blocks", "width"))
            found[f"{profile}/{name}"] = (system["family"], model, [depth(stream) for stream in system["streams"].values()])
    return found


def test_every_network_of_the_params_is_timed_once():
    asked = written()
    found = families.networks()
    stands_for = [name for _, names in found.values() for name in names]
    assert sorted(stands_for) == sorted(asked)  # every system, under one network
    for _, names in found.values():
        assert [asked[name] for name in names] == [asked[names[0]]] * len(names)
    assert len(found) == len({repr(each) for each in asked.values()})
    assert {"c3d", "conv_lstm"} <= {run.settings.family for run, _ in found.values()}
    assert ["lineage_paper/tsn_flow", "lineage_paper/tsn_warped"] in [names for _, names in found.values()]


def test_two_profiles_with_a_name_for_two_networks_lose_none(tmp_path, monkeypatch):
    text = PARAMS["paper"].read_text()
    (tmp_path / "one.yaml").write_text(text)
    (tmp_path / "two.yaml").write_text(text.replace("width: 64", "width: 32"))
    monkeypatch.setattr(families, "PARAMS", tmp_path)
    monkeypatch.setattr(families, "PROFILES", dict.fromkeys(("one", "two"), "ucf101"))
    systems = ("appearance", "motion", "st_resnet", "st_resnet_star")
    assert list(families.networks()) == [f"{profile}/{system}" for profile in ("one", "two") for system in systems]


def test_systems_are_chosen_by_what_a_network_stands_for():
    assert list(families.chosen(["tsn_warped", "paper/st_resnet"])) == ["lineage_paper/tsn_flow", "paper/st_resnet"]
    assert families.chosen(None).keys() == families.networks().keys()
    with pytest.raises(ValueError, match="no system 'tsn_wraped'; there: lineage_paper/spatial_2014, "):
        families.chosen(["tsn_rgb", "tsn_wraped"])


def timed(target, monkeypatch, system, side=32):
    """Rows of the file after a run that measures a system; the measurement itself is made up."""
    small = ("--side", str(side), "--threads", str(torch.get_num_threads()), "--target", str(target))
    monkeypatch.setattr(families, "compare", lambda run, side, *more: {"side": side})
    monkeypatch.setattr(sys, "argv", ["families.py", *small, "--systems", system])
    families.main()
    found = json.loads(target.read_text())
    assert found["gpu"] == "not measured"
    return found["cpu"]["networks"]


def test_a_run_keeps_what_it_leaves_out_where_that_was_measured_in_the_same_way(tmp_path, monkeypatch):
    target = tmp_path / "families.json"
    timed(target, monkeypatch, "tsn_rgb")
    rows = timed(target, monkeypatch, "motion")
    assert list(rows) == ["lineage_paper/tsn_rgb", "lineage_paper/motion"]
    assert rows["lineage_paper/motion"]["stands_for"] == ["lineage_paper/motion", "paper/motion"]
    assert rows["lineage_paper/motion"]["network"]["channels"] == [20]
    assert list(timed(target, monkeypatch, "motion", side=64)) == ["lineage_paper/motion"]


def test_a_network_is_timed_in_clips_of_its_training():
    run, _ = families.networks()["lineage_paper/tsn_rgb"]
    row = families.compare(run, 32, None, torch.device("cpu"), "fp32", rounds=1)
    assert (row["clips"], row["frames"]) == (3, 3)  # nine frames
    assert all(row[kind]["ratio_to_plain"]["median"] > 0 for kind in ("training_step", "scoring")) and row["optimizer_ms"] > 0
    parameters = 11.3e6 - 1024 * 1000 - 1000 + 1024 * 101 + 101  # BN-Inception with 101 classes
    assert row["checkpoint_bytes"] == pytest.approx(4 * parameters, rel=0.02)
