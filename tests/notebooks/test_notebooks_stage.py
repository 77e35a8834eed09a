"""``repro notebook`` on a tiny notebook: parameters in, clean copies out, failures told in one line."""

import json

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from repro.errors import ReproError
from repro.params import Params
from repro.profile.pages import homes, is_its_notebook
from repro.profile.run import Run
from repro.stages import notebook

LISTED = ["00_a", "01_b"]
RUN = Run.of(
    Params({"profile": "tiny", "run": {"datasets": ["d"], "splits": [1], "seeds": [0], "notebooks": LISTED}}, "params.yaml")
)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An empty project as the current folder; returns a function that writes a notebook into it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notebooks").mkdir()

    def write(name, *sources):
        cells = [new_markdown_cell("# title"), new_code_cell('root = ".."\nresults = "none"', metadata={"tags": ["parameters"]})]
        book = new_notebook(cells=cells + [new_code_cell(source) for source in sources])
        book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(book, tmp_path / "notebooks" / f"{name}.ipynb")
        return tmp_path / "results" / "tiny" / "notebooks"

    return write


def test_executed_copy_is_clean_and_equal_on_a_second_run(project):
    folder = project(
        "00_a", "import os, sys, warnings\nprint(root, results)\nprint(os.getcwd(), sys.prefix)", "warnings.warn('beware')"
    )
    notebook.run(RUN, "00_a")
    first = (folder / "00_a.ipynb").read_bytes()
    notebook.run(RUN, "00_a")
    assert (folder / "00_a.ipynb").read_bytes() == first
    book = nbformat.read(folder / "00_a.ipynb", as_version=4)
    nbformat.validate(book)
    texts = [output.text for cell in book.cells for output in cell.get("outputs", [])]
    assert texts[0].splitlines() == [". results/tiny", ". <python>"]
    assert "ipykernel" not in texts[1] and "<cell>" in texts[1] and "beware" in texts[1]
    assert "papermill" not in first.decode()
    assert "beware" in (folder / "00_a.html").read_text(encoding="utf-8")


def test_text_that_arrives_in_pieces_is_one_output_and_stays_on_its_side_of_a_picture(project):
    folder = project("00_a", "import sys, time\nprint(1, flush=True)\ntime.sleep(0.5)\nprint(2)\ndisplay(3)\nprint(4)")
    notebook.run(RUN, "00_a")
    (cell,) = [cell for cell in nbformat.read(folder / "00_a.ipynb", as_version=4).cells if "sleep" in cell.source]
    assert [output.get("text") or output.data["text/plain"] for output in cell.outputs] == ["1\n2\n", "3", "4\n"]


def test_a_failing_cell_is_one_line_that_names_notebook_and_cell_and_leaves_the_old_copy(project):
    folder = project("00_a", "print('good')")
    notebook.run(RUN, "00_a")
    before = (folder / "00_a.ipynb").read_bytes()
    project("00_a", "x = 1", "x / 0 # the culprit")
    with pytest.raises(ReproError) as raised:
        notebook.run(RUN, "00_a")
    text = str(raised.value)
    assert "\n" not in text
    for part in ("notebooks/00_a.ipynb", "x / 0 # the culprit", "ZeroDivisionError"):
        assert part in text
    assert (folder / "00_a.ipynb").read_bytes() == before
    assert sorted(path.name for path in folder.iterdir()) == ["00_a.html", "00_a.ipynb"]


def test_a_page_with_nothing_to_show_is_one_line_and_writes_nothing(project):
    folder = project("00_a", "from repro.errors import ReproError\nraise ReproError('no ablations', path='p.yaml', fix='take others')")
    with pytest.raises(ReproError) as raised:
        notebook.run(RUN, "00_a")
    assert str(raised.value) == "page 00_a cannot be made: no ablations: p.yaml; take others" and not folder.exists()


def test_links_lead_to_the_pages_of_this_profile_and_else_to_those_of_their_own(project, tmp_path):
    folder = project("00_a")
    project("02_c", "params_file")
    for name, home in (("00_a", "tiny"), ("02_c", "other")):
        path = tmp_path / "notebooks" / f"{name}.ipynb"
        book = nbformat.read(path, as_version=4)
        book.cells[1].source += f'\nparams_file = "params/{home}.yaml"'
        book.cells[0].source = "# title [b](01_b.ipynb) [c](02_c.ipynb#part) [x](https://x.org/03_d.ipynb) [d](../docs/e.md#f)"
        nbformat.write(book, path)
    notebook.run(RUN, "00_a")
    source = nbformat.read(folder / "00_a.ipynb", as_version=4).cells[0].source
    assert source == (
        "# title [b](01_b.ipynb) [c](../../other/notebooks/02_c.ipynb#part) [x](https://x.org/03_d.ipynb) [d](../../../docs/e.md#f)"
    )
    assert 'href="../../other/notebooks/02_c.html#part"' in (folder / "00_a.html").read_text(encoding="utf-8")
    assert is_its_notebook(folder / "00_a.ipynb", tmp_path / "notebooks" / "00_a.ipynb", "tiny", LISTED, homes())
    assert not is_its_notebook(folder / "00_a.ipynb", tmp_path / "notebooks" / "02_c.ipynb", "tiny", LISTED, homes())


def test_a_missing_notebook_lists_those_there_are(project):
    project("00_a")
    project("01_b")
    with pytest.raises(ReproError, match="00_a, 01_b"):
        notebook.run(RUN, "02_c")


@pytest.mark.parametrize("spec", [{"name": "conda-env-other", "display_name": "x", "language": "R"}, {"name": "ir"}, None])
def test_a_notebook_saved_under_another_kernel_runs_in_this_environment(project, tmp_path, spec):
    folder = project("00_a", "import sys\nprint(results)\nprint(sys.executable)")
    notebook.run(RUN, "00_a")
    before = (folder / "00_a.ipynb").read_bytes()
    path = tmp_path / "notebooks" / "00_a.ipynb"
    book = nbformat.read(path, as_version=4)
    book.metadata.pop("kernelspec")
    if spec:
        book.metadata["kernelspec"] = spec
    path.write_text(json.dumps(book), encoding="utf-8")
    notebook.run(RUN, "00_a")
    assert (folder / "00_a.ipynb").read_bytes() == before


@pytest.mark.parametrize("end", ["os._exit(3)", "os.kill(os.getpid(), 9)"])
def test_a_kernel_that_dies_is_one_line(project, end):
    project("00_a", f"import os\n{end}")
    with pytest.raises(ReproError, match="a notebook's kernel died: notebooks/00_a.ipynb"):
        notebook.run(RUN, "00_a")


@pytest.mark.parametrize("text", ["{", "{}", "[]", "\xff", '{"cells": [{}], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'])
def test_what_is_no_notebook_is_named(project, tmp_path, text):
    (tmp_path / "notebooks" / "00_a.ipynb").write_bytes(text.encode("latin-1"))
    with pytest.raises(ReproError, match="not a notebook: notebooks/00_a.ipynb"):
        notebook.run(RUN, "00_a")
