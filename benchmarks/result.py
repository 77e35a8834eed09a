"""What every benchmark leaves: a JSON file that says on which processor it was measured and by which version of its script."""

import ast
import hashlib
import json
import platform
from pathlib import Path

from repro.files import atomic_path
from repro.provenance import essence

HERE = Path(__file__).resolve().parent


def processor():
    """Name of this machine's processor; where Linux tells, with its family and model, for makers give several the same name."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = (line.partition(":") for line in (cpuinfo.read_text().splitlines() if cpuinfo.exists() else ()))
    found = {key.strip(): value.strip() for key, _, value in lines}
    if "model name" not in found:
        return platform.processor() or platform.machine()
    numbers = [f"{word} {found[key]}" for key, word in (("cpu family", "family"), ("model", "model")) if key in found]
    return ", ".join([found["model name"], *numbers])


def version(script):
    """Name of a benchmark's script, and a hash of it and of those beside it that it imports, but for this one. Comments,
    docstrings and line breaks do not count."""
    seen, queue, digest = set(), [Path(script).resolve()], hashlib.sha256()
    while queue:
        file = queue.pop()
        if file in seen or file == Path(__file__).resolve() or not file.is_file():
            continue
        seen.add(file)
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                queue.append(HERE / f"{node.module}.py")
            elif isinstance(node, ast.Import):
                queue += [HERE / f"{alias.name}.py" for alias in node.names]
    for file in sorted(seen):
        digest.update(essence(file.read_text(encoding="utf-8")).encode() + b"\0")
    return f"{Path(script).name} {digest.hexdigest()[:12]}"


def save(path, result):
    """Write ``result`` as the JSON file ``path``, whole or not at all."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(Path(path)) as temporary:
        temporary.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
