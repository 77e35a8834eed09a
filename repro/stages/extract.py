"""``repro extract``: one container of frames and flow per video; resumes at the next video after any kill."""

from pathlib import Path

from repro.datasets.index import DatasetIndex
from repro.engine.per_video import make_files
from repro.flow import FlowSettings
from repro.provenance import code_version
from repro.stages.config import check_choice, input_size, machine, paths_of, short_side, work_key
from repro.stages.extract_video import extract_video, flow_method
from repro.video.layout import import_video
from repro.video.store import ClipStore, StoreSettings
from repro.workfolder import WorkFolder


def run(params, dataset, pictures=None):
    """Fill ``data/<dataset>/store`` with ``<class>/<stem>.zip`` for every sound video of the index.

    ``pictures``: take frames and flow from the authors' loose pictures in this folder (``jpegs_256/<stem>``,
    ``tvl1_flow/{u,v}/<stem>``) instead of decoding and computing.
    """
    check_choice(params, "datasets", dataset)
    paths = paths_of(params)
    index = DatasetIndex.load(paths.index(dataset))
    index.check_usable()  # before anything that was made takes the place of a finished store
    store = params.section("store", StoreSettings, short_side=short_side(input_size(params)))
    flow = params.section("flow", FlowSettings)
    flow_method(flow, f"{params.path}: flow")  # here once, rather than in every worker
    videos = index.table[index.table["problems"] == ""]
    raw, target, engine = paths.raw(dataset) / "videos", paths.store(dataset), machine(params)
    values = [params.get("store"), params.get("flow"), store.short_side, *([pictures] if pictures else [])]
    task, settings = (import_pictures, (store, Path(pictures).absolute())) if pictures else (extract_video, (store, flow))
    with WorkFolder("extract", work_key(code_version(__name__), values, paths.index(dataset), raw)) as work:
        make_files(
            task,
            raw,
            videos,
            work.path / "store",
            ".zip",
            settings,
            engine.processes,
            "frames and flow",
            engine.cluster,
            check_container,
            engine.video_timeout,
        )
        work.publish("store", target)
    print(f"{dataset}: {len(videos)} containers in {target}")


def check_container(path):
    """Raise ReproError unless the container at ``path``, of an earlier run, is as it was written."""
    ClipStore(path).verify()


def import_pictures(source, target, store, folder):
    """The authors' pictures of one video into a container."""
    import_video(folder / "jpegs_256", folder / "tvl1_flow", Path(source).stem, target, store)
