"""240,000 videos before any of them is decoded: start-up time and memory of each stage that reads the index, and DVC's own time.

    python benchmarks/scale_rehearsal.py [--videos 240000] [--stages 200] [--only start dvc disk] [--clips FOLDER]

`start`: a synthetic index in UCF101's layout of 400 classes, with an empty file for every video and a container of tiny
pictures (what is measured is what a stage does before its first video, and when there is nothing left to do). Each row is a
process of its own: seconds of a core, peak of resident memory. `dvc`: a generated profile of at least as many stages as asked
for; seconds of a core for listing them, asking for their state, taking them as done, finding nothing to do. `disk`: this disk,
written and read in turn; with --clips how large videos are. Writes results/benchmarks/scale_rehearsal.json; what is not asked
for stays as it was.
"""

import argparse
import contextlib
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas
import yaml
from result import processor, save, version

from repro.datasets.index import COLUMNS, DatasetIndex
from repro.engine.journal import Journal
from repro.files import file_signature, fingerprint
from repro.video.settings import StoreSettings
from repro.video.store import StoreWriter

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "results" / "benchmarks" / "scale_rehearsal.json"
CLASSES, FRAMES = 400, 250
CONTAINERS = 8  # different ones; the others are links to them, of which a file system allows only so many
STAGES = {
    "report, fuse (index)": "index()",
    "train": "inputs('train'), index().subset(1, 'train'), signature('index', 'store'), clips()",
    "evaluate": "inputs('evaluate'), index().subset(1, 'test'), signature('index', 'store')",
    "extract": "index().check_usable(), nothing_left('.zip', 'store')",
    "idt-features": "index().check_usable(), nothing_left('.zip', 'store')",
    "prepare (names and lists)": "find()",
}
START = """
import resource, sys, time
from pathlib import Path
sys.path.insert(0, {root!r})
from repro.datasets.index import DatasetIndex
from repro.datasets.scan import LAYOUTS, find_videos
from repro.engine.per_video import make_files
from repro.files import file_signature, fingerprint

def index():
    return DatasetIndex.load("index")

def inputs(command):
    from repro.params import load
    from repro.profile.inputs import check_inputs
    from repro.profile.run import Run
    check_inputs(command, Run.of(load({root!r} + "/params/ucf101.yaml"), "ucf101", 1, system="st_resnet"))

def signature(*places):
    return fingerprint(file_signature(*places))

def nothing_left(suffix, folder):
    make_files(None, Path("videos"), index().table, Path(folder), suffix, (), 2, "nothing")

def clips():
    from repro.clips.dataset import TrainingClips, VideoReader
    from repro.clips.modality import Modality
    from repro.training.presets import preset
    videos = index().subset(1, "train")
    recipe = preset("code", "st_resnet")
    made = TrainingClips(VideoReader("store", {{"rgb": Modality("rgb")}}), videos["video"], videos["label"], recipe, 224, 0)
    return recipe.total_steps(len(videos)), made.order[0]

def find():
    lists = LAYOUTS["ucf101"].read_splits("splits")
    return len(find_videos(Path("videos"), lists.classes, (".avi",)))

before = resource.getrusage(resource.RUSAGE_SELF)
{work}
after = resource.getrusage(resource.RUSAGE_SELF)
print(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, after.ru_maxrss / 1024)
"""


def synthetic(folder, videos):
    """Index, split lists, an empty file per video and a container, where the profile `ucf101` looks for its own."""
    names = [f"Class{k:03d}" for k in range(CLASSES)]
    label = np.arange(videos) % CLASSES
    clip = np.arange(videos) // CLASSES
    group, number = 1 + clip % 25, 1 + clip // 25
    stems = [f"v_{names[k]}_g{g:02d}_c{n:02d}" for k, g, n in zip(label, group, number)]
    ids = [f"{names[k]}/{stem}" for k, stem in zip(label, stems)]
    table = pandas.DataFrame({"video": ids, "path": [f"{each}.avi" for each in ids], "class_name": [names[k] for k in label]})
    table = table.assign(label=label, group=[f"{names[k]}_g{g:02d}" for k, g in zip(label, group)], frames=FRAMES, fps=25.0)
    table = table.assign(width=340, height=256, problems="", doubts="")
    subset = np.where(group <= 7, "test", "train")
    table = table.assign(split1=subset, split2=subset, split3=subset)
    order = np.empty(videos, int)
    for side in ("train", "test"):
        order[subset == side] = np.arange((subset == side).sum())
    table = table.assign(order1=order, order2=order, order3=order)[list(COLUMNS)]
    table = table.sort_values(["label", "video"], ignore_index=True)
    DatasetIndex("synthetic", tuple(names), table).save(folder / "index")
    for kind in ("videos", "store"):
        for name in names:
            (folder / kind / name).mkdir(parents=True)
    for number in range(CONTAINERS):
        container(folder / f"{number}.zip", seed=number)
    for number, each in enumerate(ids):
        (folder / "videos" / f"{each}.avi").touch()
        os.link(folder / f"{number % CONTAINERS}.zip", folder / "store" / f"{each}.zip")
    with contextlib.chdir(folder), Journal("store.jsonl") as made:  # what the containers were made of, as a stage remembers it
        for each in ids:
            made.add(each, fingerprint(file_signature(f"videos/{each}.avi")))
    (folder / "data").mkdir()
    (folder / "data" / "ucf101").symlink_to(folder)
    (folder / "raw").symlink_to(folder)
    (folder / "splits").mkdir()
    (folder / "splits" / "classInd.txt").write_text("".join(f"{k} {name}\n" for k, name in enumerate(names, 1)))
    for split in (1, 2, 3):
        for side in ("train", "test"):
            lines = [f"{each}.avi\n" for each, where in zip(ids, subset) if where == side]
            (folder / "splits" / f"{side}list{split:02d}.txt").write_text("".join(lines))


def container(path, seed):
    """Of as many frames and fields as the index says, 16 pixels wide."""
    random = np.random.default_rng(seed)
    with StoreWriter(path, StoreSettings(), {"source": {"name": "made up"}}) as writer:
        for _ in range(FRAMES):
            writer.rgb(random.integers(0, 256, (16, 16, 3), np.uint8))
        for _ in range(FRAMES - 1):
            writer.flow(random.integers(0, 256, (16, 16, 2), np.uint8))


def start(videos):
    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        synthetic(Path(folder), videos)
        for name, work in STAGES.items():
            code = START.format(root=str(ROOT), work=work)
            done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
            if done.returncode:
                sys.exit(f"{name}: {done.stderr}")
            seconds, peak = map(float, done.stdout.split()[-2:])
            rows[name] = {"cpu_s": round(seconds, 2), "peak_mib": round(peak)}
            print(name, rows[name], flush=True)
        size = sum(path.stat().st_size for path in (Path(folder) / "index").iterdir())
    return {"videos": videos, "index_mb": round(size / 1e6, 1), "stages": rows}


def dvc(stages):
    """DVC's own time with a profile of many seeds of the embedded benchmark."""
    sys.path.insert(0, str(ROOT))
    from repro.params import load
    from repro.profile.costs import instances

    mapping = yaml.safe_load((ROOT / "params" / "embedded.yaml").read_text()) | {"profile": "many"}
    with tempfile.TemporaryDirectory() as top:
        folder = Path(top)
        for name in ("repro", "notebooks", ".dvcignore"):
            subprocess.run(["cp", "-r", ROOT / name, folder / name], check=True)
        (folder / "params").mkdir()
        count, seeds = 0, 0
        while count < stages:
            seeds += 1
            mapping["run"]["seeds"] = list(range(seeds))
            (folder / "params" / "many.yaml").write_text(yaml.safe_dump(mapping, sort_keys=False))
            count = len(list(instances(load(folder / "params" / "many.yaml"))))
        for _, _, _, outs in instances(load(folder / "params" / "many.yaml")):
            for out in outs:
                path = folder / out if Path(out).suffix else folder / out / "file"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(out)
        seconds = {}
        for name, command in (
            ("repro use", ("repro", "use", "many")),
            ("dvc init", ("dvc", "init", "--no-scm", "-q")),
            ("repro code", ("repro", "code")),
            ("dvc stage list", ("dvc", "stage", "list", "--name-only")),
            ("dvc status", ("dvc", "status", "--json")),
            ("dvc commit, all stages", ("dvc", "commit", "-f", "-q")),
            ("dvc status, all done", ("dvc", "status", "--json")),
            ("dvc repro, nothing to do", ("dvc", "repro", "-q")),
            ("dvc repro -s, nothing to do, one stage", ("dvc", "repro", "-q", "-s", "train_appearance@diagnostic-u-1-0")),
            ("repro plan", ("repro", "plan")),
        ):
            seconds[name] = core_seconds(folder, command)
            print(name, seconds[name], flush=True)
    return {"stages": count, "cpu_s": seconds}


def core_seconds(folder, command):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "PYTHONPATH": str(folder), "DVC_NO_ANALYTICS": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-m", *command], cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: {done.stdout}{done.stderr}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return round(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime, 2)


def disk(clips, size=2**28):
    """Megabytes a second that this disk takes and gives, the best of five rounds; bytes per frame of videos."""
    rounds = [_written_and_read(os.urandom(2**22), size) for _ in range(5)]
    found = {name: round(max(speeds)) for name, speeds in zip(("write_mb_per_s", "read_mb_per_s"), zip(*rounds))}
    if clips:
        from repro.video.decode import frames

        paths = sorted(clips.rglob("*.avi"))[::4]
        count = sum(sum(1 for _ in frames(path)) for path in paths)
        found["video_bytes_per_frame"] = round(sum(path.stat().st_size for path in paths) / count)
        found["video_size"] = "x".join(map(str, next(iter(frames(paths[0]))).shape[1::-1]))
    return found


def _written_and_read(block, size):
    with tempfile.NamedTemporaryFile(dir=".") as file:
        begin = time.perf_counter()
        for _ in range(size // len(block)):
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
        written = time.perf_counter() - begin
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        file.seek(0)
        begin = time.perf_counter()
        while file.read(len(block)):
            pass
        return size / 1e6 / written, size / 1e6 / (time.perf_counter() - begin)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--videos", type=int, default=240_000)
    parser.add_argument("--stages", type=int, default=200)
    parser.add_argument("--only", nargs="+", choices=("start", "dvc", "disk"), default=("start", "dvc", "disk"))
    parser.add_argument("--clips", type=Path)
    parser.add_argument("--out", type=Path, default=TARGET)
    arguments = parser.parse_args()
    parts = {
        "start": lambda: start(arguments.videos),
        "dvc": lambda: dvc(arguments.stages),
        "disk": lambda: disk(arguments.clips),
    }
    for name in arguments.only:
        result = json.loads(arguments.out.read_text()) if arguments.out.exists() else {}
        result |= {"device": processor(), "cores": os.cpu_count(), "python": platform.python_version()}
        result["script"] = {**result.get("script", {}), name: version(__file__)}
        save(arguments.out, result | {"load_average": round(os.getloadavg()[0], 1), name: parts[name]()})


if __name__ == "__main__":
    main()
