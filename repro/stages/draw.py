"""``repro draw``: the videos and split lists of an embedded benchmark."""

import dataclasses

from repro.datasets.embedded import write_benchmark
from repro.files import fingerprint
from repro.provenance import code_version
from repro.workfolder import WorkFolder


def run(run):
    """Draw ``data/<dataset>/raw`` of a Run."""
    key = fingerprint([code_version(__name__), run.dataset, dataclasses.asdict(run.embedded)])
    with WorkFolder("draw", key) as work:
        write_benchmark(run.embedded, work.path / "raw", run.machine.processes)
        work.publish("raw", run.raw)
    print(f"{run.dataset}: videos and split lists in {run.raw}")
