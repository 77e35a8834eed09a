"""``repro idt-codebook``: PCA and Gaussian mixtures from the training videos of a split; resumes at the next descriptor type."""

import dataclasses

from repro.datasets.index import DatasetIndex
from repro.errors import ReproError
from repro.files import file_signature, fingerprint
from repro.idt.codebook import Codebook, fit_mixture, sample_descriptors
from repro.idt.features import check_origin, origin, track_length
from repro.idt.settings import descriptor_layout
from repro.progress import progress
from repro.provenance import code_version
from repro.workfolder import WorkFolder

_AGAIN = "extract it again (`repro idt-features`)"


def run(run):
    """Write ``models/<profile>/<dataset>/split<k>/seed<s>/<system>/codebook.npz`` of a Run."""
    dataset, split, seed, system = run.dataset, run.split, run.seed, run.system
    settings, target = run.trajectory_settings.codebook, run.codebook
    features = run.trajectory_settings.features
    videos = DatasetIndex.load(run.index).subset(split, "train")
    files = [run.trajectories / f"{name}.npz" for name in videos["video"]]
    for path, source, frames in zip(files, videos["path"], videos["frames"]):
        said = origin(path)
        check_origin(path, said, _AGAIN, source=source, frames=frames, settings=features.digest)
        if features.keep == "sample" and "settings" not in said:
            why = "with `features: {keep: sample}`, the Fisher vectors would be of trajectories made here all the same"
            raise ReproError("a file of others' trajectories", path=path, why=why, fix="set `features: {keep: all}`")
    descriptors = sample_descriptors(files, settings.samples, seed)
    columns, mixtures = descriptors.shape[1], {}
    types = list(descriptor_layout(track_length(columns)))
    key = fingerprint([code_version(__name__), dataset, split, seed, dataclasses.asdict(settings), file_signature(*files)])
    with WorkFolder(f"idt-codebook-{system}", key) as work:
        for name in progress(types, desc=f"{dataset} split {split} {system}", unit="mixture"):
            part = work.path / f"{name}.npz"
            if not _is_whole(part):
                Codebook(columns, {name: fit_mixture(descriptors, name, settings, seed)}).save(part)
            mixtures |= Codebook.load(part).mixtures
        Codebook(columns, mixtures).save(work.path / target.name, dataset=dataset, split=split, seed=seed, system=system)
        work.publish(target.name, target)
    print(
        f"{dataset} split {split} {system}: codebook of {settings.gaussians} Gaussians from {len(descriptors)} descriptors "
        f"of {len(files)} training videos in {target}"
    )


def _is_whole(part):
    """Whether a part of an earlier run is there and as it was written; one that is not is made again."""
    try:
        Codebook.load(part)
    except ReproError:
        return False
    return True
