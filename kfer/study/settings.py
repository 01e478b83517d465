"""What a study can be told, of multi-task learning or of anything else that settings change."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from kfer import spec
from kfer.settings import PipelineSettings, active, dotted
from kfer.settings.checks import checked
from kfer.settings.training import WEIGHTING_ARGUMENTS

#: The tasks whose figures are compared.
TASKS = (spec.EXPRESSION, spec.IDENTITY)
#: The rate of false accepts at which true accepts are compared.
FALSE_ACCEPT_RATE = 0.01
#: Variants: each of the two tasks alone, and both with each way of weighing them, fixed weights first.
ONE_TASK_OR_BOTH: dict[str, dict[str, str]] = {
    "expression_only": {"training.weighting": "fixed", "tasks.identity.weight": "0"},
    "identity_only": {"training.weighting": "fixed", "tasks.expression.weight": "0"},
    **{method: {"training.weighting": method} for method in WEIGHTING_ARGUMENTS},
}


@dataclass(frozen=True)
@checked
class StudySettings:
    """A study: one pipeline in several variants, which are judged alike.

    Attributes:
        name: Names the folder of results.
        base: The pipeline, without a search. Its folders are the study's own.
        variants: By the names that tables show, the settings of `base` that each changes, with values as
            on the pipeline's command line ({"tasks.identity.weight": "0"}); {} changes none. What
            examples there are, and how networks are judged, is the same for all. The first variant that
            learns a task alone is what others are compared with in that task.
        seeds: Each variant is trained once with each, in place of the base's `training.seed`.
        resamples: How often test images and pairs are drawn for the intervals of differences.
        baseline: The variant that others are compared with instead, in each task that it learns; "" for
            none.
    """

    name: str
    base: PipelineSettings
    variants: Mapping[str, Mapping[str, str]]
    seeds: tuple[Annotated[int, "at least 0"], ...] = (0,)
    resamples: Annotated[int, "at least 1"] = 2000
    baseline: str = ""

    def __post_init__(self) -> None:
        if not self.seeds or len(set(self.seeds)) != len(self.seeds):
            raise ValueError(f"seeds must be different numbers, at least one; got {self.seeds}")
        if self.base.tuning.trials:
            raise ValueError(
                "base.tuning.trials must be 0, for a search would give each variant another learning "
                f"rate; got {self.base.tuning.trials}"
            )
        self._check_tasks()
        if not self.variants:
            raise ValueError("variants must name at least one; got none")
        for name in (self.name, *self.variants):
            if not name.replace("_", "").replace("-", "").isalnum():
                raise ValueError(
                    f"names must be of letters, digits, - and _, since they name folders; got {name!r}"
                )
        for name in self.variants:
            self._check_variant(name)
        if self.baseline and self.baseline not in self.variants:
            raise ValueError(
                f"baseline must be one of the variants, {', '.join(self.variants)}, or empty; got "
                f"{self.baseline!r}"
            )

    def _check_tasks(self) -> None:
        tasks = self.base.tasks
        if not tasks.keys() & set(TASKS):
            raise ValueError(
                f"base.tasks must have {' or '.join(TASKS)}, which are compared; got {', '.join(tasks)}"
            )
        feature = tasks[spec.EXPRESSION].feature if spec.EXPRESSION in tasks else ""
        if feature not in ("", spec.EXPRESSION):
            raise ValueError(
                f"base.tasks.expression must be labelled by the feature expression; got {feature!r}"
            )
        rates = self.base.evaluation.false_accept_rates
        if spec.IDENTITY in tasks and FALSE_ACCEPT_RATE not in rates:
            raise ValueError(
                f"base.evaluation.false_accept_rates must have {FALSE_ACCEPT_RATE}; got {rates}"
            )

    def _check_variant(self, name: str) -> None:
        changes = self.variants[name]
        try:
            changed = self.variant(name, self.seeds[0])
        except ValueError as error:
            raise ValueError(f"variants.{name}: {error}") from error
        if _judged_on(changed) != _judged_on(self.base):
            raise ValueError(
                f"variants.{name}: all variants must have the examples, labels and evaluation of base; "
                f"of data, a source's weight alone may change; got {', '.join(changes)}"
            )

    def variant(self, name: str, seed: int) -> PipelineSettings:
        """The pipeline's settings of a variant with a seed."""
        changed = dotted.override(self.base, self.variants[name])
        return dataclasses.replace(changed, training=dataclasses.replace(changed.training, seed=seed))

    def learned(self, name: str) -> tuple[str, ...]:
        """The tasks that a variant learns."""
        return tuple(active(self.variant(name, self.seeds[0]).tasks))

    def reference(self, task: str) -> str | None:
        """The variant that others are compared with in a task; None where there is none."""
        if self.baseline:
            return self.baseline if task in self.learned(self.baseline) else None
        return next((name for name in self.variants if self.learned(name) == (task,)), None)


def _judged_on(settings: PipelineSettings) -> tuple[Any, ...]:
    """What must be the same where figures are compared on the very same images and pairs."""
    sources = tuple(dataclasses.replace(source, weight=None) for source in settings.data.sources)
    data = dataclasses.replace(settings.data, sources=sources)
    return data, settings.labels(), settings.evaluation
