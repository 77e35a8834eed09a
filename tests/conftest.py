"""Fixtures every test room may use."""

import os
import tempfile
from pathlib import Path

import cv2
import pytest
from hypothesis import settings

settings.register_profile("project", deadline=None)  # how long an example takes depends on what else the machine does
settings.load_profile("project")

# Stages fork their workers. A worker hangs on shutting a pool of threads that OpenCV opened in an earlier test of this process.
cv2.setNumThreads(1)

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data():
    """Folder of real clips, official lists and anchor files kept beside a development checkout; users don't have it."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the development data folder is not beside this checkout")
    return SHARED_DATA


@pytest.fixture
def other_disk():
    """A folder on another file system than the tests' own."""
    if not os.access("/dev/shm", os.W_OK):
        pytest.skip("no second file system here")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        if os.stat(folder).st_dev == os.stat(tempfile.gettempdir()).st_dev:
            pytest.skip("no second file system here")
        yield Path(folder)
