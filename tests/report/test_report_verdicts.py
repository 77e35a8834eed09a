"""Verdicts on claims: made-up outcomes against hand-made verdicts, the order of rows, links, words; the README's pictures."""

import csv
import dataclasses
import io

import numpy as np
import pytest
from canvas import outside
from toy_profile import CLASSES, MECHANISMS, layout, score_file

from repro.errors import ReproError
from repro.report import pictures
from repro.report.measured import load
from repro.report.verdicts import CLAIMS, Source, judge, readme_verdicts, verdicts

NAMES = ("appearance", "motion", "two_stream", "st_resnet", "st_resnet_star", "idt", "st_resnet_star_idt")
SYSTEMS = [{"name": name, "title": name} for name in NAMES]
PAIRS = [["two_stream", "appearance"], ["two_stream", "motion"], ["two_stream", "st_resnet"], ["st_resnet_star", "st_resnet"],
         ["st_resnet_star", "idt"], ["st_resnet_star_idt", "st_resnet_star"], ["st_resnet_star_idt", "idt"]]  # fmt: skip
# videos right of 40 per class and split; two-stream against ST-ResNet is listed the other way round on purpose
GOOD = {
    "appearance": 10,
    "motion": 12,
    "two_stream": 20,
    "st_resnet": 28,
    "st_resnet_star": 36,
    "idt": 20,
    "st_resnet_star_idt": 40,
}


def source(folder, rights, column="diagnostic", profile="embedded", comparisons=PAIRS, trained=None):
    for system, right in rights.items():
        for split in (1, 2, 3):
            names = [f"{name}/{split}_{i}" for name in CLASSES for i in range(40)]
            score_file(folder / profile, system, split, names, np.tile(np.arange(40) < right, 4))
    toy = layout(
        datasets=[{"name": "toy", "title": "Toy", "mechanisms": MECHANISMS}], systems=SYSTEMS, claims={}, comparisons=comparisons
    )
    return Source(column, profile, toy.datasets[0], load(folder / profile, toy), trained or {})


def words(sources):
    return {v.claim.text: v.verdict for v in judge(sources)}


def test_all_that_is_above_holds_and_what_is_not_there_is_not_judged(tmp_path):
    found = words([source(tmp_path, GOOD)])
    assert set(found.values()) == {"holds"}
    assert "ST-ResNet* is above ST-ResNet on order" in found  # the toy has such pairs, and none of binding
    assert not any("binding" in text or "Multiplied" in text for text in found) and len(found) == 7


@pytest.mark.parametrize(
    "system, right, text, verdict",
    [
        ("st_resnet", 12, "ST-ResNet is above two-stream", "does not hold"),
        ("st_resnet", 20, "ST-ResNet is above two-stream", "not shown"),
        ("two_stream", 11, "Two-stream is above each of its streams", "does not hold"),  # above one, below the other
        ("two_stream", 12, "Two-stream is above each of its streams", "not shown"),  # above one, like the other
        ("st_resnet_star_idt", 30, "ST-ResNet* + IDT is above ST-ResNet*", "does not hold"),
    ],
)
def test_a_claim_can_fail(tmp_path, system, right, text, verdict):
    assert words([source(tmp_path, {**GOOD, system: right})])[text] == verdict


def test_a_system_without_scores_is_not_run(tmp_path):
    without = {name: right for name, right in GOOD.items() if "idt" not in name}
    found = words([source(tmp_path, without)])
    assert {text for text, verdict in found.items() if verdict == "not run"} == {c.text for c in CLAIMS if "IDT" in c.text}


def test_words_say_what_is_not_shown_where_the_first_is_lower_after_what_is_below(tmp_path):
    source(tmp_path, {**GOOD, "st_resnet": 20, "idt": 38}, "J-HMDB", "jhmdb")
    rights = np.tile(np.arange(40) < 20, 4)
    rights[0] = False  # one video of 480 lower
    score_file(tmp_path / "jhmdb", "st_resnet", 1, [f"{name}/1_{i}" for name in CLASSES for i in range(40)], rights)
    real = source(tmp_path, {}, "J-HMDB", "jhmdb")
    lines = readme_verdicts([real], "results").splitlines()
    assert lines[0].startswith("**On Toy, st_resnet_star is below idt**: -5.0 [")
    assert lines[1].startswith("**On Toy, st_resnet is not shown to be above two_stream**: -0.2 [") and not lines[2]
    assert readme_verdicts([source(tmp_path, {}, "diagnostic", "jhmdb")], "results").startswith("| claim")  # real data alone


def test_what_was_run_on_some_splits_is_judged_on_those_and_says_so(tmp_path):
    source(tmp_path, {**GOOD, "st_resnet": 12}, profile="other")  # below on its split 1, which alone is kept
    source(tmp_path, GOOD, "J-HMDB", "jhmdb")
    for split in (1, 2, 3):
        place = f"scores/toy/split{split}/seed3/st_resnet.npz"
        if split == 1:
            (tmp_path / "other" / place).replace(tmp_path / "jhmdb" / place)
        else:
            (tmp_path / "jhmdb" / place).unlink()
    partial = source(tmp_path, {}, "J-HMDB", "jhmdb")
    judged = {v.claim.text: v for v in judge([partial])}
    below = judged["ST-ResNet is above two-stream"]
    assert below.verdict == "does not hold" and below.found[0][1].points.value == pytest.approx(-0.2)  # 12 - 20 of 40
    assert below.found[0][1].points.videos == 4 * 40 and below.only == " (only split 1)"
    assert judged["ST-ResNet* + IDT is above IDT"].only == ""  # both on all splits
    assert "order" not in "".join(text for text, v in judged.items() if v.verdict != "not run")  # a page of whole runs alone
    block = readme_verdicts([partial], "results")
    assert "[toy, only split 1](results/jhmdb/tables/paired_tests.md)" in block
    assert "] points (only split 1), adjusted p" in block.splitlines()[0]
    rows = list(csv.reader(io.StringIO(verdicts([partial]).csv())))
    assert ["does not hold (only split 1)"] == [row[-1] for row in rows if row[3:5] == ["st_resnet", "two_stream"]]


def test_unfavourable_rows_come_first_and_real_data_count_most(tmp_path):
    real = source(tmp_path, {**GOOD, "st_resnet": 12}, "J-HMDB", "jhmdb", trained={"st_resnet": "was trained for 3 passes there"})
    block = readme_verdicts([source(tmp_path, {**GOOD, "st_resnet_star_idt": 30}), real], "results")
    lines = block.splitlines()
    assert lines[0].startswith("**On Toy, st_resnet is below two_stream**: -20.0 [") and "points, adjusted p " in lines[0]
    assert lines[0].endswith("st_resnet was trained for 3 passes there.")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")][1:]
    rows = [row for row in rows if not row[0].startswith("-")]
    assert [row[0] for row in rows][:2] == ["ST-ResNet is above two-stream", "ST-ResNet\\* + IDT is above ST-ResNet\\*"]
    assert rows[0][2:] == [
        "holds ([toy](results/embedded/tables/paired_tests.md))",
        "**does not hold** ([toy](results/jhmdb/tables/paired_tests.md))",
        "not run",
    ]
    assert len(rows) == len(CLAIMS)
    binding = next(row for row in rows if "two-stream on binding" in row[0])
    assert binding[2:] == ["not run", "–", "–"]


def test_a_dataset_of_two_profiles_shows_both_verdicts(tmp_path):
    both = [source(tmp_path, GOOD), source(tmp_path, {**GOOD, "st_resnet": 12}, profile="ablations")]
    row = next(line for line in readme_verdicts(both, "r").splitlines() if line.startswith("| ST-ResNet is above two-stream  "))
    first, second = "**does not hold** ([toy, ablations](r/ablations/tables/paired_tests.md))", "holds ([toy](r/embedded/tables/"
    assert f"{first}; {second}" in row


def test_a_profile_of_fewer_splits_than_another_says_so(tmp_path):
    few = source(tmp_path, GOOD, profile="again")
    few = dataclasses.replace(few, splits=(1, 2, 3, 4))
    assert "holds ([toy, only splits 1, 2, 3](r/again/tables/" in readme_verdicts([few], "r")
    assert {row["verdict"] for row in csv.DictReader(io.StringIO(verdicts([few]).csv()))} == {"holds (only splits 1, 2, 3)"}


def test_a_difference_that_another_seed_turns_round_is_told(tmp_path):
    source(tmp_path, GOOD)
    names = {split: [f"{name}/{split}_{i}" for name in CLASSES for i in range(40)] for split in (1, 2, 3)}
    for system, right in (("two_stream", 30), ("st_resnet", 29), ("appearance", 5), ("motion", 7)):
        for split in (1, 2, 3):
            score_file(tmp_path / "embedded", system, split, names[split], np.tile(np.arange(40) < right, 4), seed=4)
    one = source(tmp_path, {})
    seeds = dataclasses.replace(one.results.layout, seeds=(3, 4))
    one = dataclasses.replace(one, results=load(tmp_path / "embedded", seeds))
    records = {(r["first"], r["other"]): r for r in csv.DictReader(io.StringIO(verdicts([one]).csv())) if not r["mechanism"]}
    assert records["st_resnet", "two_stream"]["points_per_seed"] == "20.0 -2.5"
    assert records["two_stream", "motion"]["points_per_seed"] == "20.0 57.5"
    assert records["st_resnet_star", "st_resnet"]["points_per_seed"] == ""  # from one seed alone
    block = readme_verdicts([one], "r")
    rows = {line.split("|")[1].strip(): line for line in block.splitlines() if line.startswith("| ")}
    assert "holds ([toy, seeds disagree](r/" in rows["ST-ResNet is above two-stream"]
    assert "holds ([toy](r/" in rows["Two-stream is above each of its streams"]


def test_the_numbers_are_those_of_the_page_with_their_sign(tmp_path):
    from repro.report.documents import DOCUMENTS

    one = source(tmp_path, GOOD)
    records = {(r["first"], r["other"]): r for r in csv.DictReader(io.StringIO(verdicts([one]).csv())) if not r["mechanism"]}
    page = {(r["first"], r["second"]): r for r in csv.DictReader(io.StringIO(DOCUMENTS["paired_tests"](one.results).csv()))}
    turned, shown = records["st_resnet", "two_stream"], page["two_stream", "st_resnet"]
    assert (turned["difference_points"], shown["difference_points"]) == ("20.0000", "-20.0000")
    assert float(turned["difference_low_95"]) == -float(shown["difference_high_95"])
    assert turned["p_adjusted"] == shown["p_adjusted"] and (turned["first_is"], shown["verdict"]) == ("above", "below")


def test_a_claim_whose_pair_its_page_lacks_is_told(tmp_path):
    with pytest.raises(
        ReproError, match="no comparison of `st_resnet` and `two_stream`.*params/embedded.yaml.*report.comparisons"
    ):
        judge([source(tmp_path, GOOD, comparisons=[pair for pair in PAIRS if "st_resnet" not in pair])])


def test_the_pictures_show_every_connection_and_nothing_is_cut_off():
    from repro.models.st_resnet.settings import STResNetSettings

    figure = pictures.network_figure()
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert outside(figure) == [] and texts.count("+") == 4 and sum("1x1x3" in text for text in texts) == 8 + 1
    assert "res4c..f" in texts and "res3c..d" in texts  # ResNet-50: 3, 4, 6 and 3 blocks
    two_stream = [text.get_text() for text in pictures.network_figure(STResNetSettings()).axes[0].texts]
    assert "+" not in two_stream and sum("\n1x1x3" in text for text in two_stream) == 0
    assert outside(pictures.clip_figure(shown=3)) == []
