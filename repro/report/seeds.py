"""Results -> how much an accuracy, or a difference between two systems, moves with the seed of training."""

from repro.evaluation import uncertainty
from repro.report.text import Document, Section, percent, signed

_COLUMNS = ("dataset", "system", "minus", "seeds", "mean", "sd", "per_seed")
_SPREAD = "± is the sample standard deviation over seeds (n − 1); runs without all splits do not count."
SAME_SIGN = "Same sign: every seed's difference is above zero, or every one below."


def seeds(results):
    """Mean and standard deviation over seeds of the mean over splits, for systems and for the layout's comparisons that were run
    from several; the first of ``layout.seeds`` is the one that all other tables show."""
    sections, rows = [], []
    for dataset in results.layout.datasets:
        systems, pairs = _accuracies(results, dataset), _differences(results, dataset)
        if systems:
            heading = ("system", "measured, mean ± sd", "seeds", "seed: mean over the splits")
            sections.append(Section(dataset.title, heading, tuple(line for line, _ in systems), (_SPREAD,)))
        if pairs:
            heading = ("first vs. second", "first − second, points", "seeds", "seed: points")
            told = (f"{_SPREAD} {SAME_SIGN}",)
            sections.append(Section(f"{dataset.title}: differences", heading, tuple(line for line, _ in pairs), told))
        rows += [row for _, row in (*systems, *pairs)]
    return Document("seeds", "Several seeds (top-1 accuracy, %)", tuple(sections), (_COLUMNS, *rows))


def spread(points):
    """Differences in [-1, 1], one per seed, as text: ``+1.2 ± 0.3``, and `` same sign`` where they have one."""
    mean, deviation = uncertainty.mean_sd(points)
    same = all(point > 0 for point in points) or all(point < 0 for point in points)
    return f"{signed(mean)} ± {percent(deviation)}", " same sign" if same else ""


def spread_row(seeds, values):
    """Seeds and the share or difference from each as CSV cells, in percent or points."""
    mean, deviation = uncertainty.mean_sd(values)
    each = " ".join(percent(value, 4) for value in values)
    return " ".join(map(str, seeds)), percent(mean, 4), percent(deviation, 4), each


def _accuracies(results, dataset):
    """(line, CSV row) of each system that was run from several seeds."""
    found = []
    for system in results.layout.systems:
        if runs := results.seeds(dataset.name, system.name):
            values = [uncertainty.accuracy(cell.outcomes) for (cell,) in runs.values()]
            mean, deviation = uncertainty.mean_sd(values)
            each = ", ".join(f"{seed}: {percent(value)}" for seed, value in zip(runs, values))
            line = (system.title, f"{percent(mean)} ± {percent(deviation)}", len(runs), each)
            found.append((line, (dataset.name, system.name, "", *spread_row(runs, values))))
    return found


def _differences(results, dataset):
    """(line, CSV row) of each comparison of the layout whose systems were both run from several seeds."""
    titles, found = {system.name: system.title for system in results.layout.systems}, []
    for first, second in results.layout.pairs_on(dataset):
        if runs := results.seeds(dataset.name, first, second):
            points = [uncertainty.accuracy(a.outcomes) - uncertainty.accuracy(b.outcomes) for a, b in runs.values()]
            told, same = spread(points)
            each = ", ".join(f"{seed}: {signed(value)}" for seed, value in zip(runs, points))
            line = (f"{titles[first]} vs. {titles[second]}", told, len(runs), each + same)
            found.append((line, (dataset.name, first, second, *spread_row(runs, points))))
    return found
