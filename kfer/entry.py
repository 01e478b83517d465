"""How every command begins and ends: its streams, one line for an error, and its exit code.

An exit code is an answer: 0 yes or done, 1 no or a part failed, 2 could not tell. Python itself ends
with 1 after any exception, which would say "no"; here any exception ends with 2. A process that a signal
ends within native code cannot do that: its shell shows 128 and the signal's number.
"""

import os
import sys
import traceback
from collections.abc import Callable

from kfer import console
from kfer.writing import is_disk_full

#: What scripts can rely on: what was asked is so, is not so, could not be found out.
YES, NO, ERROR = 0, 1, 2
#: After Ctrl+C, as shells have it: 128 and the number of SIGINT.
INTERRUPTED = 130
#: Set to 1, it prints the traceback of an error.
DEBUG = "KFER_DEBUG"
# A message longer than this is cut in its middle.
_LONGEST = 2000
_EXPECTED = (OSError, ValueError, ModuleNotFoundError, FloatingPointError)


class Ended(SystemExit):
    """A parser of arguments has said what there is to say: its help, or which argument is wrong."""


def run(name: str, body: Callable[[], int]) -> int:
    """Runs a command and returns its exit code.

    Args:
        name: The command's name, which begins the line of an error ("kfer verify").
        body: Does the work and returns the exit code. It imports what it needs, so that an error there
            is told like any other.
    """
    with console.safe_streams():
        try:
            code = int(body())
            sys.stdout.flush()
            return code
        except Ended as ended:
            return int(ended.code or 0)
        except BaseException as error:
            return _told(name, error)


def _told(name: str, error: BaseException) -> int:
    if isinstance(error, SystemExit) and isinstance(error.code, int) and error.code > ERROR:
        return error.code  # a signal's, or the output's reader has gone
    tell(name, error)
    return INTERRUPTED if isinstance(error, KeyboardInterrupt) else ERROR


def tell(name: str, error: BaseException) -> None:
    """Prints an error as one line on standard error, behind its traceback where KFER_DEBUG is 1."""
    if os.environ.get(DEBUG) == "1":
        traceback.print_exception(error, file=sys.stderr)
    print(f"{name}: {reason(error)}", file=sys.stderr)


def reason(error: BaseException) -> str:
    """Returns what went wrong as one line; an error that kfer did not expect is named by its class."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    if isinstance(error, MemoryError):
        return f"there is not enough memory ({_line(error) or 'MemoryError'})"
    message = _line(error)
    in_our_words = isinstance(error, _EXPECTED) or _is_ours(error)
    if message and (not in_our_words or message.startswith("[Errno")) and is_disk_full(error):
        return f"the disk is full ({message})"
    if message and in_our_words:
        return message
    named = f"{type(error).__name__}: {message}" if message else type(error).__name__
    return f"{named} ({DEBUG}=1 prints the traceback)"


def _line(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception as unsayable:  # a message that cannot be made must not hide the error
        text = f"its message cannot be shown: {type(unsayable).__name__}"
    line = " ".join(filter(None, map(str.strip, text.splitlines())))
    if len(line) > _LONGEST:
        line = f"{line[: _LONGEST // 2]} ... {line[-_LONGEST // 2 :]}"
    return line


def _is_ours(error: BaseException) -> bool:
    """Whether kfer itself raised a RuntimeError, with words for users."""
    if not isinstance(error, RuntimeError) or isinstance(error, RecursionError | NotImplementedError):
        return False
    frames = list(traceback.walk_tb(error.__traceback__))
    return not frames or frames[-1][0].f_globals.get("__name__", "").startswith("kfer.")
