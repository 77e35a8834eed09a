"""Commands of this package forked from a process that has loaded PyTorch, which takes longer to load than many a stage to run.

``python -m repro.forkserver COMMAND...`` runs COMMAND, the chains of stages of ``make repro``. A ``repro`` below it hands its
arguments, environment, folder and standard streams to a fork of that process, passes on the signals that it gets and ends with
the fork's exit status. Where no server answers it runs as it always does.
"""

import contextlib
import importlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading

from repro.engine.processes import exit_with_parent

ADDRESS = "REPRO_FORKSERVER"
_MAIN = "repro.cli"  # which imports this module
_LOADED = ("torch._dynamo", _MAIN, *(f"repro.stages.{name}" for name in ("train", "evaluate", "fuse", "idt_scores", "progress")))
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run(command):
    """Run a command (list of str) beside a server; returns the command's exit status, and in forks of the server theirs."""
    if sys.platform != "linux":  # elsewhere libraries do not bear being forked once they are loaded
        return subprocess.run(command).returncode
    folder = tempfile.mkdtemp(prefix="repro-")
    address, (alive, ours) = os.path.join(folder, "socket"), os.pipe()
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(address)
    listening.listen()
    if os.fork() == 0:
        os.close(ours)
        return _serve(listening, alive)
    process, ended = None, False

    def end(number, frame):
        nonlocal ended
        ended = True
        if process:
            process.terminate()

    signal.signal(signal.SIGTERM, end)
    try:
        process = subprocess.Popen(command, env={**os.environ, ADDRESS: address})
        if ended:  # while it started
            process.terminate()
        status = process.wait()
        return status if status >= 0 else 128 - status
    except KeyboardInterrupt:
        return 130
    finally:
        os.close(ours)  # the server ends
        shutil.rmtree(folder, ignore_errors=True)


def _serve(listening, alive):
    """Fork a process for every command that is handed over, until ``alive`` closes. Returns the exit status, in forks too."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of the terminal, which means those that wait for an answer
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the forks
    for module in _LOADED:
        importlib.import_module(module)
    while alive not in select.select([listening, alive], [], [])[0]:
        connection, _ = listening.accept()
        if os.fork() == 0:
            os.close(alive)
            listening.close()
            return _answer(connection)
        connection.close()
    return 0


def _answer(connection):
    """Be the command that comes over ``connection``; returns its exit status."""
    os.setpgid(0, 0)  # signals come from the one that waits, once
    _, streams, _, _ = socket.recv_fds(connection, 1, 3)
    with connection.makefile("r", encoding="utf-8") as lines:
        line = lines.readline()
    if not line.endswith("\n"):  # killed while it handed over
        return 1
    job = json.loads(line)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(job["folder"])
    os.environ.clear()
    os.environ.update(job["environment"])
    sys.argv = ["repro", *job["arguments"]]
    sys.orig_argv = [sys.executable, "-m", *sys.argv]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    connection.sendall(os.getpid().to_bytes(8, "big"))
    threading.Thread(target=_end_with, args=(connection,), daemon=True).start()
    try:
        status = importlib.import_module(_MAIN).main()
    except SystemExit as end:  # of the arguments' parser
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    sys.stdout.flush()
    sys.stderr.flush()
    connection.sendall(status.to_bytes(1, "big"))
    return status


def _end_with(connection):
    """End this process once the one that waits for its answer is gone."""
    while connection.recv(1):
        pass
    os._exit(1)


def hand_over(arguments):
    """Exit status of the command of these arguments, run by the server; None where there is no server, or none that answers."""
    address = os.environ.get(ADDRESS)
    if address is None:
        return None
    if "DVC_STAGE" in os.environ:  # a killed DVC must not leave a stage behind
        exit_with_parent()
    environment = {name: value for name, value in os.environ.items() if name != ADDRESS}
    job = {"arguments": arguments, "folder": os.getcwd(), "environment": environment}
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(address)
        socket.send_fds(connection, [b"\n"], [0, 1, 2])
        connection.sendall(json.dumps(job).encode() + b"\n")
        process = int.from_bytes(connection.recv(8), "big")
    except OSError:
        process = 0
    if not process:
        return None

    def pass_on(number, frame):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, number)

    for number in _SIGNALS:
        signal.signal(number, pass_on)
    with contextlib.suppress(ConnectionError):
        if status := connection.recv(1):
            return status[0]
    print(f"repro {arguments[0]}: its process was killed; run it again to go on", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
