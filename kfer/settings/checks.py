"""What settings check of their values: a ValueError says what is expected, and what came.

Every class of settings is `checked`: each field has the type that its annotation says, each number is
finite and in the range beside it, as in `Annotated[float, "in [0, 1]"]` (see `kfer.ranges`). What depends
on several fields is for `__post_init__`, which may trust them.
"""

import dataclasses
import functools
import os
import types
from collections.abc import Mapping
from typing import (
    Annotated,
    Any,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from kfer import ranges
from kfer.ranges import LONGEST_TEXT, shown

T = TypeVar("T")
# Mappings and tuples within one another, of arguments.
_DEEPEST = 20


def check(allowed: bool, field_name: str, expected: str, value: object) -> None:
    """Raises a ValueError that says what a field must be, where it is not allowed."""
    if not allowed:
        raise ValueError(f"{field_name} must be {expected}; got {shown(value)}")


def check_folder_name(name: str, field_name: str = "name") -> None:
    """Checks a name that folders are called by."""
    plain = name.replace("_", "").replace("-", "").isalnum() and len(name) <= 100
    check(plain, field_name, "at most 100 letters, digits, - and _ (it names folders)", name)


def check_choices(settings: object, choices: tuple[str, ...], name: str) -> None:
    """Checks that a field, or each entry of one that is a tuple, is among the choices."""
    value = getattr(settings, name)
    for item in value if isinstance(value, tuple) else (value,):
        check(item in choices, name, f"among {', '.join(choices)}", item)


def checked(kind: type[T]) -> type[T]:
    """Lets a class, of which a frozen dataclass is made then, check its fields before all else."""
    after = kind.__dict__.get("__post_init__")

    def __post_init__(self: Any) -> None:  # noqa: N807
        own: Any = type(self)
        for name, hint in _hints(own).items():
            value = getattr(self, name)
            right = _checked(value, hint, name)
            if right is not value:
                object.__setattr__(self, name, right)
        if after is not None:
            after(self)

    kind.__post_init__ = __post_init__  # type: ignore[attr-defined]
    return kind


@functools.cache
def _hints(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind, include_extras=True)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


def _checked(value: Any, hint: Any, name: str, words: str = "") -> Any:
    """The value as settings hold it: lists are tuples, paths are texts, and no zero is negative."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _checked(value, arguments[0], name, arguments[1])
    if origin in (Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        return _checked(value, next(each for each in arguments if each is not type(None)), name, words)
    if hint in (int, float):
        ranges.check_number(value, name, hint, words)
        return 0.0 if hint is float and value == 0 and isinstance(value, float) else value
    if hint is bool:
        check(isinstance(value, bool), name, "True or False", value)
        return value
    if hint is str:
        return _text(value, name)
    if origin is tuple:
        check(isinstance(value, tuple | list), name, f"a tuple of {_items(arguments[0])}", value)
        items = tuple(_checked(item, arguments[0], name) for item in value)
        return value if items == value and isinstance(value, tuple) else items
    if origin is Mapping:
        return _mapping(value, arguments[1], name)
    if dataclasses.is_dataclass(hint):
        expected = f"{hint.__name__}(...)"  # type: ignore[union-attr]
        check(isinstance(value, hint), name, expected, value)  # type: ignore[arg-type]
        return value
    _check_tree(value, name)
    return value


def _text(value: Any, name: str) -> str:
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    check(isinstance(value, str), name, "a text", value)
    check(len(value) <= LONGEST_TEXT, name, f"a text of at most {LONGEST_TEXT:,} characters", value)
    return str(value)


def _mapping(value: Any, hint: Any, name: str) -> Any:
    check(isinstance(value, Mapping), name, "a mapping such as {'key': 1}", value)
    for key in value:
        check(isinstance(key, str), name, "a mapping whose keys are texts", key)
    right = {key: _checked(item, hint, f"{name}.{key}") for key, item in value.items()}
    return value if all(right[key] is item for key, item in value.items()) else right


def _check_tree(value: Any, name: str, depth: int = 0) -> None:
    """Checks what an argument of something else may be: its numbers are finite, its depth is bounded."""
    check(depth <= _DEEPEST, name, f"nested at most {_DEEPEST} deep", value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        ranges.check_number(value, name, float)
    elif isinstance(value, str):
        _text(value, name)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            _check_tree(item, f"{name}.{shown(key) if len(str(key)) > 50 else key}", depth + 1)
    elif isinstance(value, tuple | list):
        for item in value:
            _check_tree(item, name, depth + 1)


def _items(hint: Any) -> str:
    if get_origin(hint) is Annotated:
        return _items(get_args(hint)[0])
    words = {int: "whole numbers", float: "numbers", str: 'texts, such as ("a",)'}
    return words.get(hint) or f"{getattr(hint, '__name__', hint)}(...)"
