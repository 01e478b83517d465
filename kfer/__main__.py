"""The command `kfer`."""

import importlib
import sys
from collections.abc import Sequence

from kfer import entry


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a subcommand with the arguments after its name, and returns its exit code."""
    typed = list(sys.argv[1:] if arguments is None else arguments)
    # What the package of commands imports is in the body, where an error is told as any other.
    return entry.run("kfer", lambda: int(importlib.import_module("kfer.commands").main(typed)))


if __name__ == "__main__":
    sys.exit(main())
