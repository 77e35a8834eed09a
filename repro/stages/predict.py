"""``repro predict``: the classes one video shows, by trained checkpoints, and a picture of why."""

import dataclasses
import tempfile
from pathlib import Path

import numpy as np
import torch

from repro.clips.dataset import TestClips, VideoReader
from repro.clips.sampling import is_short, test_centres
from repro.engine.device import autocast, pick_device
from repro.engine.settings import EngineSettings
from repro.errors import ReproError
from repro.evaluation.cam import class_activation, step_logits, watched
from repro.evaluation.protocol import score_video
from repro.files import atomic_path
from repro.flow import FlowSettings
from repro.params import from_mapping
from repro.stages.config import short_side
from repro.stages.evaluate import restore
from repro.stages.extract_video import extract_video, flow_method
from repro.stages.predict_picture import Head, draw
from repro.training.checkpoint import check_origin, load_checkpoint
from repro.video.store import ClipStore, StoreSettings

_TOP = 5


def run(params, video, checkpoint, out=None):
    """Print the five most probable classes of ``video`` and write a picture (default: <video's stem>.prediction.png).

    The video goes the way of a test video: into a container with the settings the checkpoint was trained with, then through the
    test protocol. Several checkpoints are fused late: the mean of the logits of all their streams.
    """
    out = Path(out or f"{Path(video).stem}.prediction.png")
    if out.suffix != ".png":
        raise ReproError("the picture is a .png file", path=out, fix="name it so")
    engine = params.section("engine.training", EngineSettings)
    engine.set_up_process()
    device = pick_device(engine.device)
    saved = [(path, load_checkpoint(path)) for path in checkpoint]
    classes = saved[0][1]["meta"]["classes"]
    for path, content in saved:
        check_origin(content["meta"], path, classes=classes)
    scored = []
    with tempfile.TemporaryDirectory() as folder:
        for number, (path, content) in enumerate(saved):
            scored += _score(params, video, path, content, Path(folder) / f"{number}.zip", device, engine)
        logits = np.mean([head.scores for head in scored], axis=0)
        probabilities = np.exp(logits - np.logaddexp.reduce(logits))
        top = np.argsort(-probabilities, kind="stable")[:_TOP]
        store = ClipStore(Path(folder) / "0.zip")
        shortest = max(content["meta"]["spec"]["flow_length"] for _, content in saved)
        print(f"{video}: {store.frames} frames; mean logits of {', '.join(head.title for head in scored)}")
        if is_short(store.frames, shortest):
            print(f"too short for one flow stack ({shortest + 1} frames): edge flow fields are repeated, as in evaluation")
        for rank, label in enumerate(top, 1):
            print(f"{rank}  {100 * probabilities[label]:5.1f} %  {classes[label]}")
        heads = [head.explained(top) for head in scored]
        with atomic_path(out) as temporary:
            draw(temporary, store, Path(video).name, [(classes[label], probabilities[label]) for label in top], heads)
    print(f"picture in {out}")


@dataclasses.dataclass(frozen=True)
class _Scored:
    """One stream on the video: ``scores`` (classes,) of the protocol, and what its head saw, per pass (plain, mirrored)."""

    title: str
    scores: np.ndarray
    stream: torch.nn.Module
    maps: list
    centres: np.ndarray

    def explained(self, labels):
        """Head of the picture: logits (T', len(labels)), and the class-activation map (T', h, w) of the first label."""
        logits = sum(step_logits(self.stream, maps) for maps in self.maps) / 2
        activation = [class_activation(self.stream, maps, labels[0]) for maps in self.maps]
        activation = (activation[0] + activation[1].flip(-1)) / 2
        softmax = logits.softmax(1)[:, labels.tolist()]
        return Head(self.title, self.centres, softmax.cpu().numpy(), activation.cpu().numpy())


def _score(params, video, path, saved, container, device, engine):
    """The streams of one checkpoint on the video: list of _Scored."""
    meta = saved["meta"]
    model, normalisation = restore(saved, path)
    model.to(device)
    store, flow = _settings(params, meta, path)
    flow_method(flow, path)  # before anything is decoded
    extract_video(video, container, store, flow, str(device))
    reader = VideoReader(container.parent, model.spec.streams, model.spec.flow_length)
    clip = TestClips(reader, [container.stem], [0])[0]
    with watched(model) as seen:
        scores = score_video(model, clip, normalisation, meta["input_size"], device, autocast(device, engine.precision))
    centres = test_centres(reader.store(container.stem).frames, flow_length=model.spec.flow_length)
    found = []
    for name, row in zip(model.spec.streams, scores, strict=True):
        pooled = seen[name][0].shape[0] != len(centres)  # windows of 5 frames, 2 apart: their middle frames
        title = f"{meta['system']} {name}" if len(model.spec.streams) > 1 else meta["system"]
        found.append(_Scored(title, row, getattr(model, name), seen[name], centres[2:-2:2] if pooled else centres))
    return found


def _settings(params, meta, path):
    """(StoreSettings, FlowSettings) of the containers a checkpoint was trained on; the params', where it does not say."""
    if "store" in meta:
        kinds = {"store": StoreSettings, "flow": FlowSettings}
        return tuple(from_mapping(kind, meta[name], f"{path}: {name}") for name, kind in kinds.items())
    if meta["profile"] != params.get("profile"):
        raise ReproError(
            "a checkpoint that does not say how its videos were stored",
            path=path,
            why=f"it is of profile {meta['profile']}, the params are of {params.get('profile')}",
            fix="name the params file of its profile with --params",
        )
    return params.section("store", StoreSettings, short_side=short_side(meta["input_size"])), params.section("flow", FlowSettings)
