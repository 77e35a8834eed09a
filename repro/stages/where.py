"""``repro where``: where the outputs of the profile lie, after a run."""

from repro.stages.config import paths_of

_PLACES = (
    ("tables and figures", "tables"),
    ("executed notebooks and their HTML", "notebooks"),
    ("score files", "scores"),
    ("fused score files", "fused"),
    ("loss and accuracy per step", "curves"),
)


def run(params):
    """Print the outputs that exist, with their number of files."""
    results = paths_of(params).results
    print(f"\nprofile {params.get('profile')}: look into")
    for what, name in _PLACES:
        files = sum(1 for path in (results / name).rglob("*") if path.is_file())
        if files:
            print(f"  {results / name}/  {what} ({files} files)")
    first = results / "notebooks" / "00_overview.html"
    if first.exists():
        print(f"start with {first}")
