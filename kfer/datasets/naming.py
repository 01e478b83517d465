"""Errors for names that are not among the expected ones."""

import difflib
import re
from collections.abc import Collection, Iterable

# Of names that are wrong, so many are told.
_NUM_LISTED = 5


def check_name(name: str, allowed: Collection[str], what: str) -> str:
    """Returns `name` when it is allowed.

    Args:
        name: What came.
        allowed: What was expected.
        what: Says in the error what the name is and where it stands.

    Raises:
        ValueError: The name is not allowed; the message lists the allowed ones and the nearest.
    """
    if name in allowed:
        return name
    raise unknown_name(name, allowed, what)


def unknown_name(name: str, allowed: Collection[str], what: str) -> ValueError:
    """Returns the error that `check_name` raises, for names that are known to be wrong."""
    near = nearest(name.lower(), allowed)
    suggestion = f" Did you mean {near!r}?" if near else ""
    return ValueError(f"{what} is {name!r}; expected one of {', '.join(allowed)}.{suggestion}")


def nearest(name: str, allowed: Collection[str]) -> str:
    """Returns the most similar of some names, or "" where none is similar."""
    near = difflib.get_close_matches(name, allowed, n=1)
    return near[0] if near else ""


def check_form(
    names: Iterable[str], form: re.Pattern[str], expected: str, place: object, advice: str
) -> None:
    """Checks that files have the names of a dataset's.

    Args:
        names: The files' names.
        form: What each must match as a whole.
        expected: The form in words.
        place: Where the files are.
        advice: Ends the message.

    Raises:
        ValueError: Some do not; the message lists the first of them.
    """
    wrong = [name for name in names if not form.fullmatch(name)]
    if wrong:
        more = f" and {len(wrong) - _NUM_LISTED} more" if len(wrong) > _NUM_LISTED else ""
        listed = ", ".join(wrong[:_NUM_LISTED])
        raise ValueError(f"{place} has {listed}{more}; expected {expected}. {advice}")
