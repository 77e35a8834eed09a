"""The table of ablations by hand, and the ablation profile: variants differ from their reference in one switch."""

import csv
import dataclasses
import io
from pathlib import Path

import pytest
from toy_profile import layout, score_file, videos

from repro.errors import ReproError
from repro.params import load as load_params
from repro.profile.layout import layout_of
from repro.profile.run import Run
from repro.report.documents import DOCUMENTS, write_tables
from repro.report.measured import load

GROUP = {"name": "switch", "title": "A switch", "reference": "better", "variants": ["plain", "absent"]}
PARAMS = load_params(Path(__file__).resolve().parents[2] / "params" / "ablations.yaml")


def records(profile, **changes):
    document = DOCUMENTS["ablations"](load(profile, layout(ablations=[GROUP], **changes)))
    rows = csv.DictReader(io.StringIO(document.csv()))
    return document, {(row["system"], row["mechanism"]): row for row in rows}


def test_variants_stand_below_their_reference_with_paired_differences(profile):
    document, row = records(profile)
    # of the order pair, plain has 4, 2 and 0 of 4 right; of the appearance pair all
    assert row["plain", "order"]["percent"] == "50.0000"
    assert row["plain", "order"]["difference_points"] == "-50.0000"
    assert float(row["plain", "order"]["difference_high_95"]) < 0
    assert float(row["plain", "appearance"]["difference_points"]) == 0
    # what five videos add to the difference, in twelfths: 1, 1, 1, 1 and 2; only all signs alike reach the sum: 2 of 32
    assert float(row["plain", "order"]["p_permutation"]) == pytest.approx(2 / 32, abs=0.05)
    # of two comparisons the other has p = 1: Benjamini and Hochberg double the smaller one
    assert float(row["plain", "order"]["p_adjusted"]) == pytest.approx(
        2 * float(row["plain", "order"]["p_permutation"]), abs=1e-5
    )
    assert row["plain", "order"]["verdict"] == "not shown"  # though the interval of the difference does not hold 0
    assert row["better", "order"]["difference_points"] == "" and row["absent", "order"]["percent"] == "not run"
    assert len(document.sections) == 1 and document.sections[0].title == "A switch: Toy videos (not UCF101)"
    better, plain, absent = document.sections[0].rows
    assert better == ("Better", "100.0 [67.6, 100.0]", "100.0 [67.6, 100.0]")
    assert plain[1] == "100.0 [67.6, 100.0]" and plain[2].startswith("50.0 [") and plain[2].endswith("]")
    assert absent == ("Absent", "not run", "not run")


def test_nothing_is_compared_over_other_splits(profile):
    (profile / "scores" / "toy" / "split2" / "seed3" / "plain.npz").unlink()
    document, row = records(profile)
    assert row["plain", "order"]["difference_points"] == ""
    assert document.sections[0].rows[1][2].endswith("(only splits 1, 3)") and "▼" not in document.sections[0].rows[1][2]


def test_a_different_variant_has_an_arrow(profile):
    for split in (1, 2, 3):
        score_file(profile, "absent", split, videos(split), [False] * 8)
    swapped = {**GROUP, "reference": "absent", "variants": ["better"]}
    document = DOCUMENTS["ablations"](load(profile, layout(ablations=[swapped])))
    assert document.sections[0].rows[1] == ("Better", "100.0 [67.6, 100.0] ▲", "100.0 [67.6, 100.0] ▲")  # p = 2 / 256 each
    document = DOCUMENTS["ablations"](
        load(profile, layout(ablations=[{**swapped, "reference": "better", "variants": ["absent"]}]))
    )
    assert document.sections[0].rows[1] == ("Absent", "0.0 [0.0, 32.4] ▼", "0.0 [0.0, 32.4] ▼")


def test_no_ablations_no_table(profile, tmp_path):
    assert "ablations.md" not in [path.name for path in write_tables(profile, layout(), tmp_path / "without")]
    assert "ablations.md" in [path.name for path in write_tables(profile, layout(ablations=[GROUP]), tmp_path / "with")]


def test_an_unknown_system_is_told():
    with pytest.raises(ReproError, match="ablations name an unknown system, got 'pla'"):
        layout(ablations=[{**GROUP, "variants": ["pla"]}])


@pytest.mark.parametrize("group", layout_of(PARAMS).ablations, ids=lambda group: group.name)
def test_the_profiles_variants_differ_from_their_reference_in_one_switch(group):
    def switches(system):
        run = Run.of(PARAMS, system=system)
        more = {"init_from": run.settings.init_from, "streams": run.streams, "family": run.settings.family}
        return {**dataclasses.asdict(run.model), **dataclasses.asdict(run.recipe), **more}

    reference = switches(group.reference)
    for name in group.variants:
        variant = switches(name)
        assert len([key for key in reference if reference[key] != variant[key]]) == 1, name


def test_the_profile_runs_what_it_evaluates():
    run = PARAMS.get("run")
    assert run["evaluated"] == run["systems"]
    assert set(run["evaluated"]) <= set(PARAMS.get("systems"))
    listed = {system.name for system in layout_of(PARAMS).systems}
    assert listed == set(PARAMS.get("systems")) | set(PARAMS.get("fusions"))


def test_every_seed_says_its_difference_by_hand(profile):
    # of the order pair seed 3 has 4, 2 and 0 of 4 right, seed 4 two in each split; the reference has all from both
    for split in (1, 2, 3):
        score_file(profile, "plain", split, videos(split), [True] * 4 + [True, True, False, False], seed=4)
        score_file(profile, "better", split, videos(split), [True] * 8, kind="fused", seed=4)
    several = layout(ablations=[GROUP], seeds=[3, 4])
    (section,) = DOCUMENTS["ablation_seeds"](load(profile, several)).sections
    (plain,) = section.rows  # `absent` was run from no seed
    assert plain == ("Plain", "+0.0 ± 0.0 (+0.0, +0.0)", "-50.0 ± 0.0 (-50.0, -50.0) same sign")
    # where one seed of the variant is missing a split, no seed is left to be compared with the first
    (profile / "scores" / "toy" / "split2" / "seed4" / "plain.npz").unlink()
    (section,) = DOCUMENTS["ablation_seeds"](load(profile, several)).sections
    assert not section.rows
    assert "first of 2 seeds" in DOCUMENTS["ablations"](load(profile, several)).sections[0].notes[-1]
