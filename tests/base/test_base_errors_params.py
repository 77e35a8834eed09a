"""One line per error; params that are wrong in any way are told with their place and what would be right."""

import dataclasses
import pickle
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repro import params
from repro.errors import ReproError
from repro.params import Params, from_mapping
from repro.video.decode import DecodeError


@given(st.text(min_size=1), st.text(), st.text(), st.text())
def test_an_error_is_one_line_and_survives_a_process_pool(what, path, why, fix):
    for kind in (ReproError, DecodeError):
        error = kind(what, path=path, why=why, fix=fix)
        assert len(str(error).splitlines()) <= 1
        copy = pickle.loads(pickle.dumps(error))
        assert type(copy) is kind and str(copy) == str(error)
        assert (copy.what, copy.path, copy.why, copy.fix) == (what, path, why, fix)


def test_an_error_says_what_where_why_and_what_to_do():
    error = ReproError("no videos", path="data/x", why="it is\nempty", fix="put them there")
    assert str(error) == "no videos: data/x (it is empty); put them there"
    assert str(ReproError("no videos")) == "no videos"


@dataclasses.dataclass(frozen=True)
class Inner:
    kind: str = "a"
    scale: tuple[float, float] = (0.5, 1.0)

    def __post_init__(self):
        if self.kind not in "ab":
            raise ValueError(f"kind must be a or b, got {self.kind!r}")


@dataclasses.dataclass(frozen=True)
class Outer:
    steps: int
    schedule: tuple[tuple[float, int], ...] = ()
    names: tuple = ()
    crop: Inner = Inner()
    weights: tuple[float, ...] | None = None
    mapping: dict = dataclasses.field(default_factory=dict)
    on: bool = False


def test_a_mapping_becomes_frozen_dataclasses():
    made = from_mapping(
        Outer,
        {
            "steps": 3,
            "schedule": [[1, 2], [0.5, 4]],
            "names": ["x", [1, 2]],
            "weights": [1, 2],
            "crop": {"scale": [1, 2]},
            "mapping": {"k": 1},
            "on": True,
        },
    )
    assert made == Outer(3, ((1.0, 2), (0.5, 4)), ("x", (1, 2)), Inner("a", (1.0, 2.0)), (1.0, 2.0), {"k": 1}, True)
    assert isinstance(made.schedule[0][0], float) and isinstance(made.crop.scale[0], float)
    assert from_mapping(Outer, {"steps": 1, "weights": None}).weights is None


@pytest.mark.parametrize(
    "change, told",
    [
        ({"step": 3}, "unknown key `step` in here.*Outer has: steps.*did you mean `steps`"),
        ({"steps": "3"}, "here.steps must be of type int.*'3'"),
        ({"steps": True}, "here.steps must be of type int.*True"),
        ({"steps": 2.5}, "here.steps must be of type int.*2.5"),
        ({"on": 1}, "here.on must be of type bool"),
        ({"schedule": [[0.1, 5, 6]]}, "here.schedule must hold 2 values.*0.1, 5, 6"),
        ({"schedule": [[0.1]]}, "here.schedule must hold 2 values"),
        ({"schedule": [0.1, 5]}, "here.schedule must be a list.*0.1"),
        ({"schedule": 5}, "here.schedule must be a list"),
        ({"crop": {"scale": [1]}}, "here.crop.scale must hold 2 values"),
        ({"crop": {"kind": "c"}}, "bad value in here.crop .*kind must be a or b, got 'c'"),
        ({"crop": {"kin": "a"}}, "unknown key `kin` in here.crop.*did you mean `kind`"),
        ({"crop": 3}, "here.crop must be a mapping"),
        ({"mapping": None}, "here.mapping must be a mapping"),
        ({"mapping": [1]}, "here.mapping must be a mapping"),
        ({"weights": [1, "x"]}, "here.weights must be of type float.*'x'"),
    ],
)
def test_a_wrong_value_is_told_with_its_place(change, told):
    with pytest.raises(ReproError, match=told):
        from_mapping(Outer, {"steps": 1, **change}, "here")


def test_a_missing_key_is_told():
    with pytest.raises(ReproError, match="missing key `steps` in here"):
        from_mapping(Outer, {}, "here")


plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)
nested = st.recursive(
    plain, lambda x: st.lists(x, max_size=3) | st.dictionaries(st.text(max_size=4), x, max_size=2), max_leaves=6
)
keys = st.sampled_from(["steps", "schedule", "names", "crop", "weights", "mapping", "on", "odd"])


@settings(max_examples=50)
@given(st.dictionaries(keys, nested))
def test_whatever_a_file_holds_it_is_read_or_told_in_one_line(mapping):
    try:
        from_mapping(Outer, mapping)
    except ReproError as error:
        assert "\n" not in str(error)


def test_a_path_through_the_file_names_the_nearest_key():
    file = Params({"systems": {"appearance": {"model": {}}, "motion": None}, "seed": 1, "text": "x"}, "p.yaml")
    assert file.get("systems.appearance.model") == {} and file.value("seed", int) == 1
    with pytest.raises(ReproError, match="no `apperance` under `systems`: p.yaml .there: appearance, motion.*`appearance`"):
        file.get("systems.apperance")
    with pytest.raises(ReproError, match="no `sytems` under `the top level`.*did you mean `systems`"):
        file.get("sytems.motion")
    with pytest.raises(ReproError, match="no `deeper` under `seed`.*nothing"):
        file.get("seed.deeper")
    with pytest.raises(ReproError, match="p.yaml: text must be of type int"):
        file.value("text", int)
    with pytest.raises(ReproError, match="p.yaml: text must be a mapping"):
        file.section("text", Inner)
    assert file.section("systems.motion", Inner) == Inner()
    assert file.section("systems.motion", Inner, kind="b") == Inner("b")


BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n" for old, new in zip("abcdefgh", "bcdefghi")
)


@pytest.mark.parametrize(
    "text, told",
    [
        (None, "no params file"),
        ("a: [1", "not YAML"),
        ("- 1", "no mapping"),
        ("", "no mapping"),
        (b"a: \xff", "is no text: .*byte 3 is not UTF-8"),
        (b"\x00\x01\x02", "not YAML"),
        ("a: 1\nb: 2\na: 3\n", "key `a` stands twice: .*line 3"),
        ("run: {splits: [1], splits: [2]}", "key `splits` stands twice: .*line 1"),
        ("[" * 5000 + "]" * 5000, "nested too deeply"),
        (BOMB, "too large: .*more than 100,000 values"),
        ("a: &a [1, *a]", "an alias that holds itself: .*line 1"),
        ("a: 2026-13-45", "not YAML"),
        ("? [1, 2]\n: 3", "not YAML|no mapping"),
        ("x: " + "9" * 5000, "not YAML"),
        ("# " + "x" * 1_000_001, "too large: .*more than 1,000,000 bytes"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_params_file_that_is_none(tmp_path, text, told):
    path = tmp_path / "params.yaml"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ReproError, match=told) as caught:
        params.load(path)
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)


def test_a_folder_is_no_params_file(tmp_path):
    with pytest.raises(ReproError, match=r"not a file: .* \(a folder\)"):
        params.load(tmp_path)


def test_a_byte_order_mark_and_aliases_are_fine(tmp_path):
    (tmp_path / "p.yaml").write_bytes("\ufeffa: &a {b: [1, 2], é: 1}\nc: {<<: *a, b: 3}\n".encode())
    assert params.load(tmp_path / "p.yaml").mapping == {"a": {"b": [1, 2], "é": 1}, "c": {"b": 3, "é": 1}}


@pytest.mark.parametrize(
    "text, right",
    [("1e-3", "1.0e-3"), ("2.5e4", "2.5e+4"), ("1E5", "1.0e+5"), ("-3e-2", "-3.0e-2")],
)
def test_a_number_that_yaml_takes_for_text_is_told_how_to_write(text, right):
    import yaml

    with pytest.raises(ReproError, match=f"must be of type float .*; write {re.escape(right)}"):
        from_mapping(Outer, {"steps": 1, "weights": [yaml.safe_load(text)]})
    assert yaml.safe_load(right) == float(text)


@pytest.mark.parametrize("name", ["a", "UCF-101", "st_resnet_star", "two+idt", "0"])
def test_names_that_can_be_used(name):
    assert params.check_name(name, "a system") == name


@pytest.mark.parametrize("name", ["", "-a", "+a", "_a", ".", "..", "a/b", "a b", "a;b", "$(a)", "a\n", "é", "a.b", None, 3])
def test_names_that_would_leave_their_folder_or_reach_a_shell(name):
    with pytest.raises(ReproError, match="a system has a name that cannot be used"):
        params.check_name(name, "a system")


def test_what_a_settings_class_says_is_joined_by_the_nearest_word():
    with pytest.raises(ReproError, match="kind must be a or b, got 'bb'.*did you mean `b`"):
        from_mapping(Outer, {"steps": 1, "crop": {"kind": "bb"}})
