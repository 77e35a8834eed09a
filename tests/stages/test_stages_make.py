"""The Makefile's environment: who installs what. Python, pip, uv and nvidia-smi are stand-ins, and nothing is installed."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CPU = "--index-url https://download.pytorch.org/whl/cpu"
PROJECT = "-c constraints.txt -e .[cluster,pipeline,test]"
PYTHON = """#!/bin/sh
here=$(dirname "$0")
case "$1 $2" in
"-m venv") mkdir -p "$3/bin"; cp "$0" "$3/bin/python";;
"-m pip") shift 2; echo "pip $*" >> log; [ -z "$PIP_FAILS" ] || case "$*" in *$PIP_FAILS*) exit 1;; esac
  case "$*" in *" uv") cp tools/uv .venv/bin/uv;; esac;;
*) case "$2" in *urlopen*) echo "reached for $3" >> log; [ -n "$INDEX" ];; esac;;
esac
"""
UV = """#!/bin/sh
case "$2" in
compile) cat >/dev/null; [ -n "$UV_READS" ];;
install) echo "uv $*" >> log; [ -n "$UV_READS" ] && [ -z "$UV_FAILS" ];;
esac
"""


@pytest.fixture
def make(tmp_path):
    """Run `make environment` in a folder with stand-ins; returns its output and the installations, in order."""
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "constraints.txt").write_text("numpy==2.0\ntorch==2.9.1\ntorchaudio==1.0\ntorchvision==0.24.1\n")
    tools = tmp_path / "tools"
    tools.mkdir()

    def tool(name, text):
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)

    tool("python3", PYTHON)
    tool("nvidia-smi", '#!/bin/sh\n[ -n "$GPU" ]\n')
    tool("uv", "#!/bin/sh\nexit 1\n")
    if shutil.which("make") is None:
        pytest.skip("GNU make is not installed")

    def run(*arguments, status=0, uv=False, **environment):
        if uv:
            tool("uv", UV)
        log = tmp_path / "log"
        log.unlink(missing_ok=True)
        paths = f"{tools}:{os.environ['PATH']}"
        given = {"PATH": paths, "HOME": str(tmp_path), **environment}
        done = subprocess.run(
            ["make", "environment", *arguments], cwd=tmp_path, env=given, capture_output=True, text=True, timeout=60
        )
        assert (done.returncode == 0) is (status == 0), done.stdout + done.stderr
        lines = log.read_text().splitlines() if log.exists() else []
        installed = [line.replace("--quiet ", "").replace("--disable-pip-version-check --no-compile ", "") for line in lines]
        return done.stdout + done.stderr, installed

    return run


def test_without_a_gpu_pytorch_comes_without_cuda_and_a_second_make_does_nothing(make):
    shown, lines = make(INDEX="there")
    assert lines == [
        "reached for https://download.pytorch.org/whl/cpu/torch/",
        f"pip install --no-deps {CPU} torch==2.9.1 torchvision==0.24.1",
        f"pip install {PROJECT}",
    ]
    assert "no GPU is here: PyTorch without CUDA" in shown
    shown, lines = make()
    assert lines == [] and "Nothing to be done" in shown


def test_where_the_index_is_out_of_reach_the_ordinary_one_does_with_one_line(make):
    shown, lines = make()
    assert lines == ["reached for https://download.pytorch.org/whl/cpu/torch/", f"pip install {PROJECT}"]
    assert shown.count("it comes from the ordinary index") == 1


def test_where_the_index_lacks_the_version_too(make):
    shown, lines = make(INDEX="there", PIP_FAILS="--no-deps")
    assert lines[-1] == f"pip install {PROJECT}" and "ordinary index" in shown


def test_with_a_gpu_pytorch_comes_with_cuda(make):
    shown, lines = make(GPU="there", INDEX="there")
    assert lines == [f"pip install {PROJECT}"] and "with CUDA" in shown


def test_uv_does_it_where_it_can_read_the_sources(make):
    _, lines = make(INDEX="there", UV_READS="yes", uv=True)
    into = "uv pip install --python .venv/bin/python"
    assert lines[1:] == [f"{into} --no-deps {CPU} torch==2.9.1 torchvision==0.24.1", f"{into} {PROJECT}"]


def test_pip_installs_uv_where_there_is_none(make):
    _, lines = make(UV_READS="yes", UV="none", uv=True)
    assert lines[:2] == ["pip install -c constraints.txt uv", "reached for https://download.pytorch.org/whl/cpu/torch/"]
    assert lines[2:] == [f"uv pip install --python .venv/bin/python {PROJECT}"]


def test_pip_does_it_where_there_is_no_uv_to_be_had(make):
    _, lines = make(UV="none", UV_READS="yes", PIP_FAILS=" uv")
    assert lines[-1] == f"pip install {PROJECT}"


def test_pip_does_it_where_uv_cannot_read_the_sources_or_fails_later(make):
    _, lines = make(uv=True)
    assert lines[1:] == [f"pip install {PROJECT}"]


def test_pip_does_it_where_uv_fails_later(make):
    _, lines = make(UV_READS="yes", UV_FAILS="yes", uv=True)
    assert lines[1:] == [f"uv pip install --python .venv/bin/python {PROJECT}", f"pip install {PROJECT}"]


def test_an_installation_that_fails_leaves_nothing_that_looks_ready(make, tmp_path):
    make(PIP_FAILS="constraints.txt", status=2)
    assert not (tmp_path / ".venv" / ".ready").exists()
    _, lines = make()
    assert lines[-1] == f"pip install {PROJECT}"
