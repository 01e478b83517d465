"""The console: streams that print any name, log lines with the time, and libraries kept quiet."""

import contextlib
import logging
import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

#: The exit code where who reads the output has gone, as `| head` does: 128 and the number of SIGPIPE.
OUTPUT_CLOSED = 141
#: What a terminal would obey, what turns the direction of writing, and halves of characters.
UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


_BREAKS = str.maketrans({"\n": "\\n", "\t": "\\t"})


def printable(text: str, keep_lines: bool = False) -> str:
    r"""Returns a text in which control characters are escapes, so that no terminal obeys a file's name.

    Bytes of a name that are no UTF-8 are escapes too: any encoding of Unicode can write the text.

    >>> printable("two\nlines\x1b[31m")
    'two\\nlines\\x1b[31m'

    Args:
        text: What is printed, logged or kept.
        keep_lines: Whether line breaks and tabs stay; else they are escapes too.
    """
    escaped = UNPRINTABLE.sub(_escape, text)
    return escaped if keep_lines else escaped.translate(_BREAKS)


def _escape(found: "re.Match[str]") -> str:
    code = ord(found[0])
    # Python reads a byte that is no UTF-8 as half of a character.
    code = code - 0xDC00 if 0xDC80 <= code <= 0xDCFF else code
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


class _Stream:
    """A text stream that escapes what it cannot, or should not, print."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def write(self, text: str) -> int:
        raise NotImplementedError


class _Output(_Stream):
    """Standard output: where it cannot be written, the command ends."""

    def write(self, text: str) -> int:
        with self._said():
            self._stream.write(printable(text, keep_lines=True))
        return len(text)

    def flush(self) -> None:
        with self._said():
            self._stream.flush()

    @contextlib.contextmanager
    def _said(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError as error:
            self._drop()
            # No Exception, which a handler of log lines would catch.
            raise SystemExit(OUTPUT_CLOSED) from error
        except OSError as error:
            self._drop()
            raise OSError(f"standard output cannot be written: {error.strerror or error}") from error

    def _drop(self) -> None:
        """Lets what is still to be written go nowhere, or Python would complain at its end."""
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)


class _Errors(_Stream):
    """Standard error: where it cannot be written, there is nobody to tell."""

    def write(self, text: str) -> int:
        # Bars begin with a carriage return.
        bar = "\r" if text.startswith("\r") else ""
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(bar + printable(text[len(bar) :], keep_lines=True))
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()


def escape_streams() -> None:
    """Makes standard output and error print any name, also where they are closed or know few letters."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            # Lowest first: else a file that is opened later takes its place, and is written into.
            os.open(os.devnull, os.O_RDWR)
    for name, kind in (("stdout", _Output), ("stderr", _Errors)):
        stream = getattr(sys, name)
        if stream is None:
            # Never closed: it lives as long as the process.
            stream = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
        if not isinstance(stream, _Stream):
            setattr(sys, name, kind(stream))


@contextlib.contextmanager
def safe_streams() -> Iterator[None]:
    """Has streams that print any name, as `escape_streams` makes them, for as long as its block lasts."""
    before = sys.stdout, sys.stderr
    escape_streams()
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, SystemExit):
                stream.flush()
        sys.stdout, sys.stderr = before


@contextlib.contextmanager
def after_the_deed() -> Iterator[None]:
    """Prints what a command has done. Where that fails the deed is done all the same, and so it is told.

    Without it an exit code would say that nobody was enrolled, or deleted, who was.
    """
    try:
        yield
        sys.stdout.flush()
    except SystemExit as ended:
        if ended.code != OUTPUT_CLOSED:
            raise
    except OSError as error:
        print(f"kfer: all is done, but {error}", file=sys.stderr)


def log_to_console() -> None:
    """Sends the log of kfer to standard output, and quiets that of the libraries."""
    start = time.monotonic()

    class Elapsed(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            minutes, seconds = divmod(int(time.monotonic() - start), 60)
            return f"{minutes:>3}:{seconds:02} {super().format(record)}"

    class Lines(logging.StreamHandler[Any]):
        def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
            """Ends the command where its output cannot be written, as a print does."""
            if isinstance(sys.exc_info()[1], OSError):
                raise
            super().handleError(record)

    handler = Lines(sys.stdout)
    handler.setFormatter(Elapsed("%(message)s"))
    logger = logging.getLogger("kfer")
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False
    quiet_libraries()


def quiet_libraries() -> None:
    """Keeps the log lines of libraries off the console, but for errors of TensorFlow."""
    for library in ("absl", "tensorflow"):  # they tell every step at INFO
        logging.getLogger(library).setLevel(logging.ERROR)
    # Else Python prints warnings of all others, which have no handler.
    root = logging.getLogger()
    if not root.handlers:
        root.addHandler(logging.NullHandler())


@contextlib.contextmanager
def libraries_redirected(descriptor: int) -> Iterator[int]:
    """Sends to an open file what the process writes to its console's second stream, past Python as well.

    LiteRT and TensorFlow tell there, in C++, what they do. It is for the whole process, so that it is for
    commands, and for steps that run alone.

    Yields:
        A descriptor of the console.
    """
    sys.stderr.flush()
    console = os.dup(2)
    os.dup2(descriptor, 2)
    try:
        yield console
    finally:
        sys.stderr.flush()
        os.dup2(console, 2)
        os.close(console)


@contextlib.contextmanager
def only_python_on_stderr() -> Iterator[None]:
    """Keeps libraries off the console, where Python's own stream goes on."""
    before = sys.stderr
    with (
        Path(os.devnull).open("w") as nowhere,
        libraries_redirected(nowhere.fileno()) as console,
        os.fdopen(os.dup(console), "w", buffering=1, errors="backslashreplace") as direct,
    ):
        if _is_console(before):
            sys.stderr = _Errors(direct)  # type: ignore[assignment]
        try:
            yield
        finally:
            sys.stderr = before


def _is_console(stream: TextIO) -> bool:
    try:
        return stream.fileno() == 2
    except OSError:  # a stream that is no file's
        return False
