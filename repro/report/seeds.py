"""Results -> how much a system's accuracy moves with the seed of its training."""

from repro.evaluation import uncertainty
from repro.report.text import Document, Section, joined, percent

_COLUMNS = ("dataset", "system", "runs", "mean_percent", "sd_points", "seeds", "percent_per_seed")


def seeds(results):
    """Mean and standard deviation over seeds of the mean over splits, for the systems that were run from
    several; the first of ``layout.seeds`` is the one that all other tables show."""
    sections, rows = [], []
    for dataset in results.layout.datasets:
        lines = []
        for system in results.layout.systems:
            runs = results.seeds(dataset.name, system.name)
            if len(runs) < 2:
                continue
            values = [uncertainty.accuracy(run.outcomes) for run in runs]
            mean, deviation = uncertainty.mean_sd(values)
            listed = [joined(run.described("seed")) for run in runs]
            each = ", ".join(f"{seed}: {percent(value)}" for seed, value in zip(listed, values))
            lines.append((system.title, f"{percent(mean)} ± {percent(deviation)}", len(runs), each))
            per_seed = " ".join(percent(value, 4) for value in values)
            spread = (percent(mean, 4), percent(deviation, 4))
            rows.append((dataset.name, system.name, len(runs), *spread, " ".join(listed), per_seed))
        heading = ("system", "measured, mean ± sd", "seeds", "seed: mean over the splits")
        note = "Sample standard deviation over seeds (n - 1); runs without all splits do not count."
        if lines:
            sections.append(Section(dataset.title, heading, tuple(lines), (note,)))
    title = "Several seeds (top-1 accuracy, %)"
    return Document("seeds", title, tuple(sections), (_COLUMNS, *rows))
