"""The console script ``repro``: arguments to calls, nothing else."""

import contextlib
import importlib
import os
import re
import select
import signal
import sys
import traceback
import warnings
from pathlib import Path

from repro.commands import commands
from repro.errors import ReproError
from repro.files import FULL
from repro.forkserver import hand_over
from repro.provenance import PACKAGE

_SCORING = ("evaluate", "idt_scores", "fuse")  # how the names of stages that make scores begin in DVC
_OF_VIDEOS = ("extract", "idt_features")
_READING = ("train", "rehearse", "evaluate")  # containers and start weights
_CURVES = ("train", "rehearse", "report")  # of training
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")  # which torch puts into what it says of a file that it cannot read
_format_warning = warnings.formatwarning


def main(argv=None):
    """Run one command; bad input is one line on stderr and exit status 2, anything unexpected one line and 1."""
    if argv is None:
        if (status := hand_over(sys.argv[1:])) is not None:
            return status
        _use_utf8()
        warnings.formatwarning = _warned
    _place_compiled_code()
    table = commands()
    arguments = vars(table.parser.parse_args(argv))
    command, trace = arguments.pop("command"), arguments.pop("trace")
    before, owner = None, os.getpid()

    def stop(number, frame):
        if os.getpid() != owner:  # a worker that was forked from this process
            os._exit(128 + number)
        raise _Terminated

    try:
        before = signal.signal(signal.SIGTERM, stop)
    except ValueError:  # not the main thread
        pass
    try:
        _call(table, command, arguments)
        sys.stdout.flush()
    except (KeyboardInterrupt, _Terminated) as error:
        terminated = isinstance(error, _Terminated)
        print(f"repro {command}: {'terminated' if terminated else 'stopped'}; run it again to go on", file=sys.stderr)
        return 143 if terminated else 130
    except Exception as error:
        if isinstance(error, BrokenPipeError) and _nobody_reads():  # `repro where | head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1
        if trace:
            raise
        told = _told(error)
        line = _COLOURS.sub("", str(told or _unexpected(error)))
        print(f"repro {command}: {line}", file=sys.stderr)
        return 2 if told else 1
    finally:
        if before is not None:
            signal.signal(signal.SIGTERM, before)
    return 0


def _warned(message, category, *place):
    """A warning as it is printed: of ours the words alone, not the line of code that gave it."""
    return f"{message}\n" if category.__module__.startswith("repro.") else _format_warning(message, category, *place)


def _use_utf8():
    """Start again in Python's UTF-8 mode where the locale is another one: names of files and classes would be misread."""
    if sys.getfilesystemencoding().lower().replace("-", "") != "utf8":
        os.execve(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]], {**os.environ, "PYTHONUTF8": "1"})


def _place_compiled_code():
    """Have Numba keep what it compiles in the work folder where the package cannot be written to (installed by another user): it
    refuses to compile where there is no place at all, a home folder included."""
    if not all(os.access(folder, os.W_OK) for folder in (PACKAGE, PACKAGE / "flow")):
        os.environ.setdefault("NUMBA_CACHE_DIR", str(Path("work", "numba").absolute()))


def _nobody_reads():
    """Whether standard output is a pipe whose reader has gone."""
    try:
        watched = select.poll()
        watched.register(sys.stdout.fileno(), select.POLLOUT)
        return any(event & select.POLLERR for _, event in watched.poll(0))
    except (OSError, ValueError):  # no file at all
        return False


class _Terminated(BaseException):
    """SIGTERM."""


def _call(table, command, arguments):
    module, first, kind = table.stages[command]
    params_path = arguments.pop("params") or ("params/paper.yaml" if command == "describe" else "params.yaml")
    # A killed DVC, or torchrun's agent, must not leave this process writing beside its successor. Watched from here on, before
    # anything large is imported: a rank without its agent would else wait for the next one at the same port, and join it.
    if not {"DVC_STAGE", "TORCHELASTIC_RUN_ID"}.isdisjoint(os.environ):
        from repro.engine.processes import exit_with_parent

        exit_with_parent()
    if "REPRO_SLOT" in os.environ:  # one of several chains of stages, each with a GPU of its own
        from repro.engine.machine import take_gpu

        take_gpu()
    if command == "extract":
        module = _preview_or_extract(arguments)
    if command == "doctor":
        module = _doctor(arguments)
    if command == "prepare" and arguments["dataset"] is None:
        module = _prepare_all(arguments)
    given = []
    if first is not None:
        from repro.params import check_name, load
        from repro.profile.check import check
        from repro.profile.run import Run

        params = check(load(params_path))
        parts = {name: arguments.pop(name) for name in ("dataset", "split", "seed", "system") if name in arguments}
        given = [params if first == "params" else Run.of(params, **parts, kind=kind)]
        if command == "notebook":  # the one name that a Run does not check
            check_name(arguments["name"], "a notebook")
    _refuse_pipes(arguments)
    if arguments.get("download"):
        from repro.profile.sources import check_address

        for url in arguments["download"]:
            check_address(url)
    networks = arguments.get("checkpoint") or ()
    for path in (networks,) if isinstance(networks, str) else networks:
        if Path(path).suffix == ".safetensors":
            from repro.profile.inputs import check_exported

            check_exported(path)
    ended = contextlib.nullcontext()
    if "DVC_STAGE" in os.environ:
        from repro.profile.course import logged

        ended = logged(params_path, os.environ["DVC_STAGE"], _accuracies)
    with ended:
        if module in _OF_VIDEOS and not arguments.get("pictures"):
            from repro.profile.inputs import check_sources

            check_sources(*given)
        if command in _READING:
            from repro.profile.inputs import check_inputs

            check_inputs(command, *given, arguments.get("subset"))
        importlib.import_module(f"repro.stages.{module}").run(*given, **arguments)
        if command in _CURVES:
            from repro.profile.inputs import tell_lost_steps

            tell_lost_steps(command, *given)


def _accuracies(params, stage, state):
    """What `repro progress` tells of a stage of DVC's that makes scores."""
    if not stage.startswith(_SCORING):
        return ""
    from repro.stages.progress import accuracies  # late: tables and statistics, a second or two

    return accuracies(params, stage, state)


def _refuse_pipes(arguments):
    """Raise ReproError where an argument names a pipe: opening one waits for its writer, perhaps for ever.

    Those that a shell opens (``<(command)``) have a writer.
    """
    for value in arguments.values():
        for path in value if isinstance(value, (list, tuple)) else [value]:
            if isinstance(path, str) and not path.startswith(("/dev/fd/", "/proc/")) and Path(path).is_fifo():
                raise ReproError("not a file", path=path, why="a pipe")


def _preview_or_extract(arguments):
    """The module behind ``repro extract``; takes the other one's options out of ``arguments``."""
    preview = arguments["preview"] is not None
    if preview == (arguments["dataset"] is not None):
        raise ReproError("give --dataset or --preview", fix="--dataset writes containers, --preview draws one clip")
    for name in ("dataset", "pictures") if preview else ("preview", "out"):
        if arguments.pop(name) is not None:
            raise ReproError(f"--{name} does not go with --{'preview' if preview else 'dataset'}")
    return "preview" if preview else "extract"


def _prepare_all(arguments):
    """The module behind ``repro prepare`` without a dataset, which takes archives alone."""
    given = [name for name, value in arguments.items() if value and name not in ("archives",)]
    if not arguments["archives"] or given:
        raise ReproError("which dataset?", fix="name it, or give --from alone: the archives of all datasets of the profile")
    for name in [name for name in arguments if name != "archives"]:
        arguments.pop(name)
    return "prepare_all"


def _doctor(arguments):
    """The module behind ``repro doctor``; `run` is of a profile, the others are of a dataset."""
    whole = arguments["what"] == "run"
    if whole == (arguments["dataset"] is not None):
        raise ReproError("`doctor run` takes no --dataset" if whole else f"`doctor {arguments['what']}` needs --dataset")
    if not whole and arguments["archives"]:
        raise ReproError("--from goes with `doctor run`")
    arguments.pop("what" if whole else "archives")
    return "doctor_run" if whole else "doctor"


def _told(error):
    """The line on an exception that is the user's to mend, None where it is ours."""
    if isinstance(error, ReproError):
        return error
    if isinstance(error, OSError) and error.errno in FULL:
        places = f"make room (there, under work/ and in {os.environ.get('TMPDIR', '/tmp')}) and run again"
        return ReproError("no room left", path=error.filename or _file_of(error, ""), why=error.strerror, fix=places)
    if isinstance(error, (EOFError, ConnectionError, FileNotFoundError)) and _between_processes(error):
        return ReproError(
            "a process that loads for this one died",
            why=f"{type(error).__name__} while it handed over what it had loaded",
            fix="run again to go on; if it dies again, lower engine.training.workers or cache_gib",
        )
    return None


def _between_processes(error):
    """Whether ``error`` was raised where Python passes objects from process to process. A loader that is killed in that moment is
    not yet known to be dead, so torch raises what it was told by the socket."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return frame.f_globals.get("__name__", "").partition(".")[0] == "multiprocessing"


def _unexpected(error):
    """One line on an exception that nobody foresaw: what it says, and the file that was being dealt with."""
    text = " ".join(str(error).split()) or "no message"
    told = ReproError(f"{type(error).__name__}: {text[:300]}", path=_file_of(error, text), fix="--trace shows where")
    return f"unexpected {told}"


def _file_of(error, text):
    """The file that the innermost function of ours with a path at hand was at work on; None where ``text`` names it."""
    if isinstance(error, OSError) and error.filename:
        return None if str(error.filename) in text else error.filename
    for frame, _ in reversed(list(traceback.walk_tb(error.__traceback__))):
        if frame.f_globals.get("__name__", "").startswith("repro.") and frame.f_globals["__name__"] != __name__:
            for value in frame.f_locals.values():
                if isinstance(value, Path) and value.is_file():
                    return None if str(value) in text else value
    return None


if __name__ == "__main__":
    sys.exit(main())
