"""How good the network is after each epoch."""

import logging
import math
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from kfer import metrics, models, spec
from kfer.input_pipeline import Decoded
from kfer.pairs import has_pairs, make_pairs
from kfer.settings.tasks import EMBEDDING, Tasks, TaskSettings
from kfer.training import measures
from kfer.training.labels import labelled

_BATCH_SIZE = 256
_log = logging.getLogger(__name__)


# In front of the metrics of identity.
_VERIFICATION = "val_verification_"


@dataclass(frozen=True)
class _Labelled:
    """What a task is validated on: the examples that have a label for it, and their labels."""

    task: TaskSettings
    rows: np.ndarray
    labels: np.ndarray


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
        self._examples = examples
        self._labelled: dict[str, _Labelled] = {}
        for name, task in tasks.items():
            if task.kind == EMBEDDING or name not in model.output:
                continue
            labels = examples.label(task.feature or name)
            rows = np.flatnonzero(labelled(labels))
            if len(rows):
                self._labelled[name] = _Labelled(task, rows, labels[rows])
            else:
                _log.warning("no validation example has a label for %s: no figure of it each epoch", name)
        self._first = self._second = np.zeros(0, np.int64)
        self._pair_metrics = tasks.get(spec.IDENTITY, TaskSettings(EMBEDDING)).validated_by()
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
        """Returns the metrics that tasks ask for and that the split has labels for.

        They are named "val_<task>_<metric>", and "val_verification_<metric>" for identity. Soft classes
        count by the class of most votes (where no two have as many). A metric that is not a number is
        left out, such as the concordance of one example.
        """
        if not len(self._needed):
            return {}
        outputs = self._outputs()
        figures: dict[str, float] = {}
        for name, part in self._labelled.items():
            told = outputs[name][np.searchsorted(self._needed, part.rows)]
            wanted = part.task.validated_by()
            labels = part.labels
            if labels.ndim == 2 and told.ndim == 3:
                # Each frame of a clip that has a label.
                labels, told = labels[labels >= 0], told[labels >= 0]
            found = measures.of_task(part.task.kind, wanted, labels, told)
            figures |= {f"val_{name}_{metric}": value for metric, value in found.items()}
        if len(self._first):
            first, second = (
                outputs[spec.EMBEDDING][np.searchsorted(self._needed, side)]
                for side in (self._first, self._second)
            )
            similarities = metrics.cosine_similarity(first, second)
            found = measures.of_pairs(self._pair_metrics, similarities, self._same)
            figures |= {_VERIFICATION + metric: value for metric, value in found.items()}
        return {name: value for name, value in figures.items() if not math.isnan(value)}

    def _outputs(self) -> dict[str, np.ndarray]:
        batches = []
        for start in range(0, len(self._needed), _BATCH_SIZE):
            inputs = self._examples.inputs(self._needed[start : start + _BATCH_SIZE])
            seen = tf.nest.map_structure(lambda values: tf.cast(values, tf.float32), inputs)
            outputs = self._predict(seen, training=False)
            batches.append({name: value.numpy() for name, value in outputs.items()})
        return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


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
        for figure in task.validated_by()
    ]
    held_out = np.where(examples.identity >= num_identities, examples.identity, -1)
    if spec.IDENTITY in tasks and has_pairs(held_out):
        names += [_VERIFICATION + figure for figure in tasks[spec.IDENTITY].validated_by()]
    return names
