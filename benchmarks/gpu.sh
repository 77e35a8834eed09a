#!/usr/bin/env bash
# All GPU figures on a machine that holds PyTorch, torchvision and pytest, but maybe no network:
#   benchmarks/gpu.sh pack [PYTHON_VERSION]   where there is a network: the missing packages into .gpu/ (about 50 MB), to be taken along
#   benchmarks/gpu.sh [gpu_all.py's options]  there: unpacks them, then everything within eight minutes, set-up included
# OpenCV travels repacked, because its wheel is large, and in pieces of 20 MiB, which can be taken along one after the other.
set -euo pipefail
cd "$(dirname "$0")/.."
packages="tqdm pyyaml safetensors hypothesis sortedcontainers"

if [ "${1:-}" = pack ]; then
    version="${2:-3.12}"
    rm -rf .gpu && mkdir -p .gpu/wheels
    opencv=$(mktemp -d)
    platforms="--platform manylinux_2_28_x86_64 --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64"
    pip() { python3 -m pip download -q --no-deps --only-binary=:all: --python-version "$version" $platforms -c constraints.txt -d "$@"; }
    pip .gpu/wheels $packages
    pip "$opencv" opencv-contrib-python-headless
    python3 -m zipfile -e "$opencv"/*.whl "$opencv/unpacked"
    tar -C "$opencv/unpacked" -cJ . | split -b 20M - .gpu/opencv.tar.xz.
    rm -rf "$opencv"
    du -sh .gpu .gpu/*
    exit
fi

since=$(date +%s)
if [ -d .gpu ]; then
    site=$(mktemp -d)
    for wheel in .gpu/wheels/*.whl; do python3 -m zipfile -e "$wheel" "$site"; done
    cat .gpu/opencv.tar.xz.* | tar -C "$site" -xJ
    export PYTHONPATH="$site${PYTHONPATH:+:$PYTHONPATH}"
fi
exec python3 benchmarks/gpu_all.py --since "$since" "$@"
