"""Weighted means over the labelled part of a batch."""

import tensorflow as tf


def example_weights(labelled: tf.Tensor, sample_weight: tf.Tensor | None) -> tf.Tensor:
    """Returns the weights of examples, float32 `[n]`; 0 where there is no label.

    Args:
        labelled: Bool `[n]`.
        sample_weight: Float `[n]`, at least 0; None for ones.
    """
    weights = tf.cast(labelled, tf.float32)
    return weights if sample_weight is None else weights * tf.cast(sample_weight, tf.float32)


def element_weights(labels: tf.Tensor, sample_weight: tf.Tensor | None = None) -> tf.Tensor:
    """Returns what each number of a label counts in the mean, float32 `[n, k]`; 0 where it is missing.

    Args:
        labels: Float `[n, k]`; nan where missing.
        sample_weight: Float `[n]`, at least 0; None for ones.
    """
    weights = tf.cast(~tf.math.is_nan(tf.cast(labels, tf.float32)), tf.float32)
    return (
        weights if sample_weight is None else weights * tf.cast(sample_weight, tf.float32)[:, tf.newaxis]
    )


def weighted_mean(values: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """Returns the weighted mean, a float32 scalar; 0 where all weights are 0.

    Args:
        values: Float32; may be infinite or nan where the weight is 0.
        weights: Float32 of the same shape, at least 0.
    """
    # Selected, not multiplied by zero: 0 times infinity is nan.
    total = tf.reduce_sum(tf.where(weights > 0, values * weights, 0.0))
    return tf.math.divide_no_nan(total, tf.reduce_sum(weights))


def keep_weighted(values: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """Returns the values as float32, with 0 where they have no weight.

    Their gradient is then 0 even where they are infinite or nan.

    Args:
        values: Float, of the shape of the weights or with further axes after theirs.
        weights: Float32, at least 0.
    """
    values = tf.cast(values, tf.float32)
    further = values.shape.rank - weights.shape.rank
    weighted = tf.reshape(weights > 0, tf.concat([tf.shape(weights), [1] * further], 0))
    return tf.where(weighted, values, 0.0)
