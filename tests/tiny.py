"""The whole pipeline at its smallest: 48 videos of 48x48, networks of width 4, a few SGD steps."""

import copy

import yaml

_RECIPE = {"schedule": [[0.02, 3], [0.002, 1]], "videos_per_step": 4, "clips_per_batch_norm": 2}
_RGB = {"appearance": {"modality": "rgb", "beside_flow": 10}}
_FLOW = {"motion": {"modality": "flow", "length": 10}}

PARAMS = {
    "profile": "tiny",
    "input_size": 32,
    "run": {
        "embedded": ["toy"],
        "prepared": ["toy"],
        "datasets": ["toy"],
        "splits": [1],
        "seeds": [3],
        "systems": ["appearance", "motion", "st_resnet", "st_resnet_star"],
        "evaluated": ["appearance", "motion", "st_resnet", "st_resnet_star"],
    },
    "datasets": {"toy": {"title": "Toy videos of the tests", "layout": "ucf101"}},
    "embedded": {
        "toy": {
            "layout": "ucf101",
            "seed": 5,
            "groups": 6,
            "clips_per_group": 1,
            "size": 48,
            "frames": [60, 64],
            "pause": [13, 13],
        }
    },
    "store": {"rgb_quality": 90, "flow_quality": 90, "flow_bound": 6.0},
    "flow": {"backend": "farneback"},
    "families": {"st_resnet": {"layout": "caffe", "blocks": [2, 2, 2, 2], "width": 4}},
    "systems": {
        "appearance": {"family": "st_resnet", "streams": {**_RGB}, "recipe": {**_RECIPE}},
        "motion": {
            "family": "st_resnet",
            "streams": {**_FLOW},
            "model": {"dropout": {"motion": 0.5}},
            "recipe": {**_RECIPE, "crop": {"kind": "corners"}},
        },
        "st_resnet": {
            "family": "st_resnet",
            "streams": {**_RGB, **_FLOW},
            "model": {"temporal": "average", "injection": "add"},
            "init_from": ["appearance", "motion"],
            "recipe": {**_RECIPE, "frames": 3, "stride": [3, 8]},
        },
        "st_resnet_star": {
            "family": "st_resnet",
            "streams": {**_RGB, **_FLOW},
            "model": {"temporal": "average", "injection": "add", "temporal_pool": "max"},
            "init_from": ["st_resnet"],
            "recipe": {**_RECIPE, "frames": 7, "stride": [1, 7]},
        },
    },
    "idt": {"idt": {"features": {}, "codebook": {"gaussians": 4, "samples": 500}, "svm_c": 1.0}},
    "fusions": {
        "two_stream": {"inputs": ["appearance", "motion"], "weights": [1.0, 1.0]},
        "with_idt": {"inputs": ["st_resnet_star", "idt"], "space": "l2"},
    },
    "engine": {"processes": 2, "training": {"device": "cpu", "threads": 1, "checkpoint_steps": 1}},
    "evaluation": {},
    "report": {
        "systems": [
            {"name": "appearance", "title": "Appearance"},
            {"name": "motion", "title": "Motion"},
            {"name": "two_stream", "title": "Two-stream"},
            {"name": "st_resnet", "title": "ST-ResNet"},
            {"name": "st_resnet_star", "title": "ST-ResNet*"},
        ]
    },
}
SYSTEMS = tuple(PARAMS["systems"])


def changed(**changes):
    """The profile as a mapping; ``changes`` maps dotted keys (dots as two underscores) to values."""
    mapping = copy.deepcopy(PARAMS)
    for key, value in changes.items():
        *parents, last = key.split("__")
        place = mapping
        for part in parents:
            place = place[part]
        place[last] = value
    return mapping


def write_params(folder, name="params.yaml", **changes):
    """Write the profile, ``changed``, into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(yaml.safe_dump(changed(**changes), sort_keys=False))
