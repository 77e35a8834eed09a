"""``repro verdicts``: each claim of the paper, judged from the committed score files of all profiles."""

import dataclasses
import os
from pathlib import Path

from repro.errors import ReproError
from repro.files import atomic_path
from repro.params import load
from repro.profile import dvcfile
from repro.profile.check import check
from repro.profile.layout import layout_of
from repro.profile.run import Run
from repro.report import measured
from repro.report.readme import VERDICTS, update_readme
from repro.report.verdicts import COLUMNS, Source, readme_verdicts, verdicts
from repro.training.presets import PRESETS

RESULTS = Path("results")
_FIRST = ("embedded", "ablations", "jhmdb", "lineage")  # in this order; then all others by name
_STATED = ("appearance", "motion", "st_resnet")  # systems whose authors' scripts say where training ends
_COLUMN = {"jhmdb": COLUMNS[1], "ucf101": COLUMNS[2], "hmdb51": COLUMNS[2]}  # by the layout of a real dataset's lists


def run(readme=None):
    """Write ``results/verdicts.md`` and ``.csv``; ``readme``: also put the table into that page, between its markers."""
    found = sources()
    document = verdicts(found)
    for ending, text in (("md", document.markdown()), ("csv", document.csv())):
        with atomic_path(RESULTS / f"verdicts.{ending}") as temporary:
            temporary.write_text(text, encoding="utf-8")
    print(f"{RESULTS / 'verdicts.md'}: from {', '.join(f'{s.profile} ({s.dataset.name})' for s in found)}")
    if readme:
        update_readme(Path(readme), readme_verdicts(found, _seen_from(readme)), VERDICTS)
        print(f"table of verdicts in {readme} updated")


def sources():
    """Every dataset of every profile under ``params/`` that has score files: list of Source."""
    found = []
    for name, params, results in profiles():
        for dataset in results.layout.datasets:
            drawn = dataset.name in (params.get("embedded") or {})
            column = COLUMNS[0] if drawn else _COLUMN.get(params.get(f"datasets.{dataset.name}.layout"))
            if column and any(where == dataset.name for where, _ in results.cells):
                found.append(Source(column, name, dataset, results, _trained(params, dataset)))
    splits = {}
    for source in found:
        splits.setdefault(source.dataset.name, set()).update(source.dataset.splits)
    return [dataclasses.replace(source, splits=tuple(sorted(splits[source.dataset.name]))) for source in found]


def profiles():
    """[(name, params, Results)] of every profile under ``params/`` that has score files."""
    paths = {name: path for name, path in dvcfile.profiles().items() if (RESULTS / name).is_dir()}
    found = []
    for name in sorted(paths, key=lambda name: (_FIRST.index(name) if name in _FIRST else len(_FIRST), name)):
        params = check(load(paths[name]))
        try:
            found.append((name, params, measured.load(Run.of(params).paths.results, layout_of(params))))
        except ReproError as error:
            if error.what != measured.NOTHING:
                raise
    return found


def _trained(params, dataset):
    """{system: "was trained for 20 passes there; the authors' script has 80"} where both count alike."""
    told = {}
    for name in set(_STATED) & set(params.get("systems")):
        recipe, theirs = Run.of(params, dataset=dataset.name, system=name).recipe, PRESETS["code"][name]
        ours, full = (sum(amount for _, amount in each.schedule) for each in (recipe, theirs))
        if recipe.unit == theirs.unit and ours < full:
            told[name] = f"was trained for {ours:g} {recipe.unit} there; the authors' script has {full:g}"
    return told


def _seen_from(page):
    return Path(os.path.relpath(RESULTS, Path(page).parent)).as_posix()
