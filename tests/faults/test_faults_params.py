"""Params with anything in any place: the whole file is checked, or refused in one line, by `load` and `check` alone."""

import copy

import pytest
import tiny
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from repro.errors import ReproError
from repro.params import Params, load
from repro.profile.check import check

JUNK = [
    None,
    True,
    -1,
    0,
    3,
    1e400,
    0.5,
    "",
    "x",
    "../x",
    "$(touch x)",
    [],
    ["x"],
    [[]],
    [None],
    {},
    {"x": 1},
    {1: 2},
    {None: None},
]


def places(node, path=()):
    """Every path below a mapping or list."""
    for key, child in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        yield (*path, key)
        yield from places(child, (*path, key))


PLACES = list(places(tiny.PARAMS))


def changed(path, change, junk):
    """The tiny profile with one place exchanged, left out, or given a neighbour."""
    params = copy.deepcopy(tiny.PARAMS)
    *above, last = path
    node = params
    for key in above:
        node = node[key]
    if change == "exchange":
        node[last] = junk
    elif change == "drop":
        del node[last]
    elif isinstance(node, dict):
        node["x" if junk is None or isinstance(junk, (list, dict)) else junk] = copy.deepcopy(node[last])
    else:
        node.append(junk)
    return params


def refused(work, *arguments):
    """Whether ``work`` is refused, in one line."""
    try:
        work(*arguments)
    except ReproError as error:
        assert len(str(error).splitlines()) == 1
        return True
    return False


@settings(max_examples=250)
@given(st.sampled_from(PLACES), st.sampled_from(["exchange", "drop", "add"]), st.sampled_from(JUNK))
def test_a_profile_with_one_wrong_place(path, change, junk):
    refused(check, Params(changed(path, change, junk), "params.yaml"))


@pytest.mark.slow
def test_a_profile_with_any_wrong_place():
    assert not refused(check, Params(tiny.PARAMS, "params.yaml"))
    cases = [(path, "exchange", junk) for path in PLACES for junk in JUNK] + [(path, "drop", None) for path in PLACES]
    found = [refused(check, Params(changed(*case), "params.yaml")) for case in cases]
    assert sum(found) > len(found) // 2


TEXT = yaml.safe_dump(tiny.PARAMS).encode()
PIECES = st.binary(max_size=8) | st.sampled_from(
    [b"&a ", b"*a", b"[", b"{", b"]", b": ", b"- ", b"\n", b"!!python/name:os.system ", b"<<: "]
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, len(TEXT)), PIECES), min_size=1, max_size=3), st.integers(0, len(TEXT)))
def test_a_file_of_params_with_anything_in_it(tmp_path_factory, pieces, end):
    path, data = tmp_path_factory.mktemp("params") / "params.yaml", TEXT
    for place, piece in pieces:
        data = data[:place] + piece + data[place:]
    for content in (data, data[:end]):
        path.write_bytes(content)
        refused(lambda: check(load(path)))
