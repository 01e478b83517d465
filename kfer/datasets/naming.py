"""Errors for names that are not among the expected ones."""

import difflib
from collections.abc import Collection


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
    near = difflib.get_close_matches(name.lower(), allowed, n=1)
    suggestion = f" Did you mean {near[0]!r}?" if near else ""
    return ValueError(f"{what} is {name!r}; expected one of {', '.join(allowed)}.{suggestion}")
