"""One file out of each video, by processes here or on a cluster; resumes at the next video and tells what failed and why."""

import contextlib
import errno
import logging
import os
from concurrent.futures import as_completed
from functools import partial

import cv2

from repro.engine.journal import Journal
from repro.engine.pool import Failure, each, failure
from repro.errors import ReproError
from repro.files import file_signature, fingerprint, remove
from repro.progress import progress

_WAIT = 60  # seconds for the first worker of a cluster to come
# a busy machine may need a minute to start a worker again, and dask forgets one after 15 s; without any the job ends in an error
LOCAL_CLUSTER = {"distributed.deploy.lost-worker-timeout": "5 minutes", "distributed.scheduler.no-workers-timeout": "10 minutes"}


def make_files(
    task, raw, videos, folder, suffix, settings, processes, desc, cluster=None, check=None, timeout=None, inputs=file_signature
):
    """Call ``task(source, target, *settings)`` for each row of ``videos`` (columns video, path) on ``processes`` processes.

    Sources lie under ``raw``, targets are ``folder/<video><suffix>``. A task writes its target whole or not at all. Those that
    exist are kept if they were made of what ``inputs(source)`` says now, by default the source file as it is, and if
    ``check(target)`` raises nothing; otherwise they are made again. Without a ``check`` they are kept unread. Targets of
    other videos are removed. ``<folder>.jsonl`` remembers what each was made of.
    ``timeout``: seconds that one video may take (None: no limit). ``cluster``: None for processes of this one, "local" for a
    dask cluster of ``processes`` processes, or the address of a dask scheduler whose workers see both folders under the same
    names.

    Whatever goes wrong with a video, the end of its process included, is that video's failure; the others go on, but where the
    disk is full. Raises ReproError after the last video if any failed, every failure printed on a line of its own.
    """
    for stray in list(folder.rglob(".*")):  # what a killed worker was writing
        remove(stray)
    targets = {name: folder / f"{name}{suffix}" for name in videos["video"]}
    for stray in set(folder.rglob(f"*{suffix}")) - set(targets.values()):
        remove(stray)
    place = os.path.abspath if cluster else os.fspath  # a worker elsewhere runs in another folder
    with Journal(folder.with_name(f"{folder.name}.jsonl")) as made:
        jobs, origins = [], []
        for path, (name, target) in zip(videos["path"], targets.items()):
            target.parent.mkdir(parents=True, exist_ok=True)
            origin = _origin(inputs, raw / path)
            if made.rows.get(name) != origin and os.path.lexists(target):
                remove(target)
            if check or not target.is_file():
                jobs.append((place(raw / path), place(target)))
                origins.append((name, origin))
        work, count = partial(_make_file, task, check, settings), max(min(processes, len(jobs)), 1)
        done = _on_cluster(work, jobs, cluster, count, desc) if cluster and jobs else _here(work, jobs, count, timeout)
        failures = []
        bar = progress(done, total=len(videos), initial=len(videos) - len(jobs), desc=desc, unit="video")
        with contextlib.closing(done):
            for number, result in bar:
                if not isinstance(result, Failure):
                    made.add(*origins[number])
                    continue
                failures.append((jobs[number][0], result))
                if result.code in (errno.ENOSPC, errno.EDQUOT):
                    break  # hours of computing, and no place to write to
    if failures:
        _tell(failures, len(videos), desc)


def _origin(inputs, source):
    """Short hash of what a source is now, None where it cannot be read: then its task says so."""
    try:
        return fingerprint(inputs(source))
    except (ReproError, OSError):
        return None


def _tell(failures, count, desc):
    failures.sort(key=lambda row: row[0])
    for source, found in failures[1:]:
        print(found.why if source in found.why else f"{source}: {found.why}")
    full = [row for row in failures if row[1].full]
    source, found = (full or failures)[0]
    advice = (
        "make room and run again"
        if full
        else "repair them, or move them away, set exclude_bad for the dataset and prepare it again"
    )
    raise ReproError(
        f"{desc}: {len(failures)} of {count} videos failed, the first",
        path=source,
        why=found.why,
        fix=f"{advice}; finished ones are kept",
    )


def _make_file(task, check, settings, source, target):
    """What a worker does with one video; returns what is wrong with it, None where nothing is."""
    cv2.setNumThreads(1)  # the pool is the parallelism
    try:
        if os.path.lexists(target):  # of an earlier run; a cluster also asks again where a worker died after its work was done
            if _is_whole(target, check):
                return None
            remove(target)
        task(source, target, *settings)
    except Exception as error:  # whatever it is, it is this video's
        return failure(error)
    return None


def _is_whole(target, check):
    try:
        if check:
            check(target)
    except Exception:
        return False
    return os.path.isfile(target)


def _here(work, jobs, count, timeout):
    """Results by forked processes of this machine: what is compiled and imported here is theirs at once."""
    cv2.setNumThreads(1)  # before the fork: a worker cannot shut threads that OpenCV opened in this process, and hangs
    yield from each(work, jobs, count, timeout)


def _on_cluster(work, jobs, address, count, desc):
    with _cluster(address, count, desc) as pool:
        futures = {pool.submit(work, *job): number for number, job in enumerate(jobs)}
        for future in as_completed(futures):
            number = futures.pop(future)  # a cluster would do a piece that is still referred to again, did it lose its result
            yield number, _result(future, desc)


def _result(future, desc):
    """What a worker of a cluster returned. Raises what concerns the whole job."""
    if future.cancelled():
        raise ReproError(f"{desc}: the scheduler is gone", fix="start it and run again; finished videos are kept")
    error = future.exception()
    if error is None:
        return future.result()
    if type(error).__name__ == "KilledWorker":  # dask's; not imported here, because most jobs run without it
        return Failure("every worker that took it died: killed, or out of memory")
    if type(error).__module__.startswith("distributed."):
        raise ReproError(
            f"{desc}: the cluster failed",
            why=f"{type(error).__name__}: {error}",
            fix="see to its workers and run again; finished videos are kept",
        )
    return failure(error)


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
        except (OSError, ValueError) as error:
            raise ReproError(
                f"{desc}: no cluster at {address}",
                why=str(error) or type(error).__name__,
                fix="start `dask scheduler` and at least one `dask worker`",
            ) from None
        yield client.get_executor(pure=False)
