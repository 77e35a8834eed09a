"""What every stage of a small profile takes on this machine, measured on a part of its data and of its schedules.

    python benchmarks/profile_rates.py [--profiles embedded jhmdb paper] [--jhmdb FOLDER] [--weights FILE]

Runs the stages in folders of their own as `repro` commands, on two sizes (twice as many videos, more steps), so that what a
command takes to start and what it takes per unit come apart. Seconds are of cores (user and system time of the command and its
children): other work on the machine does not count. FOLDER holds J-HMDB's clips/ and splits/, FILE the start weights that
params/jhmdb.yaml names; a profile whose data are not given is left out. Of `paper` only the size of a checkpoint is measured.
Writes results/benchmarks/profiles.json, from which `repro plan` takes its rates; profiles left out keep what was measured.
"""

import argparse
import copy
import csv
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import yaml
from result import processor, save, version

from repro.datasets.index import DatasetIndex
from repro.flow import FlowSettings, make_flow
from repro.idt.extract import warm_up

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "results" / "benchmarks" / "profiles.json"
STEPS = {"embedded": (4, 44), "jhmdb": (1, 4)}
GROUPS = (6, 12)  # of the embedded benchmark
CLASSES, CLIPS = ("catch", "golf", "jump", "pour"), (3, 6)  # of J-HMDB
VIDEOS = 16  # of a step, at most
NOTEBOOK = "04_table3"


class Sizes:
    """A folder per size with the same profile; commands run in both, their core seconds are kept."""

    def __init__(self, profile, folders, dataset, save):
        self.profile, self.folders, self.dataset, self.rows, self.save = profile, folders, dataset, {}, save

    def run(self, kind, *command, units=None, both=True):
        """Run a command in both folders; ``units``: what it is in proportion to, per folder (None: runs)."""
        spent = [core_seconds(folder, command) for folder in (self.folders if both else self.folders[1:])]
        if units is None:
            row = {"per": "run", "start_s": 0.0, "cpu_s": round(spent[-1], 2)}
        else:
            counts = [units(folder) for folder in self.folders]
            rate = max(0.0, (spent[1] - spent[0]) / (counts[1] - counts[0]))
            row = {"start_s": round(max(0.0, spent[0] - rate * counts[0]), 2), "cpu_s": rate, "units": counts[1]}
        self.save(self.rows)  # without this row, which its caller completes
        self.rows[kind] = row
        print(kind, row, flush=True)
        return row

    def per_byte(self, kind, place, units):
        """Bytes on disk per unit of what a stage wrote, in the larger folder."""
        folder = self.folders[1]
        self.rows[kind]["bytes"] = size_of(folder / place) / units(folder)


def core_seconds(folder, command):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-m", "repro", *map(str, command)], cwd=folder, env=environment, capture_output=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}: {done.stderr.decode()}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def size_of(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def shortened(mapping, datasets, steps):
    """A profile of one split of ``datasets``, every schedule of ``steps`` steps of no more videos than there are."""
    mapping = copy.deepcopy(mapping)
    mapping["run"] |= {"prepared": datasets, "datasets": datasets, "idt": datasets, "splits": [1], "embedded": []}
    for settings in mapping["systems"].values():
        recipe = settings["recipe"]
        recipe |= {"schedule": [[recipe["schedule"][0][0], steps]], "unit": "steps"}
        recipe |= {size: min(VIDEOS, recipe[size]) for size in ("videos_per_step", "clips_per_batch_norm")}
    for settings in mapping.get("idt", {}).values():
        settings.pop("datasets", None)  # what is left out of the others is measured here
    return mapping


def folders_of(profile, dataset, top, settle):
    """Two folders with a shortened profile; ``settle(folder, mapping, number)`` puts the data's settings in."""
    folders = [Path(top) / f"{profile}{number}" for number in range(2)]
    for number, folder in enumerate(folders):
        mapping = yaml.safe_load((ROOT / "params" / f"{profile}.yaml").read_text())
        mapping = shortened(mapping, [dataset], STEPS[profile][number])
        folder.mkdir()
        settle(folder, mapping, number)
        (folder / "params.yaml").write_text(yaml.safe_dump(mapping, sort_keys=False))
        (folder / "notebooks").symlink_to(ROOT / "notebooks")
    return folders


def measure(profile, sizes):
    """Every stage but `draw`, which is of the embedded benchmark alone."""
    mapping = yaml.safe_load((sizes.folders[1] / "params.yaml").read_text())
    dataset, place = sizes.dataset, ("--dataset", sizes.dataset, "--split", 1, "--system")
    index = lambda folder: DatasetIndex.load(folder / "data" / dataset / "index")  # noqa: E731
    frames = lambda folder: int(index(folder).table["frames"].sum())  # noqa: E731
    tested = lambda folder: len(index(folder).subset(1, "test"))  # noqa: E731
    both = lambda folder: tested(folder) + len(index(folder).subset(1, "train"))  # noqa: E731
    sizes.run("prepare", "prepare", dataset, units=frames)["per"] = "frame"
    table = index(sizes.folders[1]).table
    sizes.rows["prepare"]["pixels"] = int(table["width"].iloc[0] * table["height"].iloc[0])
    sizes.run("extract", "extract", "--dataset", dataset, units=frames)["per"] = "frame"
    sizes.per_byte("extract", f"data/{dataset}/store", frames)
    for system in mapping["run"]["systems"]:
        recipe = mapping["systems"][system]["recipe"]
        per_step = recipe["videos_per_step"] * recipe.get("frames", 1)
        steps = dict(zip(sizes.folders, STEPS[profile]))
        row = sizes.run(f"train {system}", "train", *place, system, units=lambda f: steps[f] * per_step)  # noqa: B023
        row["per"] = "training frame"
        row["bytes_per_run"] = size_of(sizes.folders[1] / f"models/{profile}/{dataset}/split1/seed0/{system}")
        sizes.run(f"evaluate {system}", "evaluate", *place, system, units=tested)["per"] = "video"
    for system in mapping["run"]["idt_systems"]:
        sizes.run(f"idt-features {system}", "idt-features", "--dataset", dataset, "--system", system, units=frames)["per"] = (
            "frame"
        )
        sizes.per_byte(f"idt-features {system}", f"data/{dataset}/{system}", frames)
        for folder in sizes.folders[:1]:
            core_seconds(folder, ("idt-codebook", *place, system))
        codebook(sizes, index, system, mapping["idt"][system]["codebook"]["samples"], place)
        row = sizes.run(f"idt-fisher {system}", "idt-fisher", "--dataset", dataset, "--system", system, units=frames)
        row["per"] = "frame and codebook"
        sizes.per_byte(f"idt-fisher {system}", f"models/{profile}/{dataset}/fisher/{system}", frames)
        sizes.run(f"idt-scores {system}", "idt-scores", *place, system, units=both)["per"] = "video"
    sizes.run("fuse", "fuse", "--dataset", dataset, "--split", 1)
    sizes.run("report", "report", both=False)
    sizes.run("notebook", "notebook", "--name", NOTEBOOK, both=False)["notebook"] = NOTEBOOK
    return sizes.rows


def codebook(sizes, index, system, asked, place):
    """Time of a codebook in proportion to its sample, of which a part of the data has fewer."""
    folder = sizes.folders[1]
    with open(folder / "data" / sizes.dataset / system / "counts.csv", newline="") as file:
        counts = {row["video"]: int(row["trajectories"]) for row in csv.DictReader(file)}
    there = min(asked, sum(counts[name] for name in index(folder).subset(1, "train")["video"]))
    row = sizes.run(f"idt-codebook {system}", "idt-codebook", *place, system, both=False)
    row |= {"cpu_s": round(row["cpu_s"] * asked / there, 2), "samples_measured": there, "samples": asked}


def embedded(top, save):
    dataset = "diagnostic-h"

    def settle(folder, mapping, number):
        mapping["embedded"] = {dataset: mapping["embedded"][dataset] | {"groups": GROUPS[number], "clips_per_group": 1}}
        mapping["run"]["embedded"] = [dataset]

    sizes = Sizes("embedded", folders_of("embedded", dataset, top, settle), dataset, save)
    videos = lambda folder: len(list((folder / "data" / dataset / "raw" / "videos").rglob("*.avi")))  # noqa: E731
    sizes.run("draw", "draw", "--dataset", dataset, units=videos)["per"] = "video"
    sizes.per_byte("draw", f"data/{dataset}/raw", videos)
    return measure("embedded", sizes)


def jhmdb(top, save, source, weights):
    def settle(folder, mapping, number):
        raw = folder / "data" / "jhmdb" / "raw"
        (raw / "splits").mkdir(parents=True)
        for name in CLASSES:
            listed = (source / "splits" / f"{name}_test_split1.txt").read_text().split("\n")
            chosen = {
                line.split()[0] for use in ("1", "2") for line in [x for x in listed if x.split()[1:] == [use]][: CLIPS[number]]
            }
            (raw / "videos" / name).mkdir(parents=True)
            for clip in chosen:
                shutil.copy(source / "clips" / name / clip, raw / "videos" / name / clip)
            for split in (1, 2, 3):
                lines = (source / "splits" / f"{name}_test_split{split}.txt").read_text().split("\n")
                lines = [line for line in lines if line.split()[:1] and line.split()[0] in chosen]
                (raw / "splits" / f"{name}_test_split{split}.txt").write_text("\n".join(lines) + "\n")
        (folder / "weights").mkdir()
        shutil.copy(weights, folder / "weights" / "thin_resnet50.safetensors")

    return measure("jhmdb", Sizes("jhmdb", folders_of("jhmdb", "jhmdb", top, settle), "jhmdb", save))


def paper(top, save):
    """Bytes of a checkpoint of each system, untrained: two classifiers of 101 classes make no difference to speak of."""
    import torch

    from repro.models.registry import Inputs, family
    from repro.params import load
    from repro.profile.run import Run

    params, rows = load(ROOT / "params" / "paper.yaml"), {}
    for system in params.get("systems"):
        run = Run.of(params, "ucf101", 1, system=system)
        channels = {name: modality.channels for name, modality in run.streams.items()}
        model = family(run.settings.family).build(run.model, Inputs(channels, {"ucf101": 101}, run.input_size))
        torch.save(model.state_dict(), Path(top) / "checkpoint.pt")
        rows[f"train {system}"] = {"bytes_per_run": (Path(top) / "checkpoint.pt").stat().st_size}
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profiles", nargs="+", default=["embedded", "jhmdb", "paper"])
    parser.add_argument("--jhmdb", type=Path)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--out", type=Path, default=TARGET)
    arguments = parser.parse_args()
    warm_up()  # what Numba compiles is kept: the first command would have the time of it
    make_flow(FlowSettings("tvl1_cpu", "authors"))(*np.zeros((2, 32, 32), np.uint8))
    for name in arguments.profiles:
        if name == "jhmdb" and not (arguments.jhmdb and arguments.weights):
            print("skipped: jhmdb, no --jhmdb and --weights")
            continue
        with tempfile.TemporaryDirectory() as top:

            def save(rows, name=name):
                write(arguments.out, name, rows)

            more = (arguments.jhmdb, arguments.weights) if name == "jhmdb" else ()
            save({"embedded": embedded, "jhmdb": jhmdb, "paper": paper}[name](top, save, *more))


def write(path, profile, rows):
    """Put the rows of a profile into the file; those of others, and its own of before that have no successor yet, stay."""
    kept = json.loads(path.read_text()) if path.exists() else {}
    before = kept.get("profiles", {})
    result = {
        "device": processor(),
        "script": {**kept.get("script", {}), profile: version(__file__)},
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "times": "seconds of cores, one thread, of the command and its children; a start and a rate per unit from two sizes",
        "profiles": {**before, profile: {**before.get(profile, {}), **rows}},
    }
    save(path, result)


if __name__ == "__main__":
    main()
