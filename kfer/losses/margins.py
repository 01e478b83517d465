"""Losses over the cosines of embeddings with a direction of each person: softmax with a margin.

The cosines are those of L2-normalised embeddings with L2-normalised directions.
"""

import tensorflow as tf

from kfer.losses.means import example_weights, keep_weighted, weighted_mean

# Keeps the gradient of the sine finite where the cosine is 1 or -1.
_LEAST_SQUARED_SINE = 1e-6


def identity_weights(
    labels: tf.Tensor, num_identities: int | tf.Tensor, sample_weight: tf.Tensor | None = None
) -> tf.Tensor:
    """Returns what each example counts in the mean, float32 `[n]`; 0 where the label is missing.

    Args:
        labels: Integer identities `[n]`; missing where negative, and from `num_identities` up.
        num_identities: People that are trained on.
        sample_weight: Float `[n]`, at least 0; None for ones.
    """
    labels = tf.cast(labels, tf.int32)
    return example_weights((labels >= 0) & (labels < num_identities), sample_weight)


def arcface(
    labels: tf.Tensor,
    cosines: tf.Tensor,
    margin: float = 0.5,
    scale: float = 64.0,
    sample_weight: tf.Tensor | None = None,
) -> tf.Tensor:
    """Returns the mean additive angular margin loss of the labelled examples.

    Deng et al. 2019, "ArcFace", equation 3; margin and scale are theirs. Where the angle plus the margin
    passes pi, the cosine would rise again; there the target is `cosine - margin * sin(margin)`, as in the
    authors' code.

    Example:
        >>> round(float(arcface([0], [[1.0, 0.0]], margin=0.0, scale=1.0)), 4)  # log(1 + 1 / e)
        0.3133

    Args:
        labels: Integer identities `[n]`; missing where negative, and from `num_identities` up.
        cosines: Float `[n, num_identities]` in [-1, 1].
        margin: Added to the angle of the labelled class, in radians, at least 0.
        scale: Factor of all cosines, above 0.
        sample_weight: Float `[n]`, at least 0: the weight of an example in the mean. None for ones.

    Returns:
        A float32 scalar; 0 where no example has a label and a weight.
    """
    labels, cosines, weights = _labelled(labels, cosines, sample_weight)
    target = tf.gather(cosines, labels, batch_dims=1)
    sine = tf.sqrt(tf.maximum(1.0 - target**2, _LEAST_SQUARED_SINE))
    moved = tf.where(
        target > -tf.cos(margin),
        target * tf.cos(margin) - sine * tf.sin(margin),
        target - margin * tf.sin(margin),
    )
    return _softmax_loss(labels, cosines, target - moved, scale, weights)


def cosface(
    labels: tf.Tensor,
    cosines: tf.Tensor,
    margin: float = 0.35,
    scale: float = 64.0,
    sample_weight: tf.Tensor | None = None,
) -> tf.Tensor:
    """Returns the mean large margin cosine loss of the labelled examples.

    Wang et al. 2018, "CosFace", equation 4; margin and scale are theirs.

    Example:
        >>> round(float(cosface([0], [[1.0, 0.0]], margin=0.5, scale=2.0)), 4)  # log(1 + 1 / e)
        0.3133

    Args:
        labels: Integer identities `[n]`; missing where negative, and from `num_identities` up.
        cosines: Float `[n, num_identities]` in [-1, 1].
        margin: Taken from the cosine of the labelled class, at least 0.
        scale: Factor of all cosines, above 0.
        sample_weight: Float `[n]`, at least 0: the weight of an example in the mean. None for ones.

    Returns:
        A float32 scalar; 0 where no example has a label and a weight.
    """
    labels, cosines, weights = _labelled(labels, cosines, sample_weight)
    return _softmax_loss(labels, cosines, tf.fill(tf.shape(labels), margin), scale, weights)


def subcenter_arcface(
    labels: tf.Tensor,
    cosines: tf.Tensor,
    margin: float = 0.5,
    scale: float = 64.0,
    sample_weight: tf.Tensor | None = None,
) -> tf.Tensor:
    """Returns the ArcFace loss where each person has several directions, of which the nearest counts.

    Deng et al. 2020, "Sub-center ArcFace", section 3.2: images of a person that are unlike the
    others, or wrongly labelled, gather about a direction of their own.

    Example:
        >>> cosines = [[[0.2, 1.0], [0.0, -0.4]]]  # two people, two directions each
        >>> round(float(subcenter_arcface([0], cosines, margin=0.0, scale=1.0)), 4)  # log(1 + 1 / e)
        0.3133

    Args:
        labels: Integer identities `[n]`; missing where negative, and from `num_identities` up.
        cosines: Float `[n, num_identities, directions]` in [-1, 1].
        margin: As in `arcface`.
        scale: As in `arcface`.
        sample_weight: As in `arcface`.

    Returns:
        A float32 scalar; 0 where no example has a label and a weight.
    """
    # Here too, beside `arcface`: the maximum of nan has no gradient to blank out.
    weights = identity_weights(labels, tf.shape(cosines)[1], sample_weight)
    nearest = tf.reduce_max(keep_weighted(cosines, weights), -1)
    return arcface(labels, nearest, margin, scale, sample_weight)


def center(
    labels: tf.Tensor,
    cosines: tf.Tensor,
    scale: float = 64.0,
    center_weight: float = 1.0,
    sample_weight: tf.Tensor | None = None,
) -> tf.Tensor:
    """Returns the mean of the softmax loss and the centre loss of the labelled examples.

    Wen et al. 2016, "A Discriminative Feature Learning Approach for Deep Face Recognition", equation 5,
    on the unit sphere: half the squared distance of an embedding to its person's centre (equation 2) is
    there 1 minus their cosine. Each person's direction is the centre as well as the class of the softmax,
    and learned by its gradient, where the authors keep two, and move the centres by a rate of their own.

    Example:
        >>> cosines = [[0.5, 0.5]]
        >>> round(float(center([0], cosines, scale=8.0, center_weight=2.0)), 4)  # log 2 + 2 / 2
        1.6931

    Args:
        labels: Integer identities `[n]`; missing where negative, and from `num_identities` up.
        cosines: Float `[n, num_identities]` in [-1, 1].
        scale: Factor of the softmax's cosines, above 0.
        center_weight: Factor of the centre loss, at least 0. By itself, without the softmax, the centre
            loss would be least with everybody in one place.
        sample_weight: Float `[n]`, at least 0: the weight of an example in the mean. None for ones.

    Returns:
        A float32 scalar; 0 where no example has a label and a weight.
    """
    labels, cosines, weights = _labelled(labels, cosines, sample_weight)
    distances = 1.0 - tf.gather(cosines, labels, batch_dims=1)
    softmax_loss = _softmax_loss(labels, cosines, tf.zeros_like(distances), scale, weights)
    return softmax_loss + center_weight * weighted_mean(distances, weights)


def _labelled(
    labels: tf.Tensor, cosines: tf.Tensor, sample_weight: tf.Tensor | None
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    weights = identity_weights(labels, tf.shape(cosines)[-1], sample_weight)
    labels = tf.where(weights > 0, tf.cast(labels, tf.int32), 0)
    return labels, keep_weighted(cosines, weights), weights


def _softmax_loss(
    labels: tf.Tensor, cosines: tf.Tensor, less: tf.Tensor, scale: float, weights: tf.Tensor
) -> tf.Tensor:
    """The mean cross-entropy of scaled cosines, the label's smaller by `less`, float32 `[n]`."""
    is_label = tf.one_hot(labels, tf.shape(cosines)[-1])
    logits = scale * (cosines - is_label * less[:, tf.newaxis])
    return weighted_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits), weights)
