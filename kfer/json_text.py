"""JSON as RFC 8259 has it, and no more than can be used without harm."""

import json
import math
import re
from typing import Any

# Objects and lists within one another, and the digits of a whole number (64 bits have 20).
_DEEPEST, _MOST_DIGITS = 100, 24
_HALF_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def parse_json(content: bytes) -> Any:
    """Returns what JSON says, without what Python's reader takes though it is none or harms later.

    Args:
        content: UTF-8 without a byte order mark.

    Raises:
        ValueError: It is not valid JSON; a number is not finite or has more than 24 digits before the
            point, a name is twice in an object, text is half a surrogate pair, or objects and lists are
            nested more than 100 deep.
    """
    try:
        text = content.decode()
        if not text.strip():
            raise ValueError("it is empty")
        if text[0] == "\ufeff":
            raise ValueError("it begins with a byte order mark: save it as UTF-8 without one")
        found = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_finite,
            parse_float=_finite,
            parse_int=_whole,
        )
    except RecursionError as error:
        raise ValueError(f"objects and lists are nested more than {_DEEPEST} deep") from error
    _check_depth(found)
    if _HALF_SURROGATE.search(text):
        json.dumps(found, ensure_ascii=False).encode()
    return found


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice!r} is twice in an object")
    return found


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"expected finite numbers; got {text[:40]}")
    return number


def _whole(text: str) -> int:
    if len(text) > _MOST_DIGITS:
        raise ValueError(f"expected numbers of at most {_MOST_DIGITS} digits; got one of {len(text):,}")
    return int(text)


def _check_depth(content: Any) -> None:
    level = [content]
    for _ in range(_DEEPEST):
        level = [
            each
            for container in level
            if isinstance(container, dict | list)
            for each in (container.values() if isinstance(container, dict) else container)
            if isinstance(each, dict | list)
        ]
        if not level:
            return
    raise ValueError(f"objects and lists are nested more than {_DEEPEST} deep")
