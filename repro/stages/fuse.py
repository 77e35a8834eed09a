"""``repro fuse``: score files of one split and seed into fused score files, as ``fusions`` in the params say."""

import dataclasses
import shutil

from repro.errors import ReproError
from repro.evaluation.fusion import SPACES, fuse, fuse_svm
from repro.evaluation.metrics import top_k
from repro.evaluation.scores import Scores, check_scores
from repro.files import fingerprint
from repro.stages.config import check_choice, paths_of, run_seeds
from repro.workfolder import WorkFolder


@dataclasses.dataclass(frozen=True)
class FusionSettings:
    """Late fusion: systems or earlier fusions, their weights, and the space of the average (see ``evaluation.fusion``).

    ``space: svm`` trains a linear SVM with C = ``svm_c`` on the systems' scores of the split's training videos instead
    (`repro evaluate --subset train`); it finds its own weights.
    """

    inputs: tuple[str, ...]
    weights: tuple[float, ...] | None = None
    space: str = "logits"
    svm_c: float = 1.0

    def __post_init__(self):
        if self.space not in (*SPACES, "svm"):
            raise ValueError(f"space must be one of {', '.join(SPACES)}, svm, got {self.space!r}")
        if self.space == "svm" and (self.weights is not None or not self.svm_c > 0):
            raise ValueError(f"an SVM takes no weights and svm_c above 0, got {self.weights} and {self.svm_c}")


def run(params, dataset, split, seed=None):
    """Write ``results/<profile>/fused/<dataset>/split<k>/seed<s>/<name>.npz`` for every fusion whose inputs have been run."""
    check_choice(params, "datasets", dataset)
    paths, seed = paths_of(params), run_seeds(params)[0] if seed is None else seed
    scores = paths.scores(dataset, split, seed, "*")
    if not any(scores.parent.glob(scores.name)):
        raise ReproError(
            "nothing to fuse", path=scores.parent, why="no score files here", fix="run `repro evaluate` (`dvc repro`)"
        )
    fusions = {name: params.section(f"fusions.{name}", FusionSettings) for name in params.value("fusions", dict)}
    with WorkFolder("fuse", fingerprint([paths.profile, dataset, split, seed])) as work:
        folder = work.path / "fused"
        shutil.rmtree(folder, ignore_errors=True)  # of a killed run
        folder.mkdir()
        failed = {}
        for name, settings in fusions.items():
            files = [
                folder / f"{system}.npz" if system in fusions else paths.scores(dataset, split, seed, system)
                for system in settings.inputs
            ]
            training = [
                paths.scores(dataset, split, seed, system, "train") for system in settings.inputs if settings.space == "svm"
            ]
            missing = [file for file in (*files, *training) if not file.is_file()]
            if missing:
                print(f"{dataset} split {split} {name}: not run, no {missing[0].relative_to(missing[0].parents[1])}")
                continue
            try:
                origin = {"dataset": dataset, "split": split, "seed": seed, "profile": paths.profile}
                fused = _fused(name, settings, files, training, origin)
            except ReproError as error:  # the others go on
                failed[name] = error
                continue
            fused.save(folder / f"{name}.npz")
            accuracy = top_k(fused.mean(), fused.labels)
            print(f"{dataset} split {split} {name}: top-1 {100 * accuracy:.1f} %")
        if len(failed) < len(fusions):
            work.publish("fused", paths.fused(dataset, split, seed))
    if failed:
        name, error = next(iter(failed.items()))
        for other, why in list(failed.items())[1:]:
            print(f"{dataset} split {split} {other}: {why}")
        raise ReproError(
            f"{len(failed)} of {len(fusions)} fusions failed, the first",
            path=name,
            why=str(error),
            fix=f"the others are in {paths.fused(dataset, split, seed)}" if len(failed) < len(fusions) else None,
        ) from error


def _fused(name, settings, files, training, origin):
    """Scores of the fusion ``name`` from score files, and those of the training videos for an SVM."""
    inputs, training = ([_loaded(*each, origin) for each in zip(group, settings.inputs)] for group in (files, training))
    if training:
        return fuse_svm(training, inputs, settings.svm_c, name)
    return fuse(inputs, settings.weights, settings.space, name)


def _loaded(path, system, origin):
    scores = Scores.load(path)
    check_scores(scores, path, **origin, system=system)
    return scores
