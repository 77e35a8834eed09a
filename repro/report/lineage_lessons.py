"""What the pages on the systems around ST-ResNet say at their ends: sentences with numbers and verdicts from score files."""

from dataclasses import dataclass, replace

from repro.errors import ReproError
from repro.evaluation import different
from repro.evaluation.different import DOES_NOT_HOLD, HOLDS, NOT_SHOWN
from repro.report.matrix import MARKS, cell, verdict
from repro.report.measured import NOTHING, Results, load
from repro.report.text import NOT_RUN, interval_text, markdown_table, measured_text, only_splits

_WORDS = {
    different.ABOVE: "the first is above",
    different.BELOW: "the first is below",
    different.NOT_SHOWN: "no difference shown",
}


@dataclass(frozen=True)
class Lesson:
    """A sentence of a paper and what it rests on here.

    ``sees``, ``blind``: pairs (system, mechanism) that are told apart by it, or not. ``above``: triples (system, other,
    mechanism): the first is right within the mechanism's pair more often than the second.
    """

    claim: str
    sees: tuple = ()
    blind: tuple = ()
    above: tuple = ()


def results_of(folder, layout):
    """As ``measured.load``, but empty Results where there is no score file at all."""
    try:
        return load(folder, layout)
    except ReproError as error:
        if error.what != NOTHING:
            raise
        return Results(layout, {}, {})


def learned(results, lessons):
    """The lessons as Markdown, a list per dataset with mechanisms, each with its numbers and its verdict.

    A lesson holds where all that it rests on does, by the rules of the matrix and of differences (``docs/reading.md``), whose p
    values are adjusted over all datasets; what was not run, or not on all splits, decides nothing.
    """
    parts, layout, page = [], results.layout, _compared(results, lessons)
    for dataset in [d for d in layout.compared if d.mechanisms] or [None]:
        lines = [_bullet(results, dataset, lesson, page) for lesson in lessons]
        parts.append("\n".join([f"**{dataset.title if dataset else 'no dataset with mechanisms in this profile'}**\n", *lines]))
    told = [different.rule(layout.draws, layout.seed, len(page))] if page else []
    return "\n\n".join([*parts, *told])


def part_of_matrix(results, systems, mechanisms):
    """A table per dataset with mechanisms: accuracy within pairs of ``systems`` (names), as the matrix marks it."""
    titles, parts = _titles(results), []
    for dataset in (d for d in results.layout.compared if d.mechanisms):
        rows = []
        for system in systems:
            found = (_cell(results, dataset, system, mechanism) for mechanism in mechanisms)
            rows.append((titles[system], *(_cell_text(*values) for values in found)))
        parts.append(f"**{dataset.title}**\n\n" + markdown_table(("system", *mechanisms), rows))
    return "\n\n".join(parts) or "no dataset with mechanisms in this profile"


def beside(rows, columns, results, systems=None):
    """Published numbers, and in columns of their own what was measured here on the same dataset, or ``not run``.

    ``rows``: {name: one Published or None per column}; ``columns``: what these are. ``systems``: {row: name of our system, or one
    per column}. No published number ever stands beside another dataset's.
    """
    lines = []
    for name, numbers in rows.items():
        own = (systems or {}).get(name, "")
        own = own if isinstance(own, tuple) else (own,) * len(columns)
        measured = (_on_published(results, number, system) for number, system in zip(numbers, own))
        lines.append((name, *("" if number is None else number for number in numbers), *measured))
    heading = ("", *(f"published: {c}" for c in columns), *(f"measured here: {c}" for c in columns))
    return markdown_table(heading, lines)


def _on_published(results, number, system):
    """Our system on the dataset that a number is of; split 1 alone where the number is."""
    beside = [d for d in results.layout.datasets if number is not None and d.stands_beside == number.dataset]
    found = results.get(beside[0].name, system) if beside else None
    if found is not None and number.splits == "split 1":
        return interval_text(replace(found, files={1: found.files[1]}).interval) if 1 in found.files else NOT_RUN
    return "" if number is None else measured_text(found)


class _Titles(dict):
    """{name: title}; a system that this profile does not have stands under its name."""

    def __missing__(self, name):
        return f"`{name}`"


def _titles(results):
    return _Titles((system.name, system.title) for system in results.layout.systems)


def _cell(results, dataset, system, mechanism):
    """(Measured, Interval, state) or Nones and ``not run``."""
    if dataset is None or mechanism not in {m.name for m in dataset.mechanisms} or results.get(dataset.name, system) is None:
        return None, None, NOT_RUN
    return cell(results, dataset.name, system, mechanism)[:3]


def _cell_text(measured, interval, state):
    return NOT_RUN if interval is None else interval_text(interval) + MARKS[state] + only_splits(measured)


def _bullet(results, dataset, lesson, page):
    titles, told, verdicts = _Titles((name, f"“{title}”") for name, title in _titles(results).items()), [], []
    for says, pairs in (("sees", lesson.sees), ("blind", lesson.blind)):
        for system, mechanism in pairs:
            measured, interval, state = _cell(results, dataset, system, mechanism)
            number = NOT_RUN if interval is None else f"{interval_text(interval)} %, {state}{only_splits(measured)}"
            told.append(f"{titles[system]} on the {mechanism} pair: {number}")
            verdicts.append(NOT_RUN if interval is None or not measured.complete else verdict(state, says))
    for system, other, mechanism in lesson.above:
        found = page.get((dataset.name if dataset else "", system, other, mechanism))
        number = NOT_RUN
        if found is not None:
            number = f"{interval_text(found.points)} points, {_WORDS[found.verdict]}"
        told.append(f"{titles[system]} − {titles[other]} on the {mechanism} pair: {number}")
        verdicts.append(NOT_RUN if found is None else different.claimed_above([found.verdict]))
    return f"* **{_joint(verdicts)}** · {lesson.claim}. {'; '.join(told)}."


def _joint(verdicts):
    """The verdict of all that a lesson rests on: one that does not hold decides; then what is not run, or not shown."""
    return next((word for word in (DOES_NOT_HOLD, NOT_RUN, NOT_SHOWN) if word in verdicts), HOLDS)


def _compared(results, lessons):
    """{(dataset, system, other, mechanism): Difference} of a page, p values adjusted over it; complete runs of both alone."""
    pairs = {}
    for dataset in results.layout.compared:
        for system, other, mechanism in (triple for lesson in lessons for triple in lesson.above):
            both = [_cell(results, dataset, name, mechanism)[0] for name in (system, other)]
            if all(measured is not None and measured.complete for measured in both):
                outcomes = tuple(measured.mechanism_outcomes(mechanism) for measured in both)
                pairs[dataset.name, system, other, mechanism] = outcomes
    return dict(zip(pairs, different.differences(pairs.values(), results.layout.draws, results.layout.seed)))
