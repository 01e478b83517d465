"""What a network says of examples, beside what their labels say, for one task."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy import special

from kfer import metrics, spec
from kfer.evaluation import reports
from kfer.metrics import Interval
from kfer.settings import TaskSettings
from kfer.settings.tasks import CLASSES, MULTI_LABEL, REGRESSION, SOFT_CLASSES


@dataclass(frozen=True)
class Answers:
    """A task's labels and outputs; of any kind of task but an embedding.

    Attributes:
        task: Its kind and names.
        labels: As `LabelSettings` has them for the kind: int [n], -1 where missing, or float [n, names],
            nan where missing.
        outputs: float [n, names], logits; of a regression, the numbers.
        people: int [n], who is on each image, -1 where nobody knows.
    """

    task: TaskSettings
    labels: np.ndarray
    outputs: np.ndarray
    people: np.ndarray

    def chosen(self, examples: np.ndarray) -> "Answers":
        """The answers of some examples, bool [n] or indices."""
        parts = (array[examples] for array in (self.labels, self.outputs, self.people))
        return Answers(self.task, *parts)

    @cached_property
    def single_labels(self) -> np.ndarray:
        """Of classes: int [n], -1 where missing. Where several people voted, the class of most votes."""
        return metrics.top_class(self.labels) if self.task.kind == SOFT_CLASSES else self.labels

    @cached_property
    def counts(self) -> np.ndarray:
        """Which examples the figures are of, bool [n]."""
        if self.task.kind in (CLASSES, SOFT_CLASSES):
            return self.single_labels != spec.MISSING_LABEL
        return ~np.isnan(self.labels).all(axis=1)

    def sizes(self) -> dict[str, int]:
        """`num_examples` that the figures are of."""
        return {"num_examples": int(self.counts.sum())}

    def probabilities(self) -> np.ndarray:
        """float64 [n, names] in [0, 1]; not of a regression."""
        outputs = self.outputs.astype(np.float64)
        return special.expit(outputs) if self.task.kind == MULTI_LABEL else special.softmax(outputs, 1)

    def report(self) -> dict[str, Any]:
        """Returns the report of the task's kind, as `kfer.evaluation.reports` describes it.

        Raises:
            ValueError: No example has a label, shapes do not fit, or an output is not finite.
        """
        if self.task.kind == REGRESSION:
            return reports.number_report(self.labels, self.outputs, self.task.names)
        report = reports.label_report if self.task.kind == MULTI_LABEL else reports.class_report
        return report(self.labels, self.probabilities(), self.task.names)

    def intervals(self, resamples: int, seed: int) -> dict[str, Interval]:
        """Returns the figures that a slice has too, with 95 % intervals.

        Images of one person are drawn together, and others each alone.

        Returns:
            "accuracy" and "macro_f1" of classes, the latter where two of them have examples;
            "macro_f1" of several labels an example; "mean_absolute_error" and "concordance" of numbers.
        """
        unknown = self.people == spec.MISSING_LABEL
        groups = np.where(unknown, -1 - np.arange(len(self.people)), self.people)
        draws = (resamples, seed, groups)
        if self.task.kind == REGRESSION:
            return metrics.number_intervals(self.labels, self.outputs, *draws)
        if self.task.kind == MULTI_LABEL:
            return metrics.label_intervals(self.labels, self.probabilities(), *draws)
        names = self.task.names
        predictions = self.outputs.argmax(axis=1)
        found = metrics.class_intervals(self.single_labels, predictions, len(names), *draws)
        if len(np.unique(self.single_labels[self.counts])) < 2:
            del found["macro_f1"]
        return found

    def drawn(self) -> dict[str, Any]:
        """What is drawn for an interval.

        Returns:
            `drawn`: "people" where some example says who it is, else "examples"; `num_drawn`, how many
            there are (an example that does not say it counts as another person).
        """
        people = self.people[self.counts]
        known = people[people != spec.MISSING_LABEL]
        num_drawn = len(np.unique(known)) + len(people) - len(known)
        return {"drawn": "people" if len(known) else "examples", "num_drawn": num_drawn}

    def as_classes(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Returns labels or votes, and logits, for a temperature; None where there is no probability.

        Of several labels an example, each is an example of two classes.
        """
        if self.task.kind == REGRESSION:
            return None
        if self.task.kind == MULTI_LABEL:
            return metrics.as_two_classes(self.labels, self.outputs)
        return self.labels, self.outputs
