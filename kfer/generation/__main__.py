"""The command `python -m kfer.generation`."""

import importlib
import sys
from collections.abc import Sequence

from kfer import entry


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code: 0 done, 2 wrong usage or a training that stopped."""
    typed = list(sys.argv[1:] if arguments is None else arguments)
    return entry.run(
        "kfer.generation", lambda: int(importlib.import_module("kfer.generation.command").run(typed))
    )


if __name__ == "__main__":
    sys.exit(main())
