"""A run beside another of the same systems from another seed of training: how far does the luck of training move a number?"""

from repro.evaluation import uncertainty
from repro.report.text import Document, Section, interval_row, interval_text

_COLUMNS = ("dataset", "first", "second", "seed", "splits", "points", "low_95", "high_95", "videos_distinct")
_NOTE = "On the splits that both seeds were run on, with 95 % intervals over the videos. Nothing is tested here."


def other_seed(results, other):
    """Accuracies of the systems of ``other``, then the differences of its comparisons, in a column per seed: Document.

    Both are Results of one seed each. What either lacks is left out.
    """
    runs = {run.layout.seeds[0]: run for run in (results, other)}
    sections, rows = [], [_COLUMNS]
    for dataset in other.layout.datasets:
        titles = {system.name: system.title for system in other.layout.systems_of(dataset)}
        alone = {(name, ""): title for name, title in titles.items()}
        pairs = {(first, second): f"{titles[first]} − {titles[second]}" for first, second in other.layout.pairs_on(dataset)}
        for what, column, compared in (("Accuracy, %", "system", alone), ("Differences, points", "first − second", pairs)):
            lines = []
            for (first, second), title in compared.items():
                splits, found = _from_each(runs, dataset.name, first, second)
                if splits:
                    lines.append((title, *map(interval_text, found.values())))
                rows += [(dataset.name, first, second, seed, splits, *interval_row(each)) for seed, each in found.items()]
            heading = (column, *(f"seed {seed}" for seed in runs))
            sections.append(Section(f"{what}: {dataset.name}", heading, tuple(lines), (_NOTE,)))
    return Document("other_seed", "Another seed", tuple(sections), tuple(rows))


def _from_each(runs, dataset, first, second):
    """The shared splits as text, and {seed: Interval} of ``first``, or of ``first`` − ``second``, on them; "" and {} for none."""
    cells = {seed: run.shared(dataset, first, second or first) for seed, run in runs.items()}
    splits = set.intersection(*({*pair[0].files} if pair else set() for pair in cells.values()))
    if not splits:
        return "", {}
    found = {}
    for seed, pair in cells.items():
        a, b = (cell.on(splits) for cell in pair)
        found[seed] = uncertainty.bootstrap_difference(a.outcomes, b.outcomes, a.draws, a.seed) if second else a.interval
    return " ".join(map(str, sorted(splits))), found
