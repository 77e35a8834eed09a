"""``repro idt-fisher``: Fisher vectors of every video under the codebooks of all splits and seeds; resumes at the next video."""

import dataclasses
import os

from repro.datasets.index import DatasetIndex
from repro.engine.per_video import make_files
from repro.files import fingerprint, require
from repro.idt.codebook import Codebook
from repro.idt.extract import warm_up
from repro.idt.features import check_origin, origin
from repro.idt.vectors import check_vectors, digest, encode_video
from repro.provenance import code_version
from repro.workfolder import WorkFolder

_AGAIN = "extract it again (`repro idt-features`)"


def run(run):
    """Fill ``models/<profile>/<dataset>/fisher/<system>`` of a Run with ``<class>/<stem>.npz`` for every intact video.

    From the trajectory files, or from the videos where those hold a sample alone: then everything is extracted once more, for
    all codebooks at a time.
    """
    dataset, system, features, engine = run.dataset, run.system, run.trajectory_settings.features, run.machine
    table = DatasetIndex.load(run.index).table
    videos, codebooks = table[table["problems"] == ""], _codebooks(run)
    if features.keep == "sample":
        raw = run.raw / "videos"
        warm_up()  # compiled here once, inherited by the workers
    else:
        raw = run.trajectories
        for name, source, frames in zip(videos["video"], videos["path"], videos["frames"]):
            path = raw / f"{name}.npz"
            check_origin(path, origin(path), _AGAIN, source=source, frames=frames, settings=features.digest)
        videos = videos.assign(path=videos["video"] + ".npz")
    made_with = [(name, of) for name, _, of in codebooks]
    key = fingerprint([code_version(__name__), dataset, dataclasses.asdict(features), made_with])
    with WorkFolder(f"idt-fisher-{system}", key) as work:
        make_files(
            encode_video,
            raw,
            videos,
            work.path / system,
            ".npz",
            (codebooks, features),
            engine.processes,
            "Fisher vectors",
            engine.cluster,
            check_vectors,
            engine.video_timeout,
        )
        work.publish(system, run.vectors)
    print(f"{dataset} {system}: Fisher vectors of {len(videos)} videos under {len(codebooks)} codebooks in {run.vectors}")


def _codebooks(run):
    """(name, path, digest) of the codebook of every split and seed of the profile."""
    found, gaussians = [], run.trajectory_settings.codebook.gaussians
    for split in run.fanned_out.splits:
        for seed in run.fanned_out.seeds:
            one = dataclasses.replace(run, split=split, seed=seed)
            require(
                one.codebook,
                f"the profile has split {split} and seed {seed}",
                f"run `repro idt-codebook --dataset {run.dataset} --split {split} --seed {seed} --system {run.system}`, or take "
                f"it out of `run`",
            )
            Codebook.load(one.codebook, gaussians, dataset=run.dataset, split=split, seed=seed, system=run.system)
            found.append((one.codebook_name, os.path.abspath(one.codebook), digest(one.codebook)))
    return tuple(found)
