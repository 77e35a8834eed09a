"""``repro extract``: one container of frames and flow per video; resumes at the next video after any kill."""

from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool

import cv2

from repro.datasets.index import DatasetIndex
from repro.errors import ReproError
from repro.flow import FlowSettings
from repro.provenance import code_version
from repro.stages.config import check_choice, input_size, paths_of, processes, short_side, work_key
from repro.stages.extract_video import extract_video
from repro.video.store import StoreSettings
from repro.work import WorkFolder, exit_with_parent, progress


def run(params, dataset):
    """Fill ``data/<dataset>/store`` with ``<class>/<stem>.zip`` for every sound video of the index."""
    check_choice(params, "datasets", dataset)
    paths = paths_of(params)
    index = DatasetIndex.load(paths.index(dataset))
    store = params.section("store", StoreSettings, short_side=short_side(input_size(params)))
    flow = params.section("flow", FlowSettings)
    videos = index.table[index.table["problems"] == ""]
    raw, target = paths.raw(dataset) / "videos", paths.store(dataset)
    key = work_key(code_version(__name__), [params.get("store"), params.get("flow"), store.short_side], paths.index(dataset), raw)
    with WorkFolder("extract", key) as work:
        folder = work.path / "store"
        for stray in folder.rglob(".*"):  # what a killed worker was writing
            stray.unlink()
        jobs = []
        for name, path in zip(videos["video"], videos["path"]):
            container = folder / f"{name}.zip"
            container.parent.mkdir(parents=True, exist_ok=True)
            if not container.exists():  # written whole or not at all
                jobs.append((str(raw / path), str(container), store, flow))
        failures = _extract_all(jobs, len(videos), processes(params))
        if failures:
            for _, problem in failures[1:]:
                print(problem)
            raise ReproError(f"{len(failures)} of {len(videos)} videos failed, the first", path=failures[0][0],
                             why=failures[0][1], fix="repair them, or set exclude_bad for the dataset; finished ones are kept")
        work.publish("store", target)
    print(f"{dataset}: {len(videos)} containers in {target}")


def _extract_all(jobs, total, processes):
    """Run the jobs on a process pool; returns (source, one-line problem) of those that failed."""
    failures = []
    if not jobs:
        return failures
    with ProcessPoolExecutor(min(processes, len(jobs)), initializer=_worker) as pool:
        futures = {pool.submit(extract_video, *job): job for job in jobs}
        try:
            for future in progress(as_completed(futures), total=total, initial=total - len(jobs), desc="frames and flow",
                                   unit="video"):
                error = future.exception()
                if isinstance(error, BrokenProcessPool):
                    raise ReproError("an extraction process died", why="killed, or out of memory",
                                     fix="run again; finished videos are kept")
                if isinstance(error, ReproError):
                    failures.append((futures[future][0], str(error)))
                elif error is not None:
                    raise error
        finally:
            pool.shutdown(cancel_futures=True)
    return sorted(failures)


def _worker():
    cv2.setNumThreads(1)  # the pool is the parallelism
    exit_with_parent()
