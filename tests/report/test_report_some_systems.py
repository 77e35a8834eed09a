"""A dataset on which only some systems are run: shown where they are, and nowhere as if the others were missing."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from toy_profile import MECHANISMS, layout, score_file, videos

from repro import cli
from repro.params import Params
from repro.params import load as load_params
from repro.profile.layout import layout_of
from repro.report.documents import DOCUMENTS
from repro.report.measured import load
from repro.report.readme import readme_block

PARAMS = Path(__file__).resolve().parents[2] / "params"
PROFILES = [path.stem for path in sorted(PARAMS.glob("*.yaml")) if load_params(path).get("run").get("evaluated")]


@pytest.fixture
def results(tmp_path):
    toy = {"name": "toy", "title": "Toy", "mechanisms": MECHANISMS}
    shown = layout(
        datasets=[toy, {**toy, "name": "some", "title": "Some", "systems": ["plain", "absent"]}],
        comparisons=[("better", "plain"), ("absent", "plain")],
    )
    for split in (1, 2, 3):
        names = videos(split)
        for dataset, systems in (("toy", ("plain", "better")), ("some", ("plain",))):
            for system in systems:
                score_file(tmp_path, system, split, names, [True] * len(names), dataset)
    return load(tmp_path, shown), tmp_path


@pytest.mark.parametrize("name", ["table3", "table4", "claims"])
def test_tables_of_all_systems_leave_it_out(results, name):
    text = DOCUMENTS[name](results[0]).csv()
    assert "toy" in text and "some" not in text


@pytest.mark.parametrize(
    "name, expected", [("mechanisms", {"plain", "absent"}), ("per_split", {"plain", "absent"}), ("paired_tests", {"absent"})]
)
def test_tables_by_dataset_show_its_systems_alone(results, name, expected):
    rows = [row for row in DOCUMENTS[name](results[0]).csv_rows if row[0] == "some"]
    assert {row[1] for row in rows} == expected


def test_the_readme_names_it_under_its_mechanisms(results):
    block = readme_block(results[1], results[0].layout, "tables")
    assert "measured (toy)" in block and "measured (some)" not in block and "**some**: Some" in block


def test_an_unknown_system_is_told():
    with pytest.raises(Exception, match="dataset names an unknown system, got 'none'"):
        layout(datasets=[{"name": "toy", "title": "Toy", "systems": ["none"]}])


def test_a_dataset_of_trajectories_alone_has_no_other_systems():
    run = {"datasets": ["a"], "idt": ["a", "b"], "idt_systems": ["plain"], "splits": [1], "seeds": [0]}
    report = {"systems": [{"name": "plain", "title": "Plain"}, {"name": "net", "title": "Net"}]}
    params = {"run": run, "datasets": {"a": {"title": "A"}, "b": {"title": "B"}}, "idt": {"plain": {}}, "report": report}
    found = layout_of(Params(params))
    assert [(d.name, d.systems) for d in found.datasets] == [("a", ()), ("b", ("plain",))]
    assert [d.name for d in found.compared] == ["a"]


def test_trajectories_of_some_datasets_are_no_rows_of_the_others():
    run = {"datasets": ["a"], "idt": ["a", "b"], "idt_systems": ["plain", "other"], "splits": [1], "seeds": [0]}
    report = {
        "systems": [{"name": name, "title": name} for name in ("plain", "other", "net")],
        "comparisons": [["plain", "other"]],
    }
    idt = {"plain": {}, "other": {"datasets": ["b"]}}
    params = {"run": run, "datasets": {"a": {"title": "A"}, "b": {"title": "B"}}, "idt": idt, "report": report}
    found = layout_of(Params(params))
    a, b = found.datasets
    there = [[system.name for system in found.systems_of(dataset)] for dataset in (a, b)]
    assert there == [["plain", "net"], ["plain", "other"]]
    assert found.compared == (a,) and found.pairs_on(a) == () and found.pairs_on(b) == (("plain", "other"),)


def half_scored(folder, profile):
    """Made-up scores of every other system of a profile on its first split: its ReportLayout, those systems, the others."""
    shown = layout_of(load_params(PARAMS / f"{profile}.yaml"))
    dataset = shown.compared[0]
    groups = [group for mechanism in dataset.mechanisms for group in mechanism.groups]
    classes = tuple(dict.fromkeys(name for group in groups for name in group)) or ("jump", "run", "sit", "stand")
    names = [f"{name}/{number}" for name in classes for number in range(3)]
    for number, system in enumerate(shown.systems[::2]):
        rights = np.random.default_rng(number).random(len(names)) < 0.7
        score_file(folder, system.name, dataset.splits[0], names, rights, dataset.name, classes=classes, seed=shown.seeds[0])
    return shown, shown.systems[::2], shown.systems[1::2]


@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_is_reported_with_half_of_its_systems_missing(tmp_path, profile):
    shown, there, missing = half_scored(tmp_path / profile, profile)
    results = load(tmp_path / profile, shown)
    documents = {name: build(results) for name, build in DOCUMENTS.items()}
    said = {row[2]: row[4] for row in documents["table3"].csv_rows[1:] if row[0] == shown.compared[0].name}
    assert len(said) > 3 and all(said[system.name] == "not run" for system in missing if system.in_table3)
    assert all(0 < float(said[system.name]) < 100 for system in there if system.in_table3)
    assert [row[2:4] for row in documents["per_split"].csv_rows if row[1] == missing[0].name][0] == (
        shown.datasets[0].splits[0],
        "not run",
    )
    block = readme_block(tmp_path / profile, shown, "tables")
    if not shown.papers:  # those show the matrix instead
        assert "not run" in block and ("only split" in block) is (len(shown.compared[0].splits) > 1)


def test_the_command_for_inputs_of_other_papers_on_jhmdb(tmp_path, monkeypatch, capsys):
    """`params/jhmdb_lineage.yaml`: tables, verdicts and the page of all results, before most of its systems are there."""
    monkeypatch.chdir(tmp_path)
    Path("params").mkdir()
    shutil.copy(PARAMS / "jhmdb_lineage.yaml", "params")
    _, there, missing = half_scored(Path("results/jhmdb_lineage"), "jhmdb_lineage")
    for command in (["--params", "params/jhmdb_lineage.yaml", "report"], ["verdicts"], ["explore"]):
        assert cli.main(command) == 0, command
    tables = Path("results/jhmdb_lineage/tables")
    rows = {line.split("|")[1].strip(): line for line in (tables / "table3.md").read_text().splitlines() if "|" in line}
    assert all("not run" in rows[system.title] and "[" not in rows[system.title] for system in missing)
    assert all("(only split 1)" in rows[system.title] for system in there)
    assert not (tables / "table4.md").exists() and (tables / "table3.png").stat().st_size > 1000
    assert "from jhmdb_lineage (jhmdb)" in capsys.readouterr().out
