"""The profile that the tests of tables, figures and claims share."""

import pytest
from toy_profile import score_file, videos


@pytest.fixture
def profile(tmp_path):
    """``plain``: right on 8, 6 and 4 of 8 videos. ``better`` (a fusion): all right. ``absent`` was not
    run."""
    folder = tmp_path / "profile"
    for split, right in ((1, 8), (2, 6), (3, 4)):
        names = videos(split)
        score_file(folder, "plain", split, names, [i < right for i in range(8)])
        score_file(folder, "better", split, names, [True] * 8, kind="fused", seed=3, device="cuda")
    return folder
