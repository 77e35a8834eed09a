"""docs/fidelity.md names files that exist and settings that have the value stated."""

import re
from pathlib import Path

import pytest
import yaml

from repro.training.presets import PRESETS

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "fidelity.md").read_text(encoding="utf-8")
FILES = sorted(set(re.findall(r"`((?:repro|params|docs)/[\w/]+\.\w+)", TEXT)))
SETTINGS = re.findall(r"`(params/\w+\.yaml): ([\w.]+) = ([^`]+)`", TEXT)
RECIPES = re.findall(r"`(code|paper)/(\w+): ([\w.]+) = ([^`]+)`", TEXT)


def test_the_page_names_what_can_be_checked():
    assert len(FILES) > 15 and len(SETTINGS) > 12 and len(RECIPES) > 9


@pytest.mark.parametrize("name", FILES)
def test_every_file_exists(name):
    assert (ROOT / name).is_file()


@pytest.mark.parametrize("name, key, told", SETTINGS)
def test_every_setting_has_the_value_stated(name, key, told):
    value = yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))
    for part in key.split("."):
        value = value[part]
    assert value == yaml.safe_load(told)


@pytest.mark.parametrize("source, phase, key, told", RECIPES)
def test_every_recipe_has_the_value_stated(source, phase, key, told):
    value = PRESETS[source][phase]
    for part in key.split("."):
        value = getattr(value, part)
    assert str(value) == told
