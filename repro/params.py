"""``params.yaml`` read once into frozen dataclasses; a misspelt key is named, with the nearest valid one."""

import dataclasses
import difflib
import re
import types
import typing
from pathlib import Path

import yaml

from repro.errors import ReproError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_+-]*")


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
    """Read a params file. Errors: missing file, not YAML, not a mapping."""
    path = Path(path)
    try:
        mapping = yaml.safe_load(path.read_text())
    except FileNotFoundError as error:
        raise ReproError("no params file", path=path, fix="run from the project's root or name one with --params") from error
    except yaml.YAMLError as error:
        raise ReproError("params file is not YAML", path=path, why=str(error)) from error
    if not isinstance(mapping, dict):
        raise ReproError("params file holds no mapping", path=path)
    return Params(mapping, path)


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
        raise ReproError(f"bad value in {where}", why=str(error)) from error


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
    if hint in (int, float, str, bool) and (not isinstance(value, hint) or (hint is int and isinstance(value, bool))):
        raise ReproError(f"{where} must be of type {hint.__name__}", why=f"got {value!r}")
    return value


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
