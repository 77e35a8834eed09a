"""The curve of a training run, as rows of a csv file."""

from repro.files import atomic_path


class Curves:
    """Rows of ``curves.csv``, written whole and cut back to the resumed step, so that a kill leaves none lost or twice.

    columns: names of the accuracies, one value each per row. A file that does not reach back to ``start`` is begun anew.
    """

    def __init__(self, path, columns, start):
        self.path = path
        header = ["step", "learning_rate", "loss", *(f"accuracy_{name}" for name in columns), "fallback_share"]
        kept = path.read_text(encoding="utf-8").splitlines() if start and path.is_file() else []
        self.lines = kept[: start + 1] if kept[:1] == [",".join(header)] else [",".join(header)]

    def row(self, step, rate, loss, accuracy, fallback):
        """Add the row of a step: learning rate, loss per video, accuracies, share of clips too short for the stride drawn."""
        cells = [str(step), f"{rate:g}", f"{loss:.5f}", *(f"{a:.4f}" for a in accuracy), f"{fallback:.3f}"]
        self.lines.append(",".join(cells))

    def write(self):
        with atomic_path(self.path) as temporary:
            temporary.write_text("\n".join(self.lines) + "\n", encoding="utf-8")
