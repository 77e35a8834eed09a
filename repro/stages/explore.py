"""``repro explore``: the committed score files of all profiles as one page to look through, offline."""

from pathlib import Path

from repro.errors import ReproError
from repro.files import atomic_path
from repro.profile.dvcfile import PARAMS
from repro.report import explore
from repro.report.measured import NOTHING
from repro.stages.verdicts import RESULTS, profiles


def run(out="results/explore.html"):
    """Write the page. Errors: ReproError where ``out`` is a folder, or no profile has score files."""
    out = Path(out)
    if out.is_dir():
        raise ReproError("not a file", path=out, why="a folder", fix="give --out the name of a file")
    views = []
    for profile, _, results in profiles():
        for dataset in results.layout.datasets:
            if any(name == dataset.name for name, _ in results.cells):
                print(f"{profile}: {dataset.name}")
                views.append(explore.view(profile, results, dataset))
    if not views:
        raise ReproError(NOTHING, path=RESULTS, why=f"none of any profile under {PARAMS}", fix="run in the project's folder")
    out.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(out) as temporary:
        temporary.write_text(explore.page(views), encoding="utf-8")
    print(f"{out}: {out.stat().st_size / 1e6:.1f} MB; open it in a browser")
