"""Losses of tasks whose examples are each of one class, or of shares of classes."""

import tensorflow as tf

from kfer.losses.means import example_weights, keep_weighted, weighted_mean


def class_label_weights(
    labels: tf.Tensor, class_weights: tf.Tensor | None = None, sample_weight: tf.Tensor | None = None
) -> tf.Tensor:
    """Returns what each example counts in the mean, float32 `[n]`; 0 where the label is missing.

    Args:
        labels: Integer class numbers `[n]`; negative where missing.
        class_weights: Float `[num_classes]`, at least 0; None for ones.
        sample_weight: Float `[n]`, at least 0; None for ones.
    """
    labels = tf.cast(labels, tf.int32)
    weights = example_weights(labels >= 0, sample_weight)
    if class_weights is None:
        return weights
    return weights * tf.gather(tf.cast(class_weights, tf.float32), tf.maximum(labels, 0))


def share_weights(
    labels: tf.Tensor, class_weights: tf.Tensor | None = None, sample_weight: tf.Tensor | None = None
) -> tf.Tensor:
    """Returns what each class of each example counts in the mean, float32 `[n, num_classes]`.

    A row without class and sample weights adds up to 1, or to 0 where the label is missing.

    Args:
        labels: Float `[n, num_classes]`, at least 0: shares or votes; a row with a nan is missing.
        class_weights: Float `[num_classes]`, at least 0; None for ones.
        sample_weight: Float `[n]`, at least 0; None for ones.
    """
    labels = tf.cast(labels, tf.float32)
    weights = example_weights(~tf.reduce_any(tf.math.is_nan(labels), -1), sample_weight)
    labels = keep_weighted(labels, weights)
    shares = tf.math.divide_no_nan(labels, tf.reduce_sum(labels, -1, keepdims=True))
    if class_weights is not None:
        shares *= tf.cast(class_weights, tf.float32)
    return shares * weights[:, tf.newaxis]


def cross_entropy(
    labels: tf.Tensor,
    logits: tf.Tensor,
    label_smoothing: float = 0.0,
    class_weights: tf.Tensor | None = None,
    sample_weight: tf.Tensor | None = None,
) -> tf.Tensor:
    """Returns the mean softmax cross-entropy of the labelled examples.

    Example:
        >>> round(float(cross_entropy([0, -1], [[0.0, 0.0], [5.0, 0.0]])), 4)  # log 2
        0.6931

    Args:
        labels: Integer class numbers `[n]`; negative where missing.
        logits: Float `[n, num_classes]`.
        label_smoothing: Share of the label that is spread evenly over all classes, in [0, 1)
            (Szegedy et al. 2016, "Rethinking the Inception Architecture", section 7).
        class_weights: Float `[num_classes]`, at least 0: the weight of an example in the mean, by its
            label. None for ones.
        sample_weight: Float `[n]`, at least 0: a further factor of that weight. None for ones.

    Returns:
        A float32 scalar; 0 where no example has a label and a weight.
    """
    weights = class_label_weights(labels, class_weights, sample_weight)
    labels = tf.maximum(tf.cast(labels, tf.int32), 0)
    logits = keep_weighted(logits, weights)
    values = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
    if label_smoothing:
        even = tf.reduce_logsumexp(logits, -1) - tf.reduce_mean(logits, -1)
        values = (1.0 - label_smoothing) * values + label_smoothing * even
    return weighted_mean(values, weights)


def soft_cross_entropy(
    labels: tf.Tensor,
    logits: tf.Tensor,
    class_weights: tf.Tensor | None = None,
    sample_weight: tf.Tensor | None = None,
) -> tf.Tensor:
    """Returns the mean softmax cross-entropy of examples whose label is a distribution over classes.

    Barsoum et al. 2016, "Training Deep Networks for Facial Expression Recognition with Crowd-Sourced
    Label Distribution" (FER+), the scheme "cross-entropy loss". The label `(0.25, 0.75)` gives what two
    examples give, one of each class, with the sample weights 0.25 and 0.75; class weights too.

    Example:
        >>> labels = [[1.0, 3.0]]  # three voters of four: log 4 and log 4/3
        >>> round(float(soft_cross_entropy(labels, [[0.0, 1.0986]])), 4)  # log 4 / 4 + 3 log(4/3) / 4
        0.5623

    Args:
        labels: Float `[n, num_classes]`, at least 0. A row need not add up to 1: its shares count.
            Missing where a row has a nan, or is all 0.
        logits: Float `[n, num_classes]`.
        class_weights: Float `[num_classes]`, at least 0: weights of the shares in the mean. None for
            ones.
        sample_weight: Float `[n]`, at least 0: a further factor of an example's weights. None for ones.

    Returns:
        A float32 scalar; 0 where no example has a label and a weight.
    """
    weights = share_weights(labels, class_weights, sample_weight)
    logits = keep_weighted(logits, tf.reduce_sum(weights, -1))
    return weighted_mean(-tf.nn.log_softmax(logits), weights)


def focal(
    labels: tf.Tensor,
    logits: tf.Tensor,
    gamma: float = 2.0,
    class_weights: tf.Tensor | None = None,
    sample_weight: tf.Tensor | None = None,
) -> tf.Tensor:
    """Returns the mean focal loss of the labelled examples: easy ones count little.

    Lin et al. 2017, "Focal Loss for Dense Object Detection", equation 4, with the softmax's probability
    `p` of the label: `-(1 - p)^gamma log p`.

    Example:
        >>> round(float(focal([0], [[0.0, 0.0]], gamma=2.0)), 4)  # log 2 / 4
        0.1733

    Args:
        labels: Integer class numbers `[n]`; negative where missing.
        logits: Float `[n, num_classes]`, of at least two classes.
        gamma: How much easy examples lose, at least 0; 0 is the cross-entropy. 2 was the authors' best.
        class_weights: Float `[num_classes]`, at least 0: the weight of an example in the mean, by its
            label; the authors' alpha. None for ones.
        sample_weight: Float `[n]`, at least 0: a further factor of that weight. None for ones.

    Returns:
        A float32 scalar; 0 where no example has a label and a weight.
    """
    weights = class_label_weights(labels, class_weights, sample_weight)
    labels = tf.maximum(tf.cast(labels, tf.int32), 0)
    logits = keep_weighted(logits, weights)
    is_label = tf.one_hot(labels, tf.shape(logits)[-1], on_value=True, off_value=False)
    others = tf.reduce_logsumexp(tf.where(is_label, -float("inf"), logits), -1)
    log_odds = tf.gather(logits, labels, batch_dims=1) - others
    return weighted_mean(focal_values(log_odds, gamma), weights)


def focal_values(log_odds: tf.Tensor, gamma: float) -> tf.Tensor:
    """Returns `-(1 - p)^gamma log p`, float32, for `p` with these log odds, `log p / (1 - p)`.

    Args:
        log_odds: Float32 of any shape.
        gamma: At least 0.
    """
    # A power of 1 - p has an infinite gradient where p rounds to 1 and gamma is below 1; this has not.
    return tf.exp(-gamma * tf.nn.softplus(log_odds)) * tf.nn.softplus(-log_odds)
