"""Every number of every settings class is finite and in its range: found by reflection, none by hand."""

import dataclasses
import importlib
import inspect
import math
import re
import types
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import pytest

import kfer
from kfer import ranges
from kfer.settings import checks, dotted

NAMES = [
    *(
        f"kfer.settings.{name}"
        for name in (["augmentation", "data", "evaluation", "export", "generation", "model"])
    ),
    *(f"kfer.settings.{name}" for name in (["pipeline", "sampling", "tasks", "training", "tuning"])),
    *(f"kfer.{name}.settings" for name in (["benchmark", "comparison", "generation", "study", "tuning"])),
]
MODULES = list(map(importlib.import_module, NAMES))
CLASSES = [
    kind
    for module in MODULES
    for kind in vars(module).values()
    if inspect.isclass(kind) and dataclasses.is_dataclass(kind) and kind.__module__ == module.__name__
]
#: What may be any finite number: ends of what is searched, and values of metrics.
WITHOUT_RANGE = {
    "ParameterSettings.low",
    "ParameterSettings.high",
    "MetricSettings.worst",
    "MetricSettings.best",
    "MetricSettings.floor",
}


def numbers(hint: Any, words: str = "") -> Iterator[tuple[type, str, Any]]:
    """The numbers of an annotation: kind, range, and how one is wrapped to be the field's value."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        yield from numbers(arguments[0], arguments[1])
    elif origin in (Union, types.UnionType):
        for each in arguments:
            yield from numbers(each, words)
    elif hint in (int, float):
        yield hint, words, lambda value: value
    elif origin is tuple:
        for kind, range_, wrap in numbers(arguments[0]):
            yield kind, range_, lambda value, wrap=wrap: (wrap(value),)
    elif origin is Mapping:
        for kind, range_, wrap in numbers(arguments[1]):
            yield kind, range_, lambda value, wrap=wrap: {"a": wrap(value)}
        if arguments[1] is Any:
            yield float, "nested", lambda value: {"a": [{"b": value}]}


FIELDS = [
    pytest.param(kind, name, number, words, wrap, id=f"{kind.__name__}.{name}")
    for kind in CLASSES
    for name, hint in get_type_hints(kind, include_extras=True).items()
    for number, words, wrap in numbers(hint)
]


def outside(words: str) -> Iterator[float]:
    """Numbers around the ends of a range that it does not have."""
    ends = [float(found) for found in re.findall(r"-?\d+(?:\.\d+)?", words)]
    for end in ends:
        for number in (end, end - 1, end + 1, end - 1e-6, -1e6):
            if not ranges.allows(words, number):
                yield number


def refused(kind: type, name: str, value: Any) -> str:
    """What `checked` says of a value of a field."""
    with pytest.raises(ValueError, match=name) as error:
        checks._checked(value, get_type_hints(kind, include_extras=True)[name], name)
    return str(error.value)


def test_all_settings_are_found_and_checked():
    assert len(CLASSES) >= 20 and len(FIELDS) > 100
    for kind in CLASSES:
        assert "checks" in kind.__post_init__.__module__, f"{kind.__name__} is not @checked"


@pytest.mark.parametrize(("kind", "name", "number", "words", "wrap"), FIELDS)
def test_a_number_is_finite_and_in_its_range(kind, name, number, words, wrap):
    where = f"{kind.__name__}.{name}"
    assert words or where in WITHOUT_RANGE, f"{where} states no range"
    for value in (math.nan, math.inf, -math.inf, 1e31, 10**5000):
        said = refused(kind, name, wrap(value))
        assert len(said) < 400
    if words == "nested":
        return
    for value in (True, "1", 1j, None if where not in WITHOUT_RANGE else "none"):
        if not (value is None and wrap(value) is None):
            refused(kind, name, wrap(value))
    if number is int:
        refused(kind, name, wrap(1.5))
        refused(kind, name, wrap(1e400))
    for value in outside(words) if words else ():
        whole = int(value) if number is int and value == int(value) else value
        assert repr(whole) in refused(kind, name, wrap(whole)) or number is int


@pytest.mark.parametrize("kind", [kind for kind in CLASSES if kind.__name__ == "TrainingSettings"])
def test_a_class_checks_its_fields_before_all_else(kind):
    for name, value in (("learning_rate", math.inf), ("epochs", 2.5), ("epochs", True), ("keep_best", 1)):
        with pytest.raises(ValueError, match=rf"^{name} must be"):
            kind(**{name: value})
    with pytest.raises(ValueError, match=r"^optimizer must be a text"):
        kind(optimizer=3)
    with pytest.raises(ValueError, match=r"^stages must be"):
        kind(stages=({},))


def test_lists_are_tuples_and_no_zero_is_negative():
    from kfer.settings import EvaluationSettings, TrainingSettings

    assert EvaluationSettings(false_accept_rates=[0.1]).false_accept_rates == (0.1,)
    assert math.copysign(1, TrainingSettings(weight_decay=-0.0).weight_decay) == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *(
            ("training.epochs", text)
            for text in (
                "1_0",
                "0x10",
                " 3",
                "3.0",
                "1e1",
                "\u0663",
                "",
                "True",
                "9" * 5000,
                "99999999999",
            )
        ),
        *(
            ("training.learning_rate", text)
            for text in (
                "inf",
                "nan",
                "-inf",
                "infinity",
                "1e400",
                "1_0.0",
                "-1",
                "0",
                "1e",
                "\u0661.5",
                " 1",
            )
        ),
        ("evaluation.false_accept_rates", "0.1,nan"),
        ("evaluation.false_accept_rates", "0.1,1_0"),
        ("evaluation.false_accept_rates", "(0.1, 2)"),
        ("model.temporal_units", "0x10"),
        ("data.sources.0.arguments", "-" * 3000 + "1"),
        ("data.sources.0.arguments", "(" * 5000),
        ("data.sources.0.arguments", "[" * 150 + "]" * 150),
        ("data.sources.0.arguments", "{'a': 1e999}"),
        ("data.sources.0.arguments", "{'a': {'b': [1, -1e999]}}"),
        ("data.sources.0.arguments", "{1: 2}"),
        ("data.sources.0.arguments.num_identities", "1e999"),
        ("data.sources.0.arguments.num_identities", "-" * 3000 + "1"),
        ("data.sources.0.arguments.num_identities", "9" * 5000),
        ("tasks.identity.loss_arguments", "{'margin': 1e999}"),
        ("tasks.identity.loss_arguments.margin", "1e999"),
        ("model.backbone_arguments", "{'a': " * 30 + "1" + "}" * 30),
        ("training.optimizer", "x" * 1_000_000),
        ("name", "x" * 300),
    ],
)
def test_a_value_that_is_none_is_refused_by_name(name, text):
    with pytest.raises(ValueError, match=re.escape(name)) as error:
        dotted.override(kfer.settings.PipelineSettings(), {name: text})
    assert len(str(error.value)) < 600
