"""``repro fuse``: score files of one split and seed into fused score files, as ``fusions`` in the params say."""

import dataclasses
import shutil

from repro.errors import ReproError
from repro.evaluation.fusion import fuse
from repro.evaluation.metrics import top_k
from repro.evaluation.scores import Scores
from repro.stages.config import check_choice, paths_of, run_seeds
from repro.work import WorkFolder, fingerprint


@dataclasses.dataclass(frozen=True)
class FusionSettings:
    """Late fusion: which systems, their weights, and the space in which scores are averaged (see ``evaluation.fusion``)."""

    inputs: tuple[str, ...]
    weights: tuple[float, ...] | None = None
    space: str = "logits"


def run(params, dataset, split, seed=None):
    """Write ``results/<profile>/fused/<dataset>/split<k>/seed<s>/<name>.npz`` for every fusion whose inputs have been run."""
    check_choice(params, "datasets", dataset)
    paths, seed = paths_of(params), run_seeds(params)[0] if seed is None else seed
    scores = paths.scores(dataset, split, seed, "*")
    if not any(scores.parent.glob(scores.name)):
        raise ReproError("nothing to fuse", path=scores.parent, why="no score files here",
                         fix="run `repro evaluate` (`dvc repro`)")
    with WorkFolder("fuse", fingerprint([paths.profile, dataset, split, seed])) as work:
        folder = work.path / "fused"
        shutil.rmtree(folder, ignore_errors=True)  # of a killed run
        folder.mkdir()
        for name in params.value("fusions", dict):
            settings = params.section(f"fusions.{name}", FusionSettings)
            files = [paths.scores(dataset, split, seed, system) for system in settings.inputs]
            missing = [file for file in files if not file.is_file()]
            if missing:
                print(f"{dataset} split {split} {name}: not run, no {missing[0]}")
                continue
            fused = fuse([Scores.load(file) for file in files], settings.weights, settings.space, name)
            fused.save(folder / f"{name}.npz")
            accuracy = top_k(fused.mean(), fused.labels)
            print(f"{dataset} split {split} {name}: top-1 {100 * accuracy:.1f} %")
        work.publish("fused", paths.fused(dataset, split, seed))
