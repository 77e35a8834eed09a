"""Fixtures every test room may use."""

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
