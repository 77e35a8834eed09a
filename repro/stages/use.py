"""``repro use``: makes a profile the one that DVC and every command without ``--params`` work on."""

from repro.profile.check import check
from repro.profile.dvcfile import IN_USE, link, load_profile, write
from repro.profile.lock_entries import mend


def run(profile):
    """Point ``params.yaml``, ``dvc.yaml`` and ``dvc.lock`` at those of ``profile``, its pipeline written anew."""
    params = check(load_profile(profile))
    if mended := mend(profile):
        print(mended)
    link(params)
    write(params)
    print(f"{profile} is in use: {IN_USE}, dvc.yaml and dvc.lock are links to its own; `dvc repro` or `make repro` runs it")
