"""What turns the sound of a clip into features in time.

Sound of 0 alone is none: a clip without sound, or a modality that was dropped.
"""

from collections.abc import Sequence

import keras
import tensorflow as tf
from keras import layers, ops

from kfer import spec

# Windows of 25 ms every 10 ms, and mel bands over what speech needs, as speech recognition takes them.
_WINDOW, _STEP, _TRANSFORM = 400, 160, 512
_BANDS, _LOWEST, _HIGHEST = 64, 60.0, 7600.0
# The logarithm's floor, and what brings its values near to [-1, 1]: -13.8 is silence.
_FLOOR, _MIDDLE, _RANGE = 1e-6, -6.0, 5.0
_WIDTHS: Sequence[int] = (16, 32, 64)


@keras.saving.register_keras_serializable("kfer")
class LogMel(layers.Layer):
    """The logarithm of a mel spectrogram (Stevens et al. 1937), computed with `tf.signal`."""

    def call(self, sound: tf.Tensor) -> tf.Tensor:
        """Returns float32 `[n, windows, 64]`, near [-1, 1], of sound float `[n, samples]` in [-1, 1]."""
        sound = tf.cast(sound, tf.float32)
        spectrum = tf.abs(tf.signal.stft(sound, _WINDOW, _STEP, _TRANSFORM))
        bands = tf.signal.linear_to_mel_weight_matrix(
            _BANDS, _TRANSFORM // 2 + 1, spec.SAMPLE_RATE, _LOWEST, _HIGHEST
        )
        return (tf.math.log(tf.square(spectrum) @ bands + _FLOOR) - _MIDDLE) / _RANGE

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns the shape of the spectrogram."""
        return (input_shape[0], num_windows(int(input_shape[1] or 0)), _BANDS)


def num_windows(samples: int) -> int:
    """Returns how many windows a sound has."""
    return max((samples - _WINDOW) // _STEP + 1, 0)


def encoded(sound: keras.KerasTensor) -> keras.KerasTensor:
    """Returns features in time, float32 `[n, steps, 64]`, 0 where the sound is 0 alone.

    Three convolutions over time and pitch, each of which halves both, and the mean over pitch: a step is
    80 ms.

    Args:
        sound: Float `[n, samples]` in [-1, 1], of `spec.SAMPLE_RATE`.
    """
    there = ops.any(sound != 0, axis=1)
    features = ops.expand_dims(LogMel(dtype="float32", name="log_mel")(sound), axis=-1)
    for depth, width in enumerate(_WIDTHS):
        # The kernel is as high as it is long: a glide of the voice is a slope in both.
        features = layers.Conv2D(
            *(width, 5 if depth == 0 else 3),
            strides=2,
            padding="same",
            use_bias=False,
            dtype="float32",
            name=f"sound.convolution{depth + 1}",
        )(features)
        features = layers.BatchNormalization(
            momentum=0.9, dtype="float32", name=f"sound.normalization{depth + 1}"
        )(features)
        features = ops.relu(features)
    # Where in pitch it is says as much as what it is.
    steps, bands, width = features.shape[1:]
    features = ops.reshape(features, (-1, steps, bands * width))
    features = layers.Dense(_WIDTHS[-1], "relu", dtype="float32", name="sound.projection")(features)
    return features * ops.reshape(ops.cast(there, features.dtype), (-1, 1, 1))
