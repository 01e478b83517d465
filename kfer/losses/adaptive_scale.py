"""A softmax over cosines that chooses its own scale.

Zhang et al. 2019, "AdaCos: Adaptively Scaling Cosine Logits for Effectively Learning Deep Face
Representations". The scale is the one thing that any of the losses remembers from step to step.
"""

import math

import keras
import tensorflow as tf

from kfer.losses.classification import cross_entropy
from kfer.losses.margins import identity_weights
from kfer.losses.means import keep_weighted

_LEAST_IDENTITIES = 3


def adacos(
    labels: tf.Tensor, cosines: tf.Tensor, scale: tf.Tensor, sample_weight: tf.Tensor | None = None
) -> tf.Tensor:
    """Returns the mean softmax cross-entropy of scaled cosines of the labelled examples.

    Zhang et al. 2019, "AdaCos", section 4, with a scale from `initial_scale` and `next_scale`.

    Example:
        >>> round(float(adacos([0], [[0.5, 0.0]], scale=2.0)), 4)  # log(1 + 1 / e)
        0.3133

    Args:
        labels: Integer identities `[n]`; missing where negative, and from `num_identities` up.
        cosines: Float `[n, num_identities]` in [-1, 1].
        scale: Float scalar above 0: the factor of all cosines. It has no gradient.
        sample_weight: Float `[n]`, at least 0: the weight of an example in the mean. None for ones.

    Returns:
        A float32 scalar; 0 where no example has a label and a weight.
    """
    weights = identity_weights(labels, tf.shape(cosines)[-1])
    known = tf.where(weights > 0, tf.cast(labels, tf.int32), -1)
    logits = tf.stop_gradient(tf.cast(scale, tf.float32)) * keep_weighted(cosines, weights)
    return cross_entropy(known, logits, sample_weight=sample_weight)


def initial_scale(num_identities: int) -> float:
    """Returns the fixed scale, sqrt(2) log(num_identities - 1), which is the first of the adaptive ones.

    Zhang et al. 2019, "AdaCos", section 4.1.

    Example:
        >>> round(initial_scale(101), 4)  # 1.4142 * log 100
        6.5127

    Raises:
        ValueError: There are fewer than 3 people: the scale would be 0.
    """
    if num_identities < _LEAST_IDENTITIES:
        raise ValueError(
            f"AdaCos needs at least {_LEAST_IDENTITIES} identities; got {num_identities}. Choose "
            "another loss, such as arcface"
        )
    return math.sqrt(2.0) * math.log(num_identities - 1)


def next_scale(labels: tf.Tensor, cosines: tf.Tensor, previous: tf.Tensor) -> tf.Tensor:
    """Returns the scale of a step from the batch's cosines and the previous step's scale.

    Zhang et al. 2019, "AdaCos", section 4.2: `log B / cos(min(pi / 4, m))`, where `m` is the median
    angle of the labelled examples with their own person's direction, and `B` the mean over them of the
    sum of `exp(previous * cosine)` over the other people. It falls as the angles close, so that
    examples keep a gradient.

    Example:
        >>> round(float(next_scale([0], [[0.0, 1.0, 1.0]], 1.0)), 4)  # sqrt(2) log(2 e)
        2.3945

    Args:
        labels: Integer identities `[n]`; missing where negative, and from `num_identities` up.
        cosines: Float `[n, num_identities]` in [-1, 1].
        previous: Float scalar above 0.

    Returns:
        A float32 scalar above 0, without gradient; the previous one where no example is labelled, or
        where `B` is at most 1, which would make a scale that is not above 0.
    """
    labels = tf.cast(labels, tf.int32)
    labelled = identity_weights(labels, tf.shape(cosines)[-1]) > 0
    labels = tf.boolean_mask(labels, labelled)
    cosines = tf.stop_gradient(tf.boolean_mask(tf.cast(cosines, tf.float32), labelled))
    previous = tf.cast(previous, tf.float32)
    own = tf.gather(cosines, labels, batch_dims=1)
    is_own = tf.one_hot(labels, tf.shape(cosines)[-1], on_value=True, off_value=False)
    others = tf.where(is_own, -float("inf"), previous * cosines)
    count = tf.cast(tf.size(labels), tf.float32)
    log_mean = tf.reduce_logsumexp(others) - tf.math.log(tf.maximum(count, 1.0))
    angle = _median(tf.acos(tf.clip_by_value(own, -1.0, 1.0)))
    scale = log_mean / tf.cos(tf.minimum(angle, math.pi / 4))
    return tf.where((count > 0) & (log_mean > 0), scale, previous)


@keras.saving.register_keras_serializable("kfer")
class AdaCos(keras.layers.Layer):
    """Passes cosines on unchanged, and holds AdaCos's scale, so that it is saved with the network."""

    def build(self, input_shape: tuple[int | None, int]) -> None:
        """Makes the scale for cosines `[n, num_identities]`."""
        self.scale = self.add_weight(
            shape=(),
            initializer=keras.initializers.Constant(initial_scale(input_shape[-1])),
            trainable=False,
            dtype="float32",
            autocast=False,
            # Replicas see different parts of a batch; their scales are averaged.
            aggregation="mean",
            name="scale",
        )

    def call(self, cosines: tf.Tensor) -> tf.Tensor:
        """Returns the cosines."""
        return cosines

    def adapt(self, labels: tf.Tensor, cosines: tf.Tensor) -> None:
        """Moves the scale on by a step.

        Args:
            labels: As in `next_scale`.
            cosines: As in `next_scale`.
        """
        self.scale.assign(next_scale(labels, cosines, self.scale))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns the shape of the inputs."""
        return input_shape


def _median(values: tf.Tensor) -> tf.Tensor:
    """The mean of the two middle values, or the middle one; 0 of none."""
    count = tf.size(values)
    middle = tf.sort(values)[(count - 1) // 2 : count // 2 + 1]
    return tf.math.divide_no_nan(tf.reduce_sum(middle), tf.cast(tf.size(middle), tf.float32))
