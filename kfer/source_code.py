"""Which code makes something: a hash of a module and of every kfer module that it imports."""

import ast
import functools
import hashlib
from collections.abc import Iterator
from pathlib import Path

_PACKAGE = Path(__file__).parent


def digest(*files: Path) -> str:
    """Returns a hash of source files and every kfer module that they import, directly or not.

    Args:
        files: Python files of kfer, or that import it.
    """
    found = hashlib.sha256()
    for source in sorted(_reachable(files)):
        place = source.relative_to(_PACKAGE) if source.is_relative_to(_PACKAGE) else source.name
        found.update(f"{place}\n".encode())
        found.update(source.read_bytes())
    return found.hexdigest()


def _reachable(files: tuple[Path, ...]) -> set[Path]:
    found, waiting = set(), list(files)
    while waiting:
        source = waiting.pop()
        if source not in found:
            found.add(source)
            waiting.extend(_imported(source))
    return found


@functools.cache
def _imported(file: Path) -> tuple[Path, ...]:
    """The files of the kfer modules that a file imports, also inside its functions."""
    found: list[Path] = []
    for node in ast.walk(ast.parse(file.read_bytes(), str(file))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                found += _files(alias.name)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                # A package's module by its name; else the module, or the package, that has the name.
                found += [*_files(f"{node.module}.{alias.name}")] or [*_files(node.module)]
    return tuple(found)


def _files(module: str) -> Iterator[Path]:
    package, *parts = module.split(".")
    if package != _PACKAGE.name or not parts:
        return
    place = _PACKAGE.joinpath(*parts)
    if place.with_suffix(".py").is_file():
        yield place.with_suffix(".py")
    elif place.is_dir():
        # A package may choose among its modules when it runs (a backbone by its name): all count.
        yield from place.rglob("*.py")
