"""Results -> which system tells what apart, beside what its paper says: systems x mechanisms, judged by fixed rules."""

from repro import published
from repro.evaluation.different import DOES_NOT_HOLD, HOLDS, NOT_SHOWN
from repro.evaluation.uncertainty import at_chance
from repro.report.notes import how_to_read
from repro.report.text import NOT_RUN, Document, Section, escaped, interval_row, interval_text, only_splits

_COLUMNS = ("dataset", "system", "mechanism", "percent", "low_95", "high_95", "videos_distinct", "state", "paper_says", "verdict",
            "claim", "source", "splits_run")  # fmt: skip
TITLE = "Systems and mechanisms: accuracy within class pairs (%)"
ABOVE, CHANCE, BELOW = "above chance", "at chance", "below chance"
MARKS = {ABOVE: "", CHANCE: " †", BELOW: " ▼", NOT_SHOWN: " ?", HOLDS: " ✓", DOES_NOT_HOLD: " ✗"}
_RULES = (
    "Accuracy in % when only the two classes of a video's own pair compete, with its 95 % interval; n: distinct videos over all "
    "splits. † at chance: the interval contains 50 and its half-width is at most 10. ? not shown: it contains 50 and is wider. "
    "▼ below chance: all of it is below 50. No mark: all of it is above 50.",
    "✓ the paper's statement holds, ✗ it does not hold. The statement that a system tells a pair apart holds where the "
    "interval is above 50; that it cannot, where it is at chance. A cell that is not shown, or not run on all splits, decides "
    "nothing.",
)


def state(interval):
    """Where an accuracy within pairs lies: ``ABOVE``, ``BELOW``, ``CHANCE`` by the rule of docs/reading.md, or ``NOT_SHOWN``."""
    if interval.low > 0.5:
        return ABOVE
    if interval.high < 0.5:
        return BELOW
    return CHANCE if at_chance(interval) else NOT_SHOWN


def verdict(found, says):
    """``HOLDS``, ``DOES_NOT_HOLD`` or ``NOT_SHOWN`` for a state and what a paper says, "sees" or "blind"."""
    if found == NOT_SHOWN:
        return NOT_SHOWN
    return HOLDS if found == (ABOVE if says == "sees" else CHANCE) else DOES_NOT_HOLD


def cell(results, dataset, system, mechanism):
    """One cell of the matrix: (Measured or None, Interval or None, state, what the papers say, verdict), texts "" where there is
    none."""
    said = next((says for paper in results.layout.papers if (says := _says(paper, system, mechanism))), "")
    measured = results.get(dataset, system)
    if measured is None:
        return None, None, NOT_RUN, said, ""
    interval = measured.mechanism(mechanism)
    found = state(interval)
    return measured, interval, found, said, verdict(found, said) if said and measured.complete else ""


def matrix(results):
    """All systems on all mechanisms, with what their papers claim in words, and its source. Empty without ``papers``."""
    sections, rows = [], []
    for dataset in (d for d in results.layout.datasets if d.mechanisms and results.layout.papers):
        lines, counts = [], {}
        for system in results.layout.systems_of(dataset):
            papers = [paper for paper in results.layout.papers if system.name in paper.systems]
            claim = "; ".join(paper.claim for paper in papers)
            source = "; ".join(dict.fromkeys(published.SOURCES[paper.source] for paper in papers))
            line = [system.title]
            for name in (mechanism.name for mechanism in dataset.mechanisms):
                measured, interval, found, said, holds = cell(results, dataset.name, system.name, name)
                line.append(_text(measured, interval, found, holds))
                numbers = ("", "", "", "") if interval is None else interval_row(interval)
                if interval is not None:
                    counts[name] = max(counts.get(name, 0), interval.videos)
                run = " ".join(map(str, measured.files)) if measured else ""
                own = [paper for paper in papers if _says(paper, system.name, name)]
                told = [text for paper in own for text in (paper.claim, published.SOURCES[paper.source])] or ["", ""]
                rows.append((dataset.name, system.name, name, *numbers, found, said, holds, *told[:2], run))
            lines.append((*line, claim, source))
        heading = ("system", *(f"{m.name} (n = {counts.get(m.name, 0)})" for m in dataset.mechanisms), "its paper says", "source")
        sections.append(Section(dataset.title, heading, tuple(lines), (*_RULES, *how_to_read(results, beside=False))))
    return Document("matrix", TITLE, tuple(sections), (_COLUMNS, *rows))


def against(results):
    """A sentence for each cell in which a paper's word does not hold, by system."""
    for dataset in (d for d in results.layout.datasets if d.mechanisms):
        for system in results.layout.systems_of(dataset):
            for name in (mechanism.name for mechanism in dataset.mechanisms):
                _, interval, _, _, holds = cell(results, dataset.name, system.name, name)
                if holds == DOES_NOT_HOLD:
                    paper = next(paper for paper in results.layout.papers if _says(paper, system.name, name))
                    source = published.SOURCES[paper.source]
                    yield f'{escaped(system.title)} on {name}, {interval_text(interval)} %: "{paper.claim}" ({source})'


def _says(paper, system, mechanism):
    if system not in paper.systems:
        return ""
    return "sees" if mechanism in paper.sees else "blind" if mechanism in paper.blind else ""


def _text(measured, interval, found, holds):
    if measured is None:
        return NOT_RUN
    return interval_text(interval) + MARKS[found] + MARKS.get(holds, "") * (holds != NOT_SHOWN) + only_splits(measured)
