"""The command line: help for everything, one line for whatever goes wrong, a clean end on signals."""

import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest
import yaml
from tiny import changed, write_params

from repro import cli
from repro.commands import commands
from repro.idt.features import NoTrajectories
from repro.stages import where

ROOT = Path(__file__).resolve().parents[2]
TABLE = commands()


def options():
    """(command, action) of every option and argument."""
    choices = next(action for action in TABLE.parser._actions if action.dest == "command").choices
    return [(name, action) for name, parser in choices.items() for action in parser._actions]


def test_every_command_is_a_stage_with_help_and_an_example():
    assert {module for module, _, _ in TABLE.stages.values()} | {"preview", "doctor_run", "prepare_all"} == {
        path.stem for path in (ROOT / "repro" / "stages").glob("*.py")
    } - {"__init__", "extract_video"}
    for name in TABLE.stages:
        assert re.search(rf"^  {name} +\S", TABLE.parser.epilog, re.MULTILINE)
        assert re.search(rf"\$ repro (--params \S+ )?{name}\b", TABLE.parser.epilog), f"no example of {name}"
    assert TABLE.parser.epilog.count(":\n  ") >= 5  # groups


@pytest.mark.parametrize("name, action", options(), ids=lambda value: getattr(value, "dest", value))
def test_every_option_says_what_it_is(name, action):
    assert action.help and len(action.help) > 5


def examples():
    return re.findall(r"\$ repro (.*)$", TABLE.parser.epilog, re.MULTILINE)


@pytest.mark.parametrize("example", examples())
def test_examples_are_understood(example):
    TABLE.parser.parse_args(example.split())


def test_commands_without_settings_ask_for_none(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["idt-text", "absent.txt", "x.npz", "--frames", "1", "--size", "4x4"]) == 2
    assert "params" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "command, told",
    [
        (["extract"], "give --dataset or --preview"),
        (["extract", "--dataset", "toy", "--preview", "x"], "give --dataset or --preview"),
        (["extract", "--dataset", "toy", "--out", "x"], "--out does not go with --dataset"),
        (["extract", "--preview", "x", "--pictures", "x"], "--pictures does not go with --preview"),
        (["fuse", "--dataset", "../x", "--split", "1"], "a dataset has a name that cannot be used .got '../x'"),
        (["fuse", "--dataset", "toy", "--split", "0"], "splits are numbered from 1 on"),
        (
            ["train", "--dataset", "toy", "--split", "1", "--system", "motion", "--seed", "-3"],
            "seeds are whole numbers from 0 on",
        ),
        (["prepare", "toy", "--download", f"http://x.org/a/{'%C3%BC' * 123}?b=c"], "too long a name: .* .246 bytes, 245 at most"),
        (["notebook", "--name", "../evil"], "a notebook has a name that cannot be used .got '../evil'"),
        (["idt-scores", "--dataset", "toy", "--split", "1", "--system", "motion"], "unknown system `motion` .*params.yaml: idt"),
    ],
)
def test_arguments_are_checked_once(tmp_path, monkeypatch, capsys, command, told):
    write_params(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert cli.main(command) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"repro {command[0]}: ") and re.search(told, line)


@pytest.fixture
def failing(tmp_path, monkeypatch, capsys):
    """Run `repro where` with a stage that raises; returns (status, stderr)."""
    write_params(tmp_path)
    monkeypatch.chdir(tmp_path)

    def run(error, *arguments):
        def fail(run):
            raise error

        monkeypatch.setattr(where, "run", fail)
        return cli.main([*arguments, "where"]), capsys.readouterr().err

    return run


@pytest.mark.parametrize(
    "error, told",
    [
        (ValueError("no\nsense " + "x" * 1000), "repro where: unexpected ValueError: no sense x+.*; --trace shows where"),
        (RuntimeError(), "repro where: unexpected RuntimeError: no message; --trace shows where"),
        (OSError(5, "Input/output error", "data/x.zip"), "unexpected OSError: .*Input/output error: 'data/x.zip'"),
        (MemoryError("9 GiB"), "unexpected MemoryError: 9 GiB"),
    ],
)
def test_what_nobody_foresaw_is_one_line_too(failing, error, told):
    status, said = failing(error)
    assert status == 1 and len(said.splitlines()) == 1 and re.search(told, said) and len(said) < 500
    with pytest.raises(type(error)):
        failing(error, "--trace")


@pytest.mark.parametrize("place, named", [(("data/x.zip",), ": data/x.zip"), ((), "")])
def test_a_full_disk_is_told_with_all_places_that_may_be_full(failing, monkeypatch, place, named):
    monkeypatch.setenv("TMPDIR", "/my/tmp")
    status, said = failing(OSError(28, "No space left on device", *place))
    told = "(No space left on device); make room (there, under work/ and in /my/tmp) and run again"
    assert status == 2 and said == f"repro where: no room left{named} {told}\n"


def test_the_file_that_was_at_hand_is_named(tmp_path, monkeypatch, capsys):
    write_params(tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results" / "tiny" / "tables").mkdir(parents=True)
    (tmp_path / "results" / "tiny" / "tables" / "table3.md").write_bytes(b"\xff\xfe")
    assert cli.main(["where"]) == 1
    assert "UnicodeDecodeError" in (said := capsys.readouterr().err) and "results/tiny/tables/table3.md" in said


def run_command(folder, *arguments, **more):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "repro", *arguments]
    return subprocess.Popen(command, cwd=folder, env=environment, text=True, stderr=subprocess.PIPE, **more)


@pytest.mark.parametrize("number, status, word", [(signal.SIGTERM, 143, "terminated"), (signal.SIGINT, 130, "stopped")])
def test_a_signal_ends_a_command_with_one_line_and_its_workers(tmp_path, number, status, word):
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(changed(embedded__toy__groups=60)))
    # a shell's background jobs are born deaf to SIGINT, and so would be this one
    process = run_command(
        tmp_path, "draw", "--dataset", "toy", stdout=subprocess.DEVNULL, preexec_fn=lambda: signal.signal(number, signal.SIG_DFL)
    )
    deadline = time.monotonic() + 60
    while len(list(tmp_path.glob("work/draw-*/raw/videos/*/*.avi"))) < 2:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(number)
    _, said = process.communicate(timeout=30)
    lines = [line for line in said.splitlines() if not re.match(r"[\w ]+: \d+/\d+ ", line)]
    assert process.returncode == status and lines == [f"repro draw: {word}; run it again to go on"], said


@pytest.mark.parametrize("started_by", ["DVC_STAGE", "TORCHELASTIC_RUN_ID"])
def test_a_command_ends_with_who_started_it_before_it_has_imported_much(tmp_path, started_by):
    write_params(tmp_path)
    with open(tmp_path / "params.yaml", "a", encoding="utf-8") as file:
        file.write("plugins: [waits]\n")
    (tmp_path / "waits.py").write_text("import os, time\nopen('pid', 'w').write(f'{os.getpid()}\\n')\ntime.sleep(600)\n")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), started_by: "x"}
    starter = f"import subprocess; subprocess.run([{sys.executable!r}, '-m', 'repro', 'where'])"
    process, pid = subprocess.Popen([sys.executable, "-c", starter], cwd=tmp_path, env=environment), tmp_path / "pid"
    deadline = time.monotonic() + 300
    try:
        while not (pid.is_file() and pid.read_text()):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        process.kill(), process.wait()
    number, deadline = int(pid.read_text()), time.monotonic() + 60
    try:
        while time.monotonic() < deadline:
            os.kill(number, 0)
            time.sleep(0.05)
        os.kill(number, signal.SIGKILL)
    except ProcessLookupError:
        return
    pytest.fail("it outlives who started it")


def test_a_warning_of_ours_is_its_words_alone(tmp_path, monkeypatch):
    """Others keep the place in the code that gave them."""
    said = []

    def warn(run):
        for kind in (NoTrajectories, UserWarning):
            said.append(warnings.formatwarning(kind("none in a.avi"), kind, "x.py", 7, "f()"))

    write_params(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(where, "run", warn)
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)
    monkeypatch.setattr(sys, "argv", ["repro", "where"])
    assert cli.main() == 0
    assert said == ["none in a.avi\n", "x.py:7: UserWarning: none in a.avi\n  f()\n"]


def test_a_reader_that_goes_away_is_no_error(tmp_path):
    write_params(tmp_path)
    process = run_command(tmp_path, "where", stdout=subprocess.PIPE)
    process.stdout.close()
    _, said = process.communicate(timeout=30)
    assert process.returncode == 1 and said == ""


def test_a_process_that_dies_while_it_hands_over_is_one_line(tmp_path, monkeypatch, capsys):
    def read_from_the_dead(run):
        here, there = multiprocessing.Pipe()
        there.close()
        here.recv()

    write_params(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(where, "run", read_from_the_dead)
    assert cli.main(["where"]) == 2
    assert re.fullmatch(
        r"repro where: a process that loads for this one died \(EOFError .*\); run again .*workers or cache_gib\n",
        capsys.readouterr().err,
    )


def test_another_broken_pipe_is_an_error(failing):
    assert failing(BrokenPipeError(32, "Broken pipe"))[1].startswith("repro where: unexpected BrokenPipeError")


@pytest.mark.parametrize(
    "command",
    [
        ("import-weights", "PIPE", "w.safetensors"),
        ("idt-text", "PIPE", "t.npz", "--frames", "9", "--size", "9x9"),
        ("import-scores", "PIPE", "--dataset", "toy", "--split", "1", "--system", "theirs"),
        ("predict", "--checkpoint", "PIPE", "clip.avi"),
    ],
)
def test_a_pipe_is_refused_rather_than_waited_for(tmp_path, monkeypatch, capsys, command):
    write_params(tmp_path)
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe.csv")
    assert cli.main([word.replace("PIPE", "pipe.csv") for word in command]) == 2
    assert capsys.readouterr().err == f"repro {command[0]}: not a file: pipe.csv (a pipe)\n"
