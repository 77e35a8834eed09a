"""How much a small network's test depends on the protocol: the rehearsal of the embedded benchmark, tested by each of them.

    make repro PROFILE=embedded_rehearsal
    python benchmarks/test_protocol.py [--out results/benchmarks/test_protocol.json]

Top-1 accuracy in % on the test videos of split 1, ten frames a video. The networks saw crops of the input size alone.
"""

import argparse
import json
from pathlib import Path

from processor import processor

from repro.evaluation.scores import Scores
from repro.files import atomic_path
from repro.params import Params, load
from repro.profile.check import check
from repro.profile.run import Run
from repro.stages import evaluate

PROTOCOLS = ("full", "crops10", "centre")  # the profile's own last: its score files stay


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--params", default="params/embedded_rehearsal.yaml")
    parser.add_argument("--out", default="results/benchmarks/test_protocol.json")
    arguments = parser.parse_args()
    base = load(arguments.params)
    table = {dataset: {system: {} for system in base.get("run.evaluated")} for dataset in base.get("run.datasets")}
    for protocol in PROTOCOLS:
        changed = base.mapping | {"evaluation": base.get("evaluation") | {"protocol": protocol}}
        params = check(Params(changed, Path(arguments.params)))
        for dataset, systems in table.items():
            for system, found in systems.items():
                run = Run.of(params, dataset, 1, system=system)
                evaluate.run(run)
                scores = Scores.load(run.scores())
                found[protocol] = round(100 * float((scores.scores.mean(0).argmax(1) == scores.labels).mean()), 1)
    result = {
        "top1_percent": table,
        "videos": len(scores.labels),
        "frames": base.get("evaluation")["frames"],
        "processor": processor(),
    }
    with atomic_path(Path(arguments.out)) as temporary:
        temporary.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"written {arguments.out}")


if __name__ == "__main__":
    main()
