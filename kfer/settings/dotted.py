"""Settings by their dotted names, such as training.learning_rate: replaced, and described for --help."""

import ast
import dataclasses
import difflib
import inspect
import re
import types
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from kfer import ranges
from kfer.settings.pipeline import PipelineSettings

T = TypeVar("T")


def override(settings: T, overrides: Mapping[str, str]) -> T:
    """Settings with some fields replaced.

    Args:
        settings: What to start from, a settings dataclass.
        overrides: Dotted names ("training.epochs", "data.sources.0.weight",
            "tasks.identity.loss_arguments.margin") to values as text.

    Raises:
        ValueError: A name is unknown, or a value has the wrong type or is not allowed.
    """
    for name, text in overrides.items():
        settings = _replace(settings, name.split("."), text, name)
    return settings


def value(settings: Any, name: str) -> Any:
    """Returns what a setting is.

    Args:
        settings: A settings dataclass.
        name: Dotted, as for `override`.

    Raises:
        ValueError: The name is unknown.
    """
    found = {known: known_value for known, known_value, _ in describe(settings)}
    if name in found:
        return found[name]
    # An entry of a mapping, such as a loss's argument.
    whole, _, key = name.rpartition(".")
    if isinstance(found.get(whole), Mapping) and key in found[whole]:
        return found[whole][key]
    if isinstance(found.get(whole), Mapping):
        raise ValueError(f"{whole} has no {key!r}; it has {', '.join(found[whole]) or 'nothing'}")
    override(settings, {name: ""})  # Its error names what there is.
    raise ValueError(f"{name} is a group of settings")


def _replace(settings: Any, path: Sequence[str], text: str, name: str) -> Any:
    head, rest = path[0], path[1:]
    where = name.removesuffix(".".join(path)).rstrip(".")
    if isinstance(settings, tuple):
        if not (head.isdecimal() and int(head) < len(settings)):
            raise ValueError(
                f"{name}: {where} has {len(settings)} entries; give a number from 0 to "
                f"{len(settings) - 1} after it, not {head!r}"
            )
        items = list(settings)
        items[int(head)] = _replace(items[int(head)], rest, text, name)
        return tuple(items)
    if isinstance(settings, Mapping):
        # Keys may have dots of their own, as the names of what is searched have.
        head = next((key for key in settings if f"{'.'.join(path)}.".startswith(f"{key}.")), head)
        if head not in settings:
            raise ValueError(f"{name}: {where} has {', '.join(settings)}; got {head!r}")
        rest = path[head.count(".") + 1 :]
        if not rest:
            raise ValueError(
                f"{name} is a group of settings; name one of them, such as "
                f"{name}.{dataclasses.fields(settings[head])[0].name}"
            )
        return {**settings, head: _replace(settings[head], rest, text, name)}
    fields = {field.name: getattr(settings, field.name) for field in dataclasses.fields(settings)}
    if head not in fields:
        raise ValueError(_unknown(name, where, head, list(fields)))
    value = fields[head]
    if not rest and dataclasses.is_dataclass(value):
        raise ValueError(
            f"{name} is a group of settings; name one of them, such as "
            f"{name}.{dataclasses.fields(value)[0].name}"
        )
    hint = get_type_hints(type(settings))[head]
    if rest:
        whole = f"{where}.{head}".lstrip(".")
        if value == () and _kind_of_items(hint):
            raise ValueError(f"{name}: {whole} is empty; set it to {_example(hint, value)}")
        if dataclasses.is_dataclass(value) or _kind_of_items(hint):
            new = _replace(value, rest, text, name)
        elif isinstance(value, Mapping) and len(rest) == 1:
            try:
                new = {**value, rest[0]: _literal(text)}
            except _NotAllowedError as error:
                raise ValueError(f"{name}: {error}") from error
        else:
            raise ValueError(f"there is no setting {name!r}: {whole} is one value")
    else:
        try:
            new = _parse(text, hint)
        except _NotAllowedError as error:
            raise ValueError(f"{name}: {error}") from error
        except (ValueError, SyntaxError) as error:
            raise ValueError(
                f"{name} must be {_describe_type(hint)}, such as {_example(hint, value)}; got "
                f"{ranges.shown(text)}"
            ) from error
    try:
        return dataclasses.replace(settings, **{head: new})
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


class _NotAllowedError(ValueError):
    """A value of the right type that its settings refuse."""


def _kind_of_items(hint: Any) -> Any:
    """The settings class that a tuple or a mapping of settings is made of; None for any other type."""
    arguments = get_args(hint)
    kind = arguments[0 if get_origin(hint) is tuple else -1] if arguments else None
    return kind if get_origin(hint) in (tuple, Mapping) and dataclasses.is_dataclass(kind) else None


def _unknown(name: str, where: str, head: str, known: list[str]) -> str:
    prefix = f"{where}." if where else ""
    near = difflib.get_close_matches(head, known, n=1)
    everywhere = [n for n, _, _ in describe(PipelineSettings()) if n.split(".")[-1] == head]
    if near:
        hint = f"; did you mean {prefix}{near[0]!s}?"
    elif everywhere:
        hint = f"; did you mean {everywhere[0]}?"
    else:
        hint = "."
    return f"there is no setting {name!r}{hint} {where or 'The top level'} has: {', '.join(known)}"


def _parse(text: str, hint: Any) -> Any:
    """A value of the annotated type, from its text.

    Raises:
        ValueError: The text is none.
        SyntaxError: The text is no Python literal where one is needed.
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        if text.lower() == "none" and type(None) in arguments:
            return None
        return _parse(text, next(choice for choice in arguments if choice is not type(None)))
    if hint is str:
        return text
    if hint is bool:
        if text.lower() not in ("true", "false"):
            raise ValueError(text)
        return text.lower() == "true"
    if hint in (int, float):
        return ranges.parsed(text, hint)
    if origin is tuple:
        items = _literal_items(text, arguments[0])
        if arguments[-1] is not Ellipsis and len(items) != len(arguments):
            raise ValueError(text)
        return tuple(_parse(str(item), arguments[0]) for item in items)
    value = _literal(text)
    if not isinstance(value, Mapping):
        raise ValueError(text)
    kind = _kind_of_items(hint)
    if kind:
        return {key: _parse(str(item), kind) for key, item in value.items()}
    return _parse_settings(value, hint) if dataclasses.is_dataclass(hint) else value


def _parse_settings(values: Mapping[str, Any], kind: Any) -> Any:
    """Settings from a mapping of their fields' names to values.

    Raises:
        _NotAllowedError: A name is unknown or missing, or a value has the wrong type or is not allowed.
    """
    hints = get_type_hints(kind)
    needed = [
        field.name
        for field in dataclasses.fields(kind)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]
    allowed = [field.name for field in dataclasses.fields(kind)]
    if not set(needed) <= values.keys() <= set(allowed):
        raise _NotAllowedError(
            f"expected mappings of {', '.join(allowed)}, of which {', '.join(needed)} must be there; got "
            f"{ranges.shown(dict(values))}"
        )
    parsed = {}
    for name, value in values.items():
        try:
            parsed[name] = _parse(str(value), hints[name])
        except (ValueError, SyntaxError) as error:
            raise _NotAllowedError(
                f"{name} must be {_describe_type(hints[name])}; got {ranges.shown(value)}"
            ) from error
    try:
        return kind(**parsed)
    except ValueError as error:
        raise _NotAllowedError(str(error)) from error


def _literal(text: str) -> Any:
    """A Python literal, or the text itself where it is none.

    Raises:
        _NotAllowedError: The text is too long, or nested too deeply for Python's parser.
    """
    if len(text) > ranges.LONGEST_TEXT:
        raise _NotAllowedError(f"expected at most {ranges.LONGEST_TEXT:,} characters; got {len(text):,}")
    try:
        return ast.literal_eval(text)
    except (RecursionError, MemoryError) as error:
        raise _NotAllowedError(f"it is nested too deeply; got {ranges.shown(text)}") from error
    except (ValueError, SyntaxError) as error:
        if "too many nested" in str(error) or "Exceeds the limit" in str(error):
            raise _NotAllowedError(f"{str(error).split(';')[0]}; got {ranges.shown(text)}") from error
        return text


def _literal_items(text: str, kind: Any) -> Sequence[Any]:
    """The items of "a,b", "(1, 2)" or "['a', 'b']"."""
    if kind in (int, float):  # as they are typed: Python would take "1_0" and "0x10" for numbers
        inner = re.sub(r"^\((.*)\)$|^\[(.*)\]$", r"\1\2", text.strip())
        return [item.strip() for item in inner.split(",") if item.strip()]
    value = _literal(text)
    if value is text:
        return [item.strip() for item in text.split(",") if item.strip()]
    return value if isinstance(value, list | tuple) else [value]


def _describe_type(hint: Any) -> str:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return " or ".join("none" if a is type(None) else _describe_type(a) for a in arguments)
    if _kind_of_items(hint):
        return "a list of mappings" if origin is tuple else "a mapping of mappings"
    if origin is tuple:
        return f"{_describe_type(arguments[0]).removeprefix('a ')}s separated by commas"
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
    return names.get(hint, "a mapping such as {'key': 1}")


def _example(hint: Any, value: Any) -> str:
    """The value as a user would type it; where it holds settings, an entry's first field."""
    kind = _kind_of_items(hint)
    if not kind:
        return as_text(value)
    entry = f"{{{dataclasses.fields(kind)[0].name!r}: ...}}"
    return f"[{entry}]" if get_origin(hint) is tuple else f"{{{next(iter(value), 'name')!r}: {entry}}}"


def as_text(value: Any) -> str:
    """A value as a user would type it."""
    if isinstance(value, tuple):
        return ",".join(str(item) for item in value) or "()"
    return str(value).lower() if value is None or isinstance(value, bool) else str(value) or "''"


def describe(settings: Any, prefix: str = "") -> Iterator[tuple[str, Any, str]]:
    """Every setting: its dotted name, its value, and what its dataclass says of it."""
    texts = _attribute_texts(type(settings))
    for field in dataclasses.fields(settings):
        name, value = f"{prefix}{field.name}", getattr(settings, field.name)
        if dataclasses.is_dataclass(value):
            yield from describe(value, f"{name}.")
        elif isinstance(value, tuple) and value and dataclasses.is_dataclass(value[0]):
            for index, item in enumerate(value):
                yield from describe(item, f"{name}.{index}.")
        elif isinstance(value, Mapping) and any(map(dataclasses.is_dataclass, value.values())):
            for key, item in value.items():
                yield from describe(item, f"{name}.{key}.")
        else:
            yield name, value, texts.get(field.name, "")


def _attribute_texts(kind: type) -> dict[str, str]:
    """The texts under "Attributes:" in a class's docstring."""
    doc = inspect.getdoc(kind) or ""
    section = doc.partition("Attributes:\n")[2]
    texts = re.findall(r"^    (\w+): (.*?)(?=^    \w+: |\Z)", section, re.MULTILINE | re.DOTALL)
    return {name: " ".join(text.split()) for name, text in texts}
