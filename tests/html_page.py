"""Pages as their readers find them."""

import re
from html.parser import HTMLParser
from pathlib import Path


class Page(HTMLParser):
    """A page's words, ids, links to elsewhere and references to its own ids."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.words, self.ids, self.outside, self.references = "", [], [], []
        self._silent = False
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        self._silent = tag == "style"
        self.ids += [given["id"]] if "id" in given else []
        links = [given[name] for name in ("src", "href", "xlink:href") if name in given]
        self.outside += [link for link in links if not link.startswith("#")]
        self.references += [link[1:] for link in links if link.startswith("#")]
        self.references += re.findall(r"url\(#([^)]*)\)", " ".join(given.values()))

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.words += data


def words(page: Path) -> str:
    return " ".join(Page(page).words.split())
