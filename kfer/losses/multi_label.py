"""Losses of tasks that say yes or no to several things at once, such as action units."""

import tensorflow as tf

from kfer.losses.classification import focal_values
from kfer.losses.means import element_weights, keep_weighted, weighted_mean


def binary_cross_entropy(
    labels: tf.Tensor, logits: tf.Tensor, sample_weight: tf.Tensor | None = None
) -> tf.Tensor:
    """Returns the mean sigmoid cross-entropy over the labelled elements.

    Bishop 2006, "Pattern Recognition and Machine Learning", equation 4.90, for each element.

    Example:
        >>> labels = [[1.0, float("nan")]]
        >>> round(float(binary_cross_entropy(labels, [[0.0, 9.0]])), 4)  # log 2
        0.6931

    Args:
        labels: Float `[n, num_labels]` in [0, 1]; nan where missing.
        logits: Float `[n, num_labels]`.
        sample_weight: Float `[n]`, at least 0: the weight of an example's elements in the mean. None
            for ones.

    Returns:
        A float32 scalar; 0 where no element has a label and a weight.
    """
    weights = element_weights(labels, sample_weight)
    labels, logits = keep_weighted(labels, weights), keep_weighted(logits, weights)
    return weighted_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels, logits), weights)


def binary_focal(
    labels: tf.Tensor,
    logits: tf.Tensor,
    gamma: float = 2.0,
    alpha: float | None = None,
    sample_weight: tf.Tensor | None = None,
) -> tf.Tensor:
    """Returns the mean focal loss over the labelled elements: easy ones count little.

    Lin et al. 2017, "Focal Loss for Dense Object Detection", equations 4 and 5.

    Example:
        >>> round(float(binary_focal([[1.0]], [[0.0]], gamma=2.0, alpha=0.25)), 4)  # log 2 / 4 / 4
        0.0433

    Args:
        labels: Float `[n, num_labels]` in [0, 1]; nan where missing.
        logits: Float `[n, num_labels]`.
        gamma: How much easy elements lose, at least 0; 2 was the authors' best.
        alpha: Factor of the loss where the label is 1, in [0, 1]; it is 1 - alpha where the label is 0.
            None for a factor of 1 on both. The authors took 0.25 with a gamma of 2.
        sample_weight: Float `[n]`, at least 0: the weight of an example's elements in the mean. None
            for ones.

    Returns:
        A float32 scalar; 0 where no element has a label and a weight.
    """
    weights = element_weights(labels, sample_weight)
    labels, logits = keep_weighted(labels, weights), keep_weighted(logits, weights)
    if_yes, if_no = (1.0, 1.0) if alpha is None else (alpha, 1.0 - alpha)
    values = if_yes * labels * focal_values(logits, gamma)
    values += if_no * (1.0 - labels) * focal_values(-logits, gamma)
    return weighted_mean(values, weights)
