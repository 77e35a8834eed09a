"""Results -> what lies behind the tables: class pairs per mechanism, single splits, paired tests."""

import functools

from repro.evaluation import uncertainty
from repro.evaluation.different import differences, rule
from repro.evaluation.metrics import top_k_correct
from repro.report.measured import header_values
from repro.report.notes import how_to_read
from repro.report.text import (
    DIFFERENCE_COLUMNS,
    NOT_RUN,
    Document,
    Section,
    difference_row,
    interval_row,
    interval_text,
    joined,
    only_splits,
    p_text,
    percent,
)

_INTERVAL = ("low_95", "high_95", "videos_distinct")
_MECHANISM_COLUMNS = ("dataset", "system", "mechanism", "percent", *_INTERVAL, "at_chance", "splits_run")
_SPLIT_COLUMNS = ("dataset", "system", "split", "top1_percent", "mean_class_percent", "videos", "seed")
_PAIRED_COLUMNS = ("dataset", "first", "second", *DIFFERENCE_COLUMNS, "videos_distinct", "splits_run")


def mechanisms(results):
    """Accuracy within the class pairs of each mechanism, per system: who can tell apart what."""
    sections, rows = [], []
    for dataset in (d for d in results.layout.datasets if d.mechanisms):
        counts, lines = {}, []
        for system in results.layout.systems_of(dataset):
            cell = results.get(dataset.name, system.name)
            line = [system.title]
            for name in (mechanism.name for mechanism in dataset.mechanisms):
                interval = cell.mechanism(name) if cell else None
                line.append(_mechanism_text(cell, interval))
                rows.append((dataset.name, system.name, name, *_mechanism_row(cell, interval)))
                if cell:
                    counts[name] = max(counts.get(name, 0), interval.videos)
            lines.append(tuple(line))
        heading = ("system", *(f"{m.name} (n = {counts.get(m.name, 0)})" for m in dataset.mechanisms))
        notes = (
            "Accuracy in % when only the classes of a video's own pair compete; n: distinct videos over all "
            "splits. † at chance: the interval contains 50 and its half-width is at most 10.",
            "  \n".join(f"{m.name}: {'; '.join(' / '.join(g) for g in m.groups)}" for m in dataset.mechanisms),
            *how_to_read(results, beside=False),
        )
        sections.append(Section(dataset.title, heading, tuple(lines), notes))
    title = "Mechanisms: accuracy within class pairs (%)"
    return Document("mechanisms", title, tuple(sections), (_MECHANISM_COLUMNS, *rows))


def _mechanism_text(cell, interval):
    if cell is None:
        return NOT_RUN
    dagger = " †" if uncertainty.at_chance(interval) else ""
    return interval_text(interval) + dagger + only_splits(cell)


def _mechanism_row(cell, interval):
    if cell is None:
        return NOT_RUN, *[""] * (len(_MECHANISM_COLUMNS) - 4)
    chance = "yes" if uncertainty.at_chance(interval) else "no"
    return (*interval_row(interval), chance, " ".join(map(str, cell.files)))


def per_split(results):
    """Top-1 and mean class accuracy of every system on every split."""
    sections, rows = [], []
    for dataset in results.layout.datasets:
        sizes, lines = {}, []
        for system in results.layout.systems_of(dataset):
            cell = results.get(dataset.name, system.name)
            line = [system.title]
            for split in dataset.splits:
                names = (dataset.name, system.name, split)
                if cell is None or split not in cell.files:
                    line.append(NOT_RUN)
                    rows.append((*names, NOT_RUN, *[""] * (len(_SPLIT_COLUMNS) - 4)))
                    continue
                top1, mean_class = cell.accuracy(split), cell.mean_class_accuracy(split)
                sizes[split] = len(cell.files[split].names)
                seeds = joined(header_values(cell.files[split], "seed"))
                line.append(f"{percent(top1)} / {percent(mean_class)}")
                rows.append((*names, percent(top1, 4), percent(mean_class, 4), sizes[split], seeds))
            lines.append(tuple(line))
        heading = ("system", *(f"split {split} (n = {sizes.get(split, 0)})" for split in dataset.splits))
        note = "Top-1 / mean class accuracy in %; n: test videos."
        sections.append(Section(dataset.title, heading, tuple(lines), (note,)))
    return Document("per_split", "Accuracy per split", tuple(sections), (_SPLIT_COLUMNS, *rows))


def paired_tests(results):
    """Differences between pairs of systems on the same videos: interval, permutation test, whether they differ by the one rule,
    McNemar per split."""
    layout = results.layout
    titles = {system.name: system.title for system in layout.systems}
    page = compared(results)
    lines, rows = {dataset.name: [] for dataset in layout.datasets}, []
    for dataset, first, second in ((d, *pair) for d in layout.datasets for pair in layout.pairs_on(d)):
        difference = page.get((dataset.name, "", first, second))
        label, names = f"{titles[first]} vs. {titles[second]}", (dataset.name, first, second)
        if difference is None:
            lines[dataset.name].append((label, NOT_RUN, *[""] * (3 + len(dataset.splits))))
            rows.append((*names, NOT_RUN, *[""] * (len(_PAIRED_COLUMNS) - 4)))
            continue
        cells = results.shared(dataset.name, first, second)
        tests = [_mcnemar_text(*cells, split) for split in dataset.splits]
        points = interval_text(difference.points) + only_splits(cells[0])
        shown = (points, p_text(difference.p), p_text(difference.adjusted), difference.verdict)
        lines[dataset.name].append((label, *shown, *tests))
        splits = " ".join(map(str, cells[0].files))
        rows.append((*names, *difference_row(difference), difference.points.videos, splits))
    note = (
        "First − second: difference of the means over splits, in points. The verdict is about the first system. McNemar: videos "
        "that only the first : only the second system gets right, exact p; it takes no part in the verdict."
    )
    told = rule(layout.draws, layout.seed, len(page))
    heading = ("first vs. second", "first − second [95 %]", "p", "adjusted p", "verdict")
    sections = [
        Section(d.title, (*heading, *(f"McNemar split {s}" for s in d.splits)), tuple(lines[d.name]), (note, told))
        for d in layout.datasets
    ]
    return Document("paired_tests", "Paired tests between systems", tuple(sections), (_PAIRED_COLUMNS, *rows))


@functools.lru_cache(maxsize=8)
def compared(results):
    """{(dataset, "", first, second): Difference} of the layout's comparisons, each over the splits that both were run on."""
    pairs = {}
    for dataset in results.layout.datasets:
        for pair in results.layout.pairs_on(dataset):
            if cells := results.shared(dataset.name, *pair):
                pairs[(dataset.name, "", *pair)] = tuple(cell.outcomes for cell in cells)
    return dict(zip(pairs, differences(pairs.values(), results.layout.draws, results.layout.seed)))


def either_way(page, dataset, mechanism, first, other):
    """first - other as a page of comparisons has it, whichever of the two it lists first; None where it lists neither."""
    if found := page.get((dataset, mechanism, first, other)):
        return found
    found = page.get((dataset, mechanism, other, first))
    return found and found.turned()


def _mcnemar_text(a, b, split):
    if split not in a.files:
        return NOT_RUN
    right = []
    for scores in (a.files[split], b.files[split]):
        by_name = dict(zip(scores.names, top_k_correct(scores.mean(), scores.labels)))
        right.append([by_name[name] for name in a.files[split].names])
    test = uncertainty.mcnemar(*right)
    return f"{test.only_a} : {test.only_b}, {p_text(test.p)}"
