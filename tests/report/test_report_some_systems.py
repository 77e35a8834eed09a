"""A dataset on which only some systems are run: shown where they are, and nowhere as if the others were missing."""

import pytest
from toy_profile import MECHANISMS, layout, score_file, videos

from repro.params import Params
from repro.profile.layout import layout_of
from repro.report import DOCUMENTS, load, readme_block


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
