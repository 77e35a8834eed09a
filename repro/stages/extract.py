"""``repro extract``: one container of frames and flow per video; resumes at the next video after any kill."""

from repro.datasets.index import DatasetIndex
from repro.errors import ReproError
from repro.flow import FlowSettings, make_flow
from repro.provenance import code_version
from repro.stages.config import check_choice, input_size, paths_of, processes, short_side, work_key
from repro.stages.extract_video import extract_video
from repro.stages.per_video import make_files
from repro.video.store import StoreSettings
from repro.work import WorkFolder


def run(params, dataset):
    """Fill ``data/<dataset>/store`` with ``<class>/<stem>.zip`` for every sound video of the index."""
    check_choice(params, "datasets", dataset)
    paths = paths_of(params)
    index = DatasetIndex.load(paths.index(dataset))
    store = params.section("store", StoreSettings, short_side=short_side(input_size(params)))
    flow = params.section("flow", FlowSettings)
    try:
        make_flow(flow)
    except ValueError as error:
        raise ReproError(f"no flow method `{flow.backend}` here", path=f"{params.path}: flow", why=str(error)) from error
    videos = index.table[index.table["problems"] == ""]
    raw, target = paths.raw(dataset) / "videos", paths.store(dataset)
    key = work_key(code_version(__name__), [params.get("store"), params.get("flow"), store.short_side], paths.index(dataset), raw)
    with WorkFolder("extract", key) as work:
        make_files(extract_video, raw, videos, work.path / "store", ".zip", (store, flow), processes(params), "frames and flow")
        work.publish("store", target)
    print(f"{dataset}: {len(videos)} containers in {target}")
