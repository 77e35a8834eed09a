"""Results -> the paper's Tables 3 and 4, published numbers in columns of their own."""

from repro import published
from repro.report.notes import how_measured, how_to_read
from repro.report.text import NOT_RUN, Document, Section, escaped, interval_row, joined, markdown_table, measured_text, percent

# where the published numbers of Table 4 stand; other datasets have but those of their own papers
_TABLE4 = dict.fromkeys(("UCF101", "HMDB51"), ("Table 4", "Table 4, with IDT"))
_HEADER_KEYS = ("seed", "device", "protocol", "excluded", "params_hash", "code_version")
_MEASURED_COLUMNS = ("measured_percent", "low_95", "high_95", "videos_distinct", "splits_run", *_HEADER_KEYS)
_PUBLISHED_COLUMNS = tuple(
    f"published_{column}" for column in ("percent", "dataset", "system", "table", "splits", "mark", "source")
)

_OTHERS = "Bold: systems of this project. Systems of others are quoted, not run"
_IMPORTED = "; imported ones say so"
_TABLE3_SPLITS = (
    "The paper does not say which splits its Table 3 averages; its starred column equals the three-split "
    "mean of its Table 4. Compare with split 1 and with the mean."
)


def table3(results):
    """Table 3 of ST-ResNet: single streams, their late fusion, ST-ResNet and ST-ResNet*."""
    sections, rows = [], []
    systems = [system for system in results.layout.systems if system.in_table3]
    quoted = any(published.prints(dataset.stands_beside, "Table 3") for dataset in results.layout.compared)
    for dataset in results.layout.compared:
        beside = [dataset.stands_beside] if published.prints(dataset.stands_beside, "Table 3") else []
        lines = []
        for system in systems:
            cell = results.get(dataset.name, system.name)
            paper = published.find(dataset.stands_beside, system.table3, "Table 3")
            per_split = [_split_text(cell, split) for split in dataset.splits]
            videos = len(cell.outcomes.videos) if cell else ""
            lines.append((system.title, measured_text(cell), *per_split, videos, *(_text(paper) for _ in beside)))
            names = (dataset.name, dataset.title, system.name, system.title)
            rows.append((*names, *_measured_row(cell), *(_published_row(paper) if quoted else ())))
        splits = [f"split {split}" for split in dataset.splits]
        heading = (
            "system",
            "measured [95 %]",
            *splits,
            "videos",
            *(f"published ({name})" for name in beside),
        )
        notes = (*how_measured(results, dataset, systems), *how_to_read(results, bool(beside)))
        if any(published.find(dataset.stands_beside, system.table3, "Table 3") for system in systems):
            notes += (_TABLE3_SPLITS,)
        sections.append(Section(dataset.title, heading, tuple(lines), notes))
    columns = ("dataset", "title", "system", "system_title", *_MEASURED_COLUMNS, *(_PUBLISHED_COLUMNS if quoted else ()))
    title = "Table 3: streams, late fusion, ST-ResNet (top-1 accuracy, %)"
    return Document("table3", title, tuple(sections), (columns, *rows))


def table4(results):
    """Table 4 of ST-ResNet: beside the literature, without and with IDT; only our own systems are
    measured."""
    datasets = results.layout.compared
    names, ours = table4_rows(results.layout)
    quoted = any(dataset.stands_beside for dataset in datasets)
    foreign = {cell.system.name: escaped(cell.system.title) for cell in results.cells.values() if cell.imported}
    lines, rows = [], []
    for name in names:
        shown = escaped(name)
        title = foreign.get(ours[name].name, f"**{shown}**") if name in ours else shown
        line = [title]
        for dataset in datasets:
            paper = table4_cell(dataset, name)
            if name in ours:
                cell = results.get(dataset.name, ours[name].name)
                shown, system, measured = measured_text(cell), ours[name].name, _measured_row(cell)
            else:
                shown, system, measured = "", "", [""] * len(_MEASURED_COLUMNS)
            line += [shown, _text(paper)] if dataset.stands_beside else [shown]
            others = _published_row(paper) if quoted else ()
            rows.append((dataset.name, dataset.title, system, name, *measured, *others))
        lines.append(tuple(line))
    heading = ["system"]
    for dataset in datasets:
        heading.append(f"measured ({dataset.name}) [95 %]")
        heading += [f"published ({dataset.stands_beside})"] if dataset.stands_beside else []
    notes = (
        *([f"{_OTHERS}{_IMPORTED if foreign else ''}."] if quoted or foreign else ()),
        *(f"{d.name}. {note}" for d in datasets for note in how_measured(results, d, ours.values())),
        *how_to_read(results, quoted),
    )
    title = "; ".join(f"{dataset.name}: {dataset.title}" for dataset in datasets)
    columns = ("dataset", "title", "system", "table4_row", *_MEASURED_COLUMNS, *(_PUBLISHED_COLUMNS if quoted else ()))
    beside = "with the literature" if quoted else "with trajectories"
    return Document(
        "table4",
        f"Table 4: {beside}, mean over the splits (top-1 accuracy, %)",
        (Section(title, tuple(heading), tuple(lines), notes),),
        (columns, *rows),
    )


def table4_rows(layout):
    """Rows of Table 4 in the paper's order, then those that only other papers or only we have; {row: our SystemLayout}. No rows
    where none is ours: the literature alone is no table of a run."""
    ours = {system.table4: system for system in layout.systems if system.table4}
    listed = [*published.TABLE4_ROWS[0], *published.TABLE4_ROWS[1]]
    listed += [cell.system for cell in published.PUBLISHED if cell.table == "three splits"]
    names = dict.fromkeys([*listed, *ours])
    rows = [name for name in names if name in ours or any(table4_cell(d, name) for d in layout.compared)]
    return rows if ours else [], ours


def table4_cell(dataset, name):
    """The published number of a row of Table 4 for a DatasetLayout, or None."""
    for table in _TABLE4.get(dataset.stands_beside, ("three splits",)):
        if cell := published.find(dataset.stands_beside, name, table):
            return cell
    return None


def as_printed(*tables):
    """Tables of the paper as it prints them, in a table of their own: Markdown. ``tables``: such as "Table 3"."""
    cells = [p for p in published.PUBLISHED if p.table in tables and p.source == published.ST_RESNET]
    datasets = list(dict.fromkeys(p.dataset for p in cells))
    by_row = {(p.system, p.dataset): p for p in cells}
    rows = [(name, *(str(by_row[name, d]) for d in datasets)) for name in dict.fromkeys(p.system for p in cells)]
    return markdown_table(("as printed, not measured here", *(f"published ({name}), %" for name in datasets)), rows)


def _split_text(cell, split):
    return percent(cell.accuracy(split)) if cell and split in cell.files else NOT_RUN


def _text(paper):
    return "" if paper is None else str(paper)


def _measured_row(cell):
    if cell is None:
        return NOT_RUN, *[""] * (len(_MEASURED_COLUMNS) - 1)
    header = (joined(cell.described(key)) for key in _HEADER_KEYS)
    return (*interval_row(cell.interval), " ".join(map(str, cell.files)), *header)


def _published_row(paper):
    if paper is None:
        return [""] * len(_PUBLISHED_COLUMNS)
    value = "" if paper.value is None else f"{paper.value}"
    mark = published.MARKS[paper.mark]
    return value, paper.dataset, paper.system, paper.table, paper.splits, mark, paper.source
