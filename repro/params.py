"""``params.yaml`` read once into frozen dataclasses; a misspelt key is named, with the nearest valid one."""

import dataclasses
import difflib
import math
import re
import types
import typing
from pathlib import Path

import yaml

from repro.errors import ReproError
from repro.files import regular

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_+-]*")
"""Of a profile, dataset, system or fusion. They become folders and words of commands, so nothing else may stand in them."""
_BYTES = 1_000_000  # of a params file; ours have five thousand
_NODES = 100_000  # of a params file with every alias written out


class Params:
    """The parsed file. ``section`` turns one mapping of it into the dataclass that the caller works with."""

    def __init__(self, mapping, path="params.yaml"):
        self.mapping, self.path = mapping, Path(path)

    def get(self, key):
        """The raw value under a dotted ``key``; a missing one is an error that lists what is there."""
        value = self.mapping
        walked = []
        for part in key.split("."):
            if not isinstance(value, dict) or part not in value:
                there = list(value) if isinstance(value, dict) else []
                raise ReproError(
                    f"no `{part}` under `{'.'.join(walked) or 'the top level'}`",
                    path=self.path,
                    why=f"there: {', '.join(map(str, there)) or 'nothing'}",
                    fix=nearest(part, there),
                )
            value = value[part]
            walked.append(part)
        return value

    def value(self, key, kind):
        """The value under ``key``, which must be of type ``kind`` (int, float, str, bool or dict)."""
        return _convert(kind, self.get(key), f"{self.path}: {key}")

    def section(self, key, kind, /, **given):
        """The mapping under ``key`` as a ``kind``; fields named in ``given`` come from the caller, not from the file."""
        value = self.get(key)
        mapping = {} if value is None else _convert(dict, value, f"{self.path}: {key}")
        return from_mapping(kind, {**mapping, **given}, f"{self.path}: {key}")


def load(path="params.yaml"):
    """Read a params file. Errors: missing, no text, not YAML, too large or too deep, a key that stands twice, not a mapping."""
    path = Path(path)
    try:
        with open(regular(path), "rb") as file:
            content = file.read(_BYTES + 1)
        if len(content) > _BYTES:
            raise ReproError("params file is too large", path=path, why=f"more than {_BYTES:,} bytes")
        text = content.decode("utf-8-sig")
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        if _count(tree, path, {}) > _NODES:
            raise ReproError("params file is too large", path=path, why=f"more than {_NODES:,} values, aliases written out")
        mapping = yaml.safe_load(text)
    except FileNotFoundError as error:
        raise ReproError("no params file", path=path, fix="run from the project's root or name one with --params") from error
    except OSError as error:
        raise ReproError("cannot read the params file", path=path, why=error.strerror) from error
    except UnicodeDecodeError as error:
        raise ReproError("params file is no text", path=path, why=f"byte {error.start} is not UTF-8") from error
    except RecursionError as error:
        raise ReproError("params file is nested too deeply", path=path) from error
    except (yaml.YAMLError, ValueError, TypeError) as error:  # the latter two: impossible dates, keys that are lists
        raise ReproError("params file is not YAML", path=path, why=str(error)) from error
    if not isinstance(mapping, dict):
        raise ReproError("params file holds no mapping", path=path)
    return Params(mapping, path)


def _count(node, path, seen):
    """Values below a YAML node, those behind aliases counted wherever they stand. Raises ReproError for a circle or a key that
    stands twice."""
    if node is None or isinstance(node, yaml.ScalarNode):
        return 1
    if id(node) in seen:
        if seen[id(node)] is None:
            raise ReproError("an alias that holds itself", path=path, why=f"line {node.start_mark.line + 1}")
        return seen[id(node)]
    seen[id(node)] = None
    children = node.value
    if isinstance(node, yaml.MappingNode):
        met = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode) and key.value != "<<"):
            if key.value in met:
                raise ReproError(f"key `{key.value}` stands twice", path=path, why=f"line {key.start_mark.line + 1}")
            met.add(key.value)
        children = [child for pair in node.value for child in pair]
    seen[id(node)] = 1 + sum(_count(child, path, seen) for child in children)
    return seen[id(node)]


def from_mapping(kind, mapping, where="params"):
    """Build the frozen dataclass ``kind`` from a plain mapping, nested dataclasses and tuples included.

    Errors name the place, the key or value, and what would be valid.
    """
    fields = {field.name: field for field in dataclasses.fields(kind)}
    hints = typing.get_type_hints(kind)
    check_known(mapping, fields, f"key in {where}", f"{kind.__name__} has")
    missing = [
        name
        for name, field in fields.items()
        if name not in mapping and field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise ReproError(f"missing key `{missing[0]}` in {where}", why=f"{kind.__name__} needs it")
    values = {key: _convert(hints[key], value, f"{where}.{key}") for key, value in mapping.items()}
    try:
        return kind(**values)
    except (ValueError, TypeError) as error:
        raise ReproError(f"bad value in {where}", why=str(error), fix=_nearest_in(str(error))) from error


def _nearest_in(message):
    """What a settings class means by ``temporal must be one of none, average, got 'averag'``."""
    found = re.fullmatch(r".* must be (.*), got '([^']*)'", message, re.DOTALL)
    return nearest(found[2], re.findall(r"[\w.+-]+", found[1])) if found else None


def _convert(hint, value, where):
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        if value is None:
            return None
        return _convert(next(a for a in arguments if a is not type(None)), value, where)
    if dataclasses.is_dataclass(hint):
        if isinstance(value, hint):
            return value
        if not isinstance(value, dict):
            raise ReproError(f"{where} must be a mapping", why=f"got {value!r}")
        return from_mapping(hint, value, where)
    if hint is tuple or origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise ReproError(f"{where} must be a list", why=f"got {value!r}")
        inner = arguments[0] if arguments else None
        if inner is None:
            return tuple(tuple(v) if isinstance(v, list) else v for v in value)
        kinds = [inner] * len(value) if len(arguments) == 2 and arguments[1] is Ellipsis else arguments
        if len(value) != len(kinds):
            raise ReproError(f"{where} must hold {len(kinds)} values", why=f"got {value!r}")
        return tuple(_convert(k, v, where) for k, v in zip(kinds, value))
    if hint is dict and not isinstance(value, dict):
        raise ReproError(f"{where} must be a mapping", why=f"got {value!r}")
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint is float and isinstance(value, float) and not math.isfinite(value):
        raise ReproError(f"{where} must be a finite number", why=f"got {value!r}")
    if hint in (int, float, str, bool) and (not isinstance(value, hint) or (hint is int and isinstance(value, bool))):
        fix = _as_yaml(value) if hint in (int, float) and isinstance(value, str) else None
        raise ReproError(f"{where} must be of type {hint.__name__}", why=f"got {value!r}", fix=fix)
    return value


def _as_yaml(text):
    """How to write a number that YAML 1.1 takes for text: ``1e-3`` needs a point and a sign."""
    found = re.fullmatch(r"([+-]?\d+)(\.\d*)?[eE]([+-]?)(\d+)", text.strip())
    return f"write {found[1]}{found[2] or '.0'}e{found[3] or '+'}{found[4]}" if found else None


def check_name(name, what):
    """Raise a ReproError unless ``name`` can stand in paths and commands: letters, digits, ``_``, ``+`` and ``-``, from a letter
    or digit on."""
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ReproError(
            f"{what} has a name that cannot be used",
            why=f"got {name!r}",
            fix="letters, digits, _, + and -, beginning with a letter or digit",
        )
    return name


def check_known(names, known, what, there="there"):
    """Raise a ReproError that names the first of ``names`` that is not among ``known``, and the nearest one that is."""
    known = list(known)  # of a dict a name that is a list or a mapping could not be asked for
    for name in names:
        if name not in known:
            kind, _, where = what.partition(" ")
            raise ReproError(
                f"unknown {kind} `{name}` {where}",
                why=f"{there}: {', '.join(map(str, known)) or 'nothing'}",
                fix=nearest(name, known),
            )


def nearest(word, candidates):
    """``did you mean `...`?``, or None where nothing is near."""
    close = difflib.get_close_matches(str(word), [str(c) for c in candidates], n=1)
    return f"did you mean `{close[0]}`?" if close else None
