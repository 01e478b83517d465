"""What figures were made with: the command, the versions, the machine, the commit."""

import importlib.metadata
import platform
import time
from collections.abc import Sequence
from typing import Any

import kfer
from kfer.machine import commit, machine


def facts(name: str, command: str, packages: Sequence[str]) -> dict[str, Any]:
    """Returns what a page says of itself: "name", "version" (of kfer), "written" and "made".

    Args:
        name: Of what is compared.
        command: What the user typed.
        packages: Whose versions matter.
    """
    return {
        "name": name,
        "version": kfer.__version__,
        "written": time.strftime("%Y-%m-%d %H:%M"),
        "made": made(command, packages),
    }


def made(command: str, packages: Sequence[str]) -> list[tuple[str, str]]:
    """Returns titles and texts for readers who want to do the same.

    Args:
        command: What the user typed.
        packages: Whose versions matter.
    """
    versions = [f"{package} {importlib.metadata.version(package)}" for package in packages]
    rows = [
        ("command", command),
        ("versions", ", ".join([f"kfer {kfer.__version__}", *versions])),
        ("Python", f"{platform.python_version()} on {platform.system()}"),
        ("machine", machine()),
    ]
    code = commit()
    return [*rows, ("commit of the page's code", code)] if code else rows
