"""``repro extract``: one container of frames and flow per video; resumes at the next video after any kill."""

import dataclasses
import functools
from functools import partial
from pathlib import Path

from repro.datasets.index import DatasetIndex
from repro.datasets.names import match_key
from repro.engine.per_video import make_files
from repro.files import file_signature, fingerprint
from repro.provenance import code_version
from repro.stages.extract_video import extract_video, flow_method
from repro.video.layout import import_video
from repro.video.store import ClipStore
from repro.workfolder import WorkFolder


def run(run, pictures=None):
    """Fill ``data/<dataset>/store`` of a Run with ``<class>/<stem>.zip`` for every intact video of the index.

    ``pictures``: take frames and flow from the authors' loose pictures in this folder (``jpegs_256/<stem>``,
    ``tvl1_flow/{u,v}/<stem>``) instead of decoding and computing.
    """
    index, store, flow = DatasetIndex.load(run.index), run.store_settings, run.flow_settings
    index.check_usable()  # before anything that was made takes the place of a finished store
    flow_method(flow, f"{run.params.path}: flow")  # here once, rather than in every worker
    videos = index.table[index.table["problems"] == ""]
    raw, target, engine = run.raw / "videos", run.store, run.machine
    values = [dataclasses.asdict(store), flow.used(), *([pictures] if pictures else [])]
    task, settings = (import_pictures, (store, Path(pictures).absolute())) if pictures else (extract_video, (store, flow))
    key = fingerprint([code_version(__name__), run.dataset, values])
    with WorkFolder("store", run.dataset), WorkFolder("extract", key) as work:  # two profiles would fill one store
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
            partial(_picture_files, Path(pictures).absolute()) if pictures else file_signature,
        )
        work.publish("store", target)
    print(f"{run.dataset}: {len(videos)} containers in {target}")


def check_container(path):
    """Raise ReproError unless the container at ``path``, of an earlier run, is as it was written."""
    ClipStore(path).verify()


def import_pictures(source, target, store, folder):
    """The authors' pictures of one video into a container."""
    import_video(folder / "jpegs_256", folder / "tvl1_flow", _picture_name(folder, source), target, store)


def _picture_files(folder, source):
    """What tells whether the pictures of a video changed."""
    name = _picture_name(folder, source)
    return file_signature(*(folder / part / name for part in ("jpegs_256", "tvl1_flow/u", "tvl1_flow/v")))


def _picture_name(folder, source):
    """What the authors' folders call a video: HandstandPushups is spelled in two ways (`repro.datasets.names`)."""
    stem = Path(source).stem
    return stem if (folder / "jpegs_256" / stem).is_dir() else _spellings(folder / "jpegs_256").get(match_key(stem), stem)


@functools.cache
def _spellings(folder):
    return {match_key(path.name): path.name for path in folder.iterdir()} if folder.is_dir() else {}
