"""Fusion on score sets that other papers published, against the accuracies they printed for them."""

import numpy as np
import pytest

from repro.evaluation.foreign import read_npz
from repro.evaluation.fusion import fuse
from repro.evaluation.metrics import top_k


def streams(path, dataset, split, keys):
    return [read_npz(path, key, {"dataset": dataset, "split": split, "system": key}) for key in keys]


def percent(scores):
    return 100 * top_k(scores.mean(), scores.labels)


def test_three_split_means_of_the_published_hmdb51_scores(shared_data):
    rows = []
    for split in (1, 2, 3):
        rgb, flow, idt = streams(shared_data / "scores" / f"hmdb51_split{split}.npz", "hmdb51", split, ("rgb", "flow", "idt"))
        both = fuse([rgb, flow], [1, 1.5], "logits")
        rows.append(
            [
                percent(s)
                for s in (
                    rgb,
                    flow,
                    both,
                    idt,
                    fuse([both, idt], [0.75, 0.25], "l2"),
                    fuse([both, idt], space="l2"),
                )
            ]
        )
    assert np.mean(rows, axis=0) == pytest.approx([54.40, 65.21, 71.48, 57.23, 75.56, 72.03], abs=0.01)


def test_ucf101_split_1_two_stream(shared_data):
    rgb, flow = streams(shared_data / "scores" / "ucf101_split1_resnet101_mcgridles.npz", "ucf101", 1, ("rgb", "flow"))
    measured = [percent(rgb), percent(flow), percent(fuse([rgb, flow]))]
    assert measured == pytest.approx([81.89, 80.65, 88.95], abs=0.01)
