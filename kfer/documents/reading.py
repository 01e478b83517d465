"""Files of JSON read as typed models."""

import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from kfer.files import named_if_damaged, read_json


class Document(BaseModel):
    """What stands in a file, or in an object within one: typed, never converted, finite.

    Fields that a later kfer adds are let through: they are among `model_dump(exclude_unset=True)`.
    """

    model_config = ConfigDict(
        strict=True, frozen=True, extra="allow", allow_inf_nan=False, protected_namespaces=()
    )

    def content(self) -> dict[str, Any]:
        """Returns what was read, as JSON has it."""
        return self.model_dump(exclude_unset=True)


Kind = TypeVar("Kind", bound=BaseModel)


def read(path: Path, kind: type[Kind], advice: str) -> Kind:
    """Returns what stands in a file of JSON.

    Args:
        path: The file.
        kind: The model of its content.
        advice: What the user can do where it is damaged.

    Raises:
        DamagedError: It is not valid JSON, or a field is missing, of another type or out of its range.
        FileNotFoundError: There is no such file.
    """
    content = read_json(path, advice)
    with named_if_damaged(path, advice):
        return validated(content, kind)


def validated(content: Mapping[str, Any], kind: type[Kind]) -> Kind:
    """Returns a typed model of what JSON said.

    Args:
        content: As `kfer.files.parse_json` returns it.
        kind: The model.

    Raises:
        ValueError: A field is missing, of another type or out of its range; the first such one is named,
            with what was expected and what came.
    """
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise ValueError(_words(error)) from error


def _words(error: ValidationError) -> str:
    first, *others = error.errors(include_url=False, include_context=False)
    place = ".".join(str(part) for part in first["loc"])
    # What pydantic says of a check of ours begins with "Value error, ".
    told = first["msg"].removeprefix("Value error, ").removesuffix(" after validation")
    for begin in ("Input should be", "Input should", "List should have", "Dictionary should have"):
        told = told.replace(begin, "expected")
    told = told.partition(" or instance of ")[0]
    if first["type"] == "missing":
        told = f"{place} is missing"
    else:
        told = f"{place}: {told}" if place else told
        told += "" if "; got " in told else f"; got {reprlib.repr(first['input'])}"
    return told + (f"; and {len(others)} more" if others else "")
