"""What a generator and a discriminator learn from the discriminator's scores."""

import tensorflow as tf


def discriminator(real: tf.Tensor, fake: tf.Tensor, kind: str, label_smoothing: float = 0.0) -> tf.Tensor:
    """Returns what the discriminator loses.

    "non_saturating": the cross entropy of real against generated (Goodfellow et al. 2014, equation 1,
    https://arxiv.org/abs/1406.2661), where real images count as real by 1 - `label_smoothing` (Salimans
    et al. 2016, section 3.4). "hinge": mean(max(0, 1 - real)) + mean(max(0, 1 + fake)) (Miyato et al.
    2018, equation 16, https://arxiv.org/abs/1802.05957).

    Args:
        real: Scores of real images, float32 `[n]`.
        fake: Scores of generated images, float32 `[m]`.
        kind: "non_saturating" or "hinge".
        label_smoothing: In [0, 1); for "non_saturating" alone.

    Returns:
        A float32 scalar. Of scores of 0, 2 log 2 or 2.
    """
    if kind == "hinge":
        return tf.reduce_mean(tf.nn.relu(1.0 - real)) + tf.reduce_mean(tf.nn.relu(1.0 + fake))
    smoothed = (1.0 - label_smoothing) * tf.nn.softplus(-real) + label_smoothing * tf.nn.softplus(real)
    return tf.reduce_mean(smoothed) + tf.reduce_mean(tf.nn.softplus(fake))


def generator(fake: tf.Tensor, kind: str) -> tf.Tensor:
    """Returns what the generator loses.

    "non_saturating": -log sigmoid(score) (Goodfellow et al. 2014, section 3); "hinge": -score (Miyato et
    al. 2018, equation 17).

    Args:
        fake: Scores of generated images, float32 `[n]`.
        kind: "non_saturating" or "hinge".

    Returns:
        A float32 scalar, the mean.
    """
    return -tf.reduce_mean(fake) if kind == "hinge" else tf.reduce_mean(tf.nn.softplus(-fake))


def gradient_penalty(gradients: tf.Tensor) -> tf.Tensor:
    """Returns R1: half the mean squared length of the score's gradient by real images.

    Mescheder et al. 2018, equation 9, https://arxiv.org/abs/1801.04406, for a weight of 1.

    Args:
        gradients: Of each image's own score, float32 `[n, ...]`.
    """
    squares = tf.reduce_sum(tf.square(gradients), axis=tf.range(1, tf.rank(gradients)))
    return 0.5 * tf.reduce_mean(squares)
