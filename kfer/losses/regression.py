"""Losses of tasks that predict numbers, such as pose, landmarks, valence or age."""

import tensorflow as tf

from kfer.losses.means import element_weights, keep_weighted, weighted_mean


def huber(
    labels: tf.Tensor, outputs: tf.Tensor, delta: float = 1.0, sample_weight: tf.Tensor | None = None
) -> tf.Tensor:
    """Returns the mean Huber loss over the labelled elements: squared near 0, linear far from it.

    Huber 1964, "Robust Estimation of a Location Parameter", section 1: of an error `e` it is `e^2 / 2`
    up to `delta` and `delta (|e| - delta / 2)` beyond.

    Example:
        >>> float(huber([[0.0, 0.0]], [[1.0, 3.0]], delta=2.0))  # (1/2 + 2 (3 - 1)) / 2
        2.25

    Args:
        labels: Float `[n, k]`; nan where missing.
        outputs: Float `[n, k]`.
        delta: The error from which the loss is linear, above 0.
        sample_weight: Float `[n]`, at least 0: the weight of an example's elements in the mean. None
            for ones.

    Returns:
        A float32 scalar; 0 where no element has a label and a weight.
    """
    errors, weights = _errors(labels, outputs, sample_weight)
    size = tf.abs(errors)
    squared = tf.minimum(size, delta)
    return weighted_mean(squared * (size - 0.5 * squared), weights)


def mean_squared_error(
    labels: tf.Tensor, outputs: tf.Tensor, sample_weight: tf.Tensor | None = None
) -> tf.Tensor:
    """Returns the mean squared error over the labelled elements.

    Bishop 2006, "Pattern Recognition and Machine Learning", equation 3.12, twice the mean.

    Example:
        >>> float(mean_squared_error([[0.0, float("nan")]], [[3.0, 1.0]]))
        9.0

    Args:
        labels: Float `[n, k]`; nan where missing.
        outputs: Float `[n, k]`.
        sample_weight: Float `[n]`, at least 0: the weight of an example's elements in the mean. None
            for ones.

    Returns:
        A float32 scalar; 0 where no element has a label and a weight.
    """
    errors, weights = _errors(labels, outputs, sample_weight)
    return weighted_mean(errors**2, weights)


def mean_absolute_error(
    labels: tf.Tensor, outputs: tf.Tensor, sample_weight: tf.Tensor | None = None
) -> tf.Tensor:
    """Returns the mean absolute error over the labelled elements.

    Least absolute deviations: Bishop 2006, "Pattern Recognition and Machine Learning", equation 1.91
    with `q = 1`.

    Example:
        >>> float(mean_absolute_error([[0.0, float("nan")]], [[-3.0, 1.0]]))
        3.0

    Args:
        labels: Float `[n, k]`; nan where missing.
        outputs: Float `[n, k]`.
        sample_weight: Float `[n]`, at least 0: the weight of an example's elements in the mean. None
            for ones.

    Returns:
        A float32 scalar; 0 where no element has a label and a weight.
    """
    errors, weights = _errors(labels, outputs, sample_weight)
    return weighted_mean(tf.abs(errors), weights)


def concordance(
    labels: tf.Tensor, outputs: tf.Tensor, sample_weight: tf.Tensor | None = None
) -> tf.Tensor:
    """Returns 1 minus the concordance correlation of each column, averaged over the columns.

    Lin 1989, "A Concordance Correlation Coefficient to Evaluate Reproducibility": of labels `x` and
    outputs `y`, `1 - CCC = mean (x - y)^2 / (variance x + variance y + (mean x - mean y)^2)`, with
    population variances. It compares the examples of a batch with each other: the loss of two halves
    is not the mean of their losses.

    Example:
        >>> round(float(concordance([[0.0], [2.0]], [[1.0], [3.0]])), 4)  # 1 / (1 + 1 + 1)
        0.3333

    Args:
        labels: Float `[n, k]`; nan where missing.
        outputs: Float `[n, k]`.
        sample_weight: Float `[n]`, at least 0: the weight of an example in the means. None for ones.

    Returns:
        A float32 scalar in [0, 2]. Columns with fewer than two labelled rows count nothing, 0 where
        there is no other; 0 too for a column whose labels and outputs are all the same number.
    """
    weights = concordance_weights(labels, sample_weight)
    labels, outputs = keep_weighted(labels, weights), keep_weighted(outputs, weights)
    totals = tf.reduce_sum(weights, 0)
    shares = tf.math.divide_no_nan(weights, totals)

    def mean(values: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(shares * values, 0)

    label_mean, output_mean = mean(labels), mean(outputs)
    variances = mean((labels - label_mean) ** 2) + mean((outputs - output_mean) ** 2)
    values = tf.math.divide_no_nan(
        mean((labels - outputs) ** 2), variances + (label_mean - output_mean) ** 2
    )
    return weighted_mean(values, tf.cast(totals > 0, tf.float32))


def concordance_weights(labels: tf.Tensor, sample_weight: tf.Tensor | None = None) -> tf.Tensor:
    """Returns the weights `concordance` gives to elements, float32 `[n, k]`.

    They are 0 where a label is missing, and in columns with fewer than two labelled rows.

    Args:
        labels: Float `[n, k]`; nan where missing.
        sample_weight: Float `[n]`, at least 0; None for ones.
    """
    weights = element_weights(labels, sample_weight)
    counts = tf.math.count_nonzero(weights, 0, dtype=tf.int32)
    return tf.where(counts >= 2, weights, 0.0)


def _errors(
    labels: tf.Tensor, outputs: tf.Tensor, sample_weight: tf.Tensor | None
) -> tuple[tf.Tensor, tf.Tensor]:
    weights = element_weights(labels, sample_weight)
    return keep_weighted(outputs, weights) - keep_weighted(labels, weights), weights
