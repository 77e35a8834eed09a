"""``repro report``: score files and published numbers into tables and figures; needs no GPU, no videos, no models."""

import os
from pathlib import Path

from repro.files import atomic_path
from repro.profile.layout import layout_of
from repro.report import readme_block, update_readme, write_tables


def run(run, readme=None):
    """Write ``results/<profile>/tables`` of a Run; with ``readme``, also put the results block into that README or page."""
    paths, layout = run.paths, layout_of(run.params)
    with atomic_path(paths.results / "tables") as folder:
        folder.mkdir()
        written = write_tables(paths.results, layout, folder)
    tables = paths.results / "tables"
    print(f"{len(written)} tables and figures in {tables}")
    if readme:
        figures = Path(os.path.relpath(tables, Path(readme).parent)).as_posix()
        update_readme(Path(readme), readme_block(paths.results, layout, figures))
        print(f"results block of {readme} updated")
