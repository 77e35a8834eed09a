"""What the paper's reasons lead one to expect of each ablation, what was found, and the verdict.

Nothing is adjusted to a result."""

from dataclasses import dataclass, replace

from repro.evaluation.different import BELOW, DOES_NOT_HOLD, HOLDS, NOT_SHOWN
from repro.evaluation.uncertainty import at_chance
from repro.report.ablations import compared
from repro.report.claims import claimed_at_chance
from repro.report.lessons import Finding, points
from repro.report.text import NOT_RUN, escaped, interval_text

EVERY = "every variant"
CHANCE, ABOVE_CHANCE, LOSES = "at chance", "above chance", "below the reference"
_VERDICTS = {BELOW: HOLDS, NOT_SHOWN: NOT_SHOWN}


@dataclass(frozen=True)
class Expectation:
    """``variant`` of the ablation ``group`` (or `EVERY` one) does ``what`` on the pair of ``mechanism``."""

    group: str
    variant: str
    what: str
    mechanism: str


EXPECTATIONS = (
    Expectation("injection", "no_injection", CHANCE, "binding"),
    Expectation("injection", "no_injection", LOSES, "binding"),
    Expectation("injection", "multiply", ABOVE_CHANCE, "binding"),
    Expectation("direction", "reverse", ABOVE_CHANCE, "binding"),
    Expectation("direction", "reverse", LOSES, "motion"),
    Expectation("direction", "both_ways", ABOVE_CHANCE, "binding"),
    Expectation("stages", "only_conv2", ABOVE_CHANCE, "binding"),
    Expectation("stages", "only_conv5", LOSES, "binding"),
    Expectation("losses", "one_loss", LOSES, "appearance"),
    Expectation("losses", "one_loss", LOSES, "motion"),
    Expectation("temporal", "long_no_temporal", CHANCE, "order"),
    Expectation("temporal", "long_no_temporal", LOSES, "order"),
    Expectation("temporal", "long_random", LOSES, "order"),
    Expectation("pooling", EVERY, LOSES, "order"),
)


@dataclass(frozen=True)
class Row:
    """One expectation on one dataset, in words: what was expected, what was found, and whether it holds."""

    group: str
    dataset: str
    expected: str
    found: str
    verdict: str

    @property
    def finding(self):
        return Finding(self.expected, self.verdict, self.dataset, self.found)


def rows(results, name=None):
    """The Row of every expectation about the layout's ablations, or about the one called ``name``, per dataset."""
    groups = {group.name: group for group in results.layout.ablations if name in (None, group.name)}
    made = []
    for dataset in results.layout.datasets:
        there = {mechanism.name for mechanism in dataset.mechanisms}
        for each in EXPECTATIONS:
            group = groups.get(each.group)
            if group and each.mechanism in there:
                variants = [name for name in group.variants if each.variant in (name, EVERY)]
                made += [_row(results, dataset, group, replace(each, variant=name)) for name in variants]
    return made


def surprises(results):
    """Differences to a reference, by the one rule, that nothing above speaks of: list of Finding, losses and gains alike."""
    groups = {group.name: group.variants for group in results.layout.ablations}
    losing = [each for each in EXPECTATIONS if each.what == LOSES and each.group in groups]
    spoken = {(name, e.mechanism) for e in losing for name in groups[e.group] if e.variant in (name, EVERY)}
    titles = _titles(results)
    told = []
    for (dataset, mechanism, variant, reference), difference in compared(results).items():
        if difference.verdict != NOT_SHOWN and (variant, mechanism) not in spoken:
            word = difference.verdict
            text = f"“{titles[variant]}” is {word} “{titles[reference]}” on the {mechanism} pair"
            told.append(Finding(text, DOES_NOT_HOLD, dataset, points(difference)))
    return told


def _row(results, dataset, group, each):
    titles = _titles(results)
    text = f"“{titles[each.variant]}” is {each.what} on {each.mechanism}"
    cells = [results.complete(dataset.name, name) for name in (each.variant, group.reference)]
    if None in cells:
        return Row(group.title, dataset.name, text, "", NOT_RUN)
    variant, reference = (cell.mechanism(each.mechanism) for cell in cells)
    found = f"{interval_text(variant)}, reference {interval_text(reference)}"
    if each.what == LOSES:
        difference = compared(results)[dataset.name, each.mechanism, each.variant, group.reference]
        alone = "; the reference itself is at chance" if at_chance(reference) else ""
        verdict = _VERDICTS.get(difference.verdict, DOES_NOT_HOLD)
        return Row(group.title, dataset.name, text, f"{found}: {points(difference)}{alone}", verdict)
    return Row(group.title, dataset.name, text, found, _beside_chance(variant, each.what))


def _beside_chance(interval, what):
    """Whether an accuracy within pairs is at chance or above it, by the rule of the claims."""
    if what == ABOVE_CHANCE:
        return HOLDS if interval.low > 0.5 else DOES_NOT_HOLD if at_chance(interval) or interval.high < 0.5 else NOT_SHOWN
    return claimed_at_chance(interval)


def _titles(results):
    return {system.name: escaped(system.title) for system in results.layout.systems}
