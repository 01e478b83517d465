"""Losses of examples with partly missing labels: means over the labelled examples.

A batch in which some labels are missing gives the same loss and gradient as the batch without those
examples; without any label the loss is 0.
"""

import tensorflow as tf

# Keeps the gradient of the sine finite where the cosine is 1 or -1.
_LEAST_SQUARED_SINE = 1e-6


def masked_cross_entropy(labels: tf.Tensor, logits: tf.Tensor, label_smoothing: float = 0.0) -> tf.Tensor:
    """Returns the mean softmax cross-entropy of the labelled examples.

    Example:
        >>> float(masked_cross_entropy([0, -1], [[0.0, 0.0], [5.0, 0.0]]))  # log 2
        0.6931471824645996

    Args:
        labels: Integer class numbers `[n]`; negative where missing.
        logits: Float `[n, num_classes]`.
        label_smoothing: Share of the label that is spread evenly over all classes, in [0, 1)
            (Szegedy et al. 2016, section 7).

    Returns:
        A float32 scalar; 0 where no example has a label.
    """
    labels = tf.cast(labels, tf.int32)
    logits = tf.cast(logits, tf.float32)
    return _labelled_mean(_cross_entropy(tf.maximum(labels, 0), logits, label_smoothing), labels >= 0)


def arcface(labels: tf.Tensor, cosines: tf.Tensor, margin: float, scale: float) -> tf.Tensor:
    """Returns the mean additive angular margin loss of the labelled examples.

    Deng et al. 2019, "ArcFace", equation 3. Where the angle plus the margin passes pi, the cosine
    would rise again; there the target is `cosine - margin * sin(margin)`, as in the authors' code.

    Example:
        >>> float(arcface([0], [[1.0, 0.0]], margin=0.0, scale=1.0))  # log(1 + 1 / e)
        0.31326162815093994

    Args:
        labels: Integer identities `[n]`; missing where negative, and from `num_identities` up.
        cosines: Float `[n, num_identities]` in [-1, 1], of the embedding with each class's weights.
        margin: Added to the angle of the labelled class, in radians.
        scale: Factor of all cosines.

    Returns:
        A float32 scalar; 0 where no example has a label.
    """
    labels = tf.cast(labels, tf.int32)
    cosines = tf.cast(cosines, tf.float32)
    num_identities = tf.shape(cosines)[-1]
    labelled = (labels >= 0) & (labels < num_identities)
    labels = tf.where(labelled, labels, 0)
    target = tf.gather(cosines, labels, batch_dims=1)
    sine = tf.sqrt(tf.maximum(1.0 - target**2, _LEAST_SQUARED_SINE))
    moved = tf.where(
        target > -tf.cos(margin),
        target * tf.cos(margin) - sine * tf.sin(margin),
        target - margin * tf.sin(margin),
    )
    is_target = tf.one_hot(labels, num_identities)
    logits = scale * (cosines + is_target * (moved - target)[:, tf.newaxis])
    return _labelled_mean(_cross_entropy(labels, logits, 0.0), labelled)


def _cross_entropy(labels: tf.Tensor, logits: tf.Tensor, label_smoothing: float) -> tf.Tensor:
    hard = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
    if not label_smoothing:
        return hard
    even = tf.reduce_logsumexp(logits, -1) - tf.reduce_mean(logits, -1)
    return (1.0 - label_smoothing) * hard + label_smoothing * even


def _labelled_mean(values: tf.Tensor, labelled: tf.Tensor) -> tf.Tensor:
    # Selected, not multiplied by zero: an unlabelled example may have an infinite value.
    total = tf.reduce_sum(tf.where(labelled, values, 0.0))
    return total / tf.maximum(tf.reduce_sum(tf.cast(labelled, tf.float32)), 1.0)
