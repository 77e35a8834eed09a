"""``repro compare``: anybody's score files side by side."""

from pathlib import Path

from repro.errors import ReproError
from repro.evaluation.comparison import read_systems
from repro.evaluation.foreign import read_classes
from repro.files import atomic_path
from repro.report import comparison, figures


def run(files, out=None, key="scores", classes=None):
    """Print accuracies, paired differences and classes won and lost of two or more systems.

    ``files``: see `repro.evaluation.comparison.read_systems`. ``out``: also write the tables (csv), the page (``compare.md``) and
    a picture (``compare.png``) into this folder, which may exist; other files in it stay. Errors: ReproError as told there.
    """
    out = None if out is None else Path(out)
    if out is not None and out.exists() and not out.is_dir():
        raise ReproError("not a folder", path=out, fix="give --out another name")
    systems = read_systems(files, key, classes and read_classes(classes))
    pairs = comparison.compared(systems)
    documents = comparison.documents(systems, pairs)
    page = "\n".join(document.markdown() for document in documents.values())
    print(page)
    if out is None:
        return
    out.mkdir(parents=True, exist_ok=True)
    texts = {f"{name}.csv": document.csv() for name, document in documents.items()} | {"compare.md": page}
    for name, text in texts.items():
        with atomic_path(out / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    with atomic_path(out / "compare.png") as temporary:
        figures.save(comparison.comparison_figure(systems, pairs), temporary)
    print(f"{len(texts)} tables and a picture in {out}")
