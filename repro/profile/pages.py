"""The notebooks as pages of one book: their order, the links between them, and whether an executed copy still is its notebook."""

import ast
import json
import posixpath
import re
from pathlib import Path

from repro.errors import ReproError

FOLDER = Path("notebooks")
INJECTED = "injected-parameters"
"""Tag and id of the cell that an executed copy has and its notebook has not."""
_LINK = re.compile(r"\]\((\d\d_\w+)\.ipynb(#[^)]*)?\)")
_FILE = re.compile(r"\]\((\.\./[^)]*)\)")  # outside the notebooks' folder


def sources(folder=FOLDER):
    """The source notebooks, in the order of their numbers."""
    return sorted(Path(folder).glob("*.ipynb"))


def read(path):
    """A notebook as the mapping in its file. Raises ReproError for a file that is none."""
    try:
        book = json.loads(Path(path).read_text(encoding="utf-8"))
        for cell in book["cells"]:
            cell["source"] = "".join(cell["source"])
        return book
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ReproError("not a notebook", path=path, why=str(error).partition("\n")[0]) from error


def defaults(book):
    """The values of a notebook's `parameters` cell: what it shows unless told otherwise. Empty where it has no such cell."""
    for cell in book["cells"]:
        if "parameters" in cell["metadata"].get("tags", ()):
            assigned = (node for node in ast.parse(cell["source"]).body if isinstance(node, ast.Assign))
            return {node.targets[0].id: ast.literal_eval(node.value) for node in assigned}
    return {}


def title(book):
    """``4 · Table 3`` of the heading ``# 4 · Table 3: two streams, their sum ...``."""
    heading = book["cells"][0]["source"].partition("\n")[0].lstrip("# ")
    return re.split(r"[:,?]", heading)[0].strip()


def links(stem, titles):
    """The line of links on a page. ``titles``: {stem: title} of all pages in order, the first being the contents."""
    stems = list(titles)
    number, first = stems.index(stem), stems[0]
    parts = []
    if number > 0:
        parts.append(f"[← {titles[stems[number - 1]]}]({stems[number - 1]}.ipynb)")
        parts.append(f"[Contents]({first}.ipynb)")
    if number + 1 < len(stems):
        parts.append(f"[{titles[stems[number + 1]]} →]({stems[number + 1]}.ipynb)")
    return " · ".join(parts)


def homes(folder=FOLDER):
    """{stem: profile} of the run that each notebook is about by default."""
    return {path.stem: Path(defaults(read(path)).get("params_file", "")).stem for path in sources(folder)}


def placed(text, profile, pages, homes, ending="ipynb"):
    """The text of a cell as it stands in ``results/<profile>/notebooks``: links to other pages lead to the executed copy, of
    this profile where it is one of its ``pages``, of the page's own run (``homes``) elsewhere; links to documents lead there."""
    here = f"results/{profile}/notebooks"

    def page(found):
        stem, anchor = found[1], found[2] or ""
        home = profile if stem in pages else homes.get(stem)
        if home is None:
            return found[0]
        return f"]({posixpath.relpath(f'results/{home}/notebooks/{stem}.{ending}', here)}{anchor})"

    def file(found):
        return f"]({posixpath.relpath(posixpath.join(FOLDER.name, found[1]), here)})"

    return _LINK.sub(page, _FILE.sub(file, text))


def is_its_notebook(executed, source, profile, pages, homes):
    """Whether the executed copy (a path) has the cells of the notebook at ``source``, in the same order."""
    cells = [cell for cell in read(executed)["cells"] if INJECTED not in cell["metadata"].get("tags", ())]
    asked = [
        placed(cell["source"], profile, pages, homes) if cell["cell_type"] == "markdown" else cell["source"]
        for cell in read(source)["cells"]
    ]
    return [cell["source"] for cell in cells] == asked
