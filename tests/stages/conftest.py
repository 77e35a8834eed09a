"""Running stages on the tiny benchmark: in this process, or in one of its own that a test may kill."""

import contextlib
import multiprocessing
import os
import signal
import time
from types import SimpleNamespace

import pytest
import torch
from tiny import SYSTEMS, write_params

from repro import cli


@contextlib.contextmanager
def inside(folder):
    before = os.getcwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def repro(folder, *arguments):
    """Run one subcommand in ``folder``; returns its exit status."""
    with inside(folder):
        return cli.main([str(a) for a in arguments])


def commands():
    """Every subcommand of the chain, in order."""
    place = ("--dataset", "toy", "--split", 1)
    return (
        [("draw", "--dataset", "toy"), ("prepare", "toy"), ("extract", "--dataset", "toy")]
        + [(name, *place, "--system", system) for name in ("train", "evaluate") for system in SYSTEMS]
        + [("fuse", *place)]
    )


def killed_when(condition, folder, *arguments):
    """Run one subcommand in a process of its own and kill -9 that process as soon as ``condition()`` holds."""
    child = multiprocessing.get_context("fork").Process(target=repro, args=(folder, *arguments))
    child.start()
    deadline = time.monotonic() + 300
    try:
        while not condition():
            assert child.is_alive() and time.monotonic() < deadline, "ended before it could be killed"
            time.sleep(0.005)
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.join()
    assert child.exitcode == -signal.SIGKILL


def tree(folder, skip=()):
    """Relative path -> bytes of every file, but for folders named in ``skip``."""
    files = (p for p in sorted(folder.rglob("*")) if p.is_file())
    return {str(p.relative_to(folder)): p.read_bytes() for p in files if p.relative_to(folder).parts[0] not in skip}


@pytest.fixture(scope="session")
def stages():
    torch.set_num_threads(1)  # a forked process cannot use the threads of this one
    return SimpleNamespace(repro=repro, commands=commands, killed_when=killed_when, tree=tree)


@pytest.fixture(scope="session")
def finished(stages, tmp_path_factory):
    """A folder in which the whole chain ran undisturbed. Don't write into it."""
    folder = tmp_path_factory.mktemp("finished")
    write_params(folder)
    for command in stages.commands():
        assert stages.repro(folder, *command) == 0
    return folder
