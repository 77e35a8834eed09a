"""The installed packages beside what the project asks for."""

import importlib.metadata
from pathlib import Path

from packaging.requirements import Requirement

CONSTRAINTS = Path("constraints.txt")


def wanted(extras=("pipeline",)):
    """What `pyproject.toml` asks for, with its ``extras``: list of Requirement. Raises PackageNotFoundError where the project
    itself is not installed."""
    every = [Requirement(text) for text in importlib.metadata.requires("repro") or ()]
    environments = [{"extra": extra} for extra in extras]
    return [each for each in every if each.marker is None or any(map(each.marker.evaluate, environments))]


def unfit(requirements):
    """A sentence for each of ``requirements`` that is absent or of another version."""
    told = []
    for each in requirements:
        try:
            have = importlib.metadata.version(each.name)
        except importlib.metadata.PackageNotFoundError:
            told.append(f"{each.name} is absent")
            continue
        if not each.specifier.contains(have, prereleases=True):
            told.append(f"{each.name} {have} is not {each.specifier}")
    return told


def constrained(path=CONSTRAINTS):
    """The exact versions that the committed results were made with: list of Requirement. Empty where there is no such file."""
    lines = Path(path).read_text(encoding="utf-8").splitlines() if Path(path).is_file() else ()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]
