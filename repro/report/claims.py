"""The paper's claims about mechanisms, judged by fixed rules on intervals; nothing here is adjusted to a
result."""

from repro.evaluation.uncertainty import at_chance
from repro.report.text import NOT_RUN, Document, Section, interval_text, percent

_RULES = (
    "At chance: the 95 % interval holds 50 and its half-width is at most 10. Above: the two 95 % intervals "
    "do not overlap. Judged only when all splits have been run."
)


def claims(results):
    """One row per claim and dataset: what was claimed, the intervals it rests on, and whether it holds: yes,
    no or not run.

    "At chance": the interval holds 0.5 and its half-width is at most 0.10. "Above": the two 95 % intervals do
    not overlap. A claim is judged only when all splits of all its systems have been run.
    """
    sections, rows = [], []
    for dataset in (d for d in results.layout.compared if d.mechanisms):
        there = {mechanism.name for mechanism in dataset.mechanisms}
        lines = [
            (text, *judge(results, dataset.name))
            for mechanism, text, judge in _claims(results.layout.claims)
            if mechanism in there
        ]
        sections.append(Section(dataset.title, ("claim", "measured [95 %]", "holds"), tuple(lines), (_RULES,)))
        rows += [(dataset.name, *line) for line in lines]
    heading = ("dataset", "claim", "measured", "holds")
    return Document("claims", "Claims about mechanisms: do they hold here?", tuple(sections), (heading, *rows))


def _claims(names):
    return (
        (
            "motion",
            "the appearance stream is at chance between motion classes",
            _chance(names.appearance, "motion"),
        ),
        (
            "appearance",
            "the motion stream is at chance between appearance classes",
            _chance(names.motion, "appearance"),
        ),
        (
            "binding",
            "late fusion is at chance between binding classes",
            _chance(names.late_fusion, "binding"),
        ),
        (
            "binding",
            "ST-ResNet is above late fusion on binding classes",
            _above(names.st_resnet, (names.late_fusion,), "binding"),
        ),
        (
            "order",
            "ST-ResNet* is above ST-ResNet or two-stream on order classes",
            _above(names.st_resnet_star, (names.st_resnet, names.late_fusion), "order"),
        ),
    )


def _chance(system, mechanism):
    def judge(results, dataset):
        cell = results.complete(dataset, system)
        if cell is None:
            return "", NOT_RUN
        interval = cell.mechanism(mechanism)
        told = f"{cell.system.title} {interval_text(interval)}, half-width {percent(interval.half_width)}"
        return told, "yes" if at_chance(interval) else "no"

    return judge


def _above(system, others, mechanism):
    """Holds when ``system`` lies above any of ``others``; decided "no" only when all of them have been
    run."""

    def judge(results, dataset):
        cells = [results.complete(dataset, name) for name in (system, *others)]
        intervals = [None if cell is None else cell.mechanism(mechanism) for cell in cells]
        told = "; ".join(f"{cell.system.title} {interval_text(i)}" for cell, i in zip(cells, intervals) if cell is not None)
        first, rest = intervals[0], intervals[1:]
        if first is not None and any(i is not None and first.low > i.high for i in rest):
            return told, "yes"
        return told, NOT_RUN if None in intervals else "no"

    return judge
