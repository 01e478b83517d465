"""How good the network is after each epoch."""

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf
from scipy import special

from kfer import metrics, models, spec
from kfer.input_pipeline import Decoded
from kfer.pairs import has_pairs, make_pairs
from kfer.settings.tasks import CLASSES, EMBEDDING, MULTI_LABEL, REGRESSION, SOFT_CLASSES, Tasks
from kfer.training.labels import labelled

_BATCH_SIZE = 256
# Figures of labels and outputs.
_Measure = Callable[[np.ndarray, np.ndarray], dict[str, float]]
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Labelled:
    """What a task is validated on: the examples that have a label for it, their labels, its figures."""

    rows: np.ndarray
    labels: np.ndarray
    measure: _Measure


class Validation:
    """Figures of each task, and verification of people who are not trained on.

    Args:
        model: A multi-task network.
        examples: The validation split. People whose number is below the network's number of
            identities are trained on, and left out.
        tasks: What the network learns; those that it has no output for are left out.
        max_pairs: Most pairs that are verified, half of them genuine.
        seed: Seeds the choice of pairs.
    """

    def __init__(
        self, model: keras.Model, examples: Decoded, tasks: Tasks, max_pairs: int, seed: int
    ) -> None:
        self._images = examples.images
        self._labelled: dict[str, _Labelled] = {}
        for name, task in tasks.items():
            if task.kind == EMBEDDING or name not in model.output:
                continue
            labels = examples.label(task.feature or name)
            rows = np.flatnonzero(labelled(labels))
            if len(rows):
                self._labelled[name] = _Labelled(rows, labels[rows], _MEASURES[task.kind])
            else:
                _log.warning("no validation example has a label for %s: no figure of it each epoch", name)
        self._first = self._second = np.zeros(0, np.int64)
        if spec.EMBEDDING in model.output:
            held_out = np.where(examples.identity >= models.num_identities(model), examples.identity, -1)
            if has_pairs(held_out):
                self._first, self._second, _ = make_pairs(held_out, max(2, max_pairs), seed)
            else:
                _log.warning(
                    "the validation split has no two images of one held-out person and one of "
                    "another: no verification accuracy each epoch"
                )
        self._same = examples.identity[self._first] == examples.identity[self._second]
        labelled_rows = [part.rows for part in self._labelled.values()]
        self._needed = np.unique(np.concatenate([*labelled_rows, self._first, self._second]))
        # The cosines with all people who are trained on are of no use here.
        outputs = {name: output for name, output in model.output.items() if name != spec.IDENTITY}
        self._predict = tf.function(keras.Model(model.input, outputs), reduce_retracing=True)

    def __call__(self) -> dict[str, float]:
        """Returns the figures that the split has labels for, each named "val_<task>_<figure>".

        They are "accuracy" and "macro_f1" of classes, and of soft classes by the class of most votes
        (where no two have as many); "macro_f1" of several labels; "mae" and "ccc" of a regression, the
        means of its numbers' absolute errors and concordance correlation coefficients; and
        "val_verification_accuracy" (with the threshold that is best on the very pairs: a figure to
        compare epochs and trials by, not to publish). A figure that is not a number is left out, such
        as the concordance of one example.
        """
        if not len(self._needed):
            return {}
        outputs = self._outputs()
        figures: dict[str, float] = {}
        for name, part in self._labelled.items():
            found = part.measure(part.labels, outputs[name][np.searchsorted(self._needed, part.rows)])
            figures |= {f"val_{name}_{figure}": value for figure, value in found.items()}
        if len(self._first):
            first, second = (
                outputs[spec.EMBEDDING][np.searchsorted(self._needed, side)]
                for side in (self._first, self._second)
            )
            similarities = metrics.cosine_similarity(first, second)
            accepted = similarities >= metrics.best_threshold(similarities, self._same)
            figures[_VERIFICATION] = float(np.mean(accepted == self._same))
        return {name: value for name, value in figures.items() if not math.isnan(value)}

    def _outputs(self) -> dict[str, np.ndarray]:
        batches = []
        for start in range(0, len(self._needed), _BATCH_SIZE):
            images = self._images[self._needed[start : start + _BATCH_SIZE]]
            outputs = self._predict(tf.cast(images, tf.float32), training=False)
            batches.append({name: value.numpy() for name, value in outputs.items()})
        return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


def _of_classes(labels: np.ndarray, logits: np.ndarray) -> dict[str, float]:
    predictions = logits.argmax(axis=-1)
    confusion = metrics.confusion_matrix(labels, predictions, logits.shape[-1])
    return {
        "accuracy": metrics.accuracy(labels, predictions),
        "macro_f1": metrics.macro_f1(confusion),
    }


def _of_soft_classes(votes: np.ndarray, logits: np.ndarray) -> dict[str, float]:
    return _of_classes(metrics.top_class(votes), logits)


def _of_several_labels(labels: np.ndarray, logits: np.ndarray) -> dict[str, float]:
    return {"macro_f1": metrics.per_label(labels, special.expit(logits)).macro_f1}


def _of_numbers(labels: np.ndarray, numbers: np.ndarray) -> dict[str, float]:
    means = metrics.per_number(labels, numbers).means()
    return {"mae": means["mean_absolute_error"], "ccc": means["concordance"]}


def validation_figures(examples: Decoded, tasks: Tasks, num_identities: int) -> list[str]:
    """Returns the names of what `Validation` finds, without a network.

    Args:
        examples: The validation split.
        tasks: What a network learns.
        num_identities: How many people it is trained on.
    """
    names = [
        f"val_{name}_{figure}"
        for name, task in tasks.items()
        if task.kind != EMBEDDING and labelled(examples.label(task.feature or name)).any()
        for figure in _FIGURES[task.kind]
    ]
    held_out = np.where(examples.identity >= num_identities, examples.identity, -1)
    if spec.IDENTITY in tasks and has_pairs(held_out):
        names.append(_VERIFICATION)
    return names


_VERIFICATION = "val_verification_accuracy"
_FIGURES = {
    CLASSES: ("accuracy", "macro_f1"),
    SOFT_CLASSES: ("accuracy", "macro_f1"),
    MULTI_LABEL: ("macro_f1",),
    REGRESSION: ("mae", "ccc"),
}
_MEASURES: dict[str, _Measure] = {
    CLASSES: _of_classes,
    SOFT_CLASSES: _of_soft_classes,
    MULTI_LABEL: _of_several_labels,
    REGRESSION: _of_numbers,
}
