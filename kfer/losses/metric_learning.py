"""Losses that compare the embeddings of a batch with each other.

An example whose label is missing is removed first: it is nobody's positive, and nobody's negative. So
a batch must hold several images of a person, and a batch that is split is compared within its parts.
"""

from collections.abc import Callable

import tensorflow as tf

from kfer.losses import addons


def triplet_semihard(labels: tf.Tensor, embeddings: tf.Tensor, margin: float = 0.2) -> tf.Tensor:
    """Returns the mean triplet loss over all pairs of one person, each with a semi-hard negative.

    Schroff et al. 2015, "FaceNet", sections 3.1 and 3.2, on squared distances `d`: of an anchor and a
    positive it is `max(d(anchor, positive) - d(anchor, negative) + margin, 0)`. The negative is the
    nearest of those that are farther from the anchor than the positive is; where there is none, the
    farthest, as tensorflow-addons has it, whose function this is where that package is installed.

    Example:
        >>> embeddings = [[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]]  # squared distances 0.8, 0.4; 2
        >>> round(float(triplet_semihard([7, 7, 8], embeddings, margin=0.2)), 4)  # (0 + 0.6) / 2
        0.3

    Args:
        labels: Integer identities `[n]`; negative where missing.
        embeddings: Float `[n, size]`, L2-normalised.
        margin: Least gap between squared distances, at least 0; they are in [0, 4].

    Returns:
        A float32 scalar; 0 where no two labelled examples are of one person, or no two of different ones.
    """
    labels, embeddings = _labelled(labels, embeddings)
    loss = addons.triplet_semihard if addons.available() else _semihard
    return _where_comparable(labels, embeddings, lambda: loss(labels, embeddings, margin))


def triplet_hard(
    labels: tf.Tensor, embeddings: tf.Tensor, margin: float = 0.2, soft: bool = False
) -> tf.Tensor:
    """Returns the mean triplet loss over anchors, each with its farthest positive and nearest negative.

    Hermans et al. 2017, "In Defense of the Triplet Loss", equation 5, on distances that are not squared
    (their section 3.2): `max(farthest - nearest + margin, 0)`, or with the soft margin
    `log(1 + exp(farthest - nearest))`. An anchor without a positive is its own, at a distance of 0, as
    tensorflow-addons has it, whose function this is where that package is installed.

    Example:
        >>> embeddings = [[1.0, 0.0], [0.6, 0.8], [-0.6, 0.8]]  # distances 0.8944, 1.2, 1.7889
        >>> round(float(triplet_hard([7, 7, 8], embeddings, margin=1.0)), 4)  # (0.1056 + 0.6944 + 0) / 3
        0.2667

    Args:
        labels: Integer identities `[n]`; negative where missing.
        embeddings: Float `[n, size]`, L2-normalised.
        margin: Least gap between distances, at least 0; they are in [0, 2].
        soft: Whether the margin is the soft one; `margin` then counts nothing.

    Returns:
        A float32 scalar; 0 where no two labelled examples are of one person, or no two of different ones.
    """
    labels, embeddings = _labelled(labels, embeddings)
    loss = addons.triplet_hard if addons.available() else _hard
    return _where_comparable(labels, embeddings, lambda: loss(labels, embeddings, margin, soft))


def supervised_contrastive(
    labels: tf.Tensor, embeddings: tf.Tensor, temperature: float = 0.1
) -> tf.Tensor:
    """Returns the mean supervised contrastive loss over the anchors that have a positive.

    Khosla et al. 2020, "Supervised Contrastive Learning", equation 2 (`L_out`), as a mean where they
    have a sum: the mean over an anchor's positives of the softmax cross-entropy of picking that
    positive among all other examples, by cosine over temperature.

    Example:
        >>> embeddings = [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]
        >>> round(float(supervised_contrastive([7, 7, 8], embeddings, 1.0)), 4)  # log(1 + 1 / e)
        0.3133

    Args:
        labels: Integer identities `[n]`; negative where missing.
        embeddings: Float `[n, size]`, L2-normalised.
        temperature: Divisor of the cosines, above 0; the authors took 0.1.

    Returns:
        A float32 scalar; 0 where no two labelled examples are of one person.
    """
    labels, embeddings = _labelled(labels, embeddings)
    same, _ = _relations(labels)
    logits = tf.matmul(embeddings, embeddings, transpose_b=True) / temperature
    others = tf.linalg.set_diag(logits, tf.fill(tf.shape(labels), logits.dtype.min))
    log_shares = logits - tf.reduce_logsumexp(others, -1, keepdims=True)
    positives = tf.cast(same, tf.float32)
    counts = tf.reduce_sum(positives, -1)
    values = -tf.math.divide_no_nan(tf.reduce_sum(positives * log_shares, -1), counts)
    return tf.math.divide_no_nan(
        tf.reduce_sum(values), tf.cast(tf.math.count_nonzero(counts), tf.float32)
    )


def anchor_count(labels: tf.Tensor) -> tf.Tensor:
    """Returns how many examples have another one of the same person, a float32 scalar.

    Args:
        labels: Integer identities `[n]`; negative where missing.
    """
    labels = tf.cast(labels, tf.int32)
    same, _ = _relations(tf.boolean_mask(labels, labels >= 0))
    return tf.reduce_sum(tf.cast(tf.reduce_any(same, -1), tf.float32))


def triplet_weight(labels: tf.Tensor) -> tf.Tensor:
    """Returns how many examples the triplet losses compare, a float32 scalar.

    All labelled ones; 0 where no two of them are of one person, or no two of different ones.

    Args:
        labels: Integer identities `[n]`; negative where missing.
    """
    labels = tf.cast(labels, tf.int32)
    labels = tf.boolean_mask(labels, labels >= 0)
    return tf.cast(_comparable(labels), tf.float32) * tf.cast(tf.size(labels), tf.float32)


def _semihard(labels: tf.Tensor, embeddings: tf.Tensor, margin: float) -> tf.Tensor:
    same, different = _relations(labels)
    distances = _squared_distances(embeddings)
    pairs = tf.where(same)
    to_positive = tf.gather_nd(distances, pairs)
    to_all = tf.gather(distances, pairs[:, 0])
    negative = tf.gather(different, pairs[:, 0])
    farther = negative & (to_all > to_positive[:, tf.newaxis])
    nearest_farther = tf.reduce_min(tf.where(farther, to_all, float("inf")), -1)
    farthest = tf.reduce_max(tf.where(negative, to_all, 0.0), -1)
    to_negative = tf.where(tf.reduce_any(farther, -1), nearest_farther, farthest)
    return tf.reduce_mean(tf.nn.relu(to_positive - to_negative + margin))


def _hard(labels: tf.Tensor, embeddings: tf.Tensor, margin: float, soft: bool) -> tf.Tensor:
    same, different = _relations(labels)
    squared = _squared_distances(embeddings)
    # The gradient of a root is infinite at 0.
    distances = tf.where(squared > 0, tf.sqrt(tf.where(squared > 0, squared, 1.0)), 0.0)
    farthest = tf.reduce_max(tf.where(same, distances, 0.0), -1)
    nearest = tf.reduce_min(tf.where(different, distances, float("inf")), -1)
    gap = farthest - nearest
    return tf.reduce_mean(tf.nn.softplus(gap) if soft else tf.nn.relu(gap + margin))


def _labelled(labels: tf.Tensor, embeddings: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    labels = tf.cast(labels, tf.int32)
    labelled = labels >= 0
    embeddings = tf.cast(embeddings, tf.float32)
    return tf.boolean_mask(labels, labelled), tf.boolean_mask(embeddings, labelled)


def _relations(labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Which two examples are of one person, but not the same example, and which of different ones."""
    equal = labels[:, tf.newaxis] == labels
    return tf.linalg.set_diag(equal, tf.zeros_like(labels, tf.bool)), ~equal


def _comparable(labels: tf.Tensor) -> tf.Tensor:
    same, different = _relations(labels)
    return tf.reduce_any(same) & tf.reduce_any(different)


def _where_comparable(
    labels: tf.Tensor, embeddings: tf.Tensor, loss: Callable[[], tf.Tensor]
) -> tf.Tensor:
    # Not a constant: eagerly, its gradient would be None, and not 0.
    return tf.cond(_comparable(labels), loss, lambda: 0.0 * tf.reduce_sum(embeddings))


def _squared_distances(embeddings: tf.Tensor) -> tf.Tensor:
    norms = tf.reduce_sum(embeddings**2, -1)
    products = tf.matmul(embeddings, embeddings, transpose_b=True)
    return tf.nn.relu(norms[:, tf.newaxis] + norms - 2.0 * products)
