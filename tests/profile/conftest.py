"""A project under the real DVC whose outputs are made up and committed as if the stages had made them."""

import shutil

import pytest
from dvc_project import call, dvc, write_project

from repro.params import load
from repro.profile.blocks import fill
from repro.profile.pipeline import blocks


@pytest.fixture(scope="session")
def finished_project(tmp_path_factory):
    """The tiny profile, a copy of the code, and a lock in which everything is current. Don't write into it."""
    folder = tmp_path_factory.mktemp("project") / "project"
    weights = {"systems__motion__weights": "weights/m.safetensors", "systems__motion__recipe__preset": "code/motion"}
    write_project(folder, **weights)
    (folder / "weights").mkdir()
    (folder / "weights" / "m.safetensors").write_text("weights")
    dvc(folder, "init", "--no-scm", "-q")
    call(folder, "repro", "code")
    for block in blocks(load(folder / "params.yaml")):
        for item, name in block.items():
            for place in (fill(out, item) for out in (*block.outs, *block.results, *block.metrics)):
                path = folder / place if (folder / place).suffix else folder / place / "inside" / "file"
                if not path.exists():
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_text(name)
    dvc(folder, "commit", "-q", "-f")
    return folder


@pytest.fixture
def project(finished_project, tmp_path):
    """A copy that a test may change."""
    shutil.copytree(finished_project, tmp_path / "project", symlinks=True)
    return tmp_path / "project"
