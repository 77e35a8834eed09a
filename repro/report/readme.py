"""The results block of the README: a real table and real figures, held between two markers."""

from pathlib import Path

from repro import published
from repro.errors import ReproError
from repro.files import atomic_path
from repro.report import lessons
from repro.report.matrix import TITLE, against
from repro.report.measured import load
from repro.report.notes import how_to_read
from repro.report.text import markdown_table, measured_text

RESULTS, VERDICTS = "results", "verdicts"
"""What stands between two markers of a page."""
_NOTHING_FAILED = "None of the papers' statements that could be judged failed."


def readme_block(profile_folder, layout, figures):
    """Markdown of Table 3 of all datasets side by side and its figures, or of a profile with ``papers`` the matrix;
    ``figures``: their folder relative to the README. A profile without class pairs begins with what became of
    the paper's claims."""
    results = load(profile_folder, layout)
    if layout.papers:
        return _matrix_block(results, figures)
    beside = {dataset.stands_beside for dataset in layout.compared if published.prints(dataset.stands_beside, "Table 3")}
    heading = ["system"]
    for dataset in layout.compared:
        heading.append(f"measured ({dataset.name}) [95 %]")
        heading += [f"published ({dataset.stands_beside})"] if dataset.stands_beside in beside else []
    lines = []
    for system in (s for s in layout.systems if s.in_table3):
        line = [system.title]
        for dataset in layout.compared:
            line.append(measured_text(results.get(dataset.name, system.name)))
            paper = published.find(dataset.stands_beside, system.table3, "Table 3")
            line += [str(paper) if paper else ""] if dataset.stands_beside in beside else []
        lines.append(tuple(line))
    parts = []
    if not any(dataset.mechanisms for dataset in layout.datasets):
        told = lessons.sentences(lessons.pairs(results, lessons.ALL_VIDEOS))
        parts += [lessons.markdown(told)] if told else []
    parts += [
        "  \n".join(f"**{dataset.name}**: {dataset.title}" for dataset in layout.datasets),
        markdown_table(heading, lines),
        *how_to_read(results, bool(beside)),
    ]
    if layout.compared:
        also = "; published ones as hollow diamonds" if beside else ""
        parts.append(f"![Measured accuracies with intervals{also}]({figures}/table3.png)")
    if any(dataset.mechanisms for dataset in layout.datasets):
        parts.append(f"![Accuracy within class pairs per mechanism and system]({figures}/mechanisms.png)")
    return "\n\n".join(parts)


def _matrix_block(results, figures):
    """What the papers say and these scores do not, then the picture."""
    lines = "\n".join(f"* {line}" for line in against(results))
    return "\n\n".join(
        [
            *(("**Statements of these papers with the verdict “does not hold” here:**", lines) if lines else (_NOTHING_FAILED,)),
            f"![{TITLE}]({figures}/matrix.png)",
            f"Intervals and each paper's words: [matrix.md]({figures}/matrix.md).",
        ]
    )


def markers(what):
    """The lines between which `update_readme` writes."""
    return f"<!-- {what}:begin -->", f"<!-- {what}:end -->"


def update_readme(path, block, what=RESULTS):
    """Put ``block`` between the markers of ``what`` in the README at ``path``. Errors: no such file, markers missing or
    doubled."""
    path, (begin, end) = Path(path), markers(what)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ReproError("no README to update", path=path, why=error.strerror) from error
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        raise ReproError(f"README without the place for {what}", path=path, fix=f"put `{begin}` and `{end}` into it, once each")
    before, after = text[: text.index(begin)], text[text.index(end) + len(end) :]
    with atomic_path(path) as temporary:
        temporary.write_text(f"{before}{begin}\n{block}\n{end}{after}", encoding="utf-8")


def block_of(path, what=RESULTS):
    """What stands between the markers of ``what`` in the page at ``path``; empty where it has none, or is not there."""
    path, (begin, end) = Path(path), markers(what)
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    return text.partition(begin)[2].partition(end)[0].strip()
