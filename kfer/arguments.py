"""Arguments of commands: numbers in their ranges, and the nearest name where one is mistyped."""

import argparse
import difflib
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

from kfer import ranges
from kfer.entry import ERROR, Ended


class Parser(argparse.ArgumentParser):
    """A parser that tells a wrong argument in one line, with the nearest one that there is.

    It raises `kfer.entry.Ended` where argparse would end the process.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"allow_abbrev": False, **kwargs})

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Returns the options; see `argparse.ArgumentParser.parse_args`."""
        parsed, rest = self.parse_known_args(args, namespace)
        if rest:
            self.error(self.unknown(rest))
        return parsed

    def unknown(self, rest: Sequence[str], more: Iterable[str] = ()) -> str:
        """Returns what to say of arguments that the parser does not know.

        Args:
            rest: They.
            more: Options that are known besides.
        """
        wrong = next((each for each in rest if each.startswith("-")), rest[0]).partition("=")[0]
        if not wrong.startswith("-"):
            return f"nothing is expected after the other arguments; got {ranges.shown(wrong)}"
        near = nearest(wrong, [*self._option_string_actions, *more])
        return f"there is no option {wrong}{near}"

    def error(self, message: str) -> NoReturn:
        """Ends with one line on standard error."""
        # Of argparse's "argument --size: must be at least 1".
        message = re.sub(r"^argument ([^:]+): must be", r"\1 must be", message)
        stop = "" if message.endswith("?") else "."
        self.exit(ERROR, f"{self.prog}: {message}{stop} See {self.prog} --help\n")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        """Ends with what was said."""
        if message:
            self._print_message(message, None)
        raise Ended(status)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            known = [str(choice) for choice in action.choices]
            raise argparse.ArgumentError(
                action,
                f"must be among {', '.join(known)}; got {ranges.shown(value)}{nearest(value, known)}",
            )


def nearest(name: object, known: Iterable[str]) -> str:
    """Returns "; did you mean verify?" for a mistyped name; empty where nothing is near.

    >>> nearest("verfy", ["analyze", "verify"])
    '; did you mean verify?'
    """
    found = difflib.get_close_matches(str(name)[:100], list(known), n=1, cutoff=0.5)
    return f"; did you mean {found[0]}?" if found else ""


def number(words: str = "") -> Callable[[str], float]:
    """Returns the type of an argument that is a number in a range, such as "in [0, 1]"."""
    return _type(float, words)


def whole(words: str = "") -> Callable[[str], int]:
    """Returns the type of an argument that is a whole number in a range, such as "at least 1"."""
    return _type(int, words)


def wholes(words: str = "") -> Callable[[str], tuple[int, ...]]:
    """Returns the type of an argument that is whole numbers, such as 1,2."""
    one: Callable[[str], int] = _type(int, words)
    return lambda text: tuple(map(one, text.split(",")))


def _type(kind: type, words: str) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        try:
            value = ranges.parsed(text, kind)
            ranges.check_number(value, "it", kind, words)
        except ValueError as error:
            expected = str(error).partition("; got ")[0].removeprefix("it ")
            raise argparse.ArgumentTypeError(f"{expected}; got {_typed(text)}") from error
        return value

    return read


def _typed(text: str) -> str:
    shown = ranges.shown(text)
    return shown[1:-1] if shown.endswith(shown[:1]) else shown
