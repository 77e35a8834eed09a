"""``repro rehearse``: train a system and follow its accuracy on held-out training videos."""

import dataclasses

import numpy as np

from repro.clips.dataset import TestClips, VideoReader
from repro.datasets.index import DatasetIndex
from repro.engine.device import autocast, pick_device
from repro.errors import ReproError
from repro.evaluation.metrics import top_k
from repro.evaluation.protocol import score_video
from repro.files import atomic_path
from repro.models.freeze import freeze_norms
from repro.profile.inputs import sound_rows
from repro.stages import train


def run(run, every):
    """`repro train` of a Run on a held-out dataset; after each ``every`` passes, the score of the held-out videos.

    The curve is ``results/<profile>/validation/<dataset>/split<k>/seed<s>/<system>.csv``: passes, accuracy (0..1) of each head
    and of their mean. Raises ReproError for a dataset whose test videos are real ones, and an ``every`` below 1.
    """
    if run.dataset_settings.held_out is None:
        raise ReproError(
            f"the test videos of {run.dataset} are not for choosing schedules",
            path=run.params.path,
            fix="rehearse on a dataset with `held_out`, made by `repro hold-out`",
        )
    if every < 1:
        raise ReproError(f"a score after every {every} passes", fix="--every 1 or more")
    run.engine.set_up_process()
    index = DatasetIndex.load(run.index)
    training, videos = index.subset(run.split, "train"), index.subset(run.split, "test")
    ways, streams = run.evaluation, run.streams
    reader = VideoReader(run.store, streams, run.engine.cache_gib / 2, videos)
    clips = TestClips(reader, videos["video"], videos["label"], ways)
    device, labels = pick_device(run.engine.device), videos["label"].to_numpy()

    def accuracies(model, normalisation):
        """Accuracy of each head, then of their mean."""
        context = autocast(device, run.engine.precision)
        rest = (streams, normalisation, run.input_size, device, context, ways, run.dataset)
        scores = np.stack([score_video(model, clips[k], *rest) for k in range(len(clips))], axis=1)
        return [top_k(one, labels) for one in (*scores, scores.mean(0))]

    curve = _Curve(run.paths.validation(*run.place), len(training) / run.recipe.videos_per_step, every)

    def watch(step, model, normalisation):
        if step == 1:
            curve.rows.clear()
        if curve.due(step):
            curve.add(step, accuracies(model.eval(), normalisation), model.heads)
            freeze_norms(model.train(), run.recipe.frozen_norms)

    train.run(run, watch)
    print(f"{run}: {len(videos)} held-out videos, scored {len(curve.rows)} times; curve in {curve.path}")
    due = list(filter(curve.due, range(1, run.recipe.total_steps(len(training)) + 1)))
    if lost := len(due) - len(curve.rows.keys() & set(due)):
        print(f"{curve.path} lacks {lost} of {len(due)} rows, lost or damaged while the training was half-done")


@dataclasses.dataclass
class _Curve:
    """Accuracy on held-out videos by passes, a row every ``every`` passes of ``steps`` steps (not always a whole number)."""

    path: object
    steps: float
    every: int

    def __post_init__(self):
        self.rows = {}
        if self.path.is_file():  # of a run that was stopped
            self.rows = sound_rows(self.path)

    def due(self, step):
        """Whether a multiple of ``every`` passes ends with ``step``."""
        length = self.every * self.steps
        return int(step / length) > int((step - 1) / length)

    def add(self, step, accuracies, heads):
        self.rows[step] = ",".join([str(step), f"{step / self.steps:.2f}", *(f"{value:.4f}" for value in accuracies)])
        header = ",".join(["step", "passes", *(f"accuracy_{head}" for head in heads), "accuracy"])
        with atomic_path(self.path) as temporary:
            lines = [header, *(self.rows[key] for key in sorted(self.rows) if key <= step)]
            temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
