"""Results -> does an ablation's difference outlive the luck of training? The same comparison from every seed."""

from repro.report.seeds import SAME_SIGN, spread, spread_row
from repro.report.text import Document, Section, signed

_COLUMNS = ("dataset", "ablation", "reference", "system", "mechanism", "seeds", "mean_points", "sd_points", "points_per_seed")
_NOTE = (
    "Variant − reference in points, per seed of training: both start from that seed's two streams and draw the same clips. "
    f"± is the sample standard deviation over seeds (n − 1). {SAME_SIGN}"
)


def ablation_seeds(results):
    """One table per dataset and ablation of the layout, where systems were run from several seeds."""
    found = [over_seeds(results, dataset, group) for dataset, group in results.layout.ablations_on]
    rows = [row for _, rows in found for row in rows]
    title = "Ablations from several seeds (points within class pairs)"
    return Document("ablation_seeds", title, tuple(section for section, _ in found), (_COLUMNS, *rows))


def over_seeds(results, dataset, group):
    """The differences of one ablation from each seed that both systems were run from: Section and its CSV rows."""
    titles = {system.name: system.title for system in results.layout.systems}
    lines, rows = [], []
    for name in group.variants:
        runs = results.seeds(dataset.name, name, group.reference)
        if not runs:
            continue
        line = [titles[name]]
        for mechanism in (m.name for m in dataset.mechanisms):
            points = [variant.mechanism(mechanism).value - other.mechanism(mechanism).value for variant, other in runs.values()]
            told, same = spread(points)
            line.append(f"{told} ({', '.join(map(signed, points))}){same}")
            rows.append((dataset.name, group.name, group.reference, name, mechanism, *spread_row(runs, points)))
        lines.append(tuple(line))
    heading = ("variant", *(f"{m.name} pair" for m in dataset.mechanisms))
    return Section(f"{group.title}: {dataset.title}", heading, tuple(lines), (_NOTE,)), rows
