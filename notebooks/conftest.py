"""``pytest --nbval`` compares the stored outputs, which are those of a fixture: each page is shown that run instead of its own."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "fixture"))
from store_outputs import show_fixture  # noqa: E402


def pytest_collection_modifyitems(items):
    for item in items:
        if hasattr(item, "cell"):  # nbval's
            show_fixture(item.cell)
