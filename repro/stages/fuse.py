"""``repro fuse``: score files of one split and seed into fused score files, as ``fusions`` in the params say."""

import shutil

from repro.errors import ReproError
from repro.evaluation.fusion import fuse, fuse_svm
from repro.evaluation.metrics import top_k
from repro.evaluation.scores import Scores, check_scores
from repro.files import fingerprint
from repro.workfolder import WorkFolder


def run(run):
    """Write ``results/<profile>/fused/<dataset>/split<k>/seed<s>/<name>.npz`` for every fusion of a Run whose inputs are
    there."""
    paths, dataset, split, seed = run.paths, run.dataset, run.split, run.seed
    scores = paths.scores(dataset, split, seed, "*")
    if not any(scores.parent.glob(scores.name)):
        raise ReproError(
            "nothing to fuse", path=scores.parent, why="no score files here", fix="run `repro evaluate` (`dvc repro`)"
        )
    fusions = run.fusions
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
    header = {"profile": origin["profile"]}
    if training:
        return fuse_svm(training, inputs, settings.svm_c, name, header)
    return fuse(inputs, settings.weights, settings.space, name, header)


def _loaded(path, system, origin):
    scores = Scores.load(path)
    check_scores(scores, path, **origin, system=system)
    return scores
