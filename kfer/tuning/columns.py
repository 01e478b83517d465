"""The settings that trials differ in: how each is written, and where on its scale a value lies."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kfer.search import Outcome
from kfer.settings import dotted
from kfer.settings.space import Parameter
from kfer.tuning.results import Results


@dataclass(frozen=True)
class Column:
    """A setting that a search gives values.

    Attributes:
        name: Dotted.
        default: What is set; weights that sum to one are divided by their sum.
        low: Lowest number of a range; None for choices.
        high: Highest.
        log: Whether the range is on a log scale.
        choices: What is tried, where it is no range; numbers in their order.
        of_simplex: Whether it is one of the weights that sum to one.
    """

    name: str
    default: Any
    low: float | None = None
    high: float | None = None
    log: bool = False
    choices: tuple[Any, ...] = ()
    of_simplex: bool = False

    def place(self, value: Any) -> float:
        """Returns where a value lies on the scale, from 0 to 1.

        Args:
            value: A number in the range, or one of the choices; as it comes back from JSON, too.
        """
        if self.choices:
            texts = [text(choice) for choice in self.choices]
            return texts.index(text(value)) / (len(texts) - 1)
        assert self.low is not None
        assert self.high is not None
        ends = (self.low, self.high, value)
        low, high, place = map(math.log, ends) if self.log else ends
        return (place - low) / (high - low)

    @property
    def has_order(self) -> bool:
        """Whether its values are numbers."""
        return not self.choices or are_numbers(self.choices)

    @property
    def scale(self) -> str:
        """The scale's name: "simplex", "choices", "log" or "linear"."""
        if self.of_simplex:
            return "simplex"
        return "choices" if self.choices else "log" if self.log else "linear"


def columns(results: Results) -> list[Column]:
    """Returns what is searched, in the order of the space; weights that sum to one come first."""
    space, base = results.space, results.settings.base
    weights = {f"tasks.{task}.weight": base.tasks[task].weight for task in space.simplex}
    found = [
        Column(name, weight / sum(weights.values()), 0.0, 1.0, of_simplex=True)
        for name, weight in weights.items()
    ]
    for parameter in space.parameters:
        if not (space.simplex and parameter.name.startswith("share of ")):
            found.append(_column(parameter, dotted.value(base, parameter.name)))
    return found


def differing(results: Results) -> list[Column]:
    """Returns the columns in which at least two trials differ."""
    return [
        column
        for column in columns(results)
        if len({text(trial.values[column.name]) for trial in results.trials}) > 1
    ]


def first(results: Results) -> Outcome | None:
    """Returns the trial that began the search, failed or not; None where it has not ended."""
    return next((trial for trial in results.trials if int(trial.trial) == 0), None)


def has_defaults(results: Results, trial: Outcome) -> bool:
    """Whether a trial's values are those that are set."""
    return all(_same(trial.values[column.name], column.default) for column in columns(results))


def text(value: Any) -> str:
    """A value as a user would type it, whether or not it came back from JSON."""
    return dotted.as_text(tuple(value) if isinstance(value, list) else value)


def short(value: Any) -> str:
    """The same with four digits, for tables and sentences."""
    return f"{value:.4g}" if isinstance(value, float) else text(value)


def are_numbers(values: Sequence[Any]) -> bool:
    """Whether all are numbers; true and false are none."""
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def _column(parameter: Parameter, default: Any) -> Column:
    choices = parameter.choices
    if are_numbers(choices):
        choices = tuple(sorted(choices))
    return Column(parameter.name, default, parameter.low, parameter.high, parameter.log, choices)


def _same(one: Any, other: Any) -> bool:
    if are_numbers((one, other)):
        # Numbers are tried with six digits, and weights that sum to one go through shares and back.
        return math.isclose(one, other, rel_tol=1e-5)
    return text(one) == text(other)
