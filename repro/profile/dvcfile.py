"""The blocks of a profile written as a dvc.yaml that reads well, and the links that make a profile the one in use."""

import contextlib
import json
import os
import re
from pathlib import Path

from repro.errors import ReproError
from repro.files import atomic_path
from repro.params import check_known, check_name, load
from repro.profile.blocks import fill
from repro.profile.code import FILE
from repro.profile.paths import Paths
from repro.profile.pipeline import blocks
from repro.profile.run import Run

PIPELINES, PARAMS, IN_USE = Path("pipelines"), Path("params"), Path("params.yaml")
EMPTY_LOCK = "schema: '2.0'\n"
_WIDTH = 130


def text_of(params):
    """The dvc.yaml of a profile."""
    run, made = Run.of(params), blocks(params)
    lines = [
        f"# The profile `{run.profile}`, as DVC runs it. Written by `repro pipeline` from its params: edit those, not this file.",
        f"# A stage runs again when a file under `deps`, a key under `params` or its code (its key of {FILE}) changed.",
        "stages:",
    ]
    for block in made:
        lines += [*_block(block), ""]
    metrics = [place for block in made for place in block.metrics]
    if metrics:
        lines += ["metrics:", *(f"  - {place}" for place in metrics), ""]
    return "\n".join([*lines, *_plots(run, made)]).rstrip() + "\n"


def _block(block):
    lines = [f"  {block.name}:  # {block.about}"]
    if len(block.matrix) == 1:
        (axis, values) = next(iter(block.matrix.items()))
        lines += _list(f"    matrix: {{{axis}: [", values, "]}")
    elif block.matrix:
        axes = [f"{axis}: [{', '.join(map(_word, values))}]" for axis, values in block.matrix.items()]
        lines += _list("    matrix: {", axes, "}", plain=True)
    lines.append(f"    cmd: {block.cmd}")
    code = [f"{FILE}: [{', '.join(map(_word, block.code))}]"] if block.code else []
    if block.params or code:
        lines += _list("    params: [", [*map(_word, block.params), *([f"{{{code[0]}}}"] if code else [])], "]", plain=True)
    if block.deps:
        lines += _list("    deps: [", block.deps, "]")
    lines += ["    outs:"] if block.outs or block.results or block.metrics else []
    lines += [f"      - {place}" for place in block.outs]
    lines += [f"      - {place}: {{cache: false}}" for place in (*block.results, *block.metrics)]
    return lines


def _list(head, values, tail, plain=False):
    """A flow list over as many lines as it needs."""
    words, lines, line = [value if plain else _word(value) for value in values], [], head
    for number, word in enumerate(words):
        piece = word + (", " if number < len(words) - 1 else tail)
        if len(line) + len(piece.rstrip()) > _WIDTH and line.strip():
            lines.append(line.rstrip())
            line = " " * len(head)
        line += piece
    return [*lines, line + ("" if words else tail)]


def _word(value):
    """A value as YAML takes it inside a flow list."""
    text = str(value)
    return text if re.fullmatch(r"[A-Za-z0-9_./+-]+", text) else json.dumps(text)


def _plots(run, made):
    """Loss over SGD steps for `dvc plots`: one plot per system and dataset, a line per split and seed."""
    plots = {}
    for block in (block for block in made if block.name.startswith("train_")):
        for item, _ in block.items():
            (curves,) = (fill(place, item) for place in block.results)
            plots.setdefault(f"{Path(curves).stem} on {item['dataset']}, training loss", []).append(curves)
    if not plots:
        return []
    lines = ["plots:"]
    for title, files in plots.items():
        lines += [f'  - "{title}":', "      x: step", "      y:", *(f"        {file}: loss" for file in files)]
    return lines


def folder_of(profile):
    """Where the pipeline and the lock of a profile lie."""
    return PIPELINES / profile


def write(params):
    """Write ``pipelines/<profile>/dvc.yaml``; returns (its path, whether that changed anything)."""
    path, text = folder_of(Run.of(params).profile) / "dvc.yaml", text_of(params)
    changed = not path.is_file() or path.read_text(encoding="utf-8") != text
    if changed:
        with atomic_path(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return path, changed


def profiles(name=None):
    """{profile: path} of the files under ``params/``, or of the one called ``name``. Raises ReproError for an unknown one."""
    there = {path.stem: path for path in sorted(PARAMS.glob("*.yaml"))}
    if name is None:
        return there
    check_known([check_name(name, "a profile")], list(there), f"profile in {PARAMS}")
    return {name: there[name]}


def load_profile(profile):
    """Params of ``params/<profile>.yaml``. Errors: no such profile, or one that calls itself otherwise."""
    path = profiles(profile)[profile]
    params = load(path)
    if Run.of(params).profile != profile:
        raise ReproError(
            "a params file with another profile name", path=path, why=f"profile: {params.get('profile')}", fix=f"write {profile}"
        )
    return params


def link(params):
    """Point ``dvc.yaml`` and ``dvc.lock`` of the working folder to those of the profile, and ``params.yaml`` to a file under
    ``params/``. Raises ReproError where one of them is a file of its own."""
    folder = folder_of(Run.of(params).profile)
    if params.path.parent == PARAMS:
        _link(IN_USE.name, params.path, "params/<name of its own>.yaml, with that name as its `profile`")
    lock = folder / "dvc.lock"
    if not lock.exists():
        with atomic_path(lock) as temporary:
            temporary.write_text(EMPTY_LOCK)
    _link("dvc.yaml", folder / "dvc.yaml", "another folder: it is written from the params")
    _link("dvc.lock", lock, "another folder")
    _make_places(params)


def _make_places(params):
    """An empty folder for the raw data of every dataset that is not drawn: DVC then runs `repro prepare`, which says what is
    missing; of an absent folder it would print the system's error alone."""
    listed = Run.of(params).fanned_out if params.mapping.get("run") else None
    for name in listed.to_bring if listed and listed.prepared else ():
        with contextlib.suppress(OSError):  # a link to a disk that is not there
            Paths("").raw(name).mkdir(parents=True, exist_ok=True)


def _link(name, target, elsewhere):
    """Make ``name`` a link to ``target``, in place of another link only."""
    path = Path(name)
    if path.is_symlink():
        if os.readlink(path) == target.as_posix():
            return
    elif path.exists():
        raise ReproError(f"{name} is a file of its own, not a link", path=path, fix=f"move it to {elsewhere}")
    temporary = path.with_name(f".{name}.new")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target.as_posix())
    os.replace(temporary, path)
