"""Sentences of "What we learn": verdicts and numbers by hand, the unfavourable first, nothing hidden."""

import pytest
from toy_profile import CLASSES, MECHANISMS, layout, score_file

from repro.report import lessons, notes
from repro.report.expected import rows, surprises
from repro.report.lessons import Finding
from repro.report.measured import load

MANY = [f"{name}/{i}" for name in CLASSES for i in range(10)]  # 40 videos, the same in all splits
PAIR = (("st_resnet", "late_fusion"),)


def test_unfavourable_sentences_come_first_and_no_verdict_is_lost():
    words = ("holds", "not run", "not compared", "does not hold", "not shown")
    told = lessons.sentences([Finding(word, word, numbers=f"{i} points") for i, word in enumerate(words)])
    assert [sentence.rsplit(": ", 1)[-1].split(":** ")[-1] for sentence in told] == [
        "does not hold (3 points).",
        "not shown (4 points).",
        "holds (0 points).",
        "not run (1 points).",
        "not compared (2 points).",
    ]
    assert lessons.sentences([]) == []


def judged(folder, first, other, **changes):
    """Findings of "Better is above Plain" where they are right on the first ``first`` and ``other`` of the 40 videos."""
    for split in (1, 2, 3):
        for system, right in (("better", first), ("plain", other)):
            if right is not None:
                score_file(folder, system, split, MANY, [i < right for i in range(40)])
    comparisons = changes.pop("comparisons", [["better", "plain"]])
    return lessons.pairs(load(folder, layout(comparisons=comparisons, **changes)), PAIR)


@pytest.mark.parametrize(
    "first, other, verdict, begin",
    [
        (40, 20, "holds", "Holds: Better is above Plain (toy: +50.0 points ["),
        (20, 40, "does not hold", "**Does not hold:** Better is above Plain, in fact it is below (toy: -50.0 points ["),
        (40, 38, "not shown", "**Not shown:** Better is above Plain (toy: +5.0 points ["),
        (38, 38, "not shown", "**Not shown:** Better is above Plain (toy: 0.0 points ["),
        (40, None, "not run", "Not run: Better is above Plain (toy)."),
    ],
)
def test_a_pair_of_systems(tmp_path, first, other, verdict, begin):
    (found,) = judged(tmp_path, first, other)
    assert found.verdict == verdict and lessons.sentences([found])[0].startswith(begin)
    assert ("adjusted p 0.002" in found.numbers) == (verdict in ("holds", "does not hold"))  # 1 of 401: no draw is as far


def test_a_pair_compared_the_other_way_round_is_turned(tmp_path):
    (found,) = judged(tmp_path, 20, 40, comparisons=[["plain", "better"]])
    assert found.text == "Better is above Plain, in fact it is below" and found.numbers.startswith("-50.0 points [")


def test_a_pair_that_the_profile_does_not_compare_says_so(tmp_path):
    (found,) = judged(tmp_path, 40, 20, comparisons=[["plain", "absent"]])
    assert found.verdict == lessons.NOT_COMPARED and not found.numbers


def test_a_dataset_without_the_systems_is_left_out(tmp_path):
    datasets = [{"name": "toy", "title": "Toy"}, {"name": "alone", "title": "Alone", "systems": ["plain"]}]
    assert [each.where for each in judged(tmp_path, 40, 20, datasets=datasets)] == ["toy"]


def test_one_finding_on_two_datasets_is_told_once():
    told = lessons.sentences([Finding("A is above B", "holds", place, number) for place, number in (("x", "+1"), ("y", "+2"))])
    assert told == ["Holds: A is above B (x: +1; y: +2)."]
    assert str(Finding("A is above B", "holds", "x", "+1")) == "A is above B (x: +1)"


def test_five_videos_are_too_few_by_hand(profile):
    """`better` wins five distinct videos over `plain` and loses none: p = 2 / 2^5 = 0.0625."""
    (found,) = lessons.pairs(load(profile, layout(draws=10_000)), PAIR)
    assert found.verdict == "not shown" and 0.05 < float(found.numbers.rsplit(" ", 1)[1]) < 0.08


@pytest.mark.parametrize("fused, hurt", [(20, True), (40, False)])
def test_trajectories_hurt_only_where_the_fusion_is_below_its_network(tmp_path, fused, hurt):
    for split in (1, 2, 3):
        for system, right in (("star_idt", fused), ("better", 30)):
            score_file(tmp_path, system, split, MANY, [i < right for i in range(40)])
    systems = [{"name": "star_idt", "title": "ST-ResNet* + IDT"}, {"name": "better", "title": "ST-ResNet*"}]
    claims = {"st_resnet_star": "better", "star_idt": "star_idt"}
    told = " ".join(lessons.trajectories(load(tmp_path, layout(systems=systems, claims=claims))))
    assert ("Trajectories hurt" in told) == hurt
    assert ("-25.0 points [" in told) == hurt and (
        "Holds: ST-ResNet\\* + IDT is above ST-ResNet\\* (toy: +25.0 points [" in told
    ) != hurt


def test_claims_are_told_and_counted(tmp_path):
    for split in (1, 2, 3):
        score_file(tmp_path, "plain", split, MANY, [i < 20 or i % 2 == 0 for i in range(40)])
    names = [{"name": "appearance", "groups": [CLASSES[:2]]}, {"name": "motion", "groups": [CLASSES[2:]]}]
    toy = layout(datasets=[{"name": "toy", "title": "Toy", "mechanisms": names}])
    found = lessons.mechanism_claims(load(tmp_path, toy))
    assert [each.verdict for each in found] == ["not shown", "does not hold"]  # 20 videos: 50.0, wide; 20 of 20 right: not chance
    assert lessons.counted(found, "Claims") == "Claims, 2 in all; does not hold: 1, not shown: 1."
    assert lessons.counted([], "Claims") == "Claims, 0 in all."


def test_the_gap_between_training_and_test_by_hand(profile):
    """`plain` is right on 75 % of the test videos; its last training accuracies are 0.9, 0.9 and 0.75: 85 %."""
    for split, last in ((1, 0.9), (2, 0.9), (3, 0.75)):
        path = profile / "curves" / "toy" / f"split{split}" / "seed3" / "plain.csv"
        path.parent.mkdir(parents=True)
        path.write_text(f"step,learning_rate,loss,accuracy_appearance,fallback_share\n1,0.1,2,0.1,0\n2,0.1,1,{last},0\n")
    (told,) = lessons.gap_in_training(profile, load(profile, layout()))
    assert "widest for Plain: 85.0 % on training clips at the end, 75.0 [" in told


def test_no_curves_are_told(profile):
    assert lessons.gap_in_training(profile, load(profile, layout())) == ["toy: not run, or no curves were kept."]


def test_one_seed_or_several(profile):
    assert "trained once" in notes.caution(load(profile, layout()))
    assert "first of 2 seeds" in notes.caution(load(profile, layout(seeds=[3, 4])))


def test_checks_are_printed_kept_and_the_failed_named(capsys):
    check = lessons.Checks()
    assert check.sentence() == "No check was made."
    check("even:   ", 4 % 2 == 0)
    assert check.sentence() == "All 1 checks of this page pass."
    check("odd", 4 % 2 == 1)
    assert check.sentence() == "**1 of 2 checks fail:** odd."
    assert capsys.readouterr().out == "even: True\nodd: False\n"
    assert lessons.share(7, 9) == "7 of 9 (77.8 %)" and lessons.share(0, 0) == "none"


VARIANT = [{"name": "injection", "title": "Injected or not", "reference": "better", "variants": ["no_injection", "multiply"]}]
SYSTEMS = [
    {"name": "better", "title": "Better"},
    {"name": "no_injection", "title": "None"},
    {"name": "multiply", "title": "Times"},
]


def ablated(folder, **rights):
    """Rows and surprises where each system is right as a function of the video's number says; binding are the first 200."""
    names = [f"{name}/{i}" for name in CLASSES for i in range(100)]
    for split in (1, 2, 3):
        for system, right in rights.items():
            score_file(folder, system, split, names, [right(i) for i in range(400)])
    named = [{**mechanism, "name": name} for mechanism, name in zip(MECHANISMS, ("binding", "order"))]
    datasets = [{"name": "toy", "title": "Toy", "mechanisms": named}]
    results = load(folder, layout(systems=SYSTEMS, ablations=VARIANT, claims={}, datasets=datasets))
    return [(row.expected, row.verdict) for row in rows(results)], surprises(results), rows(results)


def test_expectations_that_come_true(tmp_path):
    found, others, told = ablated(
        tmp_path, better=lambda i: True, no_injection=lambda i: i % 2 or i >= 200, multiply=lambda i: True
    )
    assert found == [
        ("“None” is at chance on binding", "holds"),
        ("“None” is below the reference on binding", "holds"),
        ("“Times” is above chance on binding", "holds"),
    ]
    assert others == []
    assert told[0].found.startswith("50.0 [") and ", reference 100.0 [" in told[0].found and "-50.0 points [" in told[1].found


def test_refuted_expectations_and_what_nobody_expected(tmp_path):
    """Without injection the pair is told apart better than with it; multiplied, order is lost and binding at chance."""
    found, others, told = ablated(
        tmp_path, better=lambda i: i % 2 or i >= 200, no_injection=lambda i: True, multiply=lambda i: i % 2 == 1
    )
    assert [verdict for _, verdict in found] == ["does not hold"] * 3
    assert "the reference itself is at chance" in told[1].found
    assert [each.text for each in others] == ["“Times” is below “Better” on the order pair"]


def test_an_expectation_of_every_variant_speaks_of_each(tmp_path):
    """Every pooling but the maximum should lose order; of two that stand in for them one gains it, and appearance too."""
    group = [{**VARIANT[0], "name": "pooling"}]
    names = [f"{name}/{i}" for name in CLASSES for i in range(100)]
    for split in (1, 2, 3):
        for system, right in (("better", 1), ("no_injection", 2), ("multiply", 1)):
            score_file(tmp_path, system, split, names, [i % 2 < right for i in range(400)])
    toy = layout(
        systems=SYSTEMS, ablations=group, claims={}, datasets=[{"name": "toy", "title": "Toy", "mechanisms": MECHANISMS}]
    )
    results = load(tmp_path, toy)
    assert [(row.expected, row.verdict) for row in rows(results, "pooling")] == [
        ("“None” is below the reference on order", "does not hold"),
        ("“Times” is below the reference on order", "not shown"),
    ]
    assert rows(results, "injection") == [] and [each.text for each in surprises(results)] == [
        "“None” is above “Better” on the appearance pair"
    ]


def test_variants_that_were_not_run(tmp_path):
    found, others, _ = ablated(tmp_path, better=lambda i: True)
    assert {verdict for _, verdict in found} == {"not run"} and others == []
