"""``repro evaluate``: one trained system on the videos of its split, into a score file; resumes at the next video."""

import dataclasses

import numpy as np
import torch

from repro.clips.dataset import TestClips, VideoReader
from repro.clips.sampling import is_short
from repro.datasets.index import DatasetIndex
from repro.engine.device import autocast, pick_device
from repro.engine.settings import EngineSettings
from repro.errors import ReproError
from repro.evaluation.metrics import top_k
from repro.evaluation.protocol import score_video
from repro.evaluation.scores import Scores
from repro.evaluation.settings import PROTOCOLS, EvaluationSettings
from repro.files import atomic_path
from repro.models import ModelSpec, build_model
from repro.models.weights import InputNormalisation
from repro.params import from_mapping
from repro.progress import progress
from repro.provenance import code_version
from repro.stages.config import check_choice, paths_of, run_seeds, work_key
from repro.training.checkpoint import check_origin, load_checkpoint
from repro.workfolder import WorkFolder

_SAVE_EVERY = 16  # videos between two savings of partial scores


def run(params, dataset, split, system, seed=None, checkpoint=None, subset="test"):
    """Score the test videos; the result is ``results/<profile>/scores/<dataset>/split<k>/seed<s>/<system>.npz``.

    ``subset="train"``: the training videos instead, for fusion by a trained SVM, into ``seed<s>/train``.
    """
    check_choice(params, "datasets", dataset)
    check_choice(params, "systems", system)
    paths, seed = paths_of(params), run_seeds(params)[0] if seed is None else seed
    engine = params.section("engine.training", EngineSettings)
    engine.set_up_process()
    evaluation = params.section("evaluation", EvaluationSettings)
    index = DatasetIndex.load(paths.index(dataset))
    videos = index.subset(split, subset)
    path = checkpoint or paths.model(dataset, split, seed, system) / "checkpoint.pt"
    saved = load_checkpoint(path)
    meta = saved["meta"]
    check_origin(meta, path, dataset=dataset, split=split, seed=seed, classes=list(index.classes), system=system)
    model, normalisation = restore(saved, path)
    device = pick_device(engine.device)
    model.to(device)
    reader = VideoReader(paths.store(dataset), model.spec.streams, model.spec.flow_length)
    clips = TestClips(reader, videos["video"], videos["label"])
    key = work_key(
        code_version(__name__),
        [dataset, split, subset, seed, system, dataclasses.asdict(evaluation)],
        path,
        paths.store(dataset),
        paths.index(dataset),
    )
    with WorkFolder(f"evaluate-{system}", key) as work:
        partial = work.path / "partial.npy"
        done = list(np.load(partial)) if partial.exists() else []
        bar = progress(
            range(len(done), len(clips)),
            total=len(clips),
            initial=len(done),
            unit="video",
            desc=f"{dataset} split {split} {system}",
        )
        context = autocast(device, engine.precision)
        for number in bar:
            done.append(_score(model, clips[number], normalisation, meta["input_size"], device, context, evaluation))
            if len(done) % _SAVE_EVERY == 0:
                with atomic_path(partial) as temporary, open(temporary, "wb") as file:
                    np.save(file, np.stack(done))
        header = {
            "dataset": dataset,
            "split": split,
            "system": system,
            "seed": meta["seed"],
            "protocol": PROTOCOLS[evaluation.protocol],
            "device": meta["device"],
            "params_hash": meta["params_hash"],
            "code_version": code_version(__name__),
            "profile": meta["profile"],
            "excluded": int((index.table["problems"] != "").sum()),
            "short": int(is_short(videos["frames"], model.spec.flow_length).sum()),
            **({} if subset == "test" else {"subset": subset}),
        }
        scores = Scores(
            tuple(videos["video"]), videos["label"].to_numpy(), index.classes, model.spec.streams, np.stack(done, axis=1), header
        )
        target = paths.scores(dataset, split, seed, system, subset)
        scores.save(work.path / target.name)
        work.publish(target.name, target)
    accuracy = top_k(scores.mean(), scores.labels)
    print(f"{dataset} split {split} {system}: top-1 {100 * accuracy:.1f} % of {len(videos)} {subset} videos; scores in {target}")


def restore(saved, path):
    """(model in eval mode, input normalisation) of a loaded checkpoint."""
    meta = saved["meta"]
    model = build_model(from_mapping(ModelSpec, meta["spec"], str(path)), len(meta["classes"]))
    try:
        model.load_state_dict(saved["model"])
    except RuntimeError as error:
        raise ReproError("checkpoint of another architecture", path=path, why=str(error).splitlines()[-1]) from error
    return model.eval(), from_mapping(InputNormalisation, meta["normalisation"], str(path))


def _score(model, clip, *arguments):
    try:
        return score_video(model, clip, *arguments)
    except RuntimeError as error:  # torch.OutOfMemoryError on a GPU; the CPU's allocator has no class of its own
        if not isinstance(error, torch.OutOfMemoryError) and "allocate memory" not in str(error):
            raise
        frames = arguments[-1].frames_per_chunk
        raise ReproError(
            "out of memory in evaluation",
            path=clip.name,
            why=str(error).splitlines()[0],
            fix=f"lower evaluation.frames_per_chunk, now {frames}",
        ) from error
