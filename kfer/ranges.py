"""Numbers and the ranges that they must lie in, as settings and arguments state them.

A range is a text, as messages have it: "at least 1", "above 0", "in [0, 1)", "0, or at least 2". Every
number is finite, and none is larger than `LARGEST` or, where it need not be whole, `LARGEST_FLOAT`.
"""

import functools
import math
import re
from collections.abc import Callable
from typing import Any

#: The largest whole number of 32 bits: counts and seeds beyond it are no longer such in TensorFlow.
LARGEST = 2**31 - 1
#: What float32, whose largest is 3.4e38, has room to compute with.
LARGEST_FLOAT = 1e30
#: The longest text that a setting or an argument may be.
LONGEST_TEXT = 100_000
_SHOWN = 100
_NUMBER = r"-?[0-9.]+"
_FORMS = re.compile(
    rf"(?P<one>{_NUMBER})|at least (?P<least>{_NUMBER})|above (?P<above>{_NUMBER})"
    rf"|in (?P<open>[\[(])(?P<low>{_NUMBER}), (?P<high>{_NUMBER})(?P<close>[\])])"
)
# Written as people write numbers: no "1_000", no hexadecimal, no other script's digits, no "inf".
_WHOLE = re.compile(r"[+-]?[0-9]{1,20}")
_REAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")


def check_number(value: Any, name: str, kind: type, words: str = "") -> None:
    """Checks a number.

    Args:
        value: What came.
        name: What messages call it.
        kind: int or float; a float may be a whole number.
        words: Its range; empty for any finite number.

    Raises:
        ValueError: It is not a number of this kind, not finite, or out of its range.
    """
    if type(value) is not int and not (kind is float and isinstance(value, float)):
        raise ValueError(f"{name} must be {_described(kind, words)}; got {shown(value)}")
    if not math.isfinite(_clipped(value)):
        raise ValueError(f"{name} must be {_described(kind, words)}; got {shown(value)}")
    if words and not allows(words, value):
        raise ValueError(f"{name} must be {words}; got {shown(value)}")
    if kind is int and abs(value) > LARGEST:
        raise ValueError(f"{name} must be at most {LARGEST:,} in size; got {shown(value)}")
    if abs(value) > LARGEST_FLOAT:
        raise ValueError(f"{name} must be at most {LARGEST_FLOAT:g} in size; got {shown(value)}")


def parsed(text: str, kind: type) -> int | float:
    """Returns the number that a text is.

    Args:
        text: As it was typed.
        kind: int or float.

    Raises:
        ValueError: It is not a finite number of this kind, in digits from 0 to 9.
    """
    pattern = _WHOLE if kind is int else _REAL
    if len(text) > _SHOWN or not pattern.fullmatch(text):
        raise ValueError(f"must be {_described(kind, '')}; got {shown(text)}")
    number: int | float = kind(text)
    if not math.isfinite(number):
        raise ValueError(f"must be a finite number; got {shown(text)}")
    return number


def allows(words: str, value: float) -> bool:
    """Returns whether a range, in words, has a number."""
    return _test(words)(value)


@functools.cache
def _test(words: str) -> Callable[[float], bool]:
    tests = []
    for part in words.split(", or "):
        found = _FORMS.fullmatch(part)
        assert found, f"{words!r} is not a range"
        tests.append(_one(**found.groupdict()))
    return lambda value: any(test(value) for test in tests)


def _one(
    one: str | None,
    least: str | None,
    above: str | None,
    open: str | None,
    low: str | None,
    high: str | None,
    close: str | None,
) -> Callable[[float], bool]:
    if one is not None:
        only = float(one)
        return lambda value: value == only
    if least is not None:
        bottom = float(least)
        return lambda value: value >= bottom
    if above is not None:
        bottom = float(above)
        return lambda value: value > bottom
    assert low is not None
    assert high is not None
    first, last = float(low), float(high)
    return lambda value: (
        (value >= first if open == "[" else value > first)
        and (value <= last if close == "]" else value < last)
    )


def shown(value: object) -> str:
    """Returns a value as messages show it, of which a long one is cut."""
    try:
        text = repr(value)
    except ValueError:  # a number of more digits than Python writes
        return "a number of thousands of digits"
    except RecursionError:
        return f"a {type(value).__name__} that is nested too deeply"
    if len(text) <= _SHOWN:
        return text
    return f"{text[:_SHOWN]}... ({len(text):,} characters)"


def _described(kind: type, words: str) -> str:
    one = "a whole number" if kind is int else "a finite number"
    return f"{one} {words}".rstrip()


def _clipped(value: float) -> float:
    """A whole number may be too large for a float, and is finite."""
    return 0.0 if isinstance(value, int) else value
