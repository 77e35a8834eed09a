"""``repro idt-scores``: a linear SVM per class on the Fisher vectors of a split, into a score file like any other system's."""

import numpy as np

from repro.datasets.index import DatasetIndex
from repro.evaluation.metrics import top_k
from repro.evaluation.scores import Scores
from repro.files import fingerprint
from repro.idt.codebook import Codebook
from repro.idt.svm import decision_function, train_svm
from repro.idt.vectors import digest, load_vector
from repro.progress import progress
from repro.provenance import code_version


def run(run):
    """Write ``results/<profile>/scores/<dataset>/split<k>/seed<s>/<system>.npz`` of a Run.

    The header's ``without_trajectories`` counts the test videos whose Fisher vector is zero.
    """
    dataset, split, seed, system = run.dataset, run.split, run.seed, run.system
    settings, index = run.trajectory_settings, DatasetIndex.load(run.index)
    origin = {"dataset": dataset, "split": split, "seed": seed, "system": system}
    codebook = Codebook.load(run.codebook, settings.codebook.gaussians, **origin)
    train, test = index.subset(split, "train"), index.subset(split, "test")
    one = run.codebook_name, digest(run.codebook), codebook.size
    made_with = settings.features.digest
    fitted, _ = _vectors(train, run.vectors, one, made_with, f"{dataset} split {split} {system}: Fisher vectors, training")
    machine = train_svm(fitted, train["label"].to_numpy(), len(index.classes), settings.svm_c)
    judged, empty = _vectors(test, run.vectors, one, made_with, f"{dataset} split {split} {system}: Fisher vectors, test")
    scores = decision_function(machine, judged)
    header = {
        "dataset": dataset,
        "split": split,
        "system": system,
        "seed": seed,
        "device": "CPU",
        "protocol": "Fisher vectors of improved trajectories, one-vs-rest SVM decision values",
        "params_hash": fingerprint(run.params.get(f"idt.{system}")),
        "code_version": code_version(__name__),
        "profile": run.profile,
        "excluded": int((index.table["problems"] != "").sum()),
        "without_trajectories": empty,
    }
    result = Scores(tuple(test["video"]), test["label"].to_numpy(), index.classes, ("svm",), scores[None], header)
    target = run.scores()
    result.save(target)
    accuracy = top_k(result.mean(), result.labels)
    print(f"{dataset} split {split} {system}: top-1 {100 * accuracy:.1f} % of {len(test)} test videos; scores in {target}")


def _vectors(table, folder, codebook, made_with, desc):
    """Fisher vectors (V, size) float32 of a table of videos under ``codebook`` (name, digest, size), and how many are zero.
    ``made_with``: the digest of the settings of their trajectories."""
    vectors, empty = np.empty((len(table), codebook[-1]), np.float32), 0
    for row, one in enumerate(progress(table.itertuples(), total=len(table), desc=desc, unit="video")):
        vectors[row] = load_vector(folder / f"{one.video}.npz", *codebook, source=one.path, frames=one.frames, settings=made_with)
        empty += not vectors[row].any()
    return vectors, empty
