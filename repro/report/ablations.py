"""Results -> does a choice matter? Variants beside their reference, per mechanism, with paired differences."""

from repro.evaluation import uncertainty
from repro.report.notes import how_to_read
from repro.report.text import NOT_RUN, Document, Section, interval_row, interval_text, only_splits

_INTERVAL = ("low_95", "high_95", "videos_distinct")
_COLUMNS = ("dataset", "ablation", "reference", "system", "mechanism", "percent", *_INTERVAL, "difference_points",
            "difference_low_95", "difference_high_95", "p_permutation", "splits_run")  # fmt: skip
_NOTE = (
    "Accuracy in % when only the classes of a video's own pair compete. † at chance: the interval holds 50 and "
    "its half-width is at most 10. ▲ above, ▼ below the first row on the same videos: the 95 % interval of the "
    "paired difference does not hold 0. No correction for several tests; one run of training each."
)


def ablations(results):
    """One table per dataset and ablation of the layout: the reference first, then its variants."""
    sections, rows = [], []
    for dataset in (d for d in results.layout.datasets if d.mechanisms):
        for group in results.layout.ablations:
            section, lines = ablation(results, dataset, group)
            sections.append(section)
            rows += lines
    title = "Ablations: accuracy within class pairs (%)"
    return Document("ablations", title, tuple(sections), (_COLUMNS, *rows))


def ablation(results, dataset, group):
    """One ablation on one dataset: Section and its CSV rows."""
    titles = {system.name: system.title for system in results.layout.systems}
    reference = results.get(dataset.name, group.reference)
    lines, rows = [], []
    for name in (group.reference, *group.variants):
        cell = results.get(dataset.name, name)
        line = [titles[name]]
        for mechanism in (m.name for m in dataset.mechanisms):
            names = (dataset.name, group.name, group.reference, name, mechanism)
            if cell is None:
                line.append(NOT_RUN)
                rows.append((*names, NOT_RUN, *[""] * (len(_COLUMNS) - 6)))
                continue
            interval, splits = cell.mechanism(mechanism), " ".join(map(str, cell.files))
            paired = None if cell is reference else compare(cell, reference, mechanism)
            dagger = " †" if uncertainty.at_chance(interval) else ""
            line.append(interval_text(interval) + dagger + _arrow(paired) + only_splits(cell))
            rows.append((*names, *interval_row(interval), *_paired_row(paired), splits))
        lines.append(tuple(line))
    heading = ("variant", *(f"{m.name} pair" for m in dataset.mechanisms))
    notes = (_NOTE, *how_to_read(results, beside=False))
    return Section(f"{group.title}: {dataset.title}", heading, tuple(lines), notes), rows


def compare(cell, reference, mechanism):
    """(Interval of cell - reference, p of the permutation test) within a mechanism's pairs, on the same videos;
    None where they have not been run on the same splits."""
    if reference is None or cell.files.keys() != reference.files.keys():
        return None
    both = cell.mechanism_outcomes(mechanism), reference.mechanism_outcomes(mechanism)
    difference = uncertainty.bootstrap_difference(*both, cell.draws, cell.seed)
    return difference, uncertainty.permutation_test(*both, cell.draws, cell.seed)


def _arrow(paired):
    if paired is None or paired[0].low <= 0 <= paired[0].high:
        return ""
    return " ▲" if paired[0].value > 0 else " ▼"


def _paired_row(paired):
    if paired is None:
        return [""] * 4
    difference, p = paired
    return [*interval_row(difference)[:3], f"{p:.6f}"]
