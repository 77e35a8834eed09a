"""Which source files a stage rests on, and their hash: the code version in score files, DVC's view of the code, the key of
partial work."""

import ast
import functools
import hashlib
import importlib.util
import io
import token
import tokenize
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
_SPACING = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING}
_FSTRING = {getattr(token, name, None) for name in ("FSTRING_START", "FSTRING_END")}  # one token each before Python 3.12


def _module_file(name):
    """The file of a dotted module of this package, or None for anything else."""
    parts = name.split(".")
    if parts[0] != PACKAGE.name:
        return None
    base = PACKAGE.joinpath(*parts[1:])
    if base.with_suffix(".py").is_file():
        return base.with_suffix(".py")
    return base / "__init__.py" if (base / "__init__.py").is_file() else None


def _imports(file):
    """Dotted names that ``file`` imports anywhere, relative imports resolved."""
    return _imported(file, file.read_text(encoding="utf-8"))


@functools.cache
def _imported(file, source):
    return tuple(_names(file, source))


def _names(file, source):
    module = [PACKAGE.name, *file.relative_to(PACKAGE).with_suffix("").parts]
    package = module[:-1]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else []
            prefix = ".".join([*base, *([node.module] if node.module else [])])
            yield prefix
            yield from (f"{prefix}.{alias.name}" for alias in node.names)


@functools.cache
def sources(*modules):
    """Sorted source files of ``modules`` and of all they import from this package, directly or not.

    A module from outside the package (a plug-in) counts with its own file alone.
    """
    seen, outside = set(), set()
    queue = []
    for module in modules:
        file = _module_file(module)
        if file is None and (spec := importlib.util.find_spec(module)) and spec.origin:
            outside.add(Path(spec.origin))
            queue += [_module_file(name) for name in _outside_imports(spec.origin)]
        queue.append(file)
    while queue:
        file = queue.pop()
        if file is None or file in seen:
            continue
        seen.add(file)
        queue += [folder / "__init__.py" for folder in file.parents if folder.is_relative_to(PACKAGE)]  # run on import too
        queue += [_module_file(name) for name in _imports(file)]
    return (*sorted(seen), *sorted(outside))


def _outside_imports(path):
    for node in ast.walk(ast.parse(Path(path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@functools.cache
def code_version(*modules):
    """Hash of the sources of ``modules``: equal code has equal versions, whatever commit it stands in.

    Comments, docstrings and line breaks do not count.
    """
    digest = hashlib.sha256()
    for file in sources(*modules):
        name = file.relative_to(PACKAGE) if file.is_relative_to(PACKAGE) else file.name
        digest.update(str(name).encode() + b"\0" + essence(file.read_text(encoding="utf-8")).encode() + b"\0")
    return digest.hexdigest()[:12]


@functools.cache
def essence(source):
    """``source`` without comments, docstrings, blank lines and line breaks: what can change a result, the same text under
    every version of Python.

    Tokens rather than a syntax tree, whose dump differs from one version of Python to the next.
    """
    dropped = {node.body[0].value.lineno for node in ast.walk(ast.parse(source)) if _has_docstring(node)}
    lines, words, start, depth = source.splitlines(keepends=True), [], None, 0
    for kind, text, begin, end, _ in tokenize.generate_tokens(io.StringIO(source).readline):
        if kind in _FSTRING:
            depth += 1 if token.tok_name[kind] == "FSTRING_START" else -1
            start = start or begin
            if depth:
                continue
            text, start = _between(lines, start, end), None
        elif depth or (kind in _SPACING and kind not in (tokenize.INDENT, tokenize.DEDENT, tokenize.NEWLINE)):
            continue
        if kind in (tokenize.INDENT, tokenize.DEDENT, tokenize.NEWLINE):
            text = tokenize.tok_name[kind]  # where a block begins and ends, not how far it is indented
        elif kind == tokenize.STRING and begin[0] in dropped and words[-1:] in ([], ["NEWLINE"], ["INDENT"], ["DEDENT"]):
            continue
        words.append(text)
    return "\n".join(words)


def _has_docstring(node):
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    first = node.body[0] if isinstance(node, kinds) and node.body else None
    return isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)


def _between(lines, start, end):
    """The source text from ``start`` to ``end``, (line, column) each, line from 1."""
    if start[0] == end[0]:
        return lines[start[0] - 1][start[1] : end[1]]
    first, last = lines[start[0] - 1][start[1] :], lines[end[0] - 1][: end[1]]
    return "".join([first, *lines[start[0] : end[0] - 1], last])
