"""Markdown with texts from outside: names, licences and uses, which are shown and format nothing."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from kfer.files import write_text

_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
# What CommonMark and GitHub's tables give a meaning within a line; an underscore only beside a word.
_WITHIN = re.compile(r"[\\`*|\[\]~$]|(?<![^\W_])_|_(?![^\W_])")
# At the start of a line: headings, lists, rules, headings that are underlined.
_AT_START = re.compile(r"^([#+\-=]|\d+(?=[.)]))")


def escaped(text: str) -> str:
    """Returns a text as one line that Markdown shows as it is.

    >>> escaped("<b>none</b>\\n\\n# Figures")
    '&lt;b&gt;none&lt;/b&gt; # Figures'
    """
    return _AT_START.sub(lambda found: _inert(found[0]), _within(text))


def _within(text: str) -> str:
    shown = "".join(" " if unicodedata.category(sign) in ("Cc", "Cs", "Cf") else sign for sign in text)
    return _WITHIN.sub(r"\\\g<0>", " ".join(shown.split()).translate(_HTML))


def code(text: str) -> str:
    """Returns a text as code, in as many backticks as it needs.

    >>> code("a`b")
    '``a`b``'
    """
    line = " ".join(text.split())
    longest = max(map(len, re.findall("`+", line)), default=0)
    fence = "`" * (longest + 1)
    edge = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{edge}{line}{edge}{fence}"


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Returns the lines of a table, whose cells are escaped; none where there is no row."""
    rows = [list(map(_within, row)) for row in rows]
    if not rows:
        return []
    return [f"| {' | '.join(row)} |" for row in (titles, ["---"] * len(titles), *rows)]


def write_sections(path: Path, sections: Mapping[str, Sequence[str]]) -> None:
    """Writes a file: the lines of each section by its title, the first being the whole's.

    Args:
        path: The file.
        sections: Lines are Markdown, of which what comes from outside is `escaped`; titles are escaped
            here.
    """
    text = "\n\n".join(
        f"{'#' if not index else '##'} {escaped(title)}\n\n" + "\n".join(lines)
        for index, (title, lines) in enumerate(sections.items())
        if lines
    )
    write_text(path, text + "\n")


def _inert(start: str) -> str:
    # A number begins a list by the sign behind it, a digit cannot be escaped.
    return f"{start}\\" if start.isdecimal() else f"\\{start}"
