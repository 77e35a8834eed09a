"""``repro idt-codebook``: PCA and Gaussian mixtures of one split, fitted on its training videos only."""

from repro.datasets.index import DatasetIndex
from repro.idt.codebook import fit_codebook
from repro.idt.settings import CodebookSettings
from repro.stages.config import paths_of


def run(params, dataset, split):
    """Write ``models/<profile>/<dataset>/split<k>/idt/codebook.npz``."""
    paths = paths_of(params)
    settings = params.section("idt.codebook", CodebookSettings)
    videos = DatasetIndex.load(paths.index(dataset)).subset(split, "train")
    files = [paths.trajectories(dataset) / f"{name}.npz" for name in videos["video"]]
    target = paths.model(dataset, split, "idt") / "codebook.npz"
    fit_codebook(files, settings, params.get("seed")).save(target)
    print(f"{dataset} split {split} idt: codebook of {settings.gaussians} Gaussians from {len(files)} training videos in {target}")
