"""One file out of each video: a process pool that resumes at the next video and reports every failure with its cause."""

from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool

import cv2

from repro.errors import ReproError
from repro.work import exit_with_parent, progress


def make_files(task, raw, videos, folder, suffix, settings, processes, desc):
    """Call ``task(source, target, *settings)`` for each row of ``videos`` (columns video, path) on ``processes`` processes.

    Sources lie under ``raw``, targets are ``folder/<video><suffix>``; those that exist are kept. A task writes its target whole
    or not at all. Raises ReproError after the last video if any failed, every failure printed on a line of its own.
    """
    for stray in folder.rglob(".*"):  # what a killed worker was writing
        stray.unlink()
    jobs = []
    for name, path in zip(videos["video"], videos["path"]):
        target = folder / f"{name}{suffix}"
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            jobs.append((str(raw / path), str(target)))
    failures = []
    cv2.setNumThreads(1)  # before the fork: a worker cannot shut threads that OpenCV opened in this process, and hangs
    with ProcessPoolExecutor(max(min(processes, len(jobs)), 1), initializer=_worker) as pool:
        futures = {pool.submit(task, *job, *settings): job[0] for job in jobs}
        try:
            for future in progress(as_completed(futures), total=len(videos),
                                   initial=len(videos) - len(jobs), desc=desc, unit="video"):
                error = future.exception()
                if isinstance(error, BrokenProcessPool):
                    raise ReproError(f"{desc}: a worker process died", why="killed, or out of memory",
                                     fix="run again, with fewer processes if memory is short; finished videos are kept")
                if isinstance(error, ReproError):
                    failures.append((futures[future], str(error)))
                elif error is not None:
                    raise error
        finally:
            pool.shutdown(cancel_futures=True)
    if failures:
        failures.sort()
        for _, problem in failures[1:]:
            print(problem)
        raise ReproError(f"{desc}: {len(failures)} of {len(videos)} videos failed, the first", path=failures[0][0],
                         why=failures[0][1], fix="repair them, or set exclude_bad for the dataset; finished ones are kept")


def _worker():
    cv2.setNumThreads(1)  # the pool is the parallelism
    exit_with_parent()
