"""``repro doctor run``: is everything there that a profile needs? One table in seconds, before anything long; exit status 1 where
something is missing."""

import dataclasses
import importlib.metadata
import json
import os
import shutil
import textwrap

from repro.datasets import manifest
from repro.datasets.doctor import OFFICIAL
from repro.datasets.prepare import JOURNAL, OFFICIAL_ARCHIVES, find_archives
from repro.datasets.scan import LAYOUTS
from repro.engine.machine import Machine, gpus, side_by_side
from repro.engine.settings import EngineSettings
from repro.errors import ReproError
from repro.profile import packages
from repro.profile.blocks import trained_on
from repro.profile.rates import FOLDER, Rates
from repro.profile.settings import Engine
from repro.profile.sources import archives_of, bring, weights_of

OK, MISSING, NOTE = "ok", "MISSING", "note"
_WIDTHS = (24, 7, 52, 72)
_HEADING = ("what", "state", "found", "what to do")
_UNPACKERS = ("unrar", "unar", "7z", "7zz")
_NAMED = 3


@dataclasses.dataclass(frozen=True)
class Row:
    """One thing that a run needs: its state, what was found, and what to do."""

    what: str
    state: str
    found: str
    fix: str = ""


def run(run, archives=None):
    """Print the table of a profile; SystemExit with status 1 where something is missing.

    ``archives``: files, or folders of official ones, that will be unpacked next.
    """
    rows = [
        *(row for name in run.fanned_out.to_bring for row in dataset_rows(dataclasses.replace(run, dataset=name), archives)),
        *unpacker_rows(run),
        *weights_rows(run),
        *disk_rows(run),
        *machine_rows(run, Machine.here(), gpus()),
        *version_rows(),
    ]
    print(f"profile {run.profile}: what `make repro` needs\n")
    print(table(rows))
    missing = [row.what for row in rows if row.state == MISSING]
    if missing:
        print(f"\n{len(missing)} of {len(rows)} are missing: {', '.join(missing)}. Nothing was started.")
        raise SystemExit(1)
    print("\nNothing is missing.")


def table(rows):
    """Rows as plain text, long cells wrapped."""
    lines = []
    for row in (_HEADING, tuple("-" * len(word) for word in _HEADING), *map(dataclasses.astuple, rows)):
        cells = [textwrap.wrap(cell, width, break_long_words=False, break_on_hyphens=False) for cell, width in zip(row, _WIDTHS)]
        for k in range(max(1, *map(len, cells))):
            words = [cell[k] if k < len(cell) else "" for cell in cells]
            lines.append("  ".join(word.ljust(width) for word, width in zip(words, _WIDTHS)).rstrip())
    return "\n".join(lines)


def dataset_rows(run, archives=None):
    """Videos and split lists of a dataset, or its archives where those come first."""
    name, settings, raw = run.dataset, run.dataset_settings, run.raw
    brought = bring(name, settings, run.params.path)
    sources = archives_of(settings)
    fix = f"{brought}{': ' if sources else ''}{'; '.join(sources)}"
    if archives and not (raw / manifest.NAME).is_file():
        try:
            found = find_archives(archives, settings.layout)
        except ReproError as error:
            yield Row(f"{name} archives", MISSING, str(error), "; ".join(sources))
        else:
            size = sum(path.stat().st_size for path in found if path.is_file())
            names = ", ".join(path.name for path in found)
            yield Row(f"{name} archives", OK, f"{names}, {size / 1e6:,.1f} MB; they are unpacked next")
        return
    if not (raw / "videos").is_dir() and not (raw / JOURNAL).is_file():
        yield Row(f"{name} videos", MISSING, f"nothing at {raw}/videos", fix)
        yield Row(f"{name} split lists", MISSING, f"nothing at {raw}/splits", "they come with the videos, by the same command")
        return
    if (raw / JOURNAL).is_file() and not (raw / manifest.NAME).is_file():
        yield Row(f"{name} videos", MISSING, f"{raw} is half unpacked", f"the same command again, it goes on: {brought}")
        return
    try:
        lists = LAYOUTS[settings.layout].read_splits(raw / "splits")
    except ReproError as error:
        yield Row(f"{name} split lists", MISSING, str(error), brought)
        return
    listed = {entry.video for entries in lists.splits.values() for entry in entries}
    yield _videos(name, settings, raw / "videos", len(listed), brought)
    lacking = [str(split) for split in run.fanned_out.splits if split not in lists.splits]
    state = Row(f"{name} split lists", OK, f"{len(lists.classes)} classes, splits {', '.join(map(str, sorted(lists.splits)))}")
    if lacking:
        fix = f"put them into {raw}/splits, or take them out of run.splits"
        state = dataclasses.replace(state, state=MISSING, found=f"no lists of split {', '.join(lacking)}", fix=fix)
    yield state


def _videos(name, settings, folder, listed, brought):
    suffixes = LAYOUTS[settings.layout].suffixes
    found = sum(path.lower().endswith(suffixes) for _, _, files in os.walk(folder, followlinks=True) for path in files)
    official = OFFICIAL.get(settings.layout)
    if not found:
        return Row(f"{name} videos", MISSING, f"none in {folder}", f"mount the disk that holds them, or {brought}")
    if found < listed:
        kind = NOTE if settings.exclude_bad else MISSING
        fix = f"bring the rest; or set exclude_bad for {name}: tables then say how many are left out"
        return Row(f"{name} videos", kind, f"{found:,} of {listed:,} that are listed, in {folder}", "" if kind == NOTE else fix)
    if official and listed < official.videos:
        return Row(
            f"{name} videos",
            NOTE,
            f"{found:,} in {folder}; the official lists name {official.videos:,}",
            "none, if a part is meant",
        )
    return Row(f"{name} videos", OK, f"{found:,} in {folder}")


def unpacker_rows(run):
    """Official RARs may be compressed: where one is still to be unpacked, a tool must be there."""
    todo = [dataclasses.replace(run, dataset=name) for name in run.fanned_out.to_bring]
    layouts = {one.dataset_settings.layout for one in todo if not (one.raw / "videos").is_dir()}
    if any(name.endswith(".rar") for layout in layouts for name in OFFICIAL_ARCHIVES.get(layout, ())):
        there = [tool for tool in _UNPACKERS if shutil.which(tool)]
        fix = "" if there else "install unrar (or unar, or 7zip with its RAR part); a stored RAR and an unpacked folder need none"
        yield Row("tool for RARs", OK if there else NOTE, ", ".join(there) or "none", fix)


def weights_rows(run):
    """Files of start weights of everything that is trained."""
    users = {}
    for system, datasets in trained_on(run.params).items():
        one = dataclasses.replace(run, dataset=datasets[0], system=system)
        for path in one.weights.values():
            users.setdefault(path, []).append(one)
    for path, runs in users.items():
        what, model = f"weights {path.name}", runs[0].model
        names = ", ".join(dict.fromkeys(one.system for one in runs))
        source = weights_of(model)
        if source is None:
            fix = f"bring weights of layout {' or '.join(_layouts(model))} by `repro import-weights SOURCE {path}`; {_unknown()}"
        else:
            fix = f"`{source.command.format(path=path)}`; {source}"
        if not path.is_file():
            yield Row(what, MISSING, f"nothing at {path}, which {names} start{'s' if ',' not in names else ''} from", fix)
            continue
        layout = _layout_in(path)
        if layout is None or layout not in _layouts(model):
            why = f"{path} is no imported file" if layout is None else f"{path} is of layout {layout}"
            yield Row(what, MISSING, why, fix)
        else:
            yield Row(what, OK, f"{path.stat().st_size / 1e6:.1f} MB, layout {layout}")


def _unknown():
    return "address, size and sha256 not recorded"


def _layouts(model):
    layouts = getattr(model, "weights_layout", None) or ("any",)
    return (layouts,) if isinstance(layouts, str) else tuple(layouts)


def _layout_in(path):
    """What an imported file says of its layout, None where it is not one."""
    from safetensors import SafetensorError, safe_open

    from repro.models.weights import HEADER  # late: torch

    try:
        with safe_open(path, "numpy") as file:
            return json.loads((file.metadata() or {})[HEADER])["layout"]
    except (OSError, KeyError, ValueError, SafetensorError):
        return None


def disk_rows(run):
    """Free space against what the plan says is left to be written."""
    from repro.stages.plan import Finished, disk_of  # late: it is not small

    needed, unknown = disk_of(run, Rates(FOLDER), Finished(run.params, ask=False))
    free = shutil.disk_usage(".").free
    text = f"{free / 1e9:.0f} GB free, {needed / 1e9:.0f} GB needed" + (
        f" and {', '.join(unknown)} (not measured)" if unknown else ""
    )
    if needed > free:
        yield Row("disk", MISSING, text, "make room, or clone to a larger disk; `repro plan` has what takes how much")
    else:
        yield Row("disk", NOTE if unknown else OK, text, "leave room for what was not measured" if unknown else "")


def machine_rows(run, machine, gpus):
    """Cores, open files, shared memory and GPUs against what the params ask for."""
    asked = run.params.section("engine", Engine)
    fit = machine.processes(asked.processes)
    text = f"{machine.cores} cores: {fit} of {asked.processes} processes for per-video work"
    yield Row("processes", OK if fit == asked.processes else NOTE, text, "" if fit == asked.processes else "it takes longer")
    wanted = run.params.section("engine.training", EngineSettings).workers if run.params.get("engine").get("training") else 0
    threads = run.engine.threads if wanted else 1
    jobs = machine.jobs(threads, len(gpus))
    limits = "no limit" if machine.open_files is None else f"{machine.open_files:,}"
    shared = "no /dev/shm" if machine.shared is None else f"{machine.shared / 1e6:,.0f} MB of shared memory free"
    yield from _loader_rows(run, machine, wanted, max(jobs, side_by_side()), f"{limits} open files, {shared}")
    yield from gpu_rows(run, gpus)


def _loader_rows(run, machine, wanted, jobs, text):
    if not wanted:
        yield Row("loader processes", OK, f"none asked for; {text}")
        return
    least = {}
    for system, datasets in trained_on(run.params).items():
        for dataset in datasets:
            one = dataclasses.replace(run, dataset=dataset, system=system)
            least[f"{system} on {dataset}"] = machine.loaders(wanted, *one.sub_batch, jobs)
    few = min(least, key=least.get)
    found = f"{text}; {jobs} trainings side by side: {least[few]} of {wanted} loaders"
    if least[few] == wanted:
        yield Row("loader processes", OK, found)
    else:
        fix = "trainings read their clips more slowly; raise `ulimit -n`, `--shm-size` of a container, or give more cores"
        yield Row("loader processes", NOTE, f"{found} ({few})", fix)


def gpu_rows(run, gpus):
    """Every GPU and what its memory holds; whether PyTorch can use them."""
    if not trained_on(run.params):
        return
    if not gpus:
        yield Row("GPU", NOTE, "none", "networks train on the CPU; `repro plan` says for how long, or that nobody measured it")
        return
    import torch  # late: slow to import

    if not torch.cuda.is_available():
        fix = "install a PyTorch that fits the driver (pytorch.org), or set engine.training.device to cpu"
        yield Row("GPU", MISSING, f"{len(gpus)} here, but PyTorch {torch.__version__} can use none", fix)
    needed = memory_of(run)
    for gpu in gpus:
        text = f"{gpu.name}, {gpu.memory / 2**30:.0f} GiB"
        if needed is None:
            yield Row(f"GPU {gpu.number}", OK, f"{text}; what a sub-batch takes was not measured")
        elif gpu.memory and needed > gpu.memory:
            fix = "lower clips_per_batch_norm of the recipe (another batch norm than the paper's), or take a larger GPU"
            yield Row(f"GPU {gpu.number}", MISSING, f"{text}; a sub-batch keeps {needed / 2**30:.0f} GiB at fp32", fix)
        else:
            yield Row(
                f"GPU {gpu.number}", OK, f"{text}; a sub-batch keeps at most {needed / 2**30:.0f} GiB (fp32, train_step.json)"
            )


def memory_of(run):
    """Bytes that the largest sub-batch of a profile keeps between forward and backward, in proportion to what
    benchmarks/train_step.py measured in fp32; None where a network differs from the measured one."""
    rates, most = Rates(FOLDER), 0
    for system, datasets in trained_on(run.params).items():
        for dataset in datasets:
            one = dataclasses.replace(run, dataset=dataset, system=system)
            kept = rates.kept(one)
            if kept is None:
                return None
            most = max(most, kept * one.recipe.clips_per_batch_norm * one.recipe.frames * len(one.datasets))
    return most or None


def version_rows():
    """Packages that are absent or too old."""
    fix = "`pip install -c constraints.txt -e '.[pipeline]'`"
    try:
        wanted = packages.wanted()
    except importlib.metadata.PackageNotFoundError:
        yield Row("packages", MISSING, "repro itself is not installed", fix)
        return
    if bad := packages.unfit(wanted):
        more = f" and {len(bad) - _NAMED} more" if len(bad) > _NAMED else ""
        yield Row("packages", MISSING, "; ".join(bad[:_NAMED]) + more, fix)
    else:
        versions = [f"{name} {importlib.metadata.version(name)}" for name in ("torch", "dvc", "opencv-contrib-python-headless")]
        yield Row("packages", OK, f"all {len(wanted)} fit, {', '.join(versions)}")
