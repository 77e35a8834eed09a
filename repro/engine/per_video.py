"""One file out of each video, by processes here or on a cluster; resumes at the next video and tells what failed and why."""

import asyncio
import contextlib
import logging
import os
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool

import cv2

from repro.engine.processes import exit_with_parent
from repro.errors import ReproError
from repro.progress import progress

_WAIT = 60  # seconds for the first worker of a cluster to come
# a busy machine may need a minute to start a worker again, and dask forgets one after 15 s; without any the job ends in an error
LOCAL_CLUSTER = {"distributed.deploy.lost-worker-timeout": "5 minutes", "distributed.scheduler.no-workers-timeout": "10 minutes"}


def make_files(task, raw, videos, folder, suffix, settings, processes, desc, cluster=None):
    """Call ``task(source, target, *settings)`` for each row of ``videos`` (columns video, path) on ``processes`` processes.

    Sources lie under ``raw``, targets are ``folder/<video><suffix>``; those that exist are kept. A task writes its target whole
    or not at all. ``cluster``: None for processes of this one, "local" for a dask cluster of ``processes`` processes, or the
    address of a dask scheduler whose workers see both folders under the same names. Raises ReproError after the last video if
    any failed, every failure printed on a line of its own.
    """
    for stray in folder.rglob(".*"):  # what a killed worker was writing
        stray.unlink()
    jobs, place = [], os.path.abspath if cluster else os.fspath  # a worker elsewhere runs in another folder
    for name, path in zip(videos["video"], videos["path"]):
        target = folder / f"{name}{suffix}"
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            jobs.append((place(raw / path), place(target)))
    failures, count = [], max(min(processes, len(jobs)), 1)
    with _cluster(cluster, count, desc) if cluster and jobs else _processes(count) as pool:
        futures = {pool.submit(_make_file, task, *job, settings): job[0] for job in jobs}
        for future in progress(
            as_completed(futures), total=len(videos), initial=len(videos) - len(jobs), desc=desc, unit="video"
        ):
            source = futures.pop(future)  # a cluster would do a piece that is still referred to again, did it lose its result
            if cause := _failure(future, desc):
                failures.append((source, cause))
    if failures:
        failures.sort()
        for source, cause in failures[1:]:
            print(cause if source in cause else f"{source}: {cause}")
        raise ReproError(
            f"{desc}: {len(failures)} of {len(videos)} videos failed, the first",
            path=failures[0][0],
            why=failures[0][1],
            fix="repair them, or set exclude_bad for the dataset; finished ones are kept",
        )


def _make_file(task, source, target, settings):
    """What a worker does with one video; returns what is wrong with it in one line, None where nothing is."""
    cv2.setNumThreads(1)  # the pool is the parallelism
    if not os.path.exists(target):  # a cluster asks again where a worker died after its work was done
        try:
            task(source, target, *settings)
        except ReproError as error:  # as text: exceptions of libraries that caused it do not all survive pickling
            return str(error)
    return None


def _failure(future, desc):
    """What went wrong with one video, in one line; None where nothing did. Raises what concerns the whole job."""
    if future.cancelled():
        raise ReproError(f"{desc}: the scheduler is gone", fix="start it and run again; finished videos are kept")
    error = future.exception()
    if error is None:
        return future.result()
    if isinstance(error, BrokenProcessPool):
        raise ReproError(
            f"{desc}: a worker process died",
            why="killed, or out of memory",
            fix="run again, with fewer processes if memory is short; finished videos are kept",
        )
    if type(error).__name__ == "KilledWorker":  # dask's; not imported here, because most jobs run without it
        return "every worker that took it died: killed, or out of memory"
    if type(error).__module__.startswith("distributed."):
        raise ReproError(
            f"{desc}: the cluster failed",
            why=f"{type(error).__name__}: {error}",
            fix="see to its workers and run again; finished videos are kept",
        )
    raise error


@contextlib.contextmanager
def _processes(count):
    """A pool on this machine. Its workers are forked: what is compiled and imported here is theirs at once."""
    cv2.setNumThreads(1)  # before the fork: a worker cannot shut threads that OpenCV opened in this process, and hangs
    with ProcessPoolExecutor(count, initializer=exit_with_parent) as pool:
        try:
            yield pool
        finally:
            pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def _cluster(address, count, desc):
    """An executor over dask workers. A task whose worker dies goes to another; what waits is cancelled when this process ends."""
    try:
        import dask  # late: an optional package, and slow to import
        from distributed import Client, LocalCluster
    except ImportError:
        raise ReproError(
            f"{desc}: engine.cluster is {address}, but dask is not installed",
            fix="pip install -e '.[cluster]', or set engine.cluster to null",
        ) from None
    with contextlib.ExitStack() as stack:
        try:
            if address == "local":
                stack.enter_context(dask.config.set(LOCAL_CLUSTER))
                address = stack.enter_context(
                    LocalCluster(
                        count, threads_per_worker=1, memory_limit=0, dashboard_address=None, silence_logs=logging.CRITICAL
                    )
                )
            client = stack.enter_context(Client(address, timeout=10, set_as_default=False))
            client.wait_for_workers(1, timeout=_WAIT)
        except (OSError, ValueError, asyncio.TimeoutError) as error:
            raise ReproError(
                f"{desc}: no cluster at {address}",
                why=str(error) or type(error).__name__,
                fix="start `dask scheduler` and at least one `dask worker`",
            ) from None
        yield client.get_executor(pure=False)
