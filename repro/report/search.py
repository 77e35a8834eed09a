"""Search over the pages of a site, without a server: a script that holds their texts, and the box it listens to."""

import html
import json
from html.parser import HTMLParser
from pathlib import Path

FILE = "search.js"
_UNREAD = ("style", "script", "nav", "details", "math")  # frames, folded code, and formulas, which nobody types


def script(pages):
    """The text of `FILE`; ``pages``: [(title, place in the site, HTML)]."""
    index = [{"title": title, "place": place, "text": _text(page)} for title, place, page in pages]
    return (
        f"const PAGES = {json.dumps(index, ensure_ascii=False)};\n{Path(__file__).with_suffix('.js').read_text(encoding='utf-8')}"
    )


def box(root):
    """The box as HTML; ``root``: the way from the page to the folder of the site, "" or with a slash behind it."""
    root = html.escape(root)
    return (
        f'<input id="search" type="search" placeholder="search" aria-label="search all pages" data-root="{root}">'
        f'<ul id="found"></ul><script src="{root}{FILE}" defer></script>'
    )


def _text(page):
    reader = _Reader()
    reader.feed(page)
    return " ".join("".join(reader.read).split())


class _Reader(HTMLParser):
    """What one reads on a page, spaces where elements end."""

    def __init__(self):
        super().__init__()
        self.read, self._unread = [], 0

    def handle_starttag(self, tag, attributes):
        self._unread += tag in _UNREAD

    def handle_endtag(self, tag):
        self._unread -= tag in _UNREAD
        self.read.append(" ")

    def handle_data(self, data):
        if not self._unread:
            self.read.append(data)
