"""``repro code``: the code versions of all stages into one small file, by which DVC tells what a change of code makes stale."""

from pathlib import Path

import yaml

from repro.errors import ReproError
from repro.files import atomic_path
from repro.profile.blocks import versions_of
from repro.profile.code import FILE
from repro.profile.dvcfile import text_of


def run(run):
    """Write ``results/code.yaml`` for a Run's profile. Raises ReproError where ``dvc.yaml`` is not what its params give."""
    pipeline = Path("dvc.yaml")
    if not pipeline.is_file() or pipeline.read_text(encoding="utf-8") != text_of(run.params):
        raise ReproError("the pipeline is not what today's params give", path=pipeline, fix="run `repro pipeline`, then again")
    found = versions_of(run.params)
    with atomic_path(FILE) as temporary:
        # in quotes: a hash may look like a number, 12e345678901
        temporary.write_text(yaml.safe_dump(found, sort_keys=True, default_style='"'), encoding="utf-8")
    print(f"code versions of {len(found)} stages in {FILE}")
