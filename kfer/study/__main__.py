"""The command `python -m kfer.study`."""

import importlib
import sys
from collections.abc import Sequence

from kfer import entry


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code: 0 done, 1 a run failed, 2 wrong usage."""
    typed = list(sys.argv[1:] if arguments is None else arguments)
    return entry.run("kfer.study", lambda: int(importlib.import_module("kfer.study.command").run(typed)))


if __name__ == "__main__":
    sys.exit(main())
