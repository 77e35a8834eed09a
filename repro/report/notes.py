"""The lines under a table: how its numbers came about and how to read them."""

from repro.report.text import joined


def how_measured(results, dataset, systems):
    """Seeds, devices, protocols and excluded videos of a dataset: told once where all systems agree, else per
    system."""
    notes = []
    cells = [cell for system in systems if (cell := results.get(dataset.name, system.name))]
    for key, title in (
        ("seed", "Seed"),
        ("device", "Device"),
        ("protocol", "Protocol"),
        ("excluded", "Excluded videos"),
    ):
        by_value = {}
        for cell in cells:
            by_value.setdefault(joined(cell.described(key)), []).append(cell.system.title)
        by_value.pop("", None)
        if by_value:
            told = [
                value if len(by_value) == 1 else f"{value} ({', '.join(titles)})"
                for value, titles in by_value.items()
            ]
            notes.append(f"{title}: {'; '.join(told)}.")
    return ("  \n".join(notes),) if notes else ()


def how_to_read(results, beside):
    """What an interval is and, where published numbers stand ``beside`` measured ones, what they are not."""
    layout = results.layout
    text = (
        "Measured: mean over the splits with its 95 % interval (cluster bootstrap over the distinct videos "
        f"of all splits, {layout.draws:,} draws, seed {layout.seed})."
    )
    if beside:
        text += (
            " Published: as printed for the dataset named in that column, not measured here; where a title "
            "names other data, the two must not be compared as accuracies."
        )
    return (text,)
