"""``repro demo``: freshly drawn videos and the networks in ``demo/`` to Table 3's column, in minutes; nothing is trained."""

import contextlib
import dataclasses
import shutil
from pathlib import Path

import numpy as np

from repro.datasets.index import DatasetIndex
from repro.errors import ReproError
from repro.evaluation.scores import Scores
from repro.files import remove
from repro.params import load
from repro.profile.check import check
from repro.profile.run import Run
from repro.stages import draw, evaluate, extract, fuse, predict, prepare, report
from repro.training.exported import ENDING

KEPT = Path("demo")
"""The networks and, under ``scores``, their score files."""
PARAMS = Path("params/demo.yaml")
_EXPLAINED, _PICTURE = "st_resnet", "prediction.png"


@dataclasses.dataclass(frozen=True)
class Compared:
    """A score file made now beside the kept one. ``same``: byte for byte; ``told`` says what differs otherwise."""

    system: str
    same: bool
    told: str


def run(out="work/demo", keep=False):
    """Make the demonstration in the folder ``out``, anew, and print what came of it; ``keep``: its score files become those in
    ``demo/scores``."""
    found = made(out)
    if keep:
        for path in _scores(out):
            (KEPT / "scores").mkdir(exist_ok=True)
            shutil.copy(path, KEPT / "scores" / path.name)
        found = [compare(path) for path in _scores(out)]
    results = Path(out) / "results" / "demo"
    print(f"\n{(results / 'tables' / 'table3.md').read_text(encoding='utf-8')}")
    for each in found:
        print(f"{each.system}: {each.told}")
    print(f"\nsee {Path(out) / _PICTURE} (a clip, its flow, and where the network looked) and {results / 'tables'}")


def made(out):
    """Draw, prepare, extract, evaluate, fuse, report and predict in the folder ``out``: list of Compared."""
    params, out = check(load(PARAMS)), Path(out)
    dataset, split = params.get("run.datasets")[0], params.get("run.splits")[0]
    networks = {system: (KEPT / f"{system}{ENDING}").absolute() for system in params.get("run.evaluated")}
    absent = [path for path in networks.values() if not path.is_file()]
    if absent:
        raise ReproError("no network for the demonstration", path=absent[0], fix="clone the whole repository")
    _clear(out, dataset)
    with contextlib.chdir(out):  # all that a run writes lies below the current folder
        whole = Run.of(params, dataset)
        for stage in (draw, prepare, extract):
            stage.run(whole)
        for system, network in networks.items():
            evaluate.run(Run.of(params, dataset, split, system=system), network)
        fuse.run(Run.of(params, dataset, split))
        report.run(Run.of(params))
        predict.run(params, _clip(whole, split), [networks[_EXPLAINED]], _PICTURE)
    return [compare(path) for path in _scores(out)]


def _clear(out, dataset):
    """Make ``out`` an empty folder. Raises ReproError where it holds what no demonstration left there."""
    if out.exists() and not (out.is_dir() and _is_demonstration(out, dataset)):
        fix = "name a new folder, or leave out --out"
        why = "it holds something else" if out.is_dir() else "a file"
        raise ReproError("not a folder that the demo made", path=out, why=why, fix=fix)
    out.mkdir(parents=True, exist_ok=True)
    for path in out.iterdir():
        remove(path)


def _is_demonstration(out, dataset):
    """Whether a folder is empty or a demonstration's, which draws its videos first. Names such as `data` and `work` do not tell:
    folders of other people's data are called so too."""
    names = {path.name for path in out.iterdir() if not path.name.startswith(f".{_PICTURE}.")}  # half a picture, of a kill
    drawn, scored = ({path.name for path in (out / name).glob("*")} for name in ("data", "results"))
    begun = drawn or any((out / "work").glob("draw-*"))
    return not names or bool(begun and names <= {"data", "results", "work", _PICTURE} and drawn | scored <= {dataset, KEPT.name})


def _clip(run, split):
    """A test video of a class that needs hue and motion at the same place."""
    shown = run.dataset_settings.mechanisms[-1]["groups"][0][0]
    video = next(name for name in DatasetIndex.load(run.index).subset(split, "test")["video"] if name.startswith(shown))
    return next(path for path in (run.raw / "videos" / shown).iterdir() if path.stem == Path(video).name)


def _scores(out):
    return sorted((Path(out) / "results" / "demo" / "scores").rglob("*.npz"))


def compare(path):
    """A score file beside the kept one of the same system: Compared."""
    kept = KEPT / "scores" / path.name
    if not kept.is_file():
        return Compared(path.stem, False, f"{kept} is missing")
    if kept.read_bytes() == path.read_bytes():
        return Compared(path.stem, True, f"byte for byte {kept}")
    now, then = Scores.load(path), Scores.load(kept)
    if now.names != then.names or now.scores.shape != then.scores.shape:
        return Compared(path.stem, False, f"of other videos or classes than {kept}")
    if np.array_equal(now.scores, then.scores):
        return Compared(path.stem, False, f"the scores of {kept} bit for bit; its header was written by older code")
    decided = int((now.mean().argmax(1) != then.mean().argmax(1)).sum())
    largest = float(np.abs(now.scores - then.scores).max())
    told = f"{decided} of {len(now.names)} videos decided otherwise than in {kept}, scores differ by up to {largest:.2g}"
    return Compared(path.stem, False, f"{told} (another processor, or other versions than constraints.txt has)")
