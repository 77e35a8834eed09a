"""``repro notebook``: one notebook executed on the profile's results; the executed copy and an HTML page beside it."""

import copy
import re
import sys
import tempfile
from pathlib import Path

import nbformat
import papermill
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbconvert.preprocessors import CoalesceStreamsPreprocessor

from repro.errors import ReproError
from repro.files import atomic_path
from repro.profile.pages import FOLDER, INJECTED, homes, placed, sources
from repro.report.html import page
from repro.report.png import shrink_outputs

KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}
"""This environment's own, whatever kernel a notebook was saved with."""
_CELL_FILE = re.compile(r"(/[^\s:\"']*)?/ipykernel_\d+/\d+\.py")  # what warnings call the cell they come from


def run(run, name):
    """Execute ``notebooks/<name>.ipynb`` from the project's root into ``results/<profile>/notebooks/<name>.ipynb`` and ``.html``.

    The notebook's own ``parameters`` cell says which of ``root``, ``params_file`` and ``results`` it takes. Errors: no such
    notebook, a file that is none, a cell that fails, a kernel that dies.
    """
    source = FOLDER / f"{name}.ipynb"
    if not source.is_file():
        there = ", ".join(path.stem for path in sources()) or "none"
        raise ReproError(f"no notebook `{name}`", path=source, why=f"there: {there}")
    results = run.paths.results
    given = {"root": ".", "params_file": Path(run.params.path).as_posix(), "results": results.as_posix()}
    book, listed = _execute(source, given), run.fanned_out.notebooks
    written = {
        "ipynb": nbformat.writes(_placed(book, run.profile, listed, "ipynb")) + "\n",
        "html": page(_placed(book, run.profile, listed, "html"), name),
    }
    for ending, text in written.items():
        with atomic_path(results / "notebooks" / f"{name}.{ending}") as temporary:
            temporary.write_text(text, encoding="utf-8")
    print(f"{name}: executed; read {results / 'notebooks' / f'{name}.html'}")


def _placed(book, profile, listed, ending):
    """A copy of ``book`` whose links to other pages lead where those of this profile, or of their own, lie."""
    book, there = copy.deepcopy(book), homes()
    for cell in book.cells:
        if cell.cell_type == "markdown":
            cell.source = placed(cell.source, profile, listed, there, ending)
    return book


def _read(source):
    """The notebook, of whatever older format, with `KERNEL`."""
    try:
        found = nbformat.reader.reads(source.read_text(encoding="utf-8"))  # `nbformat.read` also logs what is wrong
        book = nbformat.convert(found, 4)
        book.metadata.kernelspec = nbformat.from_dict(KERNEL)
        nbformat.validate(book)
    except (OSError, ValueError, KeyError, AttributeError, nbformat.ValidationError) as error:
        raise ReproError("not a notebook", path=source, why=str(error).partition("\n")[0]) from error
    return book


def _execute(source, parameters):
    """The notebook, executed with those of ``parameters`` that it takes.

    It is freed of all that differs between two runs of the same inputs or between machines.
    """
    book = _read(source)
    with tempfile.TemporaryDirectory() as folder:
        given_to, output = Path(folder) / "copy.ipynb", Path(folder) / source.name
        nbformat.write(book, given_to)
        known = papermill.inspect_notebook(str(given_to))
        given = {key: value for key, value in parameters.items() if key in known}
        try:
            papermill.execute_notebook(str(given_to), str(output), given, progress_bar=False)
        except papermill.PapermillExecutionError as error:
            if error.ename == ReproError.__name__:  # the page itself says that it has nothing to show
                raise ReproError(f"page {source.stem} cannot be made: {error.evalue}") from error
            first_line = error.source.strip().splitlines()[0]
            raise ReproError(
                "a notebook's cell fails",
                path=source,
                why=f"cell `{first_line}`: {error.ename}: {error.evalue}",
                fix=f"open it with `jupyter lab {source}`",
            ) from error
        except (DeadKernelError, CellTimeoutError) as error:
            raise ReproError("a notebook's kernel died", path=source, why=str(error), fix="out of memory?") from error
        book = compact(nbformat.read(output, as_version=4))
    book.metadata.pop("papermill", None)
    book.metadata.get("language_info", {}).pop("version", None)
    for cell in book.cells:
        for key in ("papermill", "execution"):
            cell.metadata.pop(key, None)
        if INJECTED in cell.metadata.get("tags", []):
            cell.id = INJECTED
        for output in cell.get("outputs", []):
            if "text" in output:
                output.text = _without_machine(output.text)
            for kind, value in output.get("data", {}).items():
                if kind.startswith("text/"):
                    output.data[kind] = _without_machine(value)
    return book


def compact(book):
    """The notebook with outputs as they are kept: text that its kernel sent in pieces in one, pictures of few bytes."""
    book, _ = CoalesceStreamsPreprocessor(enabled=True).preprocess(book, {})
    shrink_outputs(book)
    return book


def _without_machine(text):
    """``text`` without folders of this machine (warnings print them)."""
    text = _CELL_FILE.sub("<cell>", text)
    for folder, stands_for in ((str(Path.cwd()), "."), (sys.prefix, "<python>"), (str(Path.home()), "~")):
        if len(folder) > 1:
            text = text.replace(folder, stands_for)
    return text
