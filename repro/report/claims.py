"""The paper's claims about mechanisms, judged by fixed rules; nothing here is adjusted to a result."""

import functools

from repro.evaluation.different import ABOVE, BELOW, DOES_NOT_HOLD, HOLDS, NOT_SHOWN, differences, rule
from repro.evaluation.uncertainty import at_chance
from repro.report.text import NOT_RUN, Document, Section, interval_text, p_text, percent

_CHANCE = (
    "At chance: the 95 % interval contains 50 and its half-width is at most 10. If it does not contain 50, the claim does not "
    "hold; if it is wider, the claim is not shown. Claims are judged only when all splits have been run."
)


def claims(results):
    """One row per claim and dataset: what was claimed, what it rests on, and whether it holds, does not hold, is not shown or
    was not run.

    "At chance": the interval holds 0.5 and its half-width is at most 0.10. "Above": by `repro.evaluation.different` over all
    comparisons of this document; a claim of two systems needs one. Judged only when all splits of all systems have been run.
    """
    found = compared(results)
    rows = [
        (dataset.name, text, *_judged(results, dataset.name, system, others, mechanism, found))
        for dataset, mechanism, text, system, others in _claims_on(results.layout)
    ]
    told = rule(results.layout.draws, results.layout.seed, len(found))
    sections = []
    for dataset in (d for d in results.layout.compared if d.mechanisms):
        lines = tuple(row[1:] for row in rows if row[0] == dataset.name)
        sections.append(Section(dataset.title, ("claim", "measured [95 %]", "verdict"), lines, (_CHANCE, told)))
    heading = ("dataset", "claim", "measured", "verdict")
    return Document("claims", "Claims about mechanisms: do they hold here?", tuple(sections), (heading, *rows))


def _claims(names):
    """(mechanism, claim, system, the others that it is above; none: it is at chance)."""
    return (
        ("motion", "the appearance stream is at chance between motion classes", names.appearance, ()),
        ("appearance", "the motion stream is at chance between appearance classes", names.motion, ()),
        ("binding", "late fusion is at chance between binding classes", names.late_fusion, ()),
        ("binding", "ST-ResNet is above late fusion on binding classes", names.st_resnet, (names.late_fusion,)),
        (
            "order",
            "ST-ResNet* is above ST-ResNet or two-stream on order classes",
            names.st_resnet_star,
            (names.st_resnet, names.late_fusion),
        ),
    )


def _claims_on(layout):
    """(DatasetLayout, *claim) of all datasets that have the claim's class pairs."""
    for dataset in layout.compared:
        there = {mechanism.name for mechanism in dataset.mechanisms}
        yield from ((dataset, *claim) for claim in _claims(layout.claims) if claim[0] in there)


@functools.lru_cache(maxsize=8)
def compared(results):
    """{(dataset, mechanism, system, other): Difference} of all comparisons that have been run."""
    pairs = {}
    for dataset, mechanism, _, system, others in _claims_on(results.layout):
        for other in others:
            cells = results.complete(dataset.name, system), results.complete(dataset.name, other)
            if None not in cells:
                pairs[dataset.name, mechanism, system, other] = tuple(cell.mechanism_outcomes(mechanism) for cell in cells)
    return dict(zip(pairs, differences(pairs.values(), results.layout.draws, results.layout.seed)))


def claimed_at_chance(interval):
    """What becomes of the claim that an accuracy within pairs is at chance."""
    if at_chance(interval):
        return HOLDS
    return NOT_SHOWN if interval.low <= 0.5 <= interval.high else DOES_NOT_HOLD


def _judged(results, dataset, system, others, mechanism, found):
    """What a claim rests on, as text, and its verdict."""
    cell = results.complete(dataset, system)
    if not others:
        if cell is None:
            return "", NOT_RUN
        interval = cell.mechanism(mechanism)
        told = f"{cell.system.title} {interval_text(interval)}, half-width {percent(interval.half_width)}"
        return told, claimed_at_chance(interval)
    there = [run for name in (system, *others) if (run := results.complete(dataset, name))]
    told = [f"{run.system.title} {interval_text(run.mechanism(mechanism))}" for run in there]
    verdicts = []
    for other in others:
        difference = found.get((dataset, mechanism, system, other))
        verdicts.append(difference.verdict if difference else NOT_RUN)
        if difference:
            against = results.complete(dataset, other).system.title
            told.append(f"against {against} {interval_text(difference.points)}, adjusted p {p_text(difference.adjusted)}")
    if ABOVE in verdicts:
        return "; ".join(told), HOLDS
    if NOT_RUN in verdicts:
        return "; ".join(told), NOT_RUN
    return "; ".join(told), DOES_NOT_HOLD if set(verdicts) == {BELOW} else NOT_SHOWN
