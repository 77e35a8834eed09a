"""``repro pipeline``: the profile's dvc.yaml from its params."""

from repro.profile.dvcfile import IN_USE, link, write
from repro.profile.lock_entries import mend


def run(run):
    """Write ``pipelines/<profile>/dvc.yaml`` of a Run's params; those in use have ``dvc.yaml`` and ``dvc.lock`` linked to it."""
    path, changed = write(run.params)
    print(f"{path}: {'written' if changed else 'unchanged'}")
    if mended := mend(run.profile):
        print(mended)
    if run.params.path == IN_USE:
        link(run.params)
