"""``repro draw``: the videos and split lists of an embedded benchmark."""

from repro.datasets.embedded import EmbeddedSettings, write_benchmark
from repro.files import fingerprint
from repro.provenance import code_version
from repro.stages.config import check_choice, paths_of, processes
from repro.workfolder import WorkFolder


def run(params, dataset):
    """Draw ``data/<dataset>/raw``."""
    check_choice(params, "embedded", dataset)
    settings = params.section(f"embedded.{dataset}", EmbeddedSettings)
    target = paths_of(params).raw(dataset)
    key = fingerprint([code_version(__name__), dataset, params.get(f"embedded.{dataset}")])
    with WorkFolder("draw", key) as work:
        write_benchmark(settings, work.path / "raw", processes(params))
        work.publish("raw", target)
    print(f"{dataset}: videos and split lists in {target}")
