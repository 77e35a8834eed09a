"""``repro report``: score files and published numbers into tables and figures; needs no GPU, no videos, no models."""

import os
from pathlib import Path

from repro.files import atomic_path
from repro.report import ReportLayout, readme_block, update_readme, write_tables
from repro.stages.config import paths_of, run_seeds

_SHOWN = ("title", "stands_beside", "mechanisms")  # of a dataset's settings, in tables


def layout_of(params):
    """ReportLayout of a profile: the datasets it runs with their titles, then what ``report`` in the params spells out.

    A dataset on which trajectories alone are run has no more systems than those.
    """
    run = params.get("run")
    names = dict.fromkeys([*run["datasets"], *run.get("idt", ())])
    datasets = [
        {
            "name": name,
            "splits": run["splits"],
            "systems": [] if name in run["datasets"] else run["idt_systems"],
            **{key: value for key, value in params.get(f"datasets.{name}").items() if key in _SHOWN},
        }
        for name in names
    ]
    mapping = {"datasets": datasets, "seeds": run_seeds(params), **params.get("report")}
    return ReportLayout.from_dict(mapping, f"{params.path}: report")


def run(params, readme=None):
    """Write ``results/<profile>/tables``; with ``readme``, also put the results block into that README or page."""
    paths, layout = paths_of(params), layout_of(params)
    with atomic_path(paths.results / "tables") as folder:
        folder.mkdir()
        written = write_tables(paths.results, layout, folder)
    tables = paths.results / "tables"
    print(f"{len(written)} tables and figures in {tables}")
    if readme:
        figures = Path(os.path.relpath(tables, Path(readme).parent)).as_posix()
        update_readme(Path(readme), readme_block(paths.results, layout, figures))
        print(f"results block of {readme} updated")
