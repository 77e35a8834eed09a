"""``repro report``: score files and published numbers into tables and figures; needs no GPU, no videos, no models."""

import importlib
import json
import os
from pathlib import Path

from repro.files import atomic_path
from repro.profile.layout import layout_of
from repro.report.documents import write_tables
from repro.report.measured import load
from repro.report.readme import readme_block, update_readme


def run(run, readme=None):
    """Write ``results/<profile>/tables`` of a Run, and ``metrics.json`` beside them: accuracies for `dvc metrics`.

    ``readme``: also put the results block into that README or page.
    """
    paths, layout = run.paths, layout_of(run.params)
    with atomic_path(paths.results / "tables") as folder:
        folder.mkdir()
        written = write_tables(paths.results, layout, folder)
    with atomic_path(paths.metrics) as temporary:
        temporary.write_text(metrics_text(paths.results, layout), encoding="utf-8")
    tables = paths.results / "tables"
    print(f"{len(written)} tables and figures in {tables}")
    _tell_left_out(run, layout)
    _tell_older_code(run)
    if readme:
        figures = Path(os.path.relpath(tables, Path(readme).parent)).as_posix()
        update_readme(Path(readme), readme_block(paths.results, layout, figures))
        print(f"results block of {readme} updated")


def _tell_left_out(run, layout):
    """Print which systems are scored and in no table."""
    shown = {system.name for system in layout.systems}
    scored = (*run.fanned_out.evaluated, *run.fanned_out.idt_systems, *(run.params.mapping.get("fusions") or ()))
    left_out = [name for name in scored if name not in shown]
    if left_out:
        print(f"in no table, as `report.systems` does not name them: {', '.join(left_out)}")


def _tell_older_code(run):
    """Print how many score files today's code did not make. No table depends on it, so what tells it is no code of this stage."""
    lock, blocks = (importlib.import_module(f"repro.profile.{name}") for name in ("lock", "blocks"))
    older = lock.made_by_older_code(run.params, blocks.versions_of(run.params))
    if older:
        print(f"{len(older)} score files were not made by today's code; `repro locks --profile {run.profile}` lists them")


def metrics_text(results, layout):
    """The text of ``metrics.json``: {dataset: {system: accuracy in percent, mean over the splits that have been run}}."""
    measured = load(results, layout)
    found = {
        dataset.name: {
            system.name: round(100 * sum(map(cell.accuracy, cell.files)) / len(cell.files), 2)
            for system in layout.systems_of(dataset)
            if (cell := measured.get(dataset.name, system.name)) is not None
        }
        for dataset in layout.datasets
    }
    return json.dumps(found, indent=1) + "\n"
