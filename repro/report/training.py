"""Curve files -> how every trained system was trained: steps, last accuracy, how many clips were too short."""

from repro.report.curves import curve_tables
from repro.report.text import Document, Section, joined, percent

_COLUMNS = ("dataset", "system", "split", "seed", "steps", "last_accuracy_percent", "too_short_percent")
_LAST = 10  # the accuracy told is that of the last tenth of the steps


def training(profile_folder, results):
    """Steps, training accuracy at the end and share of too short clips per trained system: Document.

    A training clip is too short where its video does not hold the drawn frames at the drawn stride (they are spread evenly
    then), or not one whole flow stack (edge fields repeat); in a test video the latter alone can happen.
    """
    sections, rows = [], []
    for dataset in results.layout.datasets:
        lines = []
        for system in results.layout.systems_of(dataset):
            runs = curve_tables(profile_folder, dataset, results.layout.seeds, system.name)
            if not runs:
                continue
            told = [_summary(table) for table in runs.values()]
            rows += [
                (dataset.name, system.name, split, seed, steps, percent(last, 4), percent(short, 4))
                for (split, seed), (steps, last, short) in zip(runs, told)
            ]
            cell = results.get(dataset.name, system.name)
            headers = [scores.header for scores in cell.files.values()] if cell else []
            lines.append(
                (
                    system.title,
                    joined(str(steps) for steps, _, _ in told),
                    joined(percent(last) for _, last, _ in told),
                    joined(percent(short) for _, _, short in told),
                    joined(str(header["short"]) for header in headers if "short" in header),
                )
            )
        heading = ("system", "steps", "training accuracy at the end, %", "training clips too short, %", "test videos too short")
        note = (
            "One value per run, ordered by split, then seed; test videos: one value per split, first seed. Training accuracy: "
            f"mean over the streams and the last {100 // _LAST} % of the steps, with crops and dropout as in training. Too "
            "short: the video cannot hold the frames at the drawn stride, so they are spread evenly over it, or it cannot hold "
            "one whole flow stack, so the fields at its ends repeat."
        )
        if lines:
            sections.append(Section(dataset.title, heading, tuple(lines), (note,)))
    return Document("training", "How the systems were trained", tuple(sections), (_COLUMNS, *rows))


def _summary(table):
    """Steps, accuracy at the end and share of too short clips of one curve: all shares in [0, 1]."""
    streams = [table[name] for name in table.dtype.names if name.startswith("accuracy_")]
    last = max(1, len(table) // _LAST)
    return len(table), float(sum(s[-last:].mean() for s in streams) / len(streams)), float(table["fallback_share"].mean())
