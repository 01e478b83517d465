"""The losses of a task, as its settings say."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import tensorflow as tf

from kfer.losses import class_weights as weights_by_class
from kfer.losses import classification, distillation, margins, metric_learning, multi_label, regression
from kfer.losses.adaptive_scale import AdaCos, adacos
from kfer.losses.means import element_weights
from kfer.settings.tasks import (
    CLASSES,
    EMBEDDING,
    LOSSES,
    MULTI_LABEL,
    OF_HEADS,
    PAIRWISE_LOSSES,
    REGRESSION,
    SOFT_CLASSES,
    TaskSettings,
    check_loss_arguments,
)

# From labels, outputs and sample weights.
_Function = Callable[[tf.Tensor, tf.Tensor, tf.Tensor | None], tf.Tensor]

_ADACOS = "adacos"
_MEANS: dict[str, Callable[..., tf.Tensor]] = {
    mean.__name__: mean
    for mean in (
        classification.cross_entropy,
        classification.focal,
        classification.soft_cross_entropy,
        multi_label.binary_cross_entropy,
        multi_label.binary_focal,
        regression.huber,
        regression.mean_squared_error,
        regression.mean_absolute_error,
        regression.concordance,
        margins.arcface,
        margins.cosface,
        margins.subcenter_arcface,
        margins.center,
        metric_learning.triplet_semihard,
        metric_learning.triplet_hard,
        metric_learning.supervised_contrastive,
    )
}
_CLASS_WEIGHTS = {
    "balanced": weights_by_class.balanced,
    "effective_number": weights_by_class.effective_number,
}


@dataclass(frozen=True)
class TaskLoss:
    """A task's loss as two sums, so that the parts of a batch can be put together.

    Whatever is missing where, the loss of a batch that is split is
    `sum(totals) / max(sum(weights), tiny)` over its parts. The losses that compare examples with each
    other, "concordance" and `PAIRWISE_LOSSES`, compare within each part.

    Attributes:
        mean: From labels, outputs and sample weights to the weighted mean of the losses.
        weights: From the same to weights whose sum is the weight of that mean.
        layer: What holds the loss's state, if it has any.
    """

    mean: _Function
    weights: _Function
    layer: AdaCos | None = None

    def __call__(
        self, labels: tf.Tensor, outputs: tf.Tensor, sample_weight: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the weighted sum of the labelled examples' losses and the sum of their weights.

        Args:
            labels: As the task's kind says: integers `[n]`, or float `[n, k]`.
            outputs: The network's output for the task: logits of classes, soft classes and several
                labels; numbers of a regression; cosines `[n, num_identities]` of an embedding,
                `[n, num_identities, directions]` for "subcenter_arcface"; L2-normalised embeddings
                `[n, size]` for `PAIRWISE_LOSSES`.
            sample_weight: Float `[n]`, at least 0; None for ones.

        Returns:
            Two float32 scalars; both 0 where nothing is labelled.

        Raises:
            ValueError: There are sample weights for one of `PAIRWISE_LOSSES`.
        """
        weight = tf.reduce_sum(self.weights(labels, outputs, sample_weight))
        return self.mean(labels, outputs, sample_weight) * weight, weight

    def adapt(self, labels: tf.Tensor, outputs: tf.Tensor) -> None:
        """Moves the state of "adacos" on by a step; does nothing for the others, which have none.

        A training step calls it before it computes the loss; validation does not call it.

        Args:
            labels: As in `__call__`.
            outputs: As in `__call__`.
        """
        if self.layer is not None:
            self.layer.adapt(labels, outputs)


def for_task(
    task: TaskSettings, class_counts: np.ndarray | None = None, layer: AdaCos | None = None
) -> TaskLoss:
    """Returns the loss that a task's settings name.

    Args:
        task: Its kind, loss, loss arguments and imbalance.
        class_counts: `[num_classes]`, the labelled examples of each class in the training split, for
            soft classes the sums of their shares; needed where `task.imbalance` is not "none".
        layer: The network's `AdaCos`; needed where the loss is "adacos".

    Raises:
        ValueError: An argument of the loss is unknown or out of its range, or something needed is not
            there.
    """
    check_loss_arguments(task)
    name = task.loss or LOSSES[task.kind][0]
    if name == _ADACOS:
        if layer is None:
            raise ValueError("the loss adacos needs the layer that holds its scale; got None")
        return TaskLoss(
            lambda labels, cosines, weight: adacos(labels, cosines, layer.scale, weight),
            _weights(task.kind, name, None),
            layer,
        )
    own = {key: value for key, value in task.loss_arguments.items() if key not in OF_HEADS}
    mean = partial(_MEANS[name], **own)
    class_weights = _class_weights(task, class_counts)
    if class_weights is not None:
        mean = partial(mean, class_weights=class_weights)
    if name in PAIRWISE_LOSSES:
        return TaskLoss(_without_weights(name, mean), _weights(task.kind, name, None))
    return TaskLoss(
        lambda labels, outputs, weight: mean(labels, outputs, sample_weight=weight),
        _weights(task.kind, name, class_weights),
    )


def distillation_for_task(
    task: TaskSettings,
) -> Callable[[tf.Tensor, distillation.Teachers], tuple[tf.Tensor, tf.Tensor]]:
    """Returns the loss by which a task learns from its teachers.

    Args:
        task: Its kind and temperature; regressions and embeddings have no use for the latter.

    Returns:
        A function of the network's output and its teachers', a list or stacked: logits of classes, soft
        classes and several labels; numbers of a regression; embeddings `[n, size]`, not cosines, of an
        embedding. It gives the sum of the examples' losses and their number, two float32 scalars.
    """
    losses: dict[str, Callable[[tf.Tensor, distillation.Teachers], tf.Tensor]] = {
        CLASSES: partial(distillation.softmax_distillation, temperature=task.distillation_temperature),
        SOFT_CLASSES: partial(
            distillation.softmax_distillation, temperature=task.distillation_temperature
        ),
        MULTI_LABEL: partial(distillation.binary_distillation, temperature=task.distillation_temperature),
        REGRESSION: distillation.regression_distillation,
        EMBEDDING: distillation.embedding_distillation,
    }
    loss = losses[task.kind]

    def distill(outputs: tf.Tensor, teachers: distillation.Teachers) -> tuple[tf.Tensor, tf.Tensor]:
        count = tf.cast(tf.shape(outputs)[0], tf.float32)
        return loss(outputs, teachers) * count, count

    return distill


def _weights(kind: str, name: str, class_weights: np.ndarray | None) -> _Function:
    if kind == CLASSES:
        return lambda labels, outputs, weight: classification.class_label_weights(
            labels, class_weights, weight
        )
    if kind == SOFT_CLASSES:
        return lambda labels, outputs, weight: classification.share_weights(labels, class_weights, weight)
    if name == "concordance":
        return lambda labels, outputs, weight: regression.concordance_weights(labels, weight)
    if kind in (MULTI_LABEL, REGRESSION):
        return lambda labels, outputs, weight: element_weights(labels, weight)
    if name == "supervised_contrastive":
        return lambda labels, outputs, weight: metric_learning.anchor_count(labels)
    if name in PAIRWISE_LOSSES:
        return lambda labels, outputs, weight: metric_learning.triplet_weight(labels)
    return lambda labels, cosines, weight: margins.identity_weights(labels, tf.shape(cosines)[1], weight)


def _without_weights(name: str, mean: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]) -> _Function:
    def unweighted(
        labels: tf.Tensor, embeddings: tf.Tensor, sample_weight: tf.Tensor | None
    ) -> tf.Tensor:
        if sample_weight is not None:
            raise ValueError(
                f"{name} compares examples with each other and takes no sample weights; mix no images "
                "of its task, or choose another loss"
            )
        return mean(labels, embeddings)

    return unweighted


def _class_weights(task: TaskSettings, counts: np.ndarray | None) -> np.ndarray | None:
    if task.imbalance == "none":
        return None
    if counts is None or len(counts) != len(task.names):
        got = "none" if counts is None else len(counts)
        raise ValueError(
            f"the imbalance {task.imbalance} needs the number of examples of each of the "
            f"{len(task.names)} classes; got {got}"
        )
    return _CLASS_WEIGHTS[task.imbalance](counts)
