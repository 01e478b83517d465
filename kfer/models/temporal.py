"""What turns the features of a clip's frames into features of the clip.

A frame whose pixels are all 0 is no frame: clips are padded with such ones, and a face that was not found
is one. Its features are 0, by which everything behind knows it.
"""

from collections.abc import Sequence

import keras
from keras import layers, ops

_RECURRENT = {"rnn": layers.SimpleRNN, "lstm": layers.LSTM, "gru": layers.GRU}
_BIDIRECTIONAL = "bidirectional_"
#: The layers whose outputs the heads of a network of clips take: of all tasks, and of identity.
CLIP_FEATURES, CLIP_IDENTITY = "clip_features", "clip_identity"
#: Likewise, of tasks that are of each frame.
FRAME_FEATURES = "frame_features"
#: Of convolutions in time: the layer in front of them, and those behind each, which are numbered.
PROJECTION, NORMALIZATION = "projection", "normalization"
#: Frames that a convolution in time sees, of every second one in the next layer, and so on.
_KERNEL = 3


@keras.saving.register_keras_serializable("kfer")
class Fold(layers.Layer):
    """Makes frames of clips, `[n, frames, ...]`, to so many images, `[n * frames, ...]`."""

    def call(self, clips: keras.KerasTensor) -> keras.KerasTensor:
        """Returns the images."""
        return ops.reshape(clips, (-1, *clips.shape[2:]))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns the shape of the images."""
        return (None, *input_shape[2:])


@keras.saving.register_keras_serializable("kfer")
class Unfold(layers.Layer):
    """Makes features of images those of clips again, and sets those of frames that are none to 0."""

    def call(self, features: keras.KerasTensor, clips: keras.KerasTensor) -> keras.KerasTensor:
        """Returns features `[n, frames, ...]` of `[n * frames, ...]` and clips `[n, frames, h, w, c]`."""
        there = ops.any(clips != 0, axis=(2, 3, 4))
        features = ops.reshape(features, (-1, clips.shape[1], *features.shape[1:]))
        return features * _along(ops.cast(there, features.dtype), features)

    def compute_output_shape(
        self, features_shape: tuple[int | None, ...], clips_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        """Returns the shape of the features."""
        return (clips_shape[0], clips_shape[1], *features_shape[1:])


@keras.saving.register_keras_serializable("kfer")
class MeanOverFrames(layers.Layer):
    """The mean of the frames that are there; of none of them, 0."""

    def call(self, features: keras.KerasTensor, there: keras.KerasTensor) -> keras.KerasTensor:
        """Returns `[n, ...]` of features `[n, frames, ...]` and what is there, bool `[n, frames]`."""
        weights = ops.cast(there, features.dtype)
        total = ops.sum(features * _along(weights, features), axis=1)
        number = ops.maximum(ops.sum(weights, axis=1), 1)
        return total / ops.reshape(number, (-1, *[1] * (len(total.shape) - 1)))

    def compute_output_shape(
        self, features_shape: tuple[int | None, ...], there_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        """Returns the shape of the mean."""
        return (features_shape[0], *features_shape[2:])


@keras.saving.register_keras_serializable("kfer")
class AttentionOverFrames(layers.Layer):
    """A mean whose weights are learned of each frame's features, in a softmax over those that are there.

    Ilse et al. 2018 (https://arxiv.org/abs/1802.04712), equations 7 and 8.

    Args:
        units: Of the hidden layer.
        **arguments: What every Keras layer takes.
    """

    def __init__(self, units: int, **arguments: object) -> None:
        super().__init__(**arguments)
        self.units = units
        self.hidden = layers.Dense(units, "tanh", dtype=self.dtype_policy, name="hidden")
        self.score = layers.Dense(1, use_bias=False, dtype=self.dtype_policy, name="score")

    def build(self, features_shape: tuple[int | None, ...], there_shape: object = None) -> None:
        """Makes the weights."""
        self.hidden.build(features_shape)
        self.score.build((*features_shape[:-1], self.units))

    def call(self, features: keras.KerasTensor, there: keras.KerasTensor) -> keras.KerasTensor:
        """Returns `[n, size]` of features `[n, frames, size]` and what is there, bool `[n, frames]`."""
        scores = self.score(self.hidden(features))[..., 0]
        weights = ops.softmax(ops.where(there, scores, -1e9), axis=1)
        weights = ops.cast(weights, features.dtype) * ops.cast(there, features.dtype)
        return ops.sum(features * weights[..., None], axis=1)

    def compute_output_shape(
        self, features_shape: tuple[int | None, ...], there_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        """Returns the shape of the mean."""
        return (features_shape[0], features_shape[2])

    def get_config(self) -> dict[str, object]:
        """Returns what the constructor takes."""
        return super().get_config() | {"units": self.units}


def frames_there(features: keras.KerasTensor) -> keras.KerasTensor:
    """Returns which frames are there, bool `[n, frames]`, of features `[n, frames, ...]`."""
    return ops.any(features != 0, axis=tuple(range(2, len(features.shape))))


def of_clip(
    features: keras.KerasTensor, kind: str, units: Sequence[int], prefix: str = ""
) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """Returns features of clips, `[n, size]`, and of their frames, `[n, frames, size]`.

    Those of a frame are of all up to it, but for "mean" and "attention", where they are its own, and for
    the bidirectional ones, where they are of the whole clip. Frames that are none change nothing.

    Args:
        features: `[n, frames, h, w, c]`, which are averaged over h and w, or `[n, frames, c]`.
        kind: As `ModelSettings.temporal`.
        units: Of each layer.
        prefix: Of the layers' names.
    """
    there = frames_there(features)
    if len(features.shape) == 5:
        features = ops.mean(features, axis=(2, 3))
    sequence = ops.cast(features, "float32")
    if kind == "mean":
        return MeanOverFrames(dtype="float32")(sequence, there), sequence
    if kind == "attention":
        attention = AttentionOverFrames(units[0], dtype="float32")
        return attention(sequence, there), sequence
    if kind == "convolution":
        sequence = _convolved(sequence, there, units, prefix)
        return MeanOverFrames(dtype="float32")(sequence, there), sequence
    for depth, width in enumerate(units):
        sequence, *states = recurrent(kind, width, depth, prefix)(sequence, mask=there)
    # Of an LSTM's states the first is what it gives; of the two directions each has its own.
    if not kind.startswith(_BIDIRECTIONAL):
        return states[0], sequence
    return ops.concatenate([states[0], states[len(states) // 2]], axis=-1), sequence


def _convolved(
    sequence: keras.KerasTensor, there: keras.KerasTensor, units: Sequence[int], prefix: str
) -> keras.KerasTensor:
    """Causal convolutions of growing reach, each added to what it saw.

    As Bai et al. 2018 (https://arxiv.org/abs/1803.01271), section 3, with layers normalised in place of
    weights: without, they die at the rates that recurrent layers like.
    """
    kept = ops.cast(there, "float32")[..., None]
    project = layers.Dense(units[0], dtype="float32", name=f"{prefix}{PROJECTION}")
    sequence = project(sequence) * kept
    for depth, width in enumerate(units):
        convolution = layers.Conv1D(
            *(width, _KERNEL),
            padding="causal",
            dilation_rate=2**depth,
            dtype="float32",
            name=f"{prefix}convolution{depth + 1}",
        )
        normalize = layers.LayerNormalization(dtype="float32", name=f"{prefix}{NORMALIZATION}{depth + 1}")
        found = ops.relu(normalize(convolution(sequence)))
        sequence = (found + sequence if width == sequence.shape[-1] else found) * kept
    return sequence


def recurrent(kind: str, units: int, depth: int, prefix: str = "") -> layers.Layer:
    """Returns a recurrent layer that gives its outputs and its states.

    Args:
        kind: "rnn", "lstm" or "gru", or one of them after "bidirectional_".
        units: Of the layer, or of each direction.
        depth: How many are in front of it.
        prefix: Of its name.
    """
    name = f"{prefix}{kind}{depth + 1}"
    made = _RECURRENT[kind.removeprefix(_BIDIRECTIONAL)](
        units, return_sequences=True, return_state=True, dtype="float32", name=name
    )
    return layers.Bidirectional(made, name=name) if kind.startswith(_BIDIRECTIONAL) else made


def _along(weights: keras.KerasTensor, features: keras.KerasTensor) -> keras.KerasTensor:
    """Weights `[n, frames]` with an axis of 1 for each further one of the features."""
    return ops.reshape(weights, (-1, features.shape[1], *[1] * (len(features.shape) - 2)))
