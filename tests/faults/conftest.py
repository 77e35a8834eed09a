"""A small dataset of one's own, prepared: what is done to it must cost nothing but what is told."""

import pytest
from small import enter_copy, write_clip, write_params

from repro import cli
from repro.datasets.own import write_splits


@pytest.fixture(scope="session")
def prepared(tmp_path_factory):
    """A project whose data/mine holds videos, lists and index. Don't write into it."""
    folder = tmp_path_factory.mktemp("prepared")
    raw = folder / "data" / "mine" / "raw"
    for number, name in enumerate(("jump", "wave")):
        for k in range(4):
            write_clip(raw / "videos" / name / f"{name}{k}.avi", 10 * number + k)
    write_splits(raw / "videos", raw / "splits", splits=1)
    write_params(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert cli.main(["prepare", "mine"]) == 0
    return folder


@pytest.fixture
def project(prepared, tmp_path, monkeypatch):
    """A copy of it, times of change and all; the working directory for the rest of the test."""
    return enter_copy(prepared, tmp_path / "project", monkeypatch)


@pytest.fixture
def refused(capfd):
    """Run a command that must fail with one line; returns the line."""

    def run(*arguments):
        capfd.readouterr()
        assert cli.main([str(argument) for argument in arguments]) == 2
        out, err = capfd.readouterr()
        lines = [line for line in err.splitlines() if " gone, " not in line]  # but for progress
        assert len(lines) == 1 and "Traceback" not in out + err, err
        return lines[0]

    return run
