"""``repro evaluate``: one trained system on the videos of its split, into a score file; resumes at the next video."""

import dataclasses

import numpy as np
import torch

from repro.clips.dataset import TestClips, VideoReader
from repro.clips.sampling import is_short, test_centres
from repro.datasets.index import DatasetIndex
from repro.engine.device import autocast, pick_device
from repro.errors import ReproError
from repro.evaluation.metrics import top_k
from repro.evaluation.protocol import score_video
from repro.evaluation.scores import Scores, load_arrays
from repro.files import atomic_path, file_signature, fingerprint
from repro.progress import progress
from repro.training.checkpoint import check_classes, check_origin
from repro.training.trained import Trained
from repro.workfolder import WorkFolder

_SAVE_EVERY = 16  # videos between two savings of partial scores


def run(run, checkpoint=None, subset="test"):
    """Score the test videos of a Run; the result is ``results/<profile>/scores/<dataset>/split<k>/seed<s>/<system>.npz``.

    ``subset="train"``: the training videos instead, for fusion by a trained SVM, into ``seed<s>/train``.
    """
    run.engine.set_up_process()
    index = DatasetIndex.load(run.index)
    videos = index.subset(run.split, subset)
    path = checkpoint or run.checkpoint
    trained = Trained.load(path)
    origin = {"dataset": run.dataset, "split": run.split, "seed": run.seed, "system": run.system}
    check_origin(trained.meta, path, **origin, profile=run.profile, input_size=run.input_size)
    check_classes(trained.meta, path, {run.dataset: index.classes})
    model, device = trained.model, pick_device(run.engine.device)
    model.to(device)
    reader = VideoReader(run.store, trained.streams, videos=videos)
    ways = run.evaluation
    clips = TestClips(reader, videos["video"], videos["label"], ways)
    _check_lengths(videos, ways, reader.margin, model.min_frames)
    code = run.code_version("evaluate")
    values = [*origin.values(), subset, dataclasses.asdict(ways)]
    key = fingerprint([code, values, trained.sha256, file_signature(run.store, run.index)])
    with WorkFolder(f"evaluate-{run.system}", key) as work:
        partial = work.path / "partial.npz"
        done = _partial(partial, len(clips), (len(model.heads), len(index.classes)))
        bar = progress(range(len(done), len(clips)), total=len(clips), initial=len(done), unit="video", desc=str(run))
        context = autocast(device, run.engine.precision)
        for number in bar:
            arguments = (trained.streams, trained.normalisation, run.input_size, device, context, ways, run.dataset)
            done.append(_score(model, clips[number], *arguments))
            if len(done) % _SAVE_EVERY == 0:
                with atomic_path(partial) as temporary, open(temporary, "wb") as file:
                    np.savez(file, scores=np.stack(done))  # a zip keeps a checksum
        header = {
            **origin,
            "protocol": str(ways),
            "device": trained.meta["device"],
            "params_hash": trained.meta["params_hash"],
            "code_version": code,
            "trained_by": trained.meta["code_version"],
            "profile": run.profile,
            "family": run.settings.family,
            "excluded": int((index.table["problems"] != "").sum()),
            "short": int(is_short(videos["frames"], reader.margin).sum()),
            **({} if subset == "test" else {"subset": subset}),
        }
        scores = Scores(
            tuple(videos["video"]), videos["label"].to_numpy(), index.classes, model.heads, np.stack(done, axis=1), header
        )
        target = run.paths.scores(run.dataset, run.split, run.seed, run.system, subset)
        scores.save(work.path / target.name)
        work.publish(target.name, target)
    accuracy = top_k(scores.mean(), scores.labels)
    print(f"{run}: top-1 {100 * accuracy:.1f} % of {len(videos)} {subset} videos; scores in {target}")


def _partial(path, videos, shape):
    """Scores of the videos that an earlier run of the same work finished; a file that is damaged or cannot be its own is said
    and done without."""
    if not path.exists():
        return []
    try:
        scores = load_arrays(path).get("scores", np.zeros(0))
        if scores.dtype != np.float32 or scores.shape[1:] != shape or len(scores) > videos or not np.isfinite(scores).all():
            raise ReproError("not the scores of these videos", path=path, why=f"{scores.dtype} {scores.shape}")
        return list(scores)
    except ReproError as error:
        print(f"{error}; the run begins again")
        return []


def _check_lengths(videos, ways, margin, needed):
    """Refuse before the first video what the network cannot take: a clip of a ``whole`` video may be any number of frames."""
    for name, frames in zip(videos["video"], videos["frames"], strict=True):
        usable = 1 if ways.frame_by_frame else len(test_centres(ways.sampling, frames, ways.frames, margin, ways.stride)[0])
        if usable < needed:
            raise ReproError(
                "a clip too short for the network",
                path=name,
                why=f"{usable} frames by this protocol, the network needs {needed}",
                fix="ask for more frames, or for sampling dense, which repeats those of short videos",
            )


def _score(model, clips, *arguments):
    try:
        return score_video(model, clips, *arguments)
    except RuntimeError as error:  # torch.OutOfMemoryError on a GPU; the CPU's allocator has no class of its own
        if not isinstance(error, torch.OutOfMemoryError) and "allocate memory" not in str(error):
            raise
        settings = arguments[-2]
        raise ReproError(
            "out of memory in evaluation",
            path=clips[0].name,
            why=str(error).splitlines()[0],
            fix=f"lower evaluation.frames_per_chunk, now {settings.frames_per_chunk}",
        ) from error
    except ValueError as error:
        raise ReproError("cannot score a video", path=clips[0].name, why=str(error)) from error
