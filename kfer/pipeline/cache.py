"""When earlier outputs may be used again: the key of an execution."""

import ast
import functools
import hashlib
import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import kfer
from kfer.pipeline.component import Component
from kfer.pipeline.metadata import Stored, canonical_json, plain

_PACKAGE = Path(kfer.__file__).parent


def execution_key(
    component: Component, values: Mapping[str, Any], inputs: Mapping[str, Stored | None]
) -> str:
    """A hash of all that decides what an execution makes.

    Args:
        component: The component; its source counts, with every kfer module that it imports, directly
            or not.
        values: Its plain values.
        inputs: Its input artifacts; None where there is none yet.
    """
    parts = {
        "source": source_fingerprint(Path(inspect.getfile(component.function))),
        "values": {name: plain(value) for name, value in values.items()},
        "inputs": {name: stored and stored.id for name, stored in inputs.items()},
        "outside": component.fingerprint(values),
    }
    return hashlib.sha256(canonical_json(parts).encode()).hexdigest()


def source_fingerprint(file: Path) -> str:
    """A hash of a source file and every kfer module that it imports, directly or not."""
    digest = hashlib.sha256()
    for source in sorted(_reachable(file)):
        digest.update(source.name.encode())
        digest.update(source.read_bytes())
    return digest.hexdigest()


def _reachable(file: Path) -> set[Path]:
    found, waiting = set(), [file]
    while waiting:
        source = waiting.pop()
        if source not in found:
            found.add(source)
            waiting.extend(_imported(source))
    return found


@functools.cache
def _imported(file: Path) -> tuple[Path, ...]:
    """The files of the kfer modules that a file imports, also inside its functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_bytes(), str(file))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return tuple(path for name in names for path in _files(name))


def _files(module: str) -> Iterator[Path]:
    package, *parts = module.split(".")
    if package != kfer.__name__ or not parts:
        return
    place = _PACKAGE.joinpath(*parts)
    if place.with_suffix(".py").is_file():
        yield place.with_suffix(".py")
    elif place.is_dir():
        # A package may choose among its modules when it runs (a backbone by its name): all count.
        yield from place.rglob("*.py")
