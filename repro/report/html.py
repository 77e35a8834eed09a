"""Notebooks and Markdown as HTML pages that need no network: formulas are MathML, styles stand in the page."""

import html
import re
from urllib.parse import unquote

import nbformat
from latex2mathml.converter import convert
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from pygments.formatters import HtmlFormatter

MADE_BY = '<meta name="generator" content="repro">'
"""Stands in every page."""
_FOLDED = """{%- extends 'basic/index.html.j2' -%}
{%- block input_group -%}<details class="code"><summary>code</summary>{{ super() }}</details>{%- endblock input_group -%}
"""
_STYLE = """
:root { color-scheme: light; }
body { margin: 0; font: 16px/1.55 system-ui, sans-serif; color: #222; }
.page { display: flex; }
nav.contents { flex: 0 0 15em; padding: 1.5em 1em; background: #f6f6f4; font-size: 14px; min-height: 100vh; }
nav.contents ul { list-style: none; padding-left: 0; margin: 0 0 1em; }
nav.contents li { padding-left: .8em; text-indent: -.8em; margin-bottom: .15em; }
nav.contents input { width: 100%; box-sizing: border-box; margin-bottom: .7em; padding: .3em; font: inherit; }
nav.contents small { color: #666; overflow-wrap: anywhere; }
nav.contents a.here { font-weight: bold; color: #222; }
nav.steps { display: flex; justify-content: space-between; border-top: 1px solid #ddd; margin-top: 2em; padding-top: 1em; }
main { flex: 1; min-width: 0; max-width: 62em; padding: 1em 2.5em 3em; }
a { color: #0b5d8a; text-decoration: none; }
a:hover { text-decoration: underline; }
a.anchor-link { visibility: hidden; margin-left: .3em; }
:hover > a.anchor-link { visibility: visible; }
table { border-collapse: collapse; margin: 1em 0; display: block; overflow-x: auto; font-size: 14px; }
th, td { padding: .25em .7em; border-bottom: 1px solid #ddd; text-align: left; }
pre, code { font: 13px/1.45 ui-monospace, monospace; }
pre { background: #f6f6f4; padding: .7em; overflow-x: auto; }
img, svg { max-width: 100%; height: auto; }
math[display="block"] { margin: 1em 0; overflow-x: auto; }
/* Chromium has no bold and no script letters of formulas */
mi[mathvariant="bold"] { text-transform: none; font-weight: bold; }
mi[mathvariant="script"] { text-transform: none; font-family: "Snell Roundhand", "Segoe Script", Z003, cursive; }
details.code { margin: .5em 0; } details.code summary { color: #888; font-size: 12px; cursor: pointer; }
.prompt { display: none; }
@media (max-width: 60em) { .page { display: block; } nav.contents { min-height: 0; } }
"""


def mathml(formula, display):
    """A TeX formula as a MathML element; ``display``: block or inline. What cannot be converted is shown as TeX."""
    try:
        return convert(formula.strip(), display=display)
    except Exception:  # of many kinds, undocumented
        return f'<code class="tex">{html.escape(formula)}</code>'


def _anchor(text):
    """GitHub's name of the place of a heading, from its text or from JupyterLab's name of it: documents link to the one,
    notebooks to the other."""
    return re.sub(r"[^\w-]", "", unquote(text).replace(" ", "-").lower())


class _Renderer(IPythonRenderer):
    """``resolve``: where the target of a link or an image of the text lies, seen from the page; None makes a link plain text."""

    def __init__(self, resolve, **settings):
        super().__init__(escape=False, **settings)
        self._resolve = resolve

    def block_math(self, body):
        return f"{mathml(body, 'block')}\n"

    def inline_math(self, body):
        return mathml(body, "inline")

    def link(self, text, url, title=None):
        target = self._resolve(url)
        if target is None:
            return text
        place, mark, anchor = target.partition("#")
        return super().link(text, target if ":" in place else f"{place}{mark}{_anchor(anchor)}", title)

    def heading(self, text, level):
        anchor = _anchor(html.unescape(re.sub(r"<[^>]+>", "", text)))
        return f'<h{level} id="{anchor}">{text}<a class="anchor-link" href="#{anchor}">¶</a></h{level}>\n'

    def image(self, text, url, title=None):
        return super().image(text, url if url.startswith("attachment:") else self._resolve(url), title)


class _Exporter(HTMLExporter):
    resolve = staticmethod(lambda url: url)

    def markdown2html(self, context, source):
        attachments = context.get("cell", {}).get("attachments", {})
        return MarkdownWithMath(renderer=_Renderer(self.resolve, attachments=attachments)).render(source)

    markdown2html.jinja_pass_arg = HTMLExporter.markdown2html.jinja_pass_arg  # what jinja2.pass_context marks


def book_of(markdown):
    """A Markdown text as a notebook of one cell, for `page`."""
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(markdown, id="text")])


def page(book, title, resolve=lambda url: url, contents="", steps=""):
    """The HTML document of a notebook, its code folded.

    ``resolve``: link target in the text -> link target in the page, None for none. ``contents``, ``steps``: HTML of the list of
    pages beside it, and of the links below it.
    """
    exporter = _Exporter(template_name="basic", exclude_input_prompt=True, exclude_output_prompt=True)
    exporter.raw_template = _FOLDED
    exporter.resolve = resolve
    body, _ = exporter.from_notebook_node(book, {"metadata": {"name": title}})
    code = HtmlFormatter(style="friendly").get_style_defs(".highlight")
    beside = f'<nav class="contents">{contents}</nav>' if contents else ""
    below = f'<nav class="steps">{steps}</nav>' if steps else ""
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"{MADE_BY}<title>{html.escape(title)}</title>\n<style>{_STYLE}{code}</style></head>\n"
        f'<body><div class="page">{beside}<main>{body}{below}</main></div></body></html>\n'
    )
