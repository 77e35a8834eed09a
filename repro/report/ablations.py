"""Results -> does a choice matter? Variants beside their reference, per mechanism, with paired differences."""

import functools

from repro.errors import ReproError
from repro.evaluation import uncertainty
from repro.evaluation.different import ABOVE, BELOW, differences, rule
from repro.report.notes import caution, how_to_read
from repro.report.text import (
    DIFFERENCE_COLUMNS,
    NOT_RUN,
    Document,
    Section,
    difference_row,
    interval_row,
    interval_text,
    only_splits,
)

_INTERVAL = ("low_95", "high_95", "videos_distinct")
_COLUMNS = ("dataset", "ablation", "reference", "system", "mechanism", "percent", *_INTERVAL, *DIFFERENCE_COLUMNS, "splits_run")
_NOTE = (
    "Accuracy in % when only the classes of a video's own pair compete. † at chance: the interval contains 50 and "
    "its half-width is at most 10. ▲ above, ▼ below the first row."
)
_ARROWS = {ABOVE: " ▲", BELOW: " ▼"}


def ablations(results):
    """One table per dataset and ablation of the layout: the reference first, then its variants."""
    found = [ablation(results, dataset, group) for dataset, group in results.layout.ablations_on]
    rows = [row for _, rows in found for row in rows]
    title = "Ablations: accuracy within class pairs (%)"
    return Document("ablations", title, tuple(section for section, _ in found), (_COLUMNS, *rows))


def ablation(results, dataset, group):
    """One ablation on one dataset: Section and its CSV rows. Its p values are adjusted over all ablations of the layout."""
    titles = {system.name: system.title for system in results.layout.systems}
    page, lines, rows = compared(results), [], []
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
            found = page.get((dataset.name, mechanism, name, group.reference))
            dagger = " †" if uncertainty.at_chance(interval) else ""
            arrow = _ARROWS.get(found.verdict, "") if found else ""
            line.append(interval_text(interval) + dagger + arrow + only_splits(cell))
            rows.append((*names, *interval_row(interval), *difference_row(found), splits))
        lines.append(tuple(line))
    heading = ("variant", *(f"{m.name} pair" for m in dataset.mechanisms))
    told = rule(results.layout.draws, results.layout.seed, len(page))
    notes = (_NOTE, told, *how_to_read(results, beside=False), caution(results))
    return Section(f"{group.title}: {dataset.title}", heading, tuple(lines), notes), rows


def ablations_of(layout, path):
    """{name: AblationLayout} of a layout. Raises ReproError where the params at ``path`` have none: nothing could be shown."""
    if not layout.ablations:
        fix = "take params that have some, such as params/ablations.yaml"
        raise ReproError("no ablations in these params", path=path, why="nothing under `report.ablations`", fix=fix)
    return {group.name: group for group in layout.ablations}


@functools.lru_cache(maxsize=8)
def compared(results):
    """{(dataset, mechanism, variant, reference): Difference} of all ablations: variant - reference within a mechanism's pairs;
    those alone that were run on the same splits."""
    pairs = {}
    for dataset, group in results.layout.ablations_on:
        reference = results.get(dataset.name, group.reference)
        for name in group.variants:
            cell = results.get(dataset.name, name)
            if cell is None or reference is None or cell.files.keys() != reference.files.keys():
                continue
            for mechanism in (m.name for m in dataset.mechanisms):
                both = cell.mechanism_outcomes(mechanism), reference.mechanism_outcomes(mechanism)
                pairs[dataset.name, mechanism, name, group.reference] = both
    return dict(zip(pairs, differences(pairs.values(), results.layout.draws, results.layout.seed)))
