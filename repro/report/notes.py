"""The lines under a table: how its numbers came about and how to read them."""

_TOLD = (
    ("seed", "Seed"),
    ("device", "Device"),
    ("protocol", "Protocol"),
    ("excluded", "Excluded videos"),
    ("without_trajectories", "Test videos without trajectories"),
)
_SPACES = {"logits": "before softmax", "softmax": "after softmax", "l2": "L2-normalised"}


def how_measured(results, dataset, systems):
    """Seeds, devices, protocols, excluded videos and fusions of a dataset, as one note or none.

    Told once where all systems agree, else per system.
    """
    cells = [cell for system in systems if (cell := results.get(dataset.name, system.name))]
    lines = []
    for key, title in _TOLD:
        by_value = {}
        for cell in cells:
            if value := " + ".join(_one_thread(cell.described(key))):
                by_value.setdefault(value, []).append(_quoted(cell.system.title))
        told = [f"{value} ({', '.join(titles)})" for value, titles in by_value.items()]
        if len(by_value) == 1:
            told = list(by_value)
        if told:
            lines.append(f"{title}: {'; '.join(told)}.")
    lines += [f"{cell.system.title}: {'; '.join(cell.imported)}." for cell in cells if cell.imported]
    fused = [f"{cell.system.title} = {how}" for cell in cells if (how := _fusion_text(cell))]
    if fused:
        lines.append(f"Late fusion: {'; '.join(fused)}.")
    return ("  \n".join(lines),) if lines else ()


def _one_thread(values):
    return [value.replace(", 1 threads", ", 1 thread") for value in values]


def _quoted(title):
    """A title in a list of them: those that hold a comma in quotes."""
    return f"“{title}”" if "," in title else title


def _fusion_text(cell):
    """``0.75 rgb + 0.25 idt (L2-normalised)`` from the header of a fused file, "" for any other."""
    how = next(iter(cell.files.values())).header.get("fusion")
    if not how:
        return ""
    names = [source["system"] + (" (imported)" if source["code_version"] == "foreign" else "") for source in how["inputs"]]
    if how["method"] == "svm":
        return f"linear SVM on {', '.join(names)} ({how['space']})"
    terms = [name if weight == 1 else f"{weight:g} {name}" for name, weight in zip(names, how["weights"])]
    return f"{' + '.join(terms)} ({_SPACES[how['space']]})"


def how_to_read(results, beside):
    """What an interval is and, where published numbers stand ``beside`` measured ones, what they are not."""
    layout = results.layout
    text = (
        "Measured: mean over the splits with its 95 % interval (cluster bootstrap over the distinct videos "
        f"of all splits, {layout.draws:,} draws, seed {layout.seed}; Wilson interval where all videos are right or all wrong)."
    )
    if beside:
        text += " Published: as its source has it for the dataset named in that column, not measured here."
    return (text,)


def caution(results):
    """How far the numbers go: one sentence."""
    seeds = len(results.layout.seeds)
    if seeds == 1:
        return "Every system was trained once, so these intervals do not cover the variation between training runs."
    return f"Numbers are from the first of {seeds} seeds; the table of seeds shows the spread."
