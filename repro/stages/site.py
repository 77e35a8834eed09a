"""``repro site``: executed notebooks, documents and tables as one folder of HTML pages that are read without a network."""

import dataclasses
import functools
import html
import os
import shutil
from pathlib import Path

import nbformat

from repro.errors import ReproError
from repro.files import atomic_path
from repro.profile import pages
from repro.report import search
from repro.report.html import MADE_BY, book_of, page

_FIRST = (Path("README.md"), Path("results/verdicts.md"))
_MARKDOWN, _NOTEBOOK, _LISTING = "md", "ipynb", "folder"


@dataclasses.dataclass(frozen=True)
class Leaf:
    """A page to be: its file in the project, its place in the site, its title, and the part of the contents it stands in."""

    source: Path
    place: Path
    title: str
    part: str

    @property
    def kind(self):
        return _LISTING if self.source.is_dir() else self.source.suffix[1:]


def run(out="site"):
    """Write the site into the folder ``out``, in place of what was there. A link to a file of the project that is no page takes
    a copy of it along; a link to nowhere is an error, and so is a folder ``out`` that is no site. Of a notebook that
    was not executed on its run there is no page: what the source notebook shows is made up."""
    _check_place(Path(out))
    leaves = _leaves()
    listed = [leaf for leaf in leaves if leaf.part]
    with atomic_path(out) as folder:
        site = _Site(folder, leaves, listed)
        site.write()
        shutil.copyfile(folder / "README.html", folder / "index.html")
    if site.left_out:
        print(f"not executed on their runs, so no pages of the site: {', '.join(sorted(site.left_out))}")
    print(f"{len(site.written)} pages and {len(site.copied)} files in {out}; open {Path(out) / 'index.html'}")


def _check_place(out):
    """Refuse a place that holds anything but an older site: it would be replaced."""
    index = out / "index.html"
    older = index.is_file() and MADE_BY in index.read_text(encoding="utf-8", errors="replace")
    if out.exists() and not older and (not out.is_dir() or any(out.iterdir())):
        raise ReproError("not the folder of a site", path=out, why="it holds something else", fix="name a new folder")


def _leaves():
    """The documents first, then the notebooks of the runs that they are about, then those of other profiles."""
    if not _FIRST[0].is_file():
        raise ReproError(
            "nothing to make a site from", path=Path.cwd(), fix="run it in the folder with README.md, docs and results"
        )
    documents = [path for path in _FIRST if path.is_file()]
    documents += [path for path in (Path("CONTRIBUTING.md"), *sorted(Path("docs").glob("*.md"))) if path.is_file()]
    found = [_leaf(path, "The project") for path in documents]
    homes, executed = pages.homes(), sorted(Path("results").glob("*/notebooks/*.ipynb"))
    order = [path.stem for path in pages.sources()]
    for own in (True, False):
        rows = [path for path in executed if path.stem in order and (homes[path.stem] == path.parts[1]) is own]
        for path in sorted(rows, key=lambda path: (path.parts[1] if not own else "", order.index(path.stem))):
            found.append(_leaf(path, "Notebooks" if own else f"Notebooks of {path.parts[1]}"))
    return found


def _leaf(path, part=""):
    """The Leaf of a file or folder of the project."""
    if path.suffix == ".ipynb":
        return Leaf(path, path.with_suffix(".html"), pages.title(pages.read(path)), part)
    if path.is_dir():
        return Leaf(path, path / "index.html", path.as_posix(), part)
    text = path.read_text(encoding="utf-8")
    heading = next((line for line in text.splitlines() if line.startswith("# ")), path.stem)
    return Leaf(path, path.with_suffix(".html"), heading.lstrip("# ").strip(), part)


class _Site:
    """Pages that are written as others link to them."""

    def __init__(self, folder, leaves, listed):
        self.folder, self.listed = folder, listed
        self.homes = pages.homes()
        self.places = {leaf.source: leaf for leaf in leaves}
        self.waiting, self.written, self.copied, self.left_out = list(leaves), [], set(), set()

    def write(self):
        found = []
        while self.waiting:
            leaf = self.waiting.pop(0)
            path = self.folder / leaf.place
            path.parent.mkdir(parents=True, exist_ok=True)
            book = self._book(leaf)
            text = page(book, leaf.title, functools.partial(self._resolved, leaf), self._contents(leaf), self._steps(leaf))
            path.write_text(text, encoding="utf-8")
            self.written.append(leaf)
            found.append((leaf.title, leaf.place.as_posix(), text))
        (self.folder / search.FILE).write_text(search.script(found), encoding="utf-8")

    def _book(self, leaf):
        if leaf.kind == _NOTEBOOK:
            return nbformat.read(leaf.source, as_version=4)
        if leaf.kind == _MARKDOWN:
            return book_of(leaf.source.read_text(encoding="utf-8"))
        files = [path for path in sorted(leaf.source.iterdir()) if path.is_file() and not path.name.startswith(".")]
        return book_of("\n".join([f"# {leaf.title}", "", *(f"- [{path.name}]({path.name})" for path in files)]))

    def _resolved(self, leaf, url):
        """A link of the text of ``leaf``, as it must be in its page."""
        target, mark, anchor = url.partition("#")
        if ":" in target or not target:  # an address, or a place in the page itself
            return url
        base = leaf.source if leaf.kind == _LISTING else leaf.source.parent
        path = Path(os.path.normpath(base / target))
        if path.suffix == ".ipynb" and (path.parts[:1] == ("notebooks",) or not path.is_file()):  # the executed copy instead
            path = Path("results", self.homes.get(path.stem, ""), "notebooks", path.name)
            if path.stem in self.homes and not path.is_file():
                self.left_out.add(path.stem)
                return None
        if not path.exists() or path.parts[:1] in ((), ("..",)):
            raise ReproError("broken link", path=leaf.source, why=url, fix="fix the link, or create its target")
        place = self._place(path)
        return Path(os.path.relpath(place, leaf.place.parent)).as_posix() + mark + anchor

    def _place(self, path):
        """Where a file or folder of the project lies in the site; it is put there if it is not yet."""
        if path in self.places:
            return self.places[path].place
        if path.is_dir() or path.suffix in (".md", ".ipynb"):
            leaf = self.places[path] = _leaf(path)
            self.waiting.append(leaf)
            return leaf.place
        if path not in self.copied:
            (self.folder / path.parent).mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, self.folder / path)
            self.copied.add(path)
        return path

    def _contents(self, here):
        lines, part = [search.box("../" * (len(here.place.parts) - 1))], None
        for leaf in self.listed:
            if leaf.part != part:
                lines.append(("</ul>" if part else "") + f"<strong>{html.escape(leaf.part)}</strong><ul>")
                part = leaf.part
            mark = ' class="here"' if leaf == here else ""
            lines.append(f"<li>{_link(leaf, here, leaf.title, mark)}</li>")
        return "\n".join([*lines, "</ul>"])

    def _steps(self, here):
        if here not in self.listed:
            return ""
        number = self.listed.index(here)
        before, after = self.listed[max(number - 1, 0) : number], self.listed[number + 1 : number + 2]
        steps = [_link(leaf, here, f"← {leaf.title}") for leaf in before] or ["<span></span>"]
        return "\n".join([*steps, *(_link(leaf, here, f"{leaf.title} →") for leaf in after)])


def _link(leaf, here, text, mark=""):
    target = Path(os.path.relpath(leaf.place, here.place.parent)).as_posix()
    return f'<a href="{target}"{mark}>{html.escape(text)}</a>'
