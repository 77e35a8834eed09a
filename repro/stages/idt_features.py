"""``repro idt-features``: improved trajectories with their descriptors, one array file per video; resumes at the next video."""

from repro.datasets.index import DatasetIndex
from repro.idt.extract import extract_features, warm_up
from repro.idt.settings import IdtSettings
from repro.provenance import code_version
from repro.stages.config import check_choice, paths_of, processes, work_key
from repro.stages.per_video import make_files
from repro.work import WorkFolder


def run(params, dataset):
    """Fill ``data/<dataset>/idt`` with ``<class>/<stem>.npz`` for every sound video of the index."""
    check_choice(params, "datasets", dataset)
    paths = paths_of(params)
    index = DatasetIndex.load(paths.index(dataset))
    settings = params.section("idt.features", IdtSettings)
    videos = index.table[index.table["problems"] == ""]
    raw, target = paths.raw(dataset) / "videos", paths.trajectories(dataset)
    warm_up()  # compiled here once, inherited by the workers
    with WorkFolder("idt-features", work_key(code_version(__name__), params.get("idt.features"), paths.index(dataset), raw)) as work:
        make_files(extract_features, raw, videos, work.path / "idt", ".npz", (settings,), processes(params), "trajectories")
        work.publish("idt", target)
    print(f"{dataset}: {len(videos)} trajectory files in {target}")
