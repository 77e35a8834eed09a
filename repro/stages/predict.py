"""``repro predict``: the classes one video shows, by trained checkpoints, and a picture of why."""

import dataclasses
import tempfile
from pathlib import Path

import numpy as np

from repro.clips.dataset import TestClips, VideoReader
from repro.clips.sampling import is_short
from repro.engine.device import autocast, pick_device
from repro.engine.settings import EngineSettings
from repro.errors import ReproError
from repro.evaluation.cam import class_activation, step_logits, watched
from repro.evaluation.protocol import PAPERS, score_video
from repro.files import atomic_path
from repro.flow import FlowSettings
from repro.models.network import ActivationHead
from repro.params import from_mapping
from repro.report.prediction import Head, draw
from repro.stages.extract_video import extract_video, flow_method
from repro.stages.preview import picture_name
from repro.training.trained import Trained
from repro.video.store import ClipStore, StoreSettings

_TOP = 5


def run(params, video, checkpoint, out=None):
    """Print the five most probable classes of ``video`` and write a picture (default: <video's stem>.prediction.png).

    The video goes the way of a test video: into a container with the settings the checkpoint was trained with, then through the
    paper's test protocol. Several checkpoints are fused late: the mean of the logits of all their heads. Where ``video`` is None
    it is the last of ``checkpoint``.
    """
    if video is None:  # an option of several values takes all that follows it
        *checkpoint, video = checkpoint
        if not checkpoint:
            raise ReproError("no video", fix="write `repro predict VIDEO --checkpoint FILE`")
    out = Path(out or picture_name(video, ".prediction.png"))
    if out.suffix != ".png":
        raise ReproError("the picture is a .png file", path=out, fix="end its name in .png")
    engine = params.section("engine.training", EngineSettings)
    engine.set_up_process()
    device = pick_device(engine.device)
    networks = [(path, Trained.load(path)) for path in checkpoint]
    classes = _classes(networks)
    scored = []
    with tempfile.TemporaryDirectory() as folder:
        for number, (path, trained) in enumerate(networks):
            scored += _score(video, path, trained, Path(folder) / f"{number}.zip", device, engine)
        logits = np.mean([head.scores for head in scored], axis=0)
        probabilities = np.exp(logits - np.logaddexp.reduce(logits))
        top = np.argsort(-probabilities, kind="stable")[:_TOP]
        store = ClipStore(Path(folder) / "0.zip")
        print(f"{video}: {store.frames} frames; mean logits of {', '.join(head.title for head in scored)}")
        if any(head.short for head in scored):
            print("too short for one flow stack: edge flow fields are repeated, as in evaluation")
        for rank, label in enumerate(top, 1):
            print(f"{rank}  {100 * probabilities[label]:5.1f} %  {classes[label]}")
        explained = [head.explained(top) for head in scored if head.head is not None]
        with atomic_path(out) as temporary:
            named = [(classes[label], probabilities[label]) for label in top]
            draw(temporary, store, Path(video).name, named, explained)
    print(f"picture in {out}")


def _classes(networks):
    """The class names that all checkpoints share."""
    (first, trained), *rest = networks
    classes = trained.classes[trained.meta["dataset"]]
    for path, other in rest:
        if other.classes[other.meta["dataset"]] != classes:
            raise ReproError("checkpoint of other classes", path=path, why=f"not those of {first}", fix="use each one by itself")
    return classes


@dataclasses.dataclass(frozen=True)
class _Scored:
    """One head on the video: ``scores`` (classes,) of the protocol, and what it saw, per pass (plain, mirrored)."""

    title: str
    scores: np.ndarray
    head: ActivationHead | None
    maps: list
    centres: np.ndarray
    short: bool

    def explained(self, labels):
        """Head of the picture: logits (T', len(labels)), and the class-activation map (T', h, w) of the first label."""
        logits = sum(step_logits(self.head, maps) for maps in self.maps) / len(self.maps)
        plain, mirrored = (class_activation(self.head, maps, labels[0]) for maps in self.maps)
        activation = (plain + mirrored.flip(-1)) / 2
        softmax = logits.softmax(1)[:, labels.tolist()]
        return Head(self.title, _middles(self.centres, len(logits)), softmax.cpu().numpy(), activation.cpu().numpy())


def _middles(centres, steps):
    """Frame numbers that ``steps`` output steps stand for: a pool over time leaves the middles of its windows."""
    left = len(centres) - steps
    if not left:
        return centres
    stride = max(1, round(left / max(steps - 1, 1)))
    offset = (len(centres) - 1 - stride * (steps - 1)) // 2
    return centres[offset : offset + stride * steps : stride][:steps]


def _score(video, path, trained, container, device, engine):
    """The heads of one checkpoint on the video: list of _Scored."""
    meta, model = trained.meta, trained.model.to(device)
    store = from_mapping(StoreSettings, meta["store"], f"{path}: store")
    flow = from_mapping(FlowSettings, meta["flow"], f"{path}: flow")
    flow_method(flow, path)  # before anything is decoded
    extract_video(video, container, store, flow, str(device))
    reader = VideoReader(container.parent, trained.streams)
    tests = TestClips(reader, [container.stem], [0], PAPERS)
    heads = model.activation_heads(meta["dataset"]) if model.activation_heads is not None else {}
    with watched(heads) as seen:
        scores = score_video(
            model,
            tests[0],
            trained.streams,
            trained.normalisation,
            meta["input_size"],
            device,
            autocast(device, engine.precision),
            PAPERS,
            meta["dataset"],
        )
    frames = reader.store(container.stem).frames
    titles = [f"{meta['system']} {name}" if len(model.heads) > 1 else meta["system"] for name in model.heads]
    return [
        _Scored(
            title,
            row,
            heads.get(name),
            seen.get(name, []),
            tests.centres(0)[0],
            bool(is_short(frames, reader.margin)),
        )
        for title, name, row in zip(titles, model.heads, scores, strict=True)
    ]
