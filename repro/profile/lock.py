"""What the lock of a profile says of its results: were they made by today's code, from today's params and inputs?

``pipelines/<profile>/dvc.lock`` is DVC's: per stage its command, the params and code versions it ran with, and the MD5 of every
file it read and wrote. It is read here without DVC and without any data, so that a clone can be judged in seconds.
"""

import dataclasses
import functools
import hashlib
import json
import re
from pathlib import Path

import yaml

from repro.errors import ReproError
from repro.evaluation.scores import Scores
from repro.profile.blocks import PAGE_PARAMS, fill
from repro.profile.code import FILE
from repro.profile.dvcfile import folder_of
from repro.profile.pipeline import blocks
from repro.profile.run import Run

CURRENT, OLDER_CODE, OTHER_PARAMS, OTHER_INPUTS = "current", "older code", "other params", "other inputs"
CHANGED, MISSING, NO_LOCK = "changed since", "missing", "no lock"
_KEPT = ("scores", "fused", "curves", "tables", "notebooks", "metrics.json")  # of a profile's results, in git


@dataclasses.dataclass(frozen=True)
class Finding:
    """One result, file or folder, and what is to be said of it: ``CURRENT`` or another of the words above, and why."""

    path: str
    verdict: str
    why: str = ""


def findings(params, versions):
    """A Finding for everything that a profile keeps under ``results/<profile>``, and for what its lock promises there.

    ``versions``: today's, see `repro.profile.code.versions`.
    """
    return Lock(params, versions).findings


def made_by_older_code(params, versions):
    """Paths of a profile's score files that today's code did not make, or of which nobody can say so."""
    scores = str(Run.of(params).paths.results / "scores")
    found = (each for each in findings(params, versions) if each.path.startswith(scores))
    return [each.path for each in found if each.verdict in (OLDER_CODE, NO_LOCK) and each.why != _SAME_CODE]


def to_run(params, versions):
    """Names of the stages that DVC may have to run: without a current lock, or whose outputs are not there as they were made.

    DVC leaves one out after all where what it reads turns out the same as before.
    """
    lock, found = Lock(params, versions), []
    for block in blocks(params):
        outs = (*block.outs, *block.results, *block.metrics)
        for item, name in block.items() if block.command != "code" else ():
            if name not in lock.stages or not all(lock.is_made(fill(out, item), name) for out in outs):
                found.append(name)
    return found


_SAME_CODE = "its header names today's code"


def _files(results):
    for name in _KEPT:
        top = results / name
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            if path.is_file() and path.suffix != ".html":  # written beside a page, not kept
                yield path.as_posix()


def _without_lock(path, versions, why):
    """What a result without a lock says of itself: score files name the code that made them."""
    if Path(path).suffix != ".npz" or "/fused/" in path:
        return Finding(path, NO_LOCK, why)
    try:
        header = Scores.load(path).header
    except ReproError as error:
        return Finding(path, NO_LOCK, f"{why}; {error}")
    if "code_version" not in header:
        return Finding(path, NO_LOCK, f"{why}; scores of others")
    family, today = header.get("family"), {versions["idt_scores"], *versions["evaluate"].values()}
    if family in versions["evaluate"]:
        today = {versions["evaluate"][family]}
    if header["code_version"] in today:
        return Finding(path, NO_LOCK, _SAME_CODE)
    return Finding(path, NO_LOCK, f"{why}, by older code")


class Lock:
    """A profile's lock beside what its params and code are today. It reads a file once, however often that is asked about, so
    an object serves one command."""

    def __init__(self, params, versions):
        self.params, self.versions, self._digests = params, versions, {}
        self.stages = read(Run.of(params).profile)
        self.today = {name: (block, item) for block in blocks(params) for item, name in block.items()} if self.stages else {}
        self.outs = {out["path"]: (name, out) for name, stage in self.stages.items() for out in stage.get("outs", ())}
        self.outs.pop(FILE, None)

    @functools.cached_property
    def findings(self):
        """What `findings` returns."""
        results = Run.of(self.params).paths.results
        found = {path: self.judge(path) for path in self.outs if Path(path).is_relative_to(results)}
        for path in _files(results):
            if not any(path == out or path.startswith(f"{out}/") for out in self.outs):
                why = "not in the lock" if self.stages else "made before locks were kept"
                found[path] = _without_lock(path, self.versions, why)
        return [found[path] for path in sorted(found)]

    def false_claims(self):
        """Findings in which the lock says what is not so: a file that is not as its stage made it, one that is not there, scores
        that name other code than the stage that is said to have made them. Results that are merely older are none."""
        found = []
        for each in self.findings:
            if each.verdict in (CHANGED, MISSING):
                found.append(each)
            elif each.path in self.outs and (why := self.other_header(each.path)):
                found.append(Finding(each.path, CHANGED, why))
        return found

    def judge(self, path):
        """Finding on one output of the lock."""
        name, out = self.outs[path]
        if not Path(path).exists():
            return Finding(path, MISSING, f"{name} made it")
        if digest(path, self._digests) != out["md5"]:
            return Finding(path, CHANGED, f"not what {name} made")
        return Finding(path, *self.verdict(name))

    def other_header(self, path):
        """In words, where the header of a score file names other code than the lock's entry of its stage; else empty."""
        name, _ = self.outs[path]
        try:
            header = Scores.load(path).header if Path(path).suffix == ".npz" else {}
        except ReproError:
            return ""
        locked = self.stages[name].get("params", {}).get(FILE, {}).values()
        version = header.get("code_version")
        return (
            f"its header names code {version}, {name} ran with {', '.join(locked)}" if version and version not in locked else ""
        )

    def is_made(self, path, name):
        """Whether what the stage ``name`` makes is there and current. Data and models are large, and their bytes are not read."""
        if Path(path).parts[0] in ("data", "models"):
            return Path(path).exists() and self.verdict(name)[0] == CURRENT
        return path in self.outs and self.judge(path).verdict == CURRENT

    @functools.cache  # noqa: B019 (one lock lives as long as one command)
    def verdict(self, name):
        """(verdict, why) on a stage and on all that it rests on."""
        stage = self.stages[name]
        if name not in self.today:
            return OTHER_PARAMS, f"today's params have no {name}"
        for verdict, why in (self._code(name, stage), self._params(name, stage), self._inputs(name, stage)):
            if verdict:
                return verdict, why
        for dep in stage.get("deps", ()):
            for producer in self._producers(dep["path"]):
                verdict, why = self.verdict(producer)
                if verdict != CURRENT:
                    return verdict, why
        return CURRENT, ""

    def _code(self, name, stage):
        for key, value in stage.get("params", {}).get(FILE, {}).items():
            if _get(self.versions, key) != value:
                return OTHER_PARAMS if key == PAGE_PARAMS else OLDER_CODE, f"{key} of {name}"
        return None, None

    def _params(self, name, stage):
        block, item = self.today[name]
        locked = stage.get("params", {}).get("params.yaml", {})
        keys = {fill(key, item) for key in block.params}
        for key in sorted(keys | set(locked)):
            if key not in locked or key not in keys or _get(self.params.mapping, key) != locked[key]:
                return OTHER_PARAMS, f"{key} of {name}"
        if stage["cmd"] != fill(block.cmd, item):
            return OTHER_PARAMS, f"the command of {name}"
        return None, None

    def _inputs(self, name, stage):
        block, item = self.today[name]
        if {fill(place, item) for place in block.deps} != {dep["path"] for dep in stage.get("deps", ())}:
            return OTHER_INPUTS, f"{name} reads other files"
        for dep in stage.get("deps", ()):
            path, made = dep["path"], self.outs.get(dep["path"])
            if made:
                same = made[1]["md5"] == dep["md5"]
            else:  # data are large, and nobody's clone has them
                same = not Path(path).exists() or Path(path).parts[0] == "data" or digest(path, self._digests) == dep["md5"]
            if not same:
                return OTHER_INPUTS, f"{path} of {name}"
        return None, None

    def _producers(self, path):
        """Stages that made a path, or what lies in it."""
        return dict.fromkeys(name for out, (name, _) in self.outs.items() if out == path or out.startswith(f"{path}/"))


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """DVC writes YAML 1.2, where 1e-05 is a number."""


_Loader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"[-+]?\d+[eE][-+]?\d+$"), list("-+0123456789"))


def read(profile):
    """{stage: entry} of a profile's lock; empty where there is none. Raises ReproError for a file that is no lock."""
    path = folder_of(profile) / "dvc.lock"
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
        return dict(content.get("stages") or {})
    except FileNotFoundError:
        return {}
    except (yaml.YAMLError, OSError, ValueError, RecursionError, AttributeError, TypeError) as error:
        raise ReproError("not a DVC lock file", path=path, why=str(error).splitlines()[0]) from error


def digest(path, known=None):
    """MD5 of a file or a folder, as DVC reckons it. ``known``: {path: MD5} of what was read before; what is read is added."""
    path, known = Path(path), {} if known is None else known
    if path not in known:
        known[path] = _folder_md5(path, known) if path.is_dir() else _file_md5(path)
    return known[path]


def _file_md5(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def _folder_md5(path, known):
    files = [file for file in path.rglob("*") if file.is_file()]
    rows = [{"md5": digest(file, known), "relpath": file.relative_to(path).as_posix()} for file in files]
    content = json.dumps(sorted(rows, key=lambda row: row["relpath"]), sort_keys=True)
    return hashlib.md5(content.encode()).hexdigest() + ".dir"


def _get(mapping, key):
    """The value under a dotted key, None where there is none."""
    for part in key.split("."):
        mapping = mapping.get(part) if isinstance(mapping, dict) else None
    return mapping
