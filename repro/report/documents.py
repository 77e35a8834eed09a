"""The documents of a report, each a table, and what is written from score files: tables, figures."""

from pathlib import Path

from repro.errors import ReproError
from repro.files import atomic_path
from repro.report import figures
from repro.report.ablation_seeds import ablation_seeds
from repro.report.ablations import ablations
from repro.report.claims import claims
from repro.report.curves import curves_figure
from repro.report.details import mechanisms, paired_tests, per_split
from repro.report.matrix import matrix
from repro.report.matrix_figure import matrix_figure
from repro.report.measured import load
from repro.report.seeds import seeds
from repro.report.tables import table3, table4
from repro.report.training import training

DOCUMENTS = {
    "table3": table3,
    "table4": table4,
    "mechanisms": mechanisms,
    "per_split": per_split,
    "paired_tests": paired_tests,
    "claims": claims,
    "ablations": ablations,
    "ablation_seeds": ablation_seeds,
    "matrix": matrix,
    "seeds": seeds,
}


def write_tables(profile_folder, layout, out_folder):
    """Write every table (``.csv`` and ``.md``) and figure (``.png``) of a profile's score files: list of the
    paths written.

    Equal score files and layout give equal bytes. Tables of mechanisms, ablations, seeds, training and the matrix are left out
    where the layout has none of these, no system was run from several seeds, or no curves are there. Errors: ReproError as
    told by ``load``.
    """
    results, out_folder = load(profile_folder, layout), Path(out_folder)
    written = []
    documents = {name: build(results) for name, build in DOCUMENTS.items()} | {"training": training(profile_folder, results)}
    for name, document in documents.items():
        if not any(section.rows for section in document.sections):
            continue
        for ending, text in (("csv", document.csv()), ("md", document.markdown())):
            with atomic_path(out_folder / f"{name}.{ending}") as temporary:
                temporary.write_text(text, encoding="utf-8")
            written.append(out_folder / f"{name}.{ending}")
    drawn = {
        "table3": figures.table3_figure(results),
        "mechanisms": figures.mechanisms_figure(results),
        "matrix": matrix_figure(results),
    }
    drawn |= {
        f"confusion_{dataset}_{system}": figures.confusion_figure(cell) for (dataset, system), cell in results.cells.items()
    }
    drawn |= {f"curves_{dataset.name}": curves_figure(Path(profile_folder), dataset, layout) for dataset in layout.datasets}
    for name, figure in drawn.items():
        if figure is not None:
            with atomic_path(out_folder / f"{name}.png") as temporary:
                figures.save(figure, temporary)
            written.append(out_folder / f"{name}.png")
    return written


def table_text(profile_folder, layout, name):
    """One table as rounded, padded text for notebooks; ``name``: a key of ``DOCUMENTS``."""
    if name not in DOCUMENTS:
        raise ReproError(f"unknown table `{name}`", why=f"there are {', '.join(DOCUMENTS)}")
    return DOCUMENTS[name](load(profile_folder, layout)).markdown()
