"""`repro site` on a project of two notebooks and two documents, and on this one: formulas, links, folded code, nothing from
outside; the same as a reader sees it in a browser."""

import json
import os
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pytest
from browser import chromium
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from repro import cli
from repro.report.html import book_of, mathml
from repro.report.html import page as page_of

ROOT = Path(__file__).resolve().parents[2]
FORMULA = r"$$\hat{\mathbf x}^a_{l+1}=x+\mathcal F\bigl(\mathbf x^a_l+\underbrace{f(\mathbf x^m_l)}_{\text{motion}}\bigr)$$"


class _Page(HTMLParser):
    """Tags of a page, its link targets and the places in it that can be linked to, and what it loads."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.links, self.ids, self.loaded, self.text, self.scripts = [], [], [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.tags.append(tag)
        self.ids.append(given.get("id"))
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag == "script":
            self.scripts.append(given.get("src"))
        if tag in ("img", "script", "link", "iframe"):
            self.loaded.append(given.get("src") or given.get("href") or tag)

    def handle_data(self, data):
        self.text.append(data)


def written(folder):
    return {path.relative_to(folder).as_posix(): _Page(path.read_text(encoding="utf-8")) for path in folder.rglob("*.html")}


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    parameters = new_code_cell('params_file = "params/toy.yaml"', metadata={"tags": ["parameters"]})
    texts = {
        "00_first": f"# 0 · First: a page\n\n{FORMULA}\n\nInline $a_1 < b$, next: [second](01_second.ipynb#Part-1-·-all)",
        "01_second": "# 1 · Second\n\n[up](#1-·-Second) [back](00_first.ipynb), [the document](../../../docs/one.md)\n\n"
        "## Part 1 · all\n\n[out](https://example.org/)",
    }
    for name, text in texts.items():
        display = new_output("display_data", data={"text/markdown": "| a |\n| - |\n| $x^2$ |"})
        cells = [new_markdown_cell(text), parameters, new_code_cell("print('said')", outputs=[display], execution_count=1)]
        for folder in ("notebooks", "results/toy/notebooks"):
            Path(folder).mkdir(parents=True, exist_ok=True)
            nbformat.write(new_notebook(cells=cells), Path(folder, f"{name}.ipynb"))
    Path("docs").mkdir()
    Path("docs/one.md").write_text(
        "# One\n\n## An `x`, and more?\n\n![drawn](p.png) [pages](../notebooks/00_first.ipynb) [tables](../results/toy/tables)"
    )
    Image.new("RGB", (4, 4)).save("docs/p.png")
    Path("results/toy/tables").mkdir()
    Path("results/toy/tables/t.md").write_text("# T\n\n| a |\n| - |\n| 1 |\n")
    Path("results/toy/tables/t.csv").write_text("a\n1\n")
    Path("README.md").write_text("# The project\n\n[one](docs/one.md#an-x-and-more) and [table](results/toy/tables/t.md)\n")
    return tmp_path


def check_links(folder):
    """{place: page} of a site in which every link leads somewhere and nothing comes from outside."""
    pages = written(folder)
    for place, page in pages.items():
        assert page.scripts == ["../" * place.count("/") + "search.js"] and not [
            url for url in page.loaded if "://" in url or url.startswith("//")
        ], place
        for link in [*page.links, *page.loaded]:
            target, _, anchor = unquote(link).partition("#")
            if "://" not in target and not target.startswith("data:"):
                found = os.path.normpath(os.path.join(os.path.dirname(place), target)) if target else place
                assert (folder / found).is_file(), (place, link)
                assert not anchor or found not in pages or anchor in pages[found].ids, (place, link)
        assert "@import" not in (folder / place).read_text(encoding="utf-8")
    return pages


def test_every_link_leads_somewhere_and_nothing_comes_from_outside(project):
    assert cli.main(["site"]) == 0
    pages = check_links(project / "site")
    assert pages.keys() == {
        *("index.html", "README.html", "docs/one.html", "results/toy/tables/index.html", "results/toy/tables/t.html"),
        *("results/toy/notebooks/00_first.html", "results/toy/notebooks/01_second.html"),
    }
    assert [url for page in pages.values() for url in page.links if "://" in url] == ["https://example.org/"]
    assert (project / "site/results/toy/tables/t.csv").read_text() == "a\n1\n"


def test_formulas_are_mathml_and_code_is_folded(project):
    assert cli.main(["site", "--out", "elsewhere"]) == 0
    text = (project / "elsewhere/results/toy/notebooks/00_first.html").read_text(encoding="utf-8")
    page = _Page(text)
    assert page.tags.count("math") == 3 and "munder" in page.tags  # displayed, inline, in an output
    shown = re.sub(r"<[^>]+>", "", text)
    assert not re.search(r"\$|\\(hat|mathbf|underbrace|text)", shown) and "motion" in shown
    assert page.tags.count("details") == 2 and "summary" in page.tags


def test_contents_and_steps_go_in_the_order_of_the_notebooks(project):
    assert cli.main(["site"]) == 0
    pages = written(project / "site")
    assert pages["docs/one.html"].links[-1] == "../results/toy/notebooks/00_first.html"
    assert pages["results/toy/notebooks/00_first.html"].links[-2:] == ["../../../docs/one.html", "01_second.html"]
    contents = pages["results/toy/notebooks/01_second.html"].links[:4]
    assert contents == ["../../../README.html", "../../../docs/one.html", "00_first.html", "01_second.html"]


_DRIVER = """
const [query, known] = process.argv.slice(2);
const rows = search(query, known ? JSON.parse(known) : PAGES);
console.log(JSON.stringify(rows.map((row) => [row.title, row.place, row.shown])));
"""


@pytest.fixture
def searched(project):
    """What the site's script finds, run by Node: [[title, place, words around it]]."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node is not installed")
    assert cli.main(["site"]) == 0
    Path("driver.js").write_text(Path("site/search.js").read_text(encoding="utf-8") + _DRIVER, encoding="utf-8")

    def search(query, *known):
        done = subprocess.run([node, "driver.js", query, *map(json.dumps, known)], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return search


def test_search_finds_pages_by_their_words_without_a_server(searched):
    assert [row[1] for row in searched("TABLES one")] == ["docs/one.html"]
    assert [row[1] for row in searched("back document")] == ["results/toy/notebooks/01_second.html"]
    assert searched("") == searched("  ") == searched("such-a-word-stands-nowhere") == []
    assert searched("print") == []  # folded code


_DOM = """
const element = () => ({
  dataset: {}, children: [],
  append(...more) { this.children.push(...more); },
  replaceChildren(...others) { this.children = others; },
  addEventListener(kind, heard) { this[kind] = heard; },
});
const parts = { search: element(), found: element() };
globalThis.document = { getElementById: (id) => parts[id], createElement: element };
"""
_TYPED = """
parts.search.dataset.root = "../../";
const links = (typed) => {
  parts.search.value = typed;
  parts.search.input();
  return parts.found.children.map((item) => [item.children[0].href, item.children[0].textContent]);
};
console.log(JSON.stringify([links("tables one"), links("")]));
"""


def test_what_is_typed_becomes_links_from_the_page_on_which_one_is(searched):
    Path("box.js").write_text(_DOM + Path("site/search.js").read_text(encoding="utf-8") + _TYPED, encoding="utf-8")
    done = subprocess.run(["node", "box.js"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [[["../../docs/one.html", "One"]], []]


def test_titles_come_first_then_pages_that_say_it_most_often(searched):
    known = [
        {"title": "A", "place": "a", "text": "flow"},
        {"title": "B", "place": "b", "text": "flow, flow"},
        {"title": "Optical flow", "place": "c", "text": "nothing else"},
        {"title": "D", "place": "d", "text": "no stream"},
    ]
    assert [row[1] for row in searched("Flow", known)] == ["c", "b", "a"]
    long = [{"title": "L", "place": "l", "text": "x" * 200 + " Needle " + "y" * 200}]
    ((_, _, shown),) = searched("needle", long)
    assert "Needle" in shown and len(shown) < 160


def test_a_notebook_that_was_not_executed_has_no_page_and_is_told(project, capsys):
    Path("results/toy/notebooks/01_second.ipynb").unlink()
    assert cli.main(["site"]) == 0
    assert "not executed on their runs, so no pages of the site: 01_second" in capsys.readouterr().out
    page = check_links(project / "site")["results/toy/notebooks/00_first.html"]
    assert "second" in "".join(page.text) and not [link for link in page.links if "second" in link]


@pytest.mark.parametrize("link", ["gone.md", "..", "../..", "../../other.ipynb"])
def test_a_link_to_nowhere_is_one_line_and_the_old_site_stays(project, capsys, link):
    assert cli.main(["site"]) == 0
    Path("docs/one.md").write_text(f"# One\n\n[gone]({link})")
    assert cli.main(["site"]) == 2
    assert f"broken link: docs/one.md ({link})" in capsys.readouterr().err
    assert "tables" in "".join(_Page((project / "site/docs/one.html").read_text()).text)


def test_a_folder_of_something_else_is_not_replaced(project, capsys):
    assert cli.main(["site", "--out", "docs"]) == 2 and "not the folder of a site: docs" in capsys.readouterr().err
    assert Path("docs/one.md").is_file() and cli.main(["site"]) == cli.main(["site"]) == 0


def test_no_project_no_site(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["site"]) == 2 and "nothing to make a site from" in capsys.readouterr().err


def test_headings_have_githubs_names_and_links_in_either_name_lead_to_them():
    text = "## A $x$ · `b`, and <i>c</i>?\n\n[a](#A-x-·-b,-and-c?) [b](o.html#Part-1-·-all) [c](o.md#part-1--all) [d](https://x.org/#As-Is)"
    made = _Page(page_of(book_of(text), "title"))
    assert "a-x--b-and-c" in made.ids
    assert made.links == ["#a-x--b-and-c"] * 2 + ["o.html#part-1--all", "o.md#part-1--all", "https://x.org/#As-Is"]


def test_a_formula_by_hand_and_one_that_cannot_be_converted():
    assert re.sub(r"<[^>]+>", "", mathml("a<b", "inline")) == "a&#x0003C;b"
    assert "<msup><mi>x</mi><mn>2</mn></msup>" in mathml("x^2", "block") and 'display="block"' in mathml("x^2", "block")
    assert mathml(r"\frac{1", "inline").startswith(("<math", '<code class="tex">'))


def test_all_formulas_of_the_project_become_mathml():
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md")]
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        texts += [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "markdown"]
    found = [formula for text in texts for formula in re.findall(r"\$\$(.+?)\$\$", text, re.S)]
    assert len(found) > 10
    for formula in found:
        made = mathml(formula, "block")
        assert made.startswith("<math") and "\\" not in made, formula


LOOK = Path(__file__).with_name("site_look.js").read_text(encoding="utf-8")


def look_at(browser, folder):
    """({page: what `LOOK` tells}, [faults]) of all pages of a site, pages by their addresses."""
    found, faults = {}, []
    for path in sorted(folder.rglob("*.html")):
        browser.open(path.as_uri())
        seen = found[path.as_uri()] = browser.evaluate(f"({LOOK})()")
        place = path.relative_to(folder).as_posix()
        faults += [f"{place}: {fault}" for fault in browser.faults()]
        faults += [f"{place}: {kind}: {each}" for kind, each in seen["faults"].items() if each]
    return found, faults


def check_order(found, folder):
    """From the first page the links to the next one lead through all pages of the contents, and those to the last one back."""
    page, read = (folder / "README.html").as_uri(), []
    contents = found[page]["contents"]
    while page:
        before, after = [*found[page]["steps"], None][:2]
        assert before == (read[-1] if read else None) and found[page]["contents"] == contents
        read.append(page)
        page = after
    assert read == contents


def check_search(browser, folder, word):
    """Typing ``word`` on a page lists pages that say it; a click on the first opens it."""
    browser.open((folder / "README.html").as_uri())
    typed = f"document.getElementById('search').value = {json.dumps(word)}"
    assert browser.evaluate(f"{typed}, document.getElementById('search').dispatchEvent(new Event('input'))")
    links = browser.evaluate("[...document.querySelectorAll('#found a')].map((link) => [link.href, link.checkVisibility()])")
    assert links and all(seen for _, seen in links)
    browser.open(links[0][0])
    assert word.lower() in browser.evaluate("document.querySelector('main').textContent.toLowerCase()")


def test_a_reader_of_the_site_meets_no_fault(project):
    assert cli.main(["site"]) == 0
    site = project / "site"
    with chromium(project / "user") as browser:
        found, faults = look_at(browser, site)
        assert faults == [] and found[(site / "results/toy/notebooks/00_first.html").as_uri()]["formulas"] == 3
        check_order(found, site)
        check_search(browser, site, "tables")


def test_a_reader_meets_the_faults_that_there_are(project):
    """The check above can fail, of each kind."""
    Path("page.html").write_text(
        "<!DOCTYPE html><main>$x^2$ <math style='display: none'></math><math><mi mathvariant='bold'>x</mi></math>"
        " <img src='gone.png'><p style='width: 2000px'>wide</p>"
        "<details class='code' open><summary>code</summary><pre>1</pre></details><img src='http://[::1]:1/a.png'></main>"
        "<script>console.log('said'); fail()</script>"
    )
    with chromium(project / "user") as browser:
        _, faults = look_at(browser, project)
    kinds = {fault.split(": ")[1] for fault in faults}
    assert kinds == {
        *("console", "exception", "log", "not loaded", "from outside", "wider than the window"),
        *("formulas that are not seen", "TeX as text", "pictures that did not load", "code that does not unfold"),
        "letters without their style",
    }


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The site of this project."""
    folder = tmp_path_factory.mktemp("whole") / "site"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        assert cli.main(["site", "--out", str(folder)]) == 0
    return folder


@pytest.mark.slow
def test_this_project_makes_a_site(whole):
    pages = check_links(whole)
    assert {f"docs/{path.stem}.html" for path in (ROOT / "docs").glob("*.md")} < pages.keys()
    assert not [place for place in pages if 'class="tex"' in (whole / place).read_text(encoding="utf-8")]


@pytest.mark.slow
def test_a_reader_of_this_projects_site_meets_no_fault(whole, tmp_path):
    with chromium(tmp_path / "user") as browser:
        found, faults = look_at(browser, whole)
        assert faults == []
        assert sum(seen["formulas"] for seen in found.values()) > 100
        check_order(found, whole)
        check_search(browser, whole, "trajectories")
