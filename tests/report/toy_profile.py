"""A tiny profile of score files whose right and wrong videos are set by hand."""

import numpy as np

from repro.evaluation.scores import Scores
from repro.report.layout import ReportLayout

CLASSES = ("amber", "teal", "first", "second")
MECHANISMS = [
    {"name": "appearance", "groups": [["amber", "teal"]]},
    {"name": "order", "groups": [["first", "second"]]},
]


def score_file(folder, system, split, names, rights, dataset="toy", kind="scores", classes=CLASSES, place=None, **header):
    """One video per entry of ``rights``: its class's score is 1; where wrong, its pair partner's is 2, all
    others 0.

    ``names``: "<class>/<anything>"; ``place``: seed of the folder, else the header's."""
    matrix = np.zeros((len(names), len(classes)))
    labels = np.array([classes.index(name.split("/")[0]) for name in names])
    for row, (label, right) in enumerate(zip(labels, rights)):
        partner = classes.index(CLASSES[CLASSES.index(classes[label]) ^ 1]) if classes[label] in CLASSES else label ^ 1
        matrix[row, label] = 1
        matrix[row, partner] = 0 if right else 2
    header = {
        "dataset": dataset,
        "split": split,
        "system": system,
        "protocol": "whole frames",
        "seed": 3,
        "device": "cpu",
        "params_hash": "abc",
        "code_version": "1",
        **header,
    }
    scores = Scores(names, labels, classes, ("appearance",), matrix[None], header)
    seed = header["seed"] if place is None else place
    scores.save(folder / kind / dataset / f"split{split}" / f"seed{seed}" / f"{system}.npz")
    return scores


def videos(split, per_class=2):
    """Test videos of a split; the last of every class is in all splits, the others in this one alone."""
    return [f"{name}/v{split}_{i}" if i < per_class - 1 else f"{name}/shared" for name in CLASSES for i in range(per_class)]


def layout(**changes):
    mapping = {
        "datasets": [
            {
                "name": "toy",
                "title": "Toy videos (not UCF101)",
                "stands_beside": "UCF101",
                "mechanisms": MECHANISMS,
            }
        ],
        "systems": [
            {"name": "plain", "title": "Plain", "table3": "Two-Stream"},
            {"name": "better", "title": "Better", "table3": "ST-ResNet*", "table4": "ST-ResNet*"},
            {"name": "absent", "title": "Absent", "table4": "IDT"},
        ],
        "claims": {
            "appearance": "plain",
            "motion": "plain",
            "late_fusion": "plain",
            "st_resnet": "better",
            "st_resnet_star": "better",
        },
        "seeds": [3],
        "draws": 400,
    }
    return ReportLayout.from_dict({**mapping, **changes})
