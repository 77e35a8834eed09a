"""How numbers and tables are written: the one place that decides what measured and published numbers look
like."""

import csv
import io
from dataclasses import dataclass

NOT_RUN = "not run"
DIFFERENCE_COLUMNS = ("difference_points", "difference_low_95", "difference_high_95", "p_permutation", "p_adjusted", "verdict")


@dataclass(frozen=True)
class Section:
    """A table of text under a heading, with notes below."""

    title: str
    heading: tuple
    rows: tuple
    notes: tuple = ()


@dataclass(frozen=True)
class Document:
    """One table of the report in both its forms: sections for readers, ``csv_rows`` (first the heading) for
    programs."""

    name: str
    title: str
    sections: tuple
    csv_rows: tuple

    def markdown(self):
        parts = [f"# {self.title}"]
        for section in self.sections:
            parts.append(f"## {section.title}")
            parts.append(markdown_table(section.heading, section.rows))
            parts += section.notes
        return "\n\n".join(parts) + "\n"

    def csv(self):
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows(self.csv_rows)
        return out.getvalue()


def markdown_table(heading, rows):
    """A Markdown table whose columns are padded, so that it reads well as plain text too."""
    lines = [[str(cell).replace("|", "\\|") for cell in line] for line in (heading, *rows)]
    widths = [max(3, *(len(line[i]) for line in lines)) for i in range(len(heading))]
    written = ["| " + " | ".join(cell.ljust(w) for cell, w in zip(line, widths)) + " |" for line in lines]
    return "\n".join([written[0], "| " + " | ".join("-" * w for w in widths) + " |", *written[1:]])


def escaped(text):
    """A title as Markdown shows it: the star of ST-ResNet* begins no emphasis."""
    return text.replace("*", "\\*")


def percent(value, digits=1):
    """A share as percent, without a negative zero."""
    return f"{round(100 * value, digits) + 0.0:.{digits}f}"


def signed(value):
    """A difference of shares in points, with its sign: ``+1.2``."""
    text = percent(value)
    return text if text.startswith("-") else f"+{text}"


def measured_text(cell):
    """How a measured accuracy looks, and no published one does: ``74.2 [70.1, 78.0]``; it tells when splits
    are missing."""
    if cell is None:
        return NOT_RUN
    return interval_text(cell.interval) + only_splits(cell)


def only_splits(cell):
    """What follows a number that is not over all splits."""
    return "" if cell.complete else f" (only split{'s' * (len(cell.files) > 1)} {', '.join(map(str, cell.files))})"


def interval_text(interval):
    return f"{percent(interval.value)} [{percent(interval.low)}, {percent(interval.high)}]"


def interval_row(interval):
    """Value, ends and number of videos of an interval as CSV cells."""
    return percent(interval.value, 4), percent(interval.low, 4), percent(interval.high, 4), interval.videos


def difference_row(difference):
    """A Difference as CSV cells, `DIFFERENCE_COLUMNS`; None = not compared."""
    if difference is None:
        return ("",) * len(DIFFERENCE_COLUMNS)
    points = interval_row(difference.points)[:3]
    return (*points, f"{difference.p:.6f}", f"{difference.adjusted:.6f}", difference.verdict)


def joined(values):
    return "; ".join(values)


def p_text(p):
    if p < 0.05 <= round(p, 3):  # what decides is the p value as it is
        return "< 0.050"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
