"""How much the test of a small network depends on the protocol: one split's trained systems, tested by each of them.

    make repro PROFILE=embedded_rehearsal
    python benchmarks/protocols.py [--params params/embedded_rehearsal.yaml] [--split 1] [--protocols centre full crops10]
        [--out results/benchmarks/protocols.json]

Top-1 accuracy in % on the test videos. The networks were trained on crops of the input size alone. Score files that
the profile has already are read, and stay as they are.
"""

import argparse

from result import processor, save, version

from repro.evaluation.metrics import top_k
from repro.evaluation.scores import Scores
from repro.params import Params, load
from repro.profile.check import check
from repro.profile.run import Run
from repro.stages import evaluate


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--params", default="params/embedded_rehearsal.yaml")
    parser.add_argument("--split", type=int, default=1)
    parser.add_argument("--protocols", nargs="+", default=["centre", "full", "crops10"])
    parser.add_argument("--out", default="results/benchmarks/protocols.json")
    arguments = parser.parse_args()
    base = load(arguments.params)
    ways, table = base.get("evaluation"), {}
    for protocol in arguments.protocols:
        params = check(Params(base.mapping | {"evaluation": ways | {"protocol": protocol}}, base.path))
        for dataset in base.get("run.datasets"):
            for system in base.get("run.evaluated"):
                run = Run.of(params, dataset, arguments.split, system=system)
                if not run.checkpoint.is_file():
                    continue
                scores = scored(run, ways["protocol"] == protocol)
                percent = round(100 * top_k(scores.mean(), scores.labels), 1)
                table.setdefault(dataset, {}).setdefault(system, {})[protocol] = percent
    result = {
        "profile": base.get("profile"),
        "split": arguments.split,
        "frames": ways["frames"],
        "top1_percent": table,
        "device": processor(),
        "script": version(__file__),
    }
    save(arguments.out, result)
    print(f"written: {arguments.out}")


def scored(run, own):
    """The Scores of a Run; where there is a file already, ``own`` says that it is of this protocol."""
    path = run.scores()
    kept = path.read_bytes() if path.is_file() else None
    if not (own and kept):
        evaluate.run(run)
    found = Scores.load(path)
    if kept:
        path.write_bytes(kept)
    return found


if __name__ == "__main__":
    main()
