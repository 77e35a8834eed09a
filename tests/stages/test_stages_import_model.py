"""A released model in the authors' format: in two commands a score file."""

import importlib.util
import shutil
from pathlib import Path

import numpy as np
import pytest

from repro.evaluation.scores import Scores
from repro.training.trained import Trained

PLACE = ("--dataset", "toy", "--split", 1, "--system", "st_resnet")
MODEL = "models/tiny/toy/split1/seed3/st_resnet"
SCORES = "results/tiny/scores/toy/split1/seed3/st_resnet.npz"


@pytest.fixture(scope="module")
def dag():
    """The writer of DagNN files of the importer's tests."""
    path = Path(__file__).parents[1] / "models" / "test_models_matconvnet.py"
    spec = importlib.util.spec_from_file_location("dag_files", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def released(finished, dag, tmp_path):
    """(folder without the trained model, writer of a .mat of that model with its classes in another order)."""
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    trained = Trained.load(finished / MODEL / "checkpoint.pt")
    shutil.rmtree(folder / MODEL)
    (folder / SCORES).unlink()

    def write(classes=None):
        names = list(trained.classes["toy"])
        order = np.random.default_rng(0).permutation(len(names))
        params = dag.dag_params(trained.model, dag.JOINT)
        for name in params:
            if name.startswith("fc1000"):
                params[name] = params[name][..., order]
        average = np.full((1, 1, 23), 128.0)
        listed = [names[k] for k in order] if classes is None else classes
        dag.write(folder / "released.mat", params, dag.JOINT, average, classes=listed)

    return folder, write


def test_a_released_model_is_scored_in_two_commands(released, finished, stages):
    folder, write = released
    write()
    assert stages.repro(folder, "import-model", "released.mat", *PLACE) == 0
    assert stages.repro(folder, "evaluate", *PLACE) == 0
    found, trained = Scores.load(folder / SCORES), Scores.load(finished / SCORES)
    assert found.classes == trained.classes and found.names == trained.names
    np.testing.assert_allclose(found.scores, trained.scores, rtol=1e-3, atol=1e-4)
    assert found.header["device"] == "imported, not trained here"


def test_classes_of_another_dataset_are_refused(released, stages, capsys):
    folder, write = released
    write([f"class {k}" for k in range(8)])
    assert stages.repro(folder, "import-model", "released.mat", *PLACE) != 0
    told = capsys.readouterr().err
    assert "the model's classes are not the dataset's" in told and "it lacks" in told and told.count("\n") == 1
    assert not (folder / MODEL).exists()
