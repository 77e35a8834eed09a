"""``repro idt-codebook``: PCA and Gaussian mixtures of one split, fitted on its training videos only."""

from repro.datasets.index import DatasetIndex
from repro.idt.codebook import fit_codebook
from repro.idt.settings import CodebookSettings
from repro.stages.config import check_choice, paths_of, run_seeds


def run(params, dataset, split, system, seed=None):
    """Write ``models/<profile>/<dataset>/split<k>/seed<s>/<system>/codebook.npz``."""
    check_choice(params, "datasets", dataset)
    check_choice(params, "idt", system)
    paths, seed = paths_of(params), run_seeds(params)[0] if seed is None else seed
    settings = params.section(f"idt.{system}.codebook", CodebookSettings)
    videos = DatasetIndex.load(paths.index(dataset)).subset(split, "train")
    files = [paths.trajectories(dataset, system) / f"{name}.npz" for name in videos["video"]]
    target = paths.model(dataset, split, seed, system) / "codebook.npz"
    fit_codebook(files, settings, seed).save(target)
    print(f"{dataset} split {split} {system}: codebook of {settings.gaussians} Gaussians from {len(files)} training videos "
          f"in {target}")
