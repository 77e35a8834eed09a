"""``repro locks``: for every result in git, whether today's code, params and inputs would give it. Needs no data and no GPU."""

from collections import Counter

from repro.errors import ReproError
from repro.params import load
from repro.profile.blocks import versions_of
from repro.profile.check import check
from repro.profile.dvcfile import profiles
from repro.profile.lock import CURRENT, findings
from repro.profile.lock_entries import prune
from repro.profile.run import Run


def run(profile=None, prune_too=False):
    """Print a line per result of ``profile`` (default: of all under ``params/``); raise where one is not current.

    ``prune_too``: take dead entries out of the locks first.
    """
    total, older = 0, 0
    for name, path in profiles(profile).items():
        params = check(load(path))
        if prune_too and (dead := prune(params)):
            print(f"{name}: {len(dead)} entries removed from the lock: {', '.join(dead)}")
        if not Run.of(params).paths.results.is_dir():
            continue
        found = findings(params, versions_of(params))
        for each in found:
            print(f"{each.verdict:<13} {each.path}{f'  ({each.why})' if each.why else ''}")
        counts = Counter(each.verdict for each in found)
        print(f"{name}: {', '.join(f'{count} {verdict}' for verdict, count in counts.items()) or 'nothing kept'}\n")
        total, older = total + len(found), older + len(found) - counts[CURRENT]
    if older:
        raise ReproError(f"{older} of {total} results are not current", fix="run `repro use PROFILE` and `dvc repro`")
