"""Which source files a stage rests on, and their hash: the code version in score files and the key of partial work."""

import ast
import functools
import hashlib
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


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
    module = [PACKAGE.name, *file.relative_to(PACKAGE).with_suffix("").parts]
    package = module[:-1]
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[:len(package) + 1 - node.level] if node.level else []
            prefix = ".".join([*base, *([node.module] if node.module else [])])
            yield prefix
            yield from (f"{prefix}.{alias.name}" for alias in node.names)


@functools.cache
def sources(module):
    """Sorted source files of ``module`` and of all it imports from this package, directly or not."""
    seen, queue = set(), [_module_file(module)]
    while queue:
        file = queue.pop()
        if file is None or file in seen:
            continue
        seen.add(file)
        queue += [folder / "__init__.py" for folder in file.parents if folder.is_relative_to(PACKAGE)]  # run on import too
        queue += [_module_file(name) for name in _imports(file)]
    return tuple(sorted(seen))


@functools.cache
def code_version(module):
    """Hash of the sources of ``module``: equal code has equal versions, whatever commit it stands in."""
    digest = hashlib.sha256()
    for file in sources(module):
        digest.update(str(file.relative_to(PACKAGE)).encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:12]
