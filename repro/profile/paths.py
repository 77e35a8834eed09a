"""Where the files of a profile lie."""

from pathlib import Path


class Paths:
    """Every file of a profile, by name. Data belong to a dataset, models and results to a profile."""

    def __init__(self, profile, root="."):
        self.profile, self.root = profile, Path(root)

    def raw(self, dataset):
        """Official layout: ``videos/<class>/*`` and ``splits/*.txt``."""
        return self.root / "data" / dataset / "raw"

    def index(self, dataset):
        return self.root / "data" / dataset / "index"

    def store(self, dataset):
        """Containers of frames and flow."""
        return self.root / "data" / dataset / "store"

    def survey(self, dataset):
        """Report and pictures of ``repro doctor flow``."""
        return self.root / "data" / dataset / "survey"

    def trajectories(self, dataset, system):
        """Trajectories with descriptors of an IDT system, one array file per video."""
        return self.root / "data" / dataset / system

    def vectors(self, dataset, system):
        """Fisher vectors of an IDT system under all its codebooks, one array file per video."""
        return self.root / "models" / self.profile / dataset / "fisher" / system

    def model(self, dataset, split, seed, system):
        return self.root / "models" / self.profile / _run(dataset, split, seed) / system

    def checkpoint(self, dataset, split, seed, system):
        """Of a trained network."""
        return self.model(dataset, split, seed, system) / "checkpoint.pt"

    @property
    def results(self):
        return self.root / "results" / self.profile

    @property
    def metrics(self):
        """Accuracy by dataset and system, for `dvc metrics`."""
        return self.results / "metrics.json"

    def curves(self, dataset, split, seed, system):
        return self.results / "curves" / _run(dataset, split, seed) / f"{system}.csv"

    def validation(self, dataset, split, seed, system):
        """Accuracy on held-out videos along a training (`repro rehearse`)."""
        return self.results / "validation" / _run(dataset, split, seed) / f"{system}.csv"

    def scores(self, dataset, split, seed, system, subset="test"):
        """Scores of the test videos; those of the training videos lie in ``train`` beside them."""
        folder = self.results / "scores" / _run(dataset, split, seed)
        return (folder if subset == "test" else folder / subset) / f"{system}.npz"

    def fused(self, dataset, split, seed, name=None):
        folder = self.results / "fused" / _run(dataset, split, seed)
        return folder / f"{name}.npz" if name else folder


def _run(dataset, split, seed):
    return Path(dataset, f"split{split}", f"seed{seed}")
