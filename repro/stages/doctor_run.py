"""``repro doctor run``: is everything there that a profile needs? One table in seconds, before anything long; exit status 1 where
something is missing."""

import dataclasses
import importlib.metadata
import shutil
import textwrap

from repro.engine.machine import Machine, gpus, side_by_side
from repro.engine.settings import EngineSettings
from repro.profile import packages
from repro.profile.blocks import trained_on
from repro.profile.needs import MISSING, NOTE, OK, Row, dataset_rows, unpacked, unpacker_rows, weights_rows
from repro.profile.rates import FOLDER, Rates
from repro.profile.settings import Engine

_WIDTHS = (24, 7, 52, 72)  # where the terminal has room
_HEADING = ("what", "state", "found", "what to do")
_NAMED = 3


def run(run, archives=None):
    """Print the table of a profile; SystemExit with status 1 where something is missing.

    ``archives``: files, or folders of official ones, that will be unpacked next.
    """
    rows = [
        *(row for name in run.fanned_out.to_bring for row in dataset_rows(dataclasses.replace(run, dataset=name), archives)),
        *unpacker_rows(run),
        *weights_rows(run),
        *disk_rows(run, archives),
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
    """Rows as plain text, long cells wrapped; in a narrow terminal the last two columns share what is left."""
    room, lines = sum(_WIDTHS[2:]), []
    narrow = shutil.get_terminal_size((1000, 0)).columns - sum(_WIDTHS[:2]) - 3 * len("  ")
    found = max(18, min(room, narrow) * _WIDTHS[2] // room)
    widths = (*_WIDTHS[:2], found, max(25, min(room, narrow) - found))
    for row in (_HEADING, tuple("-" * len(word) for word in _HEADING), *map(dataclasses.astuple, rows)):
        cells = [textwrap.wrap(cell, width, break_long_words=False, break_on_hyphens=False) for cell, width in zip(row, widths)]
        for k in range(max(1, *map(len, cells))):
            words = [cell[k] if k < len(cell) else "" for cell in cells]
            lines.append("  ".join(word.ljust(width) for word, width in zip(words, widths)).rstrip())
    return "\n".join(lines)


def disk_rows(run, archives=None):
    """Free space against what the plan says is left to be written, and the videos to be unpacked."""
    from repro.stages.plan import Finished, disk_of  # late: it is not small

    needed, unknown = disk_of(run, Rates(FOLDER), Finished(run.params, ask=False))
    free, videos = shutil.disk_usage(".").free, unpacked(run, archives)
    needed += videos or 0
    text = f"{free / 1e9:.0f} GB free, {needed / 1e9:.0f} GB needed"
    text += f", {videos / 1e9:.1f} of them for the videos" if videos else " beside the videos" if videos is None else ""
    text += f", and {', '.join(unknown)} (not measured)" if unknown else ""
    if needed > free:
        yield Row("disk", MISSING, text, "free some space, or clone to a larger disk; `repro plan` lists what takes how much")
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
    shared = f"{machine.shared / 1e6:,.0f} MB of shared memory free"
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
    found = f"{text}; {jobs} training run{'s' * (jobs != 1)} in parallel: {least[few]} of {wanted} loaders"
    if least[few] == wanted:
        yield Row("loader processes", OK, found)
    else:
        fix = "training reads its clips more slowly; raise `ulimit -n` or a container's `--shm-size`, or give it more cores"
        yield Row("loader processes", NOTE, f"{found} ({few})", fix)


def gpu_rows(run, gpus):
    """Every GPU and what its memory holds; whether PyTorch can use them."""
    if not trained_on(run.params):
        return
    if not gpus:
        yield Row("GPU", NOTE, "none", "networks train on the CPU; `repro plan` estimates the time, if it was measured")
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
            fix = "lower clips_per_batch_norm in the recipe (not the paper's batch norm then), or use a larger GPU"
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
