"""The space of a search: every parameter with its range, from the settings that name it."""

import dataclasses
import fnmatch
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kfer.settings import dotted
from kfer.settings.pipeline import PipelineSettings
from kfer.settings.tasks import active
from kfer.settings.tuning import ALL_WEIGHTS, GRID, LOG, SIMPLEX, ParameterSettings, TuningSettings

_GROUPS = ("tasks", "augmentation", "model", "training")
#: What a search must not touch, and why.
_FIXED = {
    "training.seed": "the best of several seeds is luck; train the best values with several afterwards",
    "training.epochs": "trials have tuning.epochs each",
    "training.keep_best": "it says which epoch is judged",
    "training.stop_metric": "it says which epoch is judged",
    "training.strategy": "it says where trials run",
    "training.patience": "trials have tuning.patience",
    "training.validation_pairs": "fewer pairs make a higher accuracy, whatever the network learnt",
    "training.stages.*.epochs": "trials have tuning.epochs each",
    "tasks.*.names": "it says what the labels mean",
    "tasks.*.kind": "it says what the labels mean",
    "tasks.*.feature": "it says which labels are learnt",
}


@dataclass(frozen=True)
class Parameter:
    """A setting that is searched.

    Attributes:
        name: As on the command line; or "share of <task>", of what the tasks before it left, for weights
            that sum to one.
        default: What is set; for a range in which it does not lie, the nearest end.
        low: Lowest number of a range; None for choices.
        high: Highest.
        log: Whether the range is on a log scale.
        choices: What is tried, where it is no range.
    """

    name: str
    default: Any
    low: float | int | None = None
    high: float | int | None = None
    log: bool = False
    choices: tuple[Any, ...] = ()

    def is_integer(self) -> bool:
        """Whether a range is one of whole numbers."""
        return isinstance(self.low, int)


@dataclass(frozen=True)
class Space:
    """What a search tries.

    Attributes:
        parameters: At least one, each with at least two values.
        simplex: The tasks whose weights sum to one, in the order of the shares; empty where weights are
            parameters of their own.
    """

    parameters: tuple[Parameter, ...]
    simplex: tuple[str, ...] = ()

    def settings(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the values of settings, by their dotted names, from those of the parameters."""
        names = {parameter.name for parameter in self.parameters}
        found = {name: value for name, value in values.items() if name in names}
        if not self.simplex:
            return found
        rest, weights = 1.0, {}
        for index, task in enumerate(self.simplex[:-1]):
            # Sticks broken so that all weights with a sum of one are equally likely.
            left = len(self.simplex) - 1 - index
            part = rest * (1 - (1 - found.pop(_share(task))) ** (1 / left))
            weights[_weight(task)] = part
            rest -= part
        return {**weights, _weight(self.simplex[-1]): rest, **found}


def space(settings: PipelineSettings) -> Space:
    """Returns the space that `settings.tuning.space` names.

    Args:
        settings: Of the pipeline, with what is set for each parameter.

    Raises:
        ValueError: A name is unknown or must not be searched, a value is not allowed, a range does not
            fit its setting, or nothing is left to search.
    """
    parameters: list[Parameter] = []
    simplex: tuple[str, ...] = ()
    tasks = tuple(active(settings.tasks))
    for name, searched in settings.tuning.space.items():
        if name != ALL_WEIGHTS:
            parameters.append(_parameter(settings, name, searched))
        elif len(tasks) > 1:  # the weight of one loss alone changes nothing
            if searched.scale == SIMPLEX:
                simplex = tasks
                parameters.extend(_shares(settings, searched.steps))
            else:
                parameters.extend(_parameter(settings, _weight(task), searched) for task in tasks)
    names = [parameter.name for parameter in parameters]
    for name in names:
        if names.count(name) > 1 or (simplex and name in map(_weight, tasks)):
            raise ValueError(f"tuning.space names {name} twice")
    if not parameters:
        raise ValueError(
            f"tuning.space is {ALL_WEIGHTS} alone, and there is one task: nothing is left to search"
        )
    for parameter in parameters:
        if settings.tuning.tuner == GRID and not parameter.choices:
            raise ValueError(
                f"tuning.space: a grid has a number of values of {parameter.name}; give its steps, or "
                "values"
            )
    return Space(tuple(parameters), simplex)


def with_values(settings: PipelineSettings, values: Mapping[str, Any]) -> PipelineSettings:
    """Returns settings with other values, which are searched no more.

    Args:
        settings: Of the pipeline.
        values: By dotted names, as `Space.settings` gives them.

    Raises:
        ValueError: A name is unknown, or a value is not allowed, by itself or beside the others.
    """
    settings = dataclasses.replace(settings, tuning=TuningSettings(trials=0))
    texts = {
        name: value if isinstance(value, str) else dotted.as_text(value) for name, value in values.items()
    }
    return dotted.override(settings, texts)


def _parameter(settings: PipelineSettings, name: str, searched: ParameterSettings) -> Parameter:
    where = f"tuning.space.{name}"
    for pattern, reason in _FIXED.items():
        if fnmatch.fnmatchcase(name, pattern):
            raise ValueError(f"{where}: this is not searched, since {reason}")
    earlier = [f"training.stages.{index}." for index in range(len(settings.training.stages) - 1)]
    if name.startswith(tuple(earlier)):
        raise ValueError(f"{where}: this is not searched, since trials have the last stage alone")
    if name.split(".")[0] not in _GROUPS:
        raise ValueError(f"{where}: expected a setting of {', '.join(_GROUPS)}; got {name!r}")
    try:
        default = dotted.value(settings, name)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error
    if searched.values:
        choices = tuple(_allowed(settings, name, text, where) for text in searched.values)
        return Parameter(name, default if default in choices else choices[0], choices=choices)
    if isinstance(default, bool) or not isinstance(default, int | float):
        raise ValueError(f"{where}: {name} is {default!r} and no number; give values in place of a range")
    # As its text is read: a float may be set as a whole number.
    default = _allowed(settings, name, dotted.as_text(default), where)
    low, high = _range(default, searched, where)
    for end in (low, high):
        _allowed(settings, name, dotted.as_text(end), where)
    default = min(max(default, low), high)
    log = searched.scale == LOG
    if not searched.steps:
        return Parameter(name, default, low, high, log)
    choices = tuple(dict.fromkeys(_steps(low, high, log, searched.steps)))
    return Parameter(name, min(choices, key=lambda choice: abs(choice - default)), choices=choices)


def _range(default: float, searched: ParameterSettings, where: str) -> tuple[float, float]:
    if searched.factors:
        if default <= 0:
            raise ValueError(
                f"{where}.factors are multiples of what is set, which is {default}; give low and high"
            )
        ends = [factor * default for factor in searched.factors]
    else:
        ends = [end for end in (searched.low, searched.high) if end is not None]
    if isinstance(default, int):
        low, high = math.ceil(ends[0]), math.floor(ends[1])
        if low >= high:
            raise ValueError(f"{where} must have two whole numbers at least; got {ends[0]} to {ends[1]}")
        return low, high
    return float(ends[0]), float(ends[1])


def _steps(low: float, high: float, log: bool, steps: int) -> Iterator[float]:
    for step in range(steps):
        share = step / (steps - 1)
        number = low * (high / low) ** share if log else low + (high - low) * share
        # Twelve digits: what is printed is what is tried.
        yield round(number) if isinstance(low, int) else float(f"{number:.12g}")


def _allowed(settings: PipelineSettings, name: str, text: str, where: str) -> Any:
    """The value of a text, which the setting takes."""
    try:
        return dotted.value(with_values(settings, {name: text}), name)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def _shares(settings: PipelineSettings, steps: int) -> Iterator[Parameter]:
    weights = {name: task.weight for name, task in active(settings.tasks).items()}
    rest = sum(weights.values())
    for left, (task, weight) in zip(range(len(weights) - 1, 0, -1), weights.items(), strict=False):
        default = 1 - (1 - weight / rest) ** left
        if steps:
            choices = tuple(float(f"{(step + 1) / (steps + 1):.12g}") for step in range(steps))
            nearest = min(choices, key=lambda choice: abs(choice - default))
            yield Parameter(_share(task), nearest, choices=choices)
        else:
            # A weight of 0 would leave the task out of the network.
            yield Parameter(_share(task), default, 1e-3, 1 - 1e-3)
        rest -= weight


def _share(task: str) -> str:
    return f"share of {task}"


def _weight(task: str) -> str:
    return f"tasks.{task}.weight"
