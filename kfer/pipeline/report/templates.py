"""The pages' templates: where they are found, and how they write numbers."""

import math
from pathlib import Path
from typing import Any

import jinja2

_FOLDER = Path(__file__).parent
_SPELLED = {"f1": "F1", "mae": "mean absolute error", "ccc": "concordance"}


def environment(*folders: Path) -> jinja2.Environment:
    """Returns the environment of pages that share this folder's "page.css".

    A name that a page uses and that nobody gave is an error. The filters `percent`, `points`, `count`,
    `cosine` and `number` write figures, and a dash where there is none; `words` writes names.

    Args:
        folders: Where further templates are.
    """
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader([*folders, _FOLDER]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters.update(
        percent=percent, number=number, points=_points, count=_count, cosine=_cosine, words=words
    )
    return templates


def words(name: str) -> str:
    """The name of a task, an attribute or a figure as a page writes it."""
    return " ".join(_SPELLED.get(word, word) for word in name.split("_"))


def heading(name: str) -> str:
    """The same with a capital letter."""
    text = words(name)
    return text[:1].upper() + text[1:]


def percent(value: float | None, digits: int = 1) -> str:
    """A share in percent."""
    return _written(None if value is None else 100 * value, f".{digits}f", "%")


def _points(value: float | None) -> str:
    """A change of accuracy in points; adding 0 makes -0 positive."""
    return _written(None if value is None else round(100 * value, 2) + 0.0, "+.2f")


def _count(value: float | None) -> str:
    return _written(value, ",.10g")


def _cosine(value: float | None) -> str:
    return _written(value, ".4f")


def number(value: Any) -> str:
    """Any value of a table: numbers to four digits."""
    if value is None or isinstance(value, float):
        return _written(value, ".4g")
    return f"{value:,}" if type(value) is int else str(value)


def _written(value: float | None, how: str, unit: str = "") -> str:
    return "\N{EN DASH}" if value is None or math.isnan(value) else f"{value:{how}}{unit}"
