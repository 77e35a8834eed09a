"""Results -> does an ablation's difference outlive the luck of training? The same comparison from every seed."""

from repro.evaluation import uncertainty
from repro.report.text import Document, Section, joined, percent

_COLUMNS = ("dataset", "ablation", "reference", "system", "mechanism", "seeds", "mean_points", "sd_points", "points_per_seed")
_NOTE = (
    "Variant − reference in points, per seed of training: both start from that seed's two streams and draw the same clips. "
    "± is the sample standard deviation over seeds (n − 1). Same sign: every seed's difference is above zero, or every one below."
)


def ablation_seeds(results):
    """One table per dataset and ablation of the layout, where systems were run from several seeds."""
    sections, rows = [], []
    for dataset in (d for d in results.layout.datasets if d.mechanisms):
        for group in results.layout.ablations:
            section, lines = over_seeds(results, dataset, group)
            sections.append(section)
            rows += lines
    return Document(
        "ablation_seeds", "Ablations from several seeds (points within class pairs)", tuple(sections), (_COLUMNS, *rows)
    )


def over_seeds(results, dataset, group):
    """The differences of one ablation from each seed that both systems were run from: Section and its CSV rows."""
    titles = {system.name: system.title for system in results.layout.systems}
    reference, lines, rows = _by_seed(results, dataset, group.reference), [], []
    for name in group.variants:
        variant = _by_seed(results, dataset, name)
        seeds = [seed for seed in reference if seed in variant]
        if len(seeds) < 2:
            continue
        line = [titles[name]]
        for mechanism in (m.name for m in dataset.mechanisms):
            points = [variant[seed].mechanism(mechanism).value - reference[seed].mechanism(mechanism).value for seed in seeds]
            mean, deviation = uncertainty.mean_sd(points)
            same = all(point > 0 for point in points) or all(point < 0 for point in points)
            line.append(
                f"{_signed(mean)} ± {percent(deviation)} ({', '.join(map(_signed, points))}){' same sign' if same else ''}"
            )
            each = " ".join(percent(point, 4) for point in points)
            spread = percent(mean, 4), percent(deviation, 4)
            rows.append((dataset.name, group.name, group.reference, name, mechanism, " ".join(seeds), *spread, each))
        lines.append(tuple(line))
    heading = ("variant", *(f"{m.name} pair" for m in dataset.mechanisms))
    return Section(f"{group.title}: {dataset.title}", heading, tuple(lines), (_NOTE,)), rows


def _by_seed(results, dataset, system):
    return {joined(run.described("seed")): run for run in results.seeds(dataset.name, system)}


def _signed(fraction):
    text = percent(fraction)
    return text if text.startswith("-") else f"+{text}"
