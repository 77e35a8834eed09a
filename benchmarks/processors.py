"""How much a result depends on rounding: the same systems, schedules and data, trained on several kinds of processor.

    python benchmarks/processors.py results/benchmarks/processors.json "SCHEDULES, PROCESSOR=FOLDER" ...

Each FOLDER is a checkout with the results of one run of the profile `embedded`, the last one this checkout. The top-1 accuracy
in % of the systems, per split and on average, goes to the end of what the file holds; a run of the same name is replaced.
"""

import argparse
import json
from pathlib import Path

from result import save, version

from repro.evaluation.metrics import top_k
from repro.evaluation.scores import Scores
from repro.profile.paths import Paths

PROFILE = "embedded"
DATASETS = ("diagnostic-u", "diagnostic-h")
SYSTEMS = {"two_stream": Paths.fused, "st_resnet": Paths.scores, "st_resnet_star": Paths.scores}
SPLITS = (1, 2, 3)


def accuracies(folder, dataset, system):
    """{split, "mean": top-1 accuracy in %}."""
    files = [SYSTEMS[system](Paths(PROFILE, folder), dataset, split, 0, system) for split in SPLITS]
    shares = [100 * top_k(scores.mean(), scores.labels) for scores in map(Scores.load, files)]
    found = {f"split{split}": round(share, 1) for split, share in zip(SPLITS, shares, strict=True)}
    return found | {"mean": round(sum(shares) / len(shares), 1)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target", type=Path)
    parser.add_argument("runs", nargs="+", metavar="SCHEDULES,PROCESSOR=FOLDER")
    arguments = parser.parse_args()
    kept = json.loads(arguments.target.read_text(encoding="utf-8"))["runs"] if arguments.target.is_file() else []
    runs = {(run["schedules"], run["processor"]): run for run in kept}
    for run in arguments.runs:
        name, _, folder = run.partition("=")
        schedules, _, processor = name.partition(", ")
        table = {dataset: {system: accuracies(folder, dataset, system) for system in SYSTEMS} for dataset in DATASETS}
        runs.pop((schedules, processor), None)
        runs[schedules, processor] = {"schedules": schedules, "processor": processor, "top1_percent": table}
    save(arguments.target, {"profile": PROFILE, "script": version(__file__), "runs": list(runs.values())})
    print(f"written: {arguments.target}")


if __name__ == "__main__":
    main()
