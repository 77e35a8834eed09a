"""Results -> what lies behind the tables: class pairs per mechanism, single splits, paired tests."""

from repro.evaluation import uncertainty
from repro.evaluation.metrics import top_k_correct
from repro.report.measured import header_values
from repro.report.notes import how_to_read
from repro.report.text import (
    NOT_RUN,
    Document,
    Section,
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
_PAIRED_COLUMNS = (
    "dataset",
    "first",
    "second",
    "difference_points",
    *_INTERVAL,
    "p_permutation",
    "splits_run",
)


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
            "splits. † at chance: the interval holds 50 and its half-width is at most 10.",
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
    """Differences between pairs of systems on the same videos: interval, permutation test, McNemar per
    split."""
    layout = results.layout
    titles = {system.name: system.title for system in layout.systems}
    sections, rows = [], []
    for dataset in layout.datasets:
        lines, there = [], {system.name for system in layout.systems_of(dataset)}
        for first, second in (pair for pair in layout.pairs() if there.issuperset(pair)):
            a, b = results.get(dataset.name, first), results.get(dataset.name, second)
            label, names = f"{titles[first]} vs. {titles[second]}", (dataset.name, first, second)
            if a is None or b is None or a.files.keys() != b.files.keys():
                lines.append((label, NOT_RUN, "", *[""] * len(dataset.splits)))
                rows.append((*names, NOT_RUN, *[""] * (len(_PAIRED_COLUMNS) - 4)))
                continue
            difference = uncertainty.bootstrap_difference(a.outcomes, b.outcomes, layout.draws, layout.seed)
            p = uncertainty.permutation_test(a.outcomes, b.outcomes, layout.draws, layout.seed)
            tests = [_mcnemar_text(a, b, split) for split in dataset.splits]
            lines.append((label, interval_text(difference) + only_splits(a), p_text(p), *tests))
            rows.append((*names, *interval_row(difference), f"{p:.6f}", " ".join(map(str, a.files))))
        heading = (
            "first vs. second",
            "first − second [95 %]",
            "p",
            *(f"McNemar split {s}" for s in dataset.splits),
        )
        note = (
            "First − second: points of the mean over splits. p: two-sided permutation test per distinct "
            f"video, {layout.draws:,} draws, seed {layout.seed}. McNemar: videos only the first : only the "
            "second system gets right, exact p. No correction for several tests."
        )
        sections.append(Section(dataset.title, heading, tuple(lines), (note,)))
    return Document("paired_tests", "Paired tests between systems", tuple(sections), (_PAIRED_COLUMNS, *rows))


def _mcnemar_text(a, b, split):
    if split not in a.files:
        return NOT_RUN
    right = []
    for scores in (a.files[split], b.files[split]):
        by_name = dict(zip(scores.names, top_k_correct(scores.mean(), scores.labels)))
        right.append([by_name[name] for name in a.files[split].names])
    test = uncertainty.mcnemar(*right)
    return f"{test.only_a} : {test.only_b}, {p_text(test.p)}"
