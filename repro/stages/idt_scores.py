"""``repro idt-scores``: Fisher vectors and a linear SVM per class, into a score file like any other system's."""

import numpy as np

from repro.datasets.index import DatasetIndex
from repro.evaluation.metrics import top_k
from repro.evaluation.scores import Scores
from repro.idt.codebook import Codebook
from repro.idt.features import load_features
from repro.idt.fisher import encode
from repro.idt.svm import decision_function, train_svm
from repro.provenance import code_version
from repro.stages.config import paths_of, run_seeds
from repro.work import fingerprint, progress


def run(params, dataset, split, seed=None):
    """Write ``results/<profile>/scores/<dataset>/split<k>/seed<s>/idt.npz``."""
    paths, seed = paths_of(params), run_seeds(params)[0] if seed is None else seed
    index = DatasetIndex.load(paths.index(dataset))
    codebook = Codebook.load(paths.model(dataset, split, seed, "idt") / "codebook.npz")
    vectors = {}
    for subset in ("train", "test"):
        videos = index.subset(split, subset)
        bar = progress(videos["video"], total=len(videos), desc=f"{dataset} split {split} Fisher vectors, {subset}", unit="video")
        vectors[subset] = np.stack([encode(load_features(paths.trajectories(dataset) / f"{name}.npz"), codebook) for name in bar])
    train, test = index.subset(split, "train"), index.subset(split, "test")
    machine = train_svm(vectors["train"], train["label"].to_numpy(), len(index.classes), params.get("idt.svm_c"))
    scores = decision_function(machine, vectors["test"])
    header = {"dataset": dataset, "split": split, "system": "idt", "seed": seed, "device": "CPU",
              "protocol": "Fisher vectors of improved trajectories, one-vs-rest SVM decision values",
              "params_hash": fingerprint(params.get("idt")), "code_version": code_version(__name__), "profile": params.get("profile"),
              "excluded": int((index.table["problems"] != "").sum())}
    result = Scores(tuple(test["video"]), test["label"].to_numpy(), index.classes, ("svm",), scores[None], header)
    target = paths.scores(dataset, split, seed, "idt")
    result.save(target)
    print(f"{dataset} split {split} idt: top-1 {100 * top_k(result.mean(), result.labels):.1f} % of {len(test)} test videos; scores in {target}")
