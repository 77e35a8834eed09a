"""Commands forked from a process that has loaded PyTorch: output, exit status and ends are those of a command of its own."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from processes import lives, wait_until
from tiny import write_params

from repro.forkserver import ADDRESS

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a server")
ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"}
WAITS = "import os, sys, time\nopen('pid', 'w').write(f'{os.getpid()} {\"torch._dynamo\" in sys.modules}\\n')\ntime.sleep(600)\n"


@pytest.fixture(scope="module")
def address():
    """Of a server, until the module's last test."""
    command = [sys.executable, "-m", "repro.forkserver", "sh", "-c", f"echo ${ADDRESS}; cat"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=ENVIRONMENT, **pipes) as server:
        yield server.stdout.readline().strip()


def start(folder, *arguments, **environment):
    """`repro` with these arguments, and standard error on a pipe."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    command = [sys.executable, "-m", "repro", *arguments]
    return subprocess.Popen(command, cwd=folder, env={**ENVIRONMENT, **environment}, **pipes)


def waiting(folder, address, **environment):
    """A command that waits where it checks its params, and the number of the process that does so."""
    write_params(folder)
    with open(folder / "params.yaml", "a", encoding="utf-8") as file:
        file.write("plugins: [waits]\n")
    (folder / "waits.py").write_text(WAITS)
    process, told = start(folder, "where", **{ADDRESS: address}, **environment), folder / "pid"
    number, loaded = wait_until(lambda: told.is_file() and told.read_text().endswith("\n") and told.read_text().split(), 120)
    assert loaded == "True" and int(number) != process.pid
    return process, int(number)


@pytest.mark.parametrize("arguments", [("where",), ("--params", "none.yaml", "where"), ("nothing",), ("--help",)])
def test_what_it_says_and_its_status_are_those_of_a_command_of_its_own(address, tmp_path, arguments):
    write_params(tmp_path)
    own, forked = (start(tmp_path, *arguments, **given) for given in ({}, {ADDRESS: address}))
    assert forked.communicate(timeout=120) == own.communicate(timeout=120)
    assert forked.returncode == own.returncode


@pytest.mark.parametrize("number, status, word", [(signal.SIGTERM, 143, "terminated"), (signal.SIGINT, 130, "stopped")])
def test_a_signal_reaches_it_and_ends_both(address, tmp_path, number, status, word):
    process, fork = waiting(tmp_path, address)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (status, f"repro where: {word}; run it again to go on\n")
    wait_until(lambda: not lives(fork), 120)


@pytest.mark.parametrize("environment", [{}, {"DVC_STAGE": "x"}])
def test_it_ends_with_the_one_that_waits_for_it(address, tmp_path, environment):
    process, fork = waiting(tmp_path, address, **environment)
    process.kill(), process.wait()
    wait_until(lambda: not lives(fork), 120)


def test_one_that_is_killed_is_a_line(address, tmp_path):
    process, fork = waiting(tmp_path, address)
    os.kill(fork, signal.SIGKILL)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (1, "repro where: its process was killed; run it again to go on\n")


@pytest.mark.parametrize("there", [False, True])
def test_without_a_server_that_answers_a_command_runs_by_itself(tmp_path, there):
    """No server, or one that ends before it has forked."""
    write_params(tmp_path)
    with socket.socket(socket.AF_UNIX) as listening:
        if there:
            listening.bind(str(tmp_path / "socket"))
            listening.listen()
        process = start(tmp_path, "where", **{ADDRESS: str(tmp_path / "socket")})
        if there:
            listening.accept()[0].close()
        said, _ = process.communicate(timeout=120)
    assert "tiny" in said and process.returncode == 0


@pytest.mark.parametrize("ends, status", [("exit 7", 7), ("kill -9 $$", 137), ("exec sleep 600", 143)])
def test_the_server_ends_with_its_command_and_leaves_nothing(tmp_path, ends, status):
    """Which ends by itself, is killed, or is terminated with its server, here one that has nothing to load."""
    command = ["sh", "-c", f"echo ${ADDRESS}; {ends}"]
    server = [sys.executable, "-c", f"import sys, repro.forkserver as f; f._LOADED = (); sys.exit(f.run({command}))"]
    environment = {**ENVIRONMENT, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(server, env=environment, stdout=subprocess.PIPE, text=True) as process:
        folder = Path(process.stdout.readline().strip()).parent
        assert folder.parent == tmp_path
        if status == 143:
            process.terminate()
        assert process.wait(timeout=120) == status and not folder.exists()
    marked = f"TMPDIR={tmp_path}".encode()
    wait_until(lambda: not any(marked in environment for environment in environments()), 120)


def environments():
    """What environment every other process of ours was started with."""
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            yield path.read_bytes()
        except OSError:
            continue
