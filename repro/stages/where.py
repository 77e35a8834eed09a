"""``repro where``: the paper's two tables as measured, and where the outputs of the profile lie."""

_PLACES = (
    ("tables and figures", "tables"),
    ("executed notebooks, as HTML too where they were made here", "notebooks"),
    ("score files", "scores"),
    ("fused score files", "fused"),
    ("loss and accuracy per step", "curves"),
)


def run(run):
    """Print Tables 3 and 4 if they have been made, then every place that holds outputs, with its number of files."""
    results = run.paths.results
    for table in (results / "tables" / "table3.md", results / "tables" / "table4.md"):
        if table.exists():
            print(table.read_text(encoding="utf-8"))
    print(f"profile {run.profile}: see")
    for what, name in _PLACES:
        files = sum(1 for path in (results / name).rglob("*") if path.is_file())
        if files:
            print(f"  {results / name}/  {what} ({files} files)")
    first = results / "notebooks" / "00_overview.html"
    if first.exists():
        print(f"start with {first}")
