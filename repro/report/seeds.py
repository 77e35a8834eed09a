"""Results -> how much a system's accuracy moves with the seed of its training."""

from repro.evaluation import uncertainty
from repro.report.text import NOT_RUN, Document, Section, joined, percent

_COLUMNS = ("dataset", "system", "runs", "mean_percent", "sd_points", "seeds", "percent_per_seed")


def seeds(results):
    """Mean and standard deviation over seeds of the mean over splits, for the systems that were run from
    several."""
    sections, rows = [], []
    for dataset in results.layout.datasets:
        lines = []
        for system in (s for s in results.layout.systems if s.seeds):
            runs = results.seeds(dataset.name, system.name)
            names = (dataset.name, system.name)
            if not runs:
                lines.append((system.title, NOT_RUN, "", ""))
                rows.append((*names, 0, NOT_RUN, "", "", ""))
                continue
            values = [uncertainty.accuracy(run.outcomes) for run in runs]
            mean, deviation = uncertainty.mean_sd(values)
            spread = percent(deviation) if len(runs) > 1 else "–"
            listed = [joined(run.described("seed")) for run in runs]
            each = ", ".join(f"{seed}: {percent(value)}" for seed, value in zip(listed, values))
            lines.append((system.title, f"{percent(mean)} ± {spread}", len(runs), each))
            precise = percent(deviation, 4) if len(runs) > 1 else ""
            per_seed = " ".join(percent(value, 4) for value in values)
            rows.append((*names, len(runs), percent(mean, 4), precise, " ".join(listed), per_seed))
        heading = ("system", "measured, mean ± sd", "seeds", "seed: mean over the splits")
        note = "Sample standard deviation over seeds (n - 1); runs that lack a split do not count."
        sections.append(Section(dataset.title, heading, tuple(lines), (note,)))
    title = "Several seeds (top-1 accuracy, %)"
    return Document("seeds", title, tuple(sections), (_COLUMNS, *rows))
